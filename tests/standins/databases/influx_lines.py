"""A parser of line protocol like InfluxDB's, for the peers that simulate its versions 2 and 3.

Rules: no code is shared with the daemon. The errors of a line have the texts of InfluxDB 2, which
are those of 1.x (influxdata/influxdb, models/points.go), so that a test can compare them with a
real server. A text value does not continue in the next line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

Value = float | int | str | bool

# A line is key, fields, timestamp with spaces between; spaces can be escaped or, in fields, quoted.
_KEY = re.compile(r"(?:\\.|[^\\ ]|\\$)+")
_FIELDS = re.compile(r'(?:"(?:\\.|[^"\\])*"|\\.|[^\\" ])+')
_OF_KEY = re.compile(r"((?:\\.|[^\\,]|\\$)*)(,?)")
_OF_FIELDS = re.compile(r'((?:"(?:\\.|[^"\\])*"|\\.|[^\\",])*)(,?)')
_FLOAT = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_INTEGER = re.compile(r"-?\d+i")
_STAMP = re.compile(r"-?\d+")
_TRUE, _FALSE = ("t", "T", "true", "True", "TRUE"), ("f", "F", "false", "False", "FALSE")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1  # of an integer and of a timestamp
TYPES = {float: "float", int: "integer", str: "string", bool: "boolean"}


class LineError(ValueError):
    """A line cannot be parsed; the text is the server's reason."""


@dataclass(frozen=True)
class Point:
    """A parsed line; `key` is measurement and tags as written, `time` the number in the line."""

    line: str
    key: str
    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: dict[str, Value]
    time: int | None


def lines_of(body: bytes) -> list[str]:
    """Return the lines of a body that are neither empty nor comments."""
    lines = (line.strip(" \r") for line in body.decode().split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def parse(line: str) -> Point:
    """Return the point of a line. Raises LineError."""
    key = _KEY.match(line)
    if key is None or line.startswith(","):
        raise LineError("missing measurement")
    rest = line[key.end() :].lstrip(" ")
    if not rest:
        raise LineError("missing fields")
    measurement, *pairs = _parts(_OF_KEY, key[0])
    tags = dict(map(_tag, pairs))
    if len(tags) < len(pairs):
        raise LineError("duplicate tags")
    fields = _FIELDS.match(rest)
    if fields is None or rest[fields.end() :].startswith('"'):
        raise LineError("unbalanced quotes")
    values = dict(map(_field, _parts(_OF_FIELDS, fields[0])))
    stamp = rest[fields.end() :].strip(" ")
    time = _stamp(stamp) if stamp else None
    return Point(line, key[0], _plain(measurement), tuple(sorted(tags.items())), values, time)


def _parts(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for found in pattern.finditer(text):
        yield found[1]
        if not found[2]:
            return


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = _pair(text)
    if not name:
        raise LineError("missing tag key")
    if not equals or not value:
        raise LineError("missing tag value")
    if re.search(r"(?<!\\)=", value):
        raise LineError("invalid tag format")
    return _plain(name), _plain(value)


def _field(text: str) -> tuple[str, Value]:
    name, equals, value = _pair(text)
    if not equals:
        raise LineError("invalid field format")
    if not name:
        raise LineError("missing field key")
    if not value:
        raise LineError("missing field value")
    return _plain(name), _value(value)


def _value(text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return _in_range(text[:-1], f"unable to parse integer {text[:-1]}: ")
    if _FLOAT.fullmatch(text):
        if math.isinf(float(text)):
            raise LineError("invalid float")
        return float(text)
    raise LineError("invalid number" if text[0] in "-.0123456789nN" else "invalid boolean")


def _stamp(text: str) -> int:
    if not _STAMP.fullmatch(text):
        raise LineError("point is invalid" if " " in text else "bad timestamp")
    return _in_range(text)


def _in_range(text: str, what: str = "") -> int:
    if not _SMALLEST <= int(text) <= _LARGEST:
        raise LineError(f'{what}strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def _pair(text: str) -> tuple[str, str, str]:
    found = re.match(r"(?s)((?:\\.|[^\\=])*)(=?)(.*)", text)
    assert found is not None  # every part may be empty
    return found[1], found[2], found[3]


def _plain(text: str) -> str:
    return re.sub(r"\\([, =])", r"\1", text)
