"""Reads the rows of an answer, and checks their types: a server may answer anything. Pure."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from bat2influx.influx.influxql import server_duration

T = TypeVar("T")
QueryRow = dict[str, Any]
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")


class OddAnswerError(Exception):
    """An answer that the database would not give; the text says why."""


def column(row: QueryRow, name: str, kind: type[T]) -> T:
    """Return the value of a column. Raises OddAnswerError for none, or one of another kind."""
    found = row.get(name)
    if type(found) is not kind:
        raise OddAnswerError(f"it has no valid {name!r}")
    return found


def text(row: QueryRow, name: str) -> str:
    """Return a name or a statement of the server, with printable characters only."""
    found = column(row, name, str)
    if not found.replace("\n", " ").isprintable():
        raise OddAnswerError(f"its {name!r} has unprintable characters")
    return found


def seconds(row: QueryRow, name: str) -> int:
    """Return a duration, in s."""
    try:
        return server_duration(column(row, name, str))
    except ValueError:
        raise OddAnswerError(f"its {name!r} is not a duration") from None


def moment(row: QueryRow, name: str) -> str:
    """Return a time, as RFC 3339 has it in UTC, which is safe within a statement."""
    found = column(row, name, str)
    if not _MOMENT.fullmatch(found):
        raise OddAnswerError(f"its {name!r} is not a time")
    return found
