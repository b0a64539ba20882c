"""`bat2influx watch` without a terminal: lines, for a pipe, a file, or a dumb terminal.

Every second a line for each device, with the time in front. A problem has a separate line when it
begins, and one when it ends.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from bat2influx.commands.output import say
from bat2influx.commands.watch.model import Fact, FieldRow, Level, Part, View
from bat2influx.commands.watch.text import UNITS, UTF8, Glyphs, clean, number
from bat2influx.printable import span

EACH = 1.0  # s
DECIMALS = 4


class Lines:
    """Writes to stdout; `ended` once the reader has closed it."""

    def __init__(self, glyphs: Glyphs = UTF8) -> None:
        self.ended = False
        self.descriptors = ()
        self._glyphs = glyphs
        self._next = -math.inf
        self._troubles = Troubles()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def notify_change(self, now: float) -> None:
        """Ignore that there is something new; the next lines will have it."""

    def timeout(self, now: float) -> float:
        """Return the seconds to the next lines."""
        return max(0.0, min(EACH, self._next - now))

    def due(self, now: float) -> bool:
        """Return whether it is time for the next lines."""
        return now >= self._next

    def show(self, view: View) -> None:
        """Write the lines; the next ones are due at the next full second."""
        left = EACH - view.time.microsecond / 1e6
        self._next = view.now + (left if left > EACH / 2 else left + EACH)
        try:
            for line in (*self._troubles.lines(view), *lines(view, self._glyphs)):
                say(clean(line, self._glyphs))
        except BrokenPipeError:
            self.ended = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush

    def read(self) -> None:
        """There is nothing to read from."""


class Troubles:
    """The current problems."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], Fact] = {}

    def lines(self, view: View) -> Iterator[str]:
        """Yield a line for each trouble that has begun or ended."""
        facts = [fact for part in view.parts for fact in part.facts] + [*view.facts]
        wrong = {(each.label, each.cause): each for each in facts if each.level is Level.WRONG}
        before, self._now = self._now, wrong
        for key, fact in wrong.items():
            if key not in before:
                yield f"{_time(view)} problem: {fact.label}: {fact.text}"
        for key, fact in before.items():
            if key not in wrong:
                yield f"{_time(view)} resolved: {fact.label}: {fact.text}"


def lines(view: View, glyphs: Glyphs = UTF8) -> Iterator[str]:
    """Yield the line of each device."""
    for part in view.parts:
        site = f"{part.name}: " if len(view.parts) > 1 else ""
        yield f"{_time(view)} {site}{_values(part, glyphs) or part.facts[0].text}"


def _time(view: View) -> str:
    return view.time.isoformat(timespec="seconds")


def _values(part: Part, glyphs: Glyphs) -> str:
    there = (row for row in part.rows if row.value is not None or row.instead)
    return ", ".join(_value(row, glyphs) for row in there)


def _value(row: FieldRow, glyphs: Glyphs) -> str:
    if row.value is None:
        return f"{row.name} {row.instead}"
    whole, rest = number(row.value, DECIMALS)
    unit = UNITS.get(row.unit, row.unit) if glyphs.ascii else row.unit
    text = f"{row.name} {whole}{rest.rstrip('0').rstrip('.')} {unit}".rstrip()
    return f"{text} ({span(row.age)} old)" if row.stale and row.age is not None else text
