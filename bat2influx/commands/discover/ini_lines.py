"""Makes lines for the ini file of a survey; they can be pasted unchanged.

Rules: every block is valid, whatever the device publishes. A setting holds only checked names,
paths and instances; a text of the device is in a separate comment, in one line of printable text.
Values that a battery owner wants are active lines; the others are commented out, because each would
be read once a second, and so are the few lines that can replace them. A block is smaller than the
largest allowed file, with room for the other sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bat2influx.commands.discover.survey import ServiceInstance, Survey
from bat2influx.config.checks import is_key
from bat2influx.config.inifile import MAX_FILE, could_be_field
from bat2influx.printable import plain
from bat2influx.venus.presets import PRESETS
from bat2influx.venus.protocol import is_portal_id
from bat2influx.venus.units import DEFAULT_FIELDS, WANTED, unit_of

ROOM = MAX_FILE * 3 // 4  # bytes for all the services; the rest is for comments and other sections
_NINE = {field.path: field.name for field in DEFAULT_FIELDS}  # paths of vebus
_SEPARATORS = re.compile(r"[/_.-]+")
_WIDEST = 48  # columns; longer names are not aligned


@dataclass(frozen=True, slots=True)
class Reached:
    """How the connection to a device was made, for [Battery].

    `port` is None for the usual one; `fingerprint` is the certificate's, None without TLS. `prefix`
    is what a bridge puts in front of the topics.
    """

    address: str
    port: int | None = None
    fingerprint: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of [Fields]; `leaf` is service/instance/path, with the value of now and its unit."""

    name: str
    leaf: str
    comment: str
    wanted: bool
    stored: bool  # as one of the nine, so that its line is commented out
    value: float
    unit: str  # '' where it has none

    @property
    def live(self) -> bool:
        return self.wanted and not self.stored


def heading(address: str, model: str, name: str, portal: str) -> str:
    """Return a comment that names the device; unknown parts are ''."""
    device = " ".join(part for part in (plain(model), f'"{plain(name)}"' if name else "") if part)
    known = f", portal id {plain(portal)}" if portal else ""
    return f"# {device or 'a Venus device'} at {plain(address)}{known}"


def battery(reached: Reached) -> list[str]:
    """Return [Battery] with the lines for the connection to the device."""
    lines = ["[Battery]", f"address = {reached.address}"]
    if reached.port is not None:
        lines.append(f"port = {reached.port}")
    if reached.fingerprint:
        lines += ["tls = yes", f"fingerprint = {reached.fingerprint}"]
    if reached.prefix:
        lines.append(f"topic_prefix = {reached.prefix}")
    return lines


def block(
    survey: Survey, reached: Reached, *, alone: bool = True, everything: bool = False
) -> list[str]:
    """Return the lines for one device: [Battery], then [Fields] with what it has.

    With `alone` no other device is behind the same broker, so that no serial is needed. With
    `everything` nothing is left out, and the lines may be larger than an allowed file.
    """
    lines = battery(reached)
    if not alone and is_portal_id(survey.portal):
        lines.append(f"serial = {survey.portal}")
    multis = [place for place in survey.places() if place.service == "vebus"]
    if len(multis) > 1:
        others = " and ".join(str(place.instance) for place in multis[1:5])
        lines += [
            f"# the vebus that the nine default fields are read from; there is also {others}",
            f"instance = {multis[0].instance}",
        ]
    services = _services(survey, multis[0] if multis else None, everything=everything)
    texts = [_formatted(head, rows) for head, rows in services]
    fields = [line for text in (texts if everything else _fitting(texts)) for line in text]
    lines += ["", "[Fields]"]
    if not multis and any(line and line[0] != "#" for line in fields):
        lines += [
            "# the nine default fields are of vebus, which this device does not have",
            "defaults = no",
        ]
    return lines + _in_few_lines(survey, multis) + fields


def rows(survey: Survey, *, everything: bool = False) -> list[Row]:
    """Return the lines of [Fields] as values; `everything` has configuration among them, too."""
    multi = next((place for place in survey.places() if place.service == "vebus"), None)
    return [row for _, own in _services(survey, multi, everything=everything) for row in own]


def presets_of(survey: Survey) -> tuple[str, ...]:
    """Return the presets of which a device has something."""
    has = {(place.service, path) for place, paths in survey.numbers.items() for path in paths}
    return tuple(key for key, own in PRESETS.items() if has & {(p.service, p.path) for p in own})


