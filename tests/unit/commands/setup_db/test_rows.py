"""Rows of an answer: their types, and the error about an invalid one."""

from __future__ import annotations

from typing import Any

import pytest

from bat2influx.commands.setup_db.rows import (
    OddAnswerError,
    column,
    moment,
    seconds,
    text,
)

ROW: dict[str, Any] = {
    "name": "raw",
    "query": "CREATE x\nBEGIN",
    "default": True,
    "time": 5,
    "duration": "2160h0m0s",
    "start_time": "2026-07-01T00:00:00Z",
    "end_time": "2026-07-01T00:00:00.123456789Z",
    "escape": "a\x1b[2J",
    "quote": "2026-07-01T00:00:00Z' OR '1",
    "null": None,
}


def test_a_column_of_the_right_type_is_returned() -> None:
    """A text, a number, a boolean, a duration in s and a time."""
    assert text(ROW, "name") == "raw"
    assert text(ROW, "query") == "CREATE x\nBEGIN"
    assert column(ROW, "default", bool) is True
    assert column(ROW, "time", int) == 5
    assert seconds(ROW, "duration") == 2160 * 3600
    assert moment(ROW, "start_time") == "2026-07-01T00:00:00Z"
    assert moment(ROW, "end_time").endswith(".123456789Z")


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (text, "missing"),
        (text, "null"),
        (text, "time"),
        (text, "escape"),
        (seconds, "name"),
        (seconds, "time"),
        (moment, "name"),
        (moment, "quote"),
        (lambda row, name: column(row, name, int), "default"),
        (lambda row, name: column(row, name, bool), "time"),
    ],
)
def test_an_odd_column_is_named(read: Any, name: str) -> None:
    """A boolean is not a number, and unprintable text is no name."""
    with pytest.raises(OddAnswerError, match=name):
        read(ROW, name)
