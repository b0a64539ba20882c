"""How a cell of a state table is looked up."""

from enum import Enum

import pytest

from bat2influx.device.transitions import follows


class Door(Enum):
    """A state."""

    OPEN = "open"
    SHUT = "shut"


class Push(Enum):
    """An event."""

    IN = "a push"


TABLE = {(Door.OPEN, Push.IN): (Door.SHUT, "bang")}


def test_a_cell_is_what_follows() -> None:
    """The next state, and what is to be done."""
    assert follows(TABLE, Door.OPEN, Push.IN, "a door") == (Door.SHUT, "bang")


def test_what_is_in_no_cell_is_named() -> None:
    """It cannot happen; if it does, the subject, its state and the event are in the text."""
    with pytest.raises(AssertionError, match="a door in state 'shut' cannot receive: a push"):
        follows(TABLE, Door.SHUT, Push.IN, "a door")
