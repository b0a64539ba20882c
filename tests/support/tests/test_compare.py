"""Tests for `tests/support/compare.py`: which stored values are one a tick."""

from __future__ import annotations

import pytest

from tests.support.compare import earliest_begins, not_one_a_tick


@pytest.mark.parametrize(
    ("arrivals", "stamps", "mismatch"),
    [
        ([1, 2, 3], [1.01, 2.01], None),
        ([1, 2, 3], [0.8, 1.9], None),  # a notification between the sending and the arrival
        ([1, 2.4, 3, 4], [1.01, 2.01, 3.01], None),  # the second read arrives late
        ([1, 2, 3], [1.01, 1.2, 2.01], 1.7),  # two values in the first tick
        ([1, 2, 3], [2.01], 0.7),  # none in the first
        ([1, 2, 3], [1.01], 1.7),
        ([1, 2, 3], [1.01, 2.01, 2.2], 2.2),  # two in the second
        ([1, 2.4, 3, 4], [1.01, 1.2, 2.45, 3.01], 1.7),
        ([], [], None),
        ([1], [1.01], None),
    ],
)
def test_one_value_a_tick(
    arrivals: list[float], stamps: list[float], mismatch: float | None
) -> None:
    """A read that arrives late moves no value into the tick before it."""
    found = not_one_a_tick(earliest_begins(arrivals), arrivals, stamps)
    assert found == (mismatch if mismatch is None else pytest.approx(mismatch))
