"""What commands print with `--json`: JSON Lines, one object per line (docs/json.md has every key).

Rules: an object is a Record, a dataclass whose fields are its keys, and has its kind in the key
"kind". A text is as printable as in the other output, and in ASCII, so that neither a terminal nor
a locale matters. Unknown is null, and so is a number that JSON does not have. A line is bounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar

from bat2influx.commands.output import say
from bat2influx.printable import clean, shortened
from bat2influx.reading import NS

# Bytes with the newline: asyncio's StreamReader.readline() and others read lines up to 64 KiB.
MAX_LINE = 65_000

OPTION = "print JSON Lines: one object per line"  # what --help says of --json


@dataclass(frozen=True)
class Record:
    """An object; a subclass has `kind`, and its fields in the order of the keys.

    A field is a text, a number, a bool, an Enum of fixed words, None, or a tuple of fixed words.
    """

    kind: ClassVar[str]


@dataclass(frozen=True)
class ErrorRecord(Record):
    """Why a command has no result; `exit_code` as in sysexits.h."""

    kind = "error"

    command: str
    exit_code: int
    text: str


class Outcome(Enum):
    """How a step, or a whole command, ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class ResultRecord(Record):
    """The last line of a command with several: how many parts succeeded or failed."""

    kind = "result"

    command: str
    status: Outcome
    ok: int
    warnings: int
    failed: int
    exit_code: int


def show(record: Record) -> None:
    """Print a record on stdout."""
    say(line(record))


def line(record: Record) -> str:
    """Return a record as a line of at most MAX_LINE bytes, all of them printable ASCII.

    Where it would be longer, each text is cut at the same length, and ends with an ellipsis.
    """
    given = {each.name: getattr(record, each.name) for each in fields(record)}
    longest = MAX_LINE
    text = _dumped(record.kind, given, longest)
    while len(text) >= MAX_LINE and longest > 1:
        longest //= 2
        text = _dumped(record.kind, given, longest)
    return text


def timestamp(time_ns: int | None) -> str | None:
    """Return a time (ns since 1970) as RFC 3339 has it, in UTC and whole seconds.

    None where the time is not known, or is none of the years 1 to 9999.
    """
    if time_ns is None:
        return None
    try:
        return datetime.fromtimestamp(time_ns // NS, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _dumped(kind: str, given: Mapping[str, Any], longest: int) -> str:
    values = {key: _value(value, longest) for key, value in given.items()}
    return json.dumps({"kind": kind, **values}, allow_nan=False)


def _value(value: Any, longest: int) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return shortened(clean(value), longest)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
