"""One object per line: what a record becomes, whatever is in it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.json_lines import (
    MAX_LINE,
    ErrorRecord,
    Outcome,
    Record,
    ResultRecord,
    line,
    show,
    timestamp,
)
from bat2influx.reading import NS


@dataclass(frozen=True)
class Sample(Record):
    """A field of each sort."""

    kind = "sample"

    text: str | None = None
    more: str | None = None
    number: float | None = None
    words: tuple[str, ...] = ()
    state: Outcome = Outcome.OK


def test_an_object_has_its_kind_first_and_then_its_fields_in_order() -> None:
    """Null is what is not known, and an enumeration its word."""
    assert line(Sample("a", None, 1.5, ("b", "c"), Outcome.WARNING)) == (
        '{"kind": "sample", "text": "a", "more": null, "number": 1.5, "words": ["b", "c"],'
        ' "state": "warning"}'
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_null(number: float) -> None:
    """NaN would end a strict reader."""
    assert json.loads(line(Sample(number=number)))["number"] is None


def test_a_text_of_a_stranger_is_as_printable_as_in_the_other_output() -> None:
    """No escape sequence gets through, raw or escaped; lines stay lines, and letters letters."""
    made = line(Sample("Boat\x1b[2J\x07\x9b31m\u202e\u2028\r\ud800\nCellar №1"))
    assert "\\u001b" not in made
    assert "\\u202e" not in made
    assert json.loads(made)["text"] == "Boat [2J  31m    \nCellar №1"


# With lone surrogates among them
ANY_TEXT = st.lists(st.integers(0, 0x10FFFF)).map(lambda codes: "".join(map(chr, codes)))


@given(st.text(), ANY_TEXT, st.floats())
def test_a_line_is_printable_ascii_and_an_object(text: str, more: str, number: float) -> None:
    """Whatever is in it, in any locale and on any terminal."""
    made = line(Sample(text, more, number))
    assert made.isascii()
    assert made.isprintable()
    assert json.loads(made).keys() == {"kind", "text", "more", "number", "words", "state"}


@pytest.mark.parametrize("character", ["x", "é", "\U0001f50b", '"', "\n"])
def test_a_line_is_bounded(character: str) -> None:
    """Each text is cut at the same length, and ends with an ellipsis; a short one stays whole."""
    made = line(Sample(character * 100_000, "short"))
    assert MAX_LINE // 3 < len(made) + len("\n") <= MAX_LINE
    found = json.loads(made)
    assert found["text"].endswith(f"{character}…")
    assert found["more"] == "short"


def test_the_bound_is_what_readers_take() -> None:
    """asyncio's readline() raises for a line of more than 64 KiB, its newline included."""
    assert MAX_LINE <= 2**16


def test_a_text_that_fits_is_whole() -> None:
    """The bound is for lines, and not for what usual ones have."""
    text = "x" * (MAX_LINE - 200)
    assert json.loads(line(Sample(text)))["text"] == text


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (1_795_000_000 * NS + 999_999_999, "2026-11-18T11:06:40Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (-62_135_596_800 * NS, "0001-01-01T00:00:00Z"),
        (10**30, None),
        (-(10**30), None),
    ],
)
def test_a_time_is_as_rfc_3339_has_it(time_ns: int | None, text: str | None) -> None:
    """In UTC and whole seconds, which jq's fromdate takes; what is no time is not known."""
    assert timestamp(time_ns) == text
    if text:
        assert str(datetime.fromisoformat(text).tzinfo) == "UTC"


def test_a_record_is_printed_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout."""
    show(ErrorRecord("spool", 69, "spool.sqlite is damaged"))
    show(ResultRecord("check", Outcome.FAILED, 3, 2, 1, 69))
    out, err = capsys.readouterr()
    assert err == ""
    assert [json.loads(each) for each in out.splitlines()] == [
        {
            "kind": "error",
            "command": "spool",
            "exit_code": 69,
            "text": "spool.sqlite is damaged",
        },
        {
            "kind": "result",
            "command": "check",
            "status": "failed",
            "ok": 3,
            "warnings": 2,
            "failed": 1,
            "exit_code": 69,
        },
    ]
