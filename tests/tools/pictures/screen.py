"""A parser of a terminal's screen: from lines with escape sequences to runs of text in one style.

Rules: pure. It knows the sequences of `tmux capture-pane -e`: SGR (ECMA-48, 8.3.117) with the
colours of xterm; for any other a ValueError names it. A cell is the space of one Latin letter; a
run has characters of one width, so that each has its position.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

_PARTS = re.compile(r"\x1b\[([0-9;]*)m|([^\x00-\x1f\x7f]+)|(.)", re.DOTALL)
_STEPS = (0, 95, 135, 175, 215, 255)  # of the cube of 6 x 6 x 6 colours, from number 16 on
PALETTE = (
    *("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"),
    *("#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"),
)
_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",)}


class Look(NamedTuple):
    """The style of text; colours are '#rrggbb', or None for those of the terminal."""

    ink: str | None = None
    paper: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


class Run(NamedTuple):
    """Characters from a column on, counted from 0; each takes `wide` cells, 1 or 2."""

    column: int
    text: str
    wide: int
    look: Look

    @property
    def cells(self) -> int:
        """The width of all of it in cells; a combining mark takes none."""
        return self.wide * sum(1 for char in self.text if not unicodedata.combining(char))


def read(line: str, look: Look) -> tuple[list[Run], Look]:
    """Return the runs of a line that begins in a style, and the style at its end.

    Raises ValueError.
    """
    runs: list[Run] = []
    column = 0
    for part in _PARTS.finditer(line):
        if part[3] is not None:
            raise ValueError(f"unknown: {line[part.start() : part.start() + 12]!r}")
        if part[2] is None:
            look = _after(look, part[1])
            continue
        for wide, text in _by_width(part[2]):
            runs.append(Run(column, text, wide, look))
            column += runs[-1].cells
    return runs, look


def _by_width(text: str) -> Iterator[tuple[int, str]]:
    """Yield parts of the same width, with their cells; a mark stays with its character."""
    widths: list[int] = []
    for char in text:
        if unicodedata.combining(char) and widths:
            widths.append(widths[-1])
        else:
            widths.append(2 if unicodedata.east_asian_width(char) in "WF" else 1)
    for wide, group in groupby(zip(widths, text, strict=True), key=lambda pair: pair[0]):
        yield wide, "".join(char for _, char in group)


def _after(look: Look, parameters: str) -> Look:
    """Return the style after an SGR sequence."""
    codes = iter([int(code or 0) for code in parameters.split(";")])
    for code in codes:
        if code == 0:
            look = Look()
        elif code in _ON:
            look = look._replace(**{_ON[code]: True})
        elif code in _OFF:
            look = look._replace(**dict.fromkeys(_OFF[code], False))
        elif code in {38, 48}:
            look = look._replace(**{"ink" if code == 38 else "paper": _extended(codes)})
        elif code in {39, 49}:
            look = look._replace(**{"ink" if code == 39 else "paper": None})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            look = look._replace(ink=PALETTE[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            look = look._replace(paper=PALETTE[code - 40 if code < 100 else code - 92])
        else:
            raise ValueError(f"unknown: SGR {code}")
    return look


def _extended(codes: Iterator[int]) -> str:
    """Return the colour of `5;n`, of 256, or of `2;r;g;b`."""
    kind = next(codes, None)
    parts = [next(codes, 256) for _ in range({5: 1, 2: 3}.get(kind or 0, 0))]
    if not parts or max(parts) > 255:
        raise ValueError("unknown: a colour that is neither one of 256 nor red, green and blue")
    return _numbered(parts[0]) if kind == 5 else _hex(*parts)


def _numbered(number: int) -> str:
    if number < 16:
        return PALETTE[number]
    if number < 232:
        red, rest = divmod(number - 16, 36)
        return _hex(_STEPS[red], _STEPS[rest // 6], _STEPS[rest % 6])
    grey = 8 + 10 * (number - 232)
    return _hex(grey, grey, grey)


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"
