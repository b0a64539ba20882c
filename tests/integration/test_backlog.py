"""A long queue for the database, like that of `make day`, but shorter."""

from __future__ import annotations

from pathlib import Path

from tests.tools import day


def test_a_long_queue_is_stored_whole_and_in_order(tmp_path: Path) -> None:
    """Each of 20,000 values once, with little memory, and nothing is left on disk."""
    day.run(tmp_path, 2_222 * 9).check()
