"""Values as lines of InfluxDB's line protocol, and the parser of a line's timestamp.

Each line has one field: InfluxDB rejects a point with several fields as a whole, so that one bad
field would cost the others. Fields are always written as floats: an integer written once would fix
the field's type, and InfluxDB would reject every float after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bat2influx.reading import Origin, Reading, Row, Stored

_DIGITS = 19  # of a timestamp from 2001 to 2262
MAX_HEADS = 50_000  # cached heads of lines, 460 bytes each; devices of a fleet come and go

_IN_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_IN_KEY_OR_TAG = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})


class Encoder:
    """Encodes values of one measurement, with the same tags on each.

    `device_tags` are the parts of a value's origin that become tags: portal, service, instance.
    Names and tags must be as the configuration allows them: not empty, printable, without a
    backslash, the measurement without `=`; others have no unambiguous form in line protocol.
    """

    def __init__(
        self,
        measurement: str,
        tags: tuple[tuple[str, str], ...] = (),
        device_tags: tuple[str, ...] = (),
    ) -> None:
        self._measurement = measurement.translate(_IN_MEASUREMENT)
        self._tags = tags
        self._device_tags = device_tags
        self._heads: dict[str, dict[Stored, str]] = {}  # by site
        self._count = 0  # of these heads

    def encode(self, reading: Reading) -> bytes:
        """Return the line for `reading`, without a newline; the timestamp is in nanoseconds."""
        time_ns, site, field, value, origin = reading
        return f"{self._head(site, field, origin)}{value!r} {time_ns}".encode()

    def lines(self, site: str, rows: Iterable[Row]) -> list[bytes]:
        """Return the lines for the values of a site, in the form of `encode`."""
        heads = self._heads.setdefault(site, {})
        return [
            f"{heads.get(stored) or self._learn(site, stored)}{value!r} {time_ns}".encode()
            for stored, value, time_ns in rows
        ]

    def _learn(self, site: str, stored: Stored) -> str:
        if self._count >= MAX_HEADS:
            self._count = 0
            for heads in self._heads.values():
                heads.clear()
        self._count += 1
        head = self._heads[site][stored] = self._head(site, stored.field, stored.origin)
        return head

    def _head(self, site: str, field: str, origin: Origin) -> str:
        tags = dict(self._tags)
        if site:
            tags["site"] = site
        for name in self._device_tags:
            part = getattr(origin, name)
            if part not in ("", None):
                tags[name] = str(part)
        parts = [self._measurement]
        for name, value in sorted(tags.items()):
            parts.append(f"{name.translate(_IN_KEY_OR_TAG)}={value.translate(_IN_KEY_OR_TAG)}")
        return f"{','.join(parts)} {field.translate(_IN_KEY_OR_TAG)}="


def stamp_of(line: bytes) -> int | None:
    """Return the timestamp of `line`, in ns; None if a damaged file has left no valid one.

    A number that does not fit into the 64 bits of InfluxDB's time is not valid.
    """
    text = line.rpartition(b" ")[2]
    return int(text) if text.removeprefix(b"-").isdigit() and len(text) < 20 else None


def oldest_stamp(lines: Sequence[bytes]) -> int | None:
    """Return the oldest timestamp of some lines, in ns; None if no line has one."""
    texts = [line.rpartition(b" ")[2] for line in lines]
    if {*map(len, texts)} == {_DIGITS} and b"".join(texts).isdigit():
        return int(min(texts))  # texts of equal length have the same order, in a third of the time
    return min((each for each in map(stamp_of, lines) if each is not None), default=None)


def measurement_of(line: bytes) -> str:
    """Return the measurement of `line`, without the backslashes of line protocol."""
    text = re.match(r"(?:\\.|[^,\\ ])*", line.decode("utf-8", "replace"))
    return re.sub(r"\\(.)", r"\1", text[0]) if text else ""


def moved(line: bytes, step_ns: int) -> bytes:
    """Return `line` with its timestamp moved by `step_ns`; a line without one stays as it is."""
    stamp = stamp_of(line)
    return line if stamp is None else b"%b %d" % (line.rpartition(b" ")[0], stamp + step_ns)
