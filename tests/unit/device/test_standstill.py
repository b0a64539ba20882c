"""A machine or a connection that stood still, with a simulated clock."""

from __future__ import annotations

import pytest

from bat2influx.device.standstill import GAP, PAUSE, Standstill


def test_the_first_step_follows_no_pause() -> None:
    """Nothing was stopped before it."""
    assert not Standstill(kept_alive=True).before(1000.0, None)


@pytest.mark.parametrize(("later", "paused"), [(1.0, False), (PAUSE, False), (PAUSE + 0.1, True)])
def test_a_pause_between_two_steps_is_seen(later: float, paused: bool) -> None:
    """Once: the next step follows that one."""
    standstill = Standstill(kept_alive=False)
    standstill.before(1000.0, None)
    assert standstill.before(1000.0 + later, None) is paused
    assert not standstill.before(1000.0 + later + 1.0, None)


@pytest.mark.parametrize(
    ("kept_alive", "before", "gap"),
    [
        (True, [], False),
        (True, ["heartbeat"], True),
        (True, ["heartbeat", "heartbeat"], True),
        (True, ["heartbeat", "begin"], False),
        (True, ["begin"], False),
        (True, ["heartbeat", "begin", "heartbeat"], True),
        (False, [], False),
        (False, ["heartbeat"], False),
        (False, ["begin", "heartbeat"], False),
        (False, ["heartbeat", "begin"], False),
    ],
)
def test_a_silence_is_a_gap_where_heartbeats_come(
    kept_alive: bool, before: list[str], gap: bool
) -> None:
    """Polled, a device publishes nothing until it is asked; old firmware sends no heartbeat."""
    standstill = Standstill(kept_alive=kept_alive)
    for each in before:
        getattr(standstill, each)()
    assert not standstill.before(1000.0, None)
    assert not standstill.before(1000.0, 1000.0 - GAP)
    assert standstill.before(1000.5, 1000.0 - GAP) is gap


def test_a_message_from_after_the_look_at_the_clock_shows_one_within_the_step() -> None:
    """It cannot have arrived before the clock was read; a step takes some time."""
    standstill = Standstill(kept_alive=False)
    assert not standstill.within(1000.0, 1000.0 + PAUSE)
    assert standstill.within(1000.0, 1000.1 + PAUSE)
