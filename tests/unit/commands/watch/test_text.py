"""Text for a terminal: its cells, what is cut, wrapped or replaced, numbers and bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.watch.text import (
    ASCII,
    UTF8,
    Glyphs,
    Piece,
    Style,
    bars,
    cells,
    clean,
    cut,
    fitted,
    left,
    number,
    right,
    wrapped,
)

ACUTE = "e\u0301"  # one cell of two characters


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("Volt", 4), ("№1", 2), ("電圧", 4), (ACUTE, 1), ("Ｖ", 2), ("a\u20dd", 1)],
)
def test_a_text_takes_cells(text: str, count: int) -> None:
    """An East Asian character two, a mark on another one none."""
    assert cells(text) == count


@pytest.mark.parametrize(
    ("text", "glyphs", "shown"),
    [
        ("a\x1b[2Jb\n\x9bc", UTF8, "a [2Jb  c"),
        ("Größe №1", UTF8, "Größe №1"),
        ("Größe", ASCII, "Gr??e"),
        ("電圧", ASCII, "????"),
        (ACUTE, ASCII, "e"),
        ("\u202ea", UTF8, " a"),
    ],
)
def test_what_would_move_the_cursor_is_taken_out(text: str, glyphs: Glyphs, shown: str) -> None:
    """And what the terminal has not got is replaced by as many cells."""
    assert clean(text, glyphs) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Voltage", 7, "Voltage"),
        ("Voltage", 6, "Volta…"),
        ("Voltage", 1, "…"),
        ("Voltage", 0, ""),
        ("Voltage", -3, ""),
        ("", 0, ""),
        ("電圧電", 6, "電圧電"),
        ("電圧電", 5, "電圧…"),
        ("電圧電", 4, "電…"),
        (ACUTE * 3, 2, f"{ACUTE}…"),
    ],
)
def test_a_text_is_cut_to_its_width(text: str, width: int, shown: str) -> None:
    """With a mark at its end, and never in the middle of a character."""
    assert cut(text, width) == shown


def test_ascii_has_a_mark_of_its_own() -> None:
    """For what was cut."""
    assert cut("Voltage", 4, ASCII) == "Vol~"


def test_a_text_stands_at_the_left_or_the_right() -> None:
    """In exactly so many cells, wide characters counted."""
    assert (left("52.6", 6), right("52.6", 6)) == ("52.6  ", "  52.6")
    assert (left("電", 3), right("電", 3)) == ("電 ", " 電")
    assert (left("52.61", 4), right("52.61", 4)) == ("52.…", "52.…")


def test_a_line_is_fitted_from_its_beginning() -> None:
    """The piece that does not fit is cut, and those behind it are left out."""
    line = [Piece("abc", Style.TITLE), Piece("def", Style.NOTE), Piece("ghi")]
    assert fitted(line, 9, UTF8) == (*line,)
    assert fitted(line, 5, UTF8) == (line[0], Piece("d…", Style.NOTE))
    assert fitted(line, 4, UTF8) == (line[0], Piece("…", Style.NOTE))
    assert fitted(line, 3, UTF8) == (line[0],)
    assert fitted(line, 0, UTF8) == ()


@pytest.mark.parametrize(
    ("text", "width", "most", "lines"),
    [
        ("", 10, 3, []),
        ("one two", 7, 3, ["one two"]),
        ("one two", 6, 3, ["one", "two"]),
        ("one two three", 5, 2, ["one", "two …"]),
        ("one two three", 5, 3, ["one", "two", "three"]),
        ("one two three four", 9, 1, ["one two …"]),
        ("abcdefgh ij", 3, 5, ["abc", "def", "gh", "ij"]),
        ("電圧電圧", 5, 5, ["電圧", "電圧"]),
        ("電圧", 1, 5, ["電", "圧"]),
        ("ab", 0, 5, ["a", "b"]),
        ("  one \n two ", 20, 3, ["one two"]),
    ],
)
def test_a_text_is_wrapped_at_its_blanks(
    text: str, width: int, most: int, lines: list[str]
) -> None:
    """A word that is too long in itself, and what does not fit into the last line is cut."""
    assert wrapped(text, width, most) == lines


@given(st.text(), st.integers(2, 40), st.integers(1, 5), st.sampled_from([UTF8, ASCII]))
def test_no_line_is_longer_than_it_may_be(text: str, width: int, most: int, glyphs: Glyphs) -> None:
    """Whatever the text, and there are no more of them than wanted."""
    lines = wrapped(clean(text, glyphs), width, most, glyphs)
    assert len(lines) <= most
    assert all(0 < cells(line) <= width for line in lines if line.strip("\u0300"))


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (-0.0, 2, "0.00"),
        (-0.004, 2, "0.00"),
        (52.605, 2, "52.60"),
        (1e9, 0, "1000000000"),
        (-1.5e12, 1, "-1.5e+12"),
        (1.7e308, 0, "1.7e+308"),
    ],
)
def test_a_number_is_as_long_as_a_person_reads(value: float, decimals: int, shown: str) -> None:
    """Without a negative zero, and with an exponent where it is very large."""
    assert "".join(number(value, decimals)) == shown


@pytest.mark.parametrize(
    ("value", "decimals", "parts"),
    [
        (-7.25, 2, ("-7", ".25")),
        (7.0, 0, ("7", "")),
        (9_999_999_999.0, 1, ("9999999999", ".0")),
        (1e10, 1, ("1e+10", "")),
    ],
)
def test_a_number_has_two_sides_of_its_point(
    value: float, decimals: int, parts: tuple[str, str]
) -> None:
    """So that points can stand below each other; one with an exponent has none."""
    assert number(value, decimals) == parts


@pytest.mark.parametrize("glyphs", [UTF8, ASCII])
def test_bars_go_from_the_least_to_the_largest(glyphs: Glyphs) -> None:
    """A value that does not change is a low line, and where nothing came is nothing."""
    assert bars([float(n) for n in range(8)], glyphs) == glyphs.bars
    assert bars([5.0, None, 5.0], glyphs) == f"{glyphs.bars[0]} {glyphs.bars[0]}"
    assert bars([None, None], glyphs) == "  "
    assert bars([0.0, 5e-324, 1e-323], glyphs)[0] == glyphs.bars[0]


def test_a_bar_is_of_its_share_of_the_range() -> None:
    """Below zero, too."""
    assert bars([-8.0, -4.0, 0.0, 7.9, 8.0], UTF8) == "▁▃▅██"
