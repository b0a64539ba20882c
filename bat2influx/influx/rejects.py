"""What rows a database rejects, whatever their value, once a row alone has proven it.

Pure: lines and reasons in, what to send together out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bat2influx.influx.influxql import quote_name
from bat2influx.influx.lineprotocol import stamp_of

_NEVER = -(2**63)


class KnownRejects:
    """What rows are rejected for, whatever their value, once a row alone has proven it.

    It is their field, whose type is another or whose series is one too many, or their age: what
    is older than a row beyond the retention policy is beyond it, too. Rows of a known kind are
    sent by themselves, and one request tells whether it still holds.
    """

    def __init__(self) -> None:
        self._causes: dict[bytes, str] = {}  # by head
        self._age = _NEVER  # stamp of the newest row known to be too old

    def sort(self, lines: Sequence[bytes]) -> list[Sequence[bytes]]:
        """Return what to send together, the last first."""
        if not self._causes and self._age == _NEVER:
            return [lines] if lines else []
        kinds: dict[bytes | None, list[bytes]] = {}
        for line in lines:
            head: bytes | None = _head(line)
            kind = b"" if _stamp(line) <= self._age else head if head in self._causes else None
            kinds.setdefault(kind, []).append(line)
        sound = kinds.pop(None, None)
        return [*kinds.values(), *([sound] if sound else [])]

    def explains(self, part: Sequence[bytes], reason: str) -> bool:
        """Return whether each row of `part` is of a kind known to be rejected for `reason`."""
        if _is_age(reason):
            return max(map(_stamp, part)) <= self._age
        heads = set(map(_head, part))
        return len(heads) == 1 and self._causes.get(heads.pop()) == cause_of(reason)

    def learn(self, part: Sequence[bytes], reason: str) -> bool:
        """Take in that `part` was rejected; return whether that is something new."""
        before = self._age, len(self._causes)
        if _is_age(reason):
            self._age = max(self._age, *map(_stamp, part))
        elif _is_kind(reason):
            self._causes[_head(part[0])] = cause_of(reason)
        return before != (self._age, len(self._causes))

    def accepted(self, part: Sequence[bytes]) -> None:
        """Forget what no longer holds."""
        if self._causes:
            for line in part:
                self._causes.pop(_head(line), None)
        if self._age != _NEVER and min(map(_stamp, part)) <= self._age:
            self._age = _NEVER


def advice(reason: str, line: bytes) -> str:
    """Return what to do about a row that is rejected for `reason`; nothing where that is unknown.

    No statement of InfluxDB 1 frees the type of a field but that which takes all of a measurement
    (tried on 1.6.7: neither DELETE nor DROP SERIES does; INFLUXDB, last section).
    """
    if "field type conflict" not in reason and "column type" not in reason:
        return ""
    how = "write to another measurement (under [Influx])"
    if reason.startswith("partial write"):  # 2 has more in front, and 3 columns
        name = quote_name(_measurement(line))
        how += f", or give up all that this one has, by DROP MEASUREMENT {name}"
    return how


def _measurement(line: bytes) -> str:
    """Return the measurement of a line, without the backslashes of line protocol."""
    text = re.match(r"(?:\\.|[^,\\ ])*", line.decode("utf-8", "replace"))
    return re.sub(r"\\(.)", r"\1", text[0]) if text else ""


def _head(line: bytes) -> bytes:
    """Return measurement, tags and field of a line, which have one type together."""
    return line.rpartition(b"=")[0]


def _stamp(line: bytes) -> int:
    """Return the stamp of `line`; one that has none is newer than all."""
    stamp = stamp_of(line)
    return -_NEVER if stamp is None else stamp


def _is_age(reason: str) -> bool:
    return "retention policy" in reason


def _is_kind(reason: str) -> bool:
    """Return whether all rows of a field are rejected for this; with InfluxDB 3 its type alone."""
    if "column type" in reason:
        return True
    if "of line protocol" in reason:
        return False
    return "partial write" in reason and "unable to parse" not in reason


def cause_of(reason: str) -> str:
    """Return a reason without its count of dropped rows, which is wrong and differs each time.

    Nor does it have the rows themselves, which InfluxDB 1.12 and 2 name when they are too old.
    """
    if reason.startswith("remoteAddr: "):  # VictoriaMetrics has our port, and the row
        reason = re.sub(r"^remoteAddr: .*?; requestURI: .*?; ", "", reason)
        reason = re.sub(r"(influx line) \".*\"", r"\1", reason)
    reason = re.sub(r" *\bdropped=[0-9]+", "", reason)
    return re.sub(r"\bdropped [0-9]+ (points .*?)(?: - oldest point.*)?$", r"\1", reason)
