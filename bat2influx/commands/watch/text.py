"""Text for a terminal: how many cells it takes, and what a number looks like.

Pure. A cell is the room of one Latin letter; East Asian characters take two, marks
on another character take none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from bat2influx import printable
from bat2influx.commands.watch.model import Level

MARKS = {Level.OK: " ", Level.NOTE: "-", Level.WRONG: "!"}
UNITS = {"°C": "degC"}  # in ASCII
DIGITS = 10  # of a number's whole part; longer numbers have an exponent


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters to draw with; `bars` from the lowest to the highest."""

    bars: str
    more: str  # where a text was cut
    ascii: bool


UTF8 = Glyphs("▁▂▃▄▅▆▇█", "…", ascii=False)
ASCII = Glyphs("_.-:=+*#", "~", ascii=True)


class Style(Enum):
    """How a text is highlighted."""

    PLAIN = "plain"
    TITLE = "title"
    FAINT = "faint"
    GOOD = "well"
    NOTE = "note"
    WRONG = "wrong"


class Piece(NamedTuple):
    """A part of a line."""

    text: str
    style: Style = Style.PLAIN


StyledLine = tuple[Piece, ...]


def cells(text: str) -> int:
    """Return the cells that a text takes."""
    return sum(map(_cells_of, text))


def clean(text: str, glyphs: Glyphs = UTF8) -> str:
    """Return `text` without characters that move the cursor or that the terminal lacks."""
    kept = printable.clean(text).replace("\n", " ")
    if not glyphs.ascii:
        return kept
    return "".join(char if char.isascii() else "?" * _cells_of(char) for char in kept)


def cut(text: str, width: int, glyphs: Glyphs = UTF8) -> str:
    """Return `text` in `width` cells at most; a cut text ends with a mark."""
    if cells(text) <= width:
        return text
    kept, room = [], width - 1
    for char in text:
        room -= _cells_of(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept) + glyphs.more if width > 0 else ""


def left(text: str, width: int, glyphs: Glyphs = UTF8) -> str:
    """Return `text` at the left of `width` cells."""
    text = cut(text, width, glyphs)
    return text + " " * (width - cells(text))


def right(text: str, width: int, glyphs: Glyphs = UTF8) -> str:
    """Return `text` at the right of `width` cells."""
    text = cut(text, width, glyphs)
    return " " * (width - cells(text)) + text


def fitted(line: Sequence[Piece], width: int, glyphs: Glyphs) -> StyledLine:
    """Return a line in `width` cells."""
    kept: list[Piece] = []
    for text, style in line:
        room = width - sum(cells(piece.text) for piece in kept)
        if room > 0:
            kept.append(Piece(cut(text, room, glyphs), style))
    return tuple(kept)


def wrapped(text: str, width: int, most: int, glyphs: Glyphs = UTF8) -> list[str]:
    """Return `text` in lines of `width` cells, `most` at the most; the last is cut."""
    lines = list(_lines(text, max(1, width)))
    if len(lines) > most:
        lines[most - 1 :] = [cut(" ".join(lines[most - 1 :]), width, glyphs)]
    return lines


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and cells(line) + 1 + cells(word) <= width:
            line += f" {word}"
            continue
        if line:
            yield line
        line = word
        while cells(line) > width:  # a fingerprint, a path
            head = line
            while cells(head) > width:
                head = head[:-1]
            head = head or line[0]
            yield head
            line = line[len(head) :]
    if line:
        yield line


def number(value: float, decimals: int) -> tuple[str, str]:
    """Return a number as the part before its point, and the rest."""
    if not abs(value) < 10**DIGITS:
        return f"{value:.4g}", ""
    text = f"{value:.{decimals}f}"
    if not text.strip("-0."):  # no -0.0
        text = text.lstrip("-")
    whole, point, rest = text.partition(".")
    return whole, point + rest


def bars(columns: Sequence[float | None], glyphs: Glyphs) -> str:
    """Return a bar for each column, by the range of all; a space for None."""
    there = [value for value in columns if value is not None]
    if not there:
        return " " * len(columns)
    low, high, steps = min(there), max(there), len(glyphs.bars)
    size = (high - low) / steps

    def bar(value: float) -> str:
        step = int((value - low) / size) if size > 0.0 else 0
        return glyphs.bars[min(step, steps - 1)]

    return "".join(" " if value is None else bar(value) for value in columns)


def _cells_of(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
