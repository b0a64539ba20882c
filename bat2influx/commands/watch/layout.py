"""The layout of `bat2influx watch`: the model in, lines of styled text out.

Pure. No line is longer than the width, and there are no more lines than the height. A problem has
words and a mark; a style only highlights it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bat2influx.commands.watch.model import Fact, Level, View
from bat2influx.commands.watch.table import Table
from bat2influx.commands.watch.text import (
    MARKS,
    UTF8,
    Glyphs,
    Piece,
    Style,
    StyledLine,
    cells,
    clean,
    cut,
    fitted,
    left,
    right,
    wrapped,
)

LABEL = 10  # cells of the label before a fact
MAX_LINES = 3  # lines of a fact
KEYS = "q quits"
_STYLES = {Level.OK: Style.PLAIN, Level.NOTE: Style.NOTE, Level.WRONG: Style.WRONG}


class Layout(NamedTuple):
    """The lines; `first` is the first row of the table that is shown, `page` how many are."""

    lines: list[StyledLine]
    first: int
    page: int


def lay_out(
    view: View, width: int, height: int, *, first: int = 0, glyphs: Glyphs = UTF8
) -> Layout:
    """Return what fits into `width` columns and `height` lines, from the row `first` on."""
    facts = [fact for part in view.parts for fact in part.facts] + [*view.facts]
    table = Table(view, width, glyphs)
    bottom = [_log_entries(fact, width, glyphs) for fact in view.log_entries]
    least = min(len(table), max(1, height // 3)) + 2
    top = [_title(view, width, glyphs)]
    for most in range(MAX_LINES, 0, -1):
        top = [top[0], *_facts(facts, width, glyphs, most)]
        if len(top) + least + len(bottom) <= height:
            break
    else:
        bottom = []
    top = top[: max(1, height - least)]
    middle = height - len(top) - len(bottom) - 2
    body, first, page = table.window(first, middle)
    lines = [*(fitted(line, width, glyphs) for line in top), (), table.head, *body]
    lines += [()] * (height - len(lines) - len(bottom))
    return Layout([*lines, *bottom][:height], first, page)


def _title(view: View, width: int, glyphs: Glyphs) -> StyledLine:
    name = "bat2influx watch"
    rest = f"{view.time:%Y-%m-%d %H:%M:%S}  {KEYS}"
    room = width - cells(name)
    if room < cells(rest) + 2:
        rest = KEYS
    if room < cells(rest) + 2:
        return (Piece(cut(name, width, glyphs), Style.TITLE),)
    return Piece(name, Style.TITLE), Piece(right(rest, room, glyphs), Style.FAINT)


def _facts(facts: Sequence[Fact], width: int, glyphs: Glyphs, most: int) -> Iterator[StyledLine]:
    """Yield the facts in lines, at most `most` each; only the first fact of a label shows it."""
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        yield from _fact(fact._replace(label=label), width, glyphs, most)


def _fact(fact: Fact, width: int, glyphs: Glyphs, most: int) -> list[StyledLine]:
    """Return a fact, with its label in front of the first line."""
    style = _STYLES[fact.level]
    mark = MARKS[fact.level] + " "
    label = left(clean(fact.label, glyphs), LABEL, glyphs) if width > 40 else ""
    before = cells(label) + 2
    text = wrapped(clean(fact.text, glyphs), width - before, most, glyphs)
    lines: list[StyledLine] = []
    for line in text or [""]:
        if lines:
            lines.append((Piece(" " * before), Piece(line, style)))
        else:
            lines.append((Piece(label, Style.FAINT), Piece(mark, style), Piece(line, style)))
    return lines


def _log_entries(fact: Fact, width: int, glyphs: Glyphs) -> StyledLine:
    text = cut(clean(f"{fact.label} {fact.text}", glyphs), width, glyphs)
    return (Piece(text, Style.FAINT if fact.level is Level.OK else Style.NOTE),)
