"""A machine or a connection that stood still, with a simulated clock."""

from __future__ import annotations

import pytest

from bat2influx.device.standstill import GAP, PAUSE, Standstill


def test_the_first_step_follows_no_pause() -> None:
    """Nothing was stopped before it."""
    assert not Standstill(heartbeat=True).before(1000.0, None)


@pytest.mark.parametrize(("later", "paused"), [(1.0, False), (PAUSE, False), (PAUSE + 0.1, True)])
def test_a_pause_between_two_steps_is_seen(later: float, paused: bool) -> None:
    """Once: the next step follows that one."""
    standstill = Standstill(heartbeat=False)
    standstill.before(1000.0, None)
    assert standstill.before(1000.0 + later, None) is paused
    assert not standstill.before(1000.0 + later + 1.0, None)


@pytest.mark.parametrize("awaited", [True, False])
def test_a_gap_counts_where_heartbeats_come(awaited: bool) -> None:
    """Polled, a device publishes nothing until it is asked; old firmware sends no heartbeat."""
    standstill = Standstill(heartbeat=awaited)
    assert not standstill.before(1000.0, 1000.0 - GAP - 0.5)
    standstill.heartbeat()
    assert not standstill.before(1000.0, 1000.0 - GAP)
    assert standstill.before(1000.5, 1000.0 - GAP) is awaited
    standstill.begin()
    assert not standstill.before(1001.0, 1000.0 - GAP)


def test_a_message_from_after_the_look_at_the_clock_shows_one_within_the_step() -> None:
    """It cannot have arrived before the clock was read; a step takes some time."""
    standstill = Standstill(heartbeat=False)
    assert not standstill.within(1000.0, 1000.0 + PAUSE)
    assert standstill.within(1000.0, 1000.1 + PAUSE)
