"""Hostile answers of a database: their cost is bounded, and nothing is lost.

These are the inputs of `make hostile`, at a hundredth of their size.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.hostile.registry import Input, all_inputs, lines

SMALL = 0.01
GROWTH = 10_000_000  # bytes; at this size no input has as many
DATABASES = [each for each in all_inputs() if each.name.startswith("http_")]


@pytest.mark.parametrize("hostile", DATABASES, ids=lambda each: each.name)
def test_a_hostile_database_costs_no_memory_and_no_values(hostile: Input, tmp_path: Path) -> None:
    """Memory stays within its bound, and all values of the device are stored afterwards."""
    came = hostile.run(tmp_path, SMALL)
    assert came.met
    assert came.after - came.before < GROWTH
    assert came.lost == 0, lines([(hostile, came)])
    assert came.seconds < 60.0, lines([(hostile, came)])


def test_all_inputs_are_in_the_table() -> None:
    """Each with a description."""
    assert len(DATABASES) >= 6
