"""Untrusted text in one line, and durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.printable import clean, plain, shortened, some, span


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("Akku größer", "Akku größer"),
        ("two\nlines\r\n", "two lines"),
        ("  wide \t  blanks ", "wide blanks"),
        ("a\x1b[2Jb\x00c", "a [2Jb c"),
        ("right\u202eto left", "right to left"),
        ("half\ud800", "half"),
        ("no\u00a0break", "no break"),
    ],
)
def test_an_unprintable_character_becomes_a_space(text: str, line: str) -> None:
    """Several spaces become one, and none is at an end."""
    assert plain(text) == line


@pytest.mark.parametrize(
    ("length", "longest", "shown"),
    [(60, 60, "x" * 60), (61, 60, "x" * 59 + "…"), (5, 5, "xxxxx"), (6, 5, "xxxx…"), (2, 1, "…")],
)
def test_a_longer_line_ends_with_an_ellipsis(length: int, longest: int, shown: str) -> None:
    """It has the allowed length with the ellipsis."""
    assert plain("x" * length, longest) == shown


def test_a_line_has_60_characters_by_default() -> None:
    """Of an endless text four times as many characters are read."""
    assert len(plain("x" * 10**6)) == 60
    assert plain(" " * 239 + "x") == "x"
    assert plain(" " * 240 + "x") == ""


@given(st.text(), st.integers(1, 100))
def test_any_text_becomes_one_printable_line(text: str, longest: int) -> None:
    """Of the allowed length; a text that is one already is unchanged."""
    line = plain(text, longest)
    assert len(line) <= longest
    assert line.isprintable()
    assert "  " not in line
    assert plain(line, longest) == line.strip()


@given(st.text())
def test_a_clean_text_has_its_lines_and_nothing_else_that_moves_a_cursor(text: str) -> None:
    """Each unprintable character becomes a space, and the others stay."""
    shown = clean(text)
    lines = text.split("\n")
    assert [len(line) for line in shown.split("\n")] == [len(line) for line in lines]
    assert all(line.isprintable() for line in shown.split("\n"))
    assert clean(shown) == shown


@pytest.mark.parametrize(("longest", "shown"), [(3, "abc"), (2, "a…"), (1, "…")])
def test_a_shortened_text_ends_with_an_ellipsis(longest: int, shown: str) -> None:
    """It has the allowed length with the ellipsis."""
    assert shortened("abc", longest) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (8.4, "8 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7199.0, "120 min"),
        (7200.0, "2 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
        (864_000.0, "10 days"),
    ],
)
def test_a_duration_has_a_fitting_unit(seconds: float, text: str) -> None:
    """From two of a unit on, that unit is used."""
    assert span(seconds) == text


def test_of_many_names_the_first_are_named() -> None:
    """And the number of the others."""
    assert some(["a"]) == "a"
    assert some([1, 2], " and ") == "1 and 2"
    assert some(range(20)).endswith("18, 19")
    assert some(range(1_021)).endswith("18, 19 and 1,001 others")
