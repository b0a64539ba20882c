"""A damaged spool of `make hostile`, at a hundredth of its size."""

from __future__ import annotations

from pathlib import Path

from tests.tools.hostile.inputs import spool_damaged


def test_a_damaged_spool_costs_no_memory_and_few_values(tmp_path: Path) -> None:
    """New values are stored at once, and only the damaged ones on disk are lost."""
    came = spool_damaged.run(tmp_path, 0.05)
    assert came.met
    assert 0 < came.lost < 2000
