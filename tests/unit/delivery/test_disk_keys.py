"""Sorted numbers in little memory."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bat2influx.delivery import disk_keys
from bat2influx.delivery.disk_keys import WIDTH, Keys


@given(st.lists(st.integers(0, (1 << 8 * WIDTH) - 1), max_size=30))
def test_they_are_read_in_order(numbers: list[int]) -> None:
    """Equal ones are all present, and they can be read twice."""
    keys = Keys()
    assert not keys
    for number in numbers:
        keys.append(number)
    assert bool(keys) == bool(numbers)
    assert [*keys] == [*keys] == sorted(numbers)


def test_runs_are_merged() -> None:
    """Those that were sorted separately."""
    numbers = [*range(3 * disk_keys._RUN + 7)]
    random.Random(3).shuffle(numbers)
    keys = Keys()
    for number in numbers:
        keys.append(number)
    assert [*keys] == sorted(numbers)


def test_a_number_takes_its_width() -> None:
    """Some bytes more for each run, and no object for each number."""
    tracemalloc.start()
    keys = Keys()
    for number in range(200_000):
        keys.append(number << 64 | 7 << 20)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert keys
    assert size < 200_000 * WIDTH * 1.5
