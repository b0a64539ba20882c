"""Hostile brokers, and hostile clients of a good one: cost is bounded, and the daemon continues.

These are the inputs of `make hostile`, at a hundredth of their size.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.hostile.registry import Input, all_inputs, lines

SMALL = 0.01
GROWTH = 10_000_000  # bytes; at this size no input has as many
MAY_LOSE = {  # values, and why
    "mqtt_retained_3_1_1": "answers behind the message, on connections that end with it",
    "mqtt_answers": "those of a tick, because the broker sends nothing else",
    "mqtt_large_values": "two answers in one tick, because the broker sends nothing else",
    "mqtt_portal_ids_fleet": "Mosquitto drops messages for a client that is slower than another",
}
BROKERS = [each for each in all_inputs() if each.name.startswith("mqtt_")]


@pytest.mark.parametrize("hostile", BROKERS, ids=lambda each: each.name)
def test_a_hostile_broker_costs_no_memory_and_no_values(hostile: Input, tmp_path: Path) -> None:
    """Memory stays within its bound, the daemon reports the fault, and values come again."""
    came = hostile.run(tmp_path, SMALL)
    assert came.met
    assert came.after - came.before < GROWTH
    assert came.lost == 0 or hostile.name in MAY_LOSE, lines([(hostile, came)])


def test_all_inputs_are_in_the_table() -> None:
    """Each with a description."""
    assert len(BROKERS) >= 8
    assert all(each.words for each in all_inputs())
