"""The table of `bat2influx watch`: a row for each field, and a window if there are many.

Pure. All rows have the same columns, whichever are shown, so that nothing moves while scrolling.
"""

from __future__ import annotations

from collections.abc import Iterator

from bat2influx.commands.watch.model import FieldRow, Level, View
from bat2influx.commands.watch.text import (
    MARKS,
    UNITS,
    Glyphs,
    Piece,
    Style,
    StyledLine,
    bars,
    cells,
    clean,
    cut,
    fitted,
    left,
    number,
    right,
)
from bat2influx.printable import span

GRAPH = 8  # columns that a graph needs at least
RANGE = 100  # columns of a terminal that shows the range of each graph, at least
AGE = 7  # cells
WHOLE = 5  # cells for the part before a point, at least
STALE = " stale"


class Table:
    """The rows of all devices; each of several devices has its name above its rows."""

    def __init__(self, view: View, width: int, glyphs: Glyphs) -> None:
        self._view, self._width, self._glyphs = view, width, glyphs
        self._entries: list[FieldRow | str] = []
        self._names: list[int] = []  # places of devices' names
        for part in view.parts:
            if len(view.parts) > 1:
                self._names.append(len(self._entries))
                self._entries.append(clean(part.name or "[Battery]", glyphs))
            self._entries += part.rows
        rows = [row for part in view.parts for row in part.rows]
        numbers = [self._number(row, row.value) for row in rows if row.value is not None]
        self._whole = max([WHOLE, *(cells(whole) for whole, _ in numbers)])
        self._rest = max([0, *(cells(rest) for _, rest in numbers)])
        self._unit = max([1, *(cells(self._unit_of(row)) for row in rows)])
        fixed = 4 + self._whole + self._rest + self._unit + AGE
        longest = max([6, *(cells(clean(row.name, glyphs)) for row in rows)])
        self._name = max(1, min(longest, max(8, width // 3), width - fixed))
        room = width - fixed - self._name - 3
        self._range = self._whole + self._rest if width >= RANGE else 0
        if self._range:
            room -= 2 * self._range + 4
        self._graph = room if room >= GRAPH else 0

    def __len__(self) -> int:
        return len(self._entries)

    def window(self, first: int, room: int) -> tuple[list[StyledLine], int, int]:
        """Return the lines that fit into `room`, the first row, and the rows of a page.

        If these are not all, the last line says so, and the name of the first row's device stays
        above it.
        """
        count = len(self)
        if count <= room:
            return [self._line(place) for place in range(count)], 0, count
        if room < 1:
            return [], 0, 1
        named = bool(self._names) and room > 2
        page = max(1, room - 1 - named)
        first = max(0, min(first, count - page))
        places = [*range(first, first + page)]
        if named:
            name = max(place for place in self._names if place <= first)
            places = [name, *range(max(first, name + 1), count)][: page + 1]
        below = count - 1 - places[-1]
        parts = (f"{below} more below" if below else "", f"{first} more above" if first else "")
        text = f"  {', '.join(filter(None, parts))}: arrow keys, PgUp, PgDn"
        more = (Piece(cut(text, self._width, self._glyphs), Style.NOTE),)
        return [*map(self._line, places), more][-room:], first, page

    @property
    def head(self) -> StyledLine:
        """The line above the columns."""
        glyphs = self._glyphs
        values = self._whole + self._rest + 1 + self._unit
        parts = [
            left("  field", self._name + 3, glyphs),
            right("value", self._whole + self._rest, glyphs),
            right("age", values - self._whole - self._rest + AGE, glyphs),
        ]
        if self._graph and self._range:
            parts += ["  ", *(f" {right(end, self._range, glyphs)}" for end in ("from", "to"))]
        if self._graph:
            seconds = self._graph * self._view.column
            text = f"the last {span(seconds)}"
            parts.append(f"   {cut(text, self._graph, glyphs)}")
        return (Piece(cut("".join(parts), self._width, glyphs), Style.FAINT),)

    def _line(self, place: int) -> StyledLine:
        entry = self._entries[place]
        if isinstance(entry, str):
            return (Piece(cut(entry, self._width, self._glyphs), Style.TITLE),)
        return self._row(entry)

    def _row(self, row: FieldRow) -> StyledLine:
        glyphs = self._glyphs
        values = self._whole + self._rest
        if row.value is None:
            value = right(clean(row.instead, glyphs), values, glyphs)
        else:
            whole, rest = self._number(row, row.value)
            value = right(whole, self._whole, glyphs) + left(rest, self._rest, glyphs)
        age = "" if row.age is None else span(row.age)
        wrong = row.stale or row.value is None
        style = Style.NOTE if wrong else Style.PLAIN
        mark = MARKS[Level.WRONG if row.stale else Level.OK]
        name = left(clean(row.name, glyphs), self._name, glyphs)
        line = [
            Piece(f"{mark} {name} ", style),
            Piece(value, Style.NOTE if wrong else Style.TITLE),
            Piece(f" {left(self._unit_of(row), self._unit, glyphs)}", style),
            Piece(right(age, AGE, glyphs), Style.NOTE if wrong else Style.FAINT),
        ]
        if self._graph:
            line += self._history(row)
        return fitted(line, self._width, glyphs)

    def _history(self, row: FieldRow) -> Iterator[Piece]:
        now = self._view.now
        columns = row.history.columns(now, self._graph, row.lasts)
        if self._range:
            ends = row.history.range(now, self._graph) or ()
            shown = ("".join(self._number(row, end)) for end in ends)
            text = "".join(f" {right(end, self._range, self._glyphs)}" for end in shown)
            text = left(text, 2 * self._range + 2, self._glyphs)
            yield Piece(f"  {text}", Style.FAINT)
        graph = bars(columns, self._glyphs)
        if row.stale:  # its newest columns are empty, or will be
            yield Piece(f"   {graph[: -len(STALE)]}")
            yield Piece(STALE, Style.NOTE)
        else:
            yield Piece(f"   {graph}", Style.GOOD)

    def _number(self, row: FieldRow, value: float) -> tuple[str, str]:
        return number(value, row.history.decimals)

    def _unit_of(self, row: FieldRow) -> str:
        return UNITS.get(row.unit, row.unit) if self._glyphs.ascii else row.unit
