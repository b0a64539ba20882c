"""The hostile inputs, each a module of the folder inputs, and the outcome of one.

A module there has a docstring, whose first line is its text in the table, and a function `run` with
the directory for its files and a scale: 1.0 is the full size. It returns an `Outcome`, and raises
AssertionError if the daemon has not survived. Modules need no other registration.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.tools.bench.table import rows_of
from tests.tools.hostile import inputs

MOST = 80_000_000  # bytes of resident memory, under any input


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results; `before` and `after` are the peaks of resident memory, in bytes.

    `seconds` is the time from the input, or from its end if `note` has that, until a later value
    was stored. `lost` values were sent to the daemon and are not stored.
    """

    before: int
    after: int
    seconds: float
    lost: int
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether memory is within its bound."""
        return self.after <= MOST


class Input(NamedTuple):
    """A hostile input: its name, its text, and its function."""

    name: str
    words: str
    run: Callable[[Path, float], Outcome]


def all_inputs() -> list[Input]:
    """Return the inputs, by name."""
    found = []
    for module in pkgutil.iter_modules(inputs.__path__):
        made = importlib.import_module(f"{inputs.__name__}.{module.name}")
        words = (inspect.getdoc(made) or "").partition("\n")[0].rstrip(".")
        found.append(Input(module.name, words, made.run))
    return found


def lines(outcomes: Sequence[tuple[Input, Outcome]]) -> list[str]:
    """Return the table, in Markdown. A MB has 1,000,000 bytes."""
    rows = [("input", "peak before", "peak after", "values again", "values lost", "", "")]
    rows += [
        (
            each.words,
            f"{came.before / 1e6:.1f} MB",
            f"{came.after / 1e6:.1f} MB",
            f"{came.seconds:.1f} s",
            f"{came.lost:,}",
            came.note,
            "" if came.met else "NOT MET",
        )
        for each, came in outcomes
    ]
    return rows_of(rows)
