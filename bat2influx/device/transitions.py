"""How a table of states is read: (state, event) to what follows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
Cell = TypeVar("Cell")


def follows(table: Mapping[tuple[S, E], Cell], state: S, event: E, subject: str) -> Cell:
    """Return the cell of `table`; what it does not have cannot happen.

    Raises AssertionError, with `subject` ("a portal id"), state and event in its text.
    """
    cell = table.get((state, event))
    assert cell is not None, f"{subject} in state {state.value!r} cannot receive: {event.value}"
    return cell