def live_fields(survey: Survey) -> list[str]:
    """Return the lines of [Fields] that a device without vebus needs, without the comments.

    Empty if it has nothing that a battery owner wants.
    """
    lines = block(survey, Reached(""))
    below = lines[lines.index("[Fields]") :]
    live = [line for line in below if line and line[0] != "#"]
    return live if len(live) > 2 else []


def _in_few_lines(survey: Survey, multis: Sequence[ServiceInstance]) -> list[str]:
    """Return, commented out, presets of which the device has values, and a line for instances."""
    lines, presets = [], presets_of(survey)
    kinds = [place.service for place in survey.places()]
    wanted = {p.service for key in presets for p in PRESETS[key]} | {"vebus"}
    several = [kind for kind in dict.fromkeys(kinds) if kind in wanted and kinds.count(kind) > 1]
    if presets:
        lines += [
            "# instead of all the lines below, with the names in bat2influx.ini(5)",
            f"# presets = {', '.join(presets)}",
        ]
    if several:
        line = f"# several of {' and '.join(several)}: this stores all, with the tag instance"
        more = f"; remove instance = {multis[0].instance} above" if len(multis) > 1 else ""
        lines += [f"{line}{more}", "# instances = tag"]
    return lines


def _services(
    survey: Survey, multi: ServiceInstance | None, *, everything: bool
) -> Iterator[tuple[str, list[Row]]]:
    """Yield each service's heading and rows: the wanted, and then the others."""
    places = survey.places(everything=everything)
    kinds = [place.service for place in places]
    used = {*_NINE.values()}
    for place in places:
        paths = survey.numbers[place]
        wanted = [path for path in WANTED.get(place.service, ()) if path in paths]
        others = sorted(paths.keys() - {*wanted})
        several = kinds.count(place.service) > 1
        rows = []
        for path in (*wanted, *others):
            is_nine = place == multi and path in _NINE
            name = _NINE[path] if is_nine else _name(place, path, used, several=several)
            if name is None:
                continue
            used.add(name)
            unit = unit_of(place.service, path)
            comment = f"{paths[path]:.10g} {unit}".strip()
            comment += ", stored by default" if is_nine else ""
            leaf, value = f"{place}/{path}", paths[path]
            rows.append(Row(name, leaf, comment, path in wanted, is_nine, value, unit))
        names = ", ".join(f'"{name}"' for name in survey.names_of(place))
        yield f"# {place}{': ' if names else ''}{names}", rows


def _name(place: ServiceInstance, path: str, used: set[str], *, several: bool) -> str | None:
    """Return a name that is not in use, as in SolarchargerYieldPower; None if there can be none."""
    parts = path.replace("Dc/0/", "Dc/").split("/")
    middle = (str(place.instance),) if several else ()
    words = _SEPARATORS.split("/".join((place.service, *middle, *parts)))
    first, *rest = (word[:1].upper() + word[1:] for word in words)
    name = "".join(rest if rest and rest[0].startswith(first) else (first, *rest))
    if not is_key(name) or not could_be_field(name, path):  # the file would treat it as a secret
        return None
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{name}_{number}"
    return free


def _formatted(head: str, rows: Sequence[Row]) -> list[str]:
    def width(texts: Iterator[str]) -> int:
        return max((len(text) for text in texts if len(text) <= _WIDEST), default=0)

    names = [row.name if row.live else f"# {row.name}" for row in rows]
    wide, leaf_wide = width(iter(names)), width(row.leaf for row in rows)
    lines = ["", head]
    commented = False
    for name, row in zip(names, rows, strict=True):
        if not row.wanted and not commented:
            lines.append("# other values; each is read once a second if you remove its #")
            commented = True
        lines.append(f"{name:<{wide}} = {row.leaf:<{leaf_wide}}  # {row.comment}")
    return lines


def _fitting(texts: Sequence[list[str]]) -> list[list[str]]:
    """Return the services' lines, shortened at their ends so that all together fit into ROOM."""
    left, kept = ROOM, dict(enumerate(texts))
    by_size = sorted(kept, key=lambda number: _size(kept[number]))
    for done, number in enumerate(by_size):
        share = left // (len(by_size) - done)
        if _size(kept[number]) > share:
            kept[number] = _shortened(kept[number], share)
        left -= _size(kept[number])
    return [kept[number] for number in range(len(texts))]


def _shortened(lines: Sequence[str], share: int) -> list[str]:
    left, kept = share - 80, 0  # the line about the others takes no more
    for line in lines:
        left -= _size([line])
        if left < 0:
            break
        kept += 1
    more = len(lines) - kept
    return [*lines[:kept], f"# … and {more} more, which --all shows"] if kept > 2 else []


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
