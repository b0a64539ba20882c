"""A line for each step of a command: whether it succeeded, what was checked, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TextIO

from bat2influx.commands.output import fitted, say

OK, NOTE, WRONG = "ok", "note", "wrong"
_COLOURS = {OK: "32", NOTE: "33", WRONG: "1;31"}  # as in ECMA-48: green, yellow, bold red


class Step(NamedTuple):
    """One line: `state` is OK, NOTE or WRONG, `label` what was checked."""

    state: str
    label: str
    text: str


class FieldStep(Step):
    """The step of a field, whose name is the label."""

    __slots__ = ()


class Printer:
    """Prints steps, in colour on a terminal; `wrong` counts the failed ones."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self.wrong = 0
        self._stream = stream
        self._colour = (
            stream.isatty()
            and environment.get("TERM") != "dumb"
            and not environment.get("NO_COLOR")  # see no-color.org
        )

    def __call__(self, step: Step) -> None:
        self.wrong += step.state == WRONG
        mark = f"{step.state:<6}"
        if self._colour:
            mark = f"\x1b[{_COLOURS[step.state]}m{mark}\x1b[0m"
        text = step.text.replace("\n", "\n" + " " * 20)
        label = fitted(step.label, self._stream)
        line = f"{mark}{label:<13} {fitted(text, self._stream)}"
        print(line, file=self._stream, flush=True)

    def heading(self, text: str) -> None:
        """Print a section of the file above its lines."""
        say(f"\n{text}", self._stream)
