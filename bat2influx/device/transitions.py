"""Looks up a cell in a table of states: (state, event) to what follows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
Cell = TypeVar("Cell")


def follows(table: Mapping[tuple[S, E], Cell], state: S, event: E, subject: str) -> Cell:
    """Return the cell of `table`. A combination that the table does not have cannot happen.

    Raises AssertionError, with `subject` ("a portal id"), state and event in its text.
    """
    cell = table.get((state, event))
    assert cell is not None, f"{subject} in state {state.value!r} cannot receive: {event.value}"
    return cell
