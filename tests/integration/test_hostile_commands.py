"""Commands with hostile peers: their cost is bounded, and they end with a result.

These are the inputs of `make hostile`, at a hundredth of their size.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.hostile.registry import Input, all_inputs, lines

SMALL = 0.01
GROWTH = 10_000_000  # bytes; at this size no input has as many
COMMANDS = [each for each in all_inputs() if each.name.startswith(("check_", "discover_"))]


@pytest.mark.parametrize("hostile", COMMANDS, ids=lambda each: each.name)
def test_a_hostile_peer_costs_a_command_no_memory(hostile: Input, tmp_path: Path) -> None:
    """Memory stays within its bound, and the command reports the fault."""
    came = hostile.run(tmp_path, SMALL)
    assert came.met, lines([(hostile, came)])
    assert came.after - came.before < GROWTH, lines([(hostile, came)])
