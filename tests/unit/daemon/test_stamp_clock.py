"""Which clock timestamps follow: each cell of the table, and the limits of its events."""

from __future__ import annotations

import pytest

from bat2influx.daemon.stamp_clock import (
    AGREES,
    DIFFERS,
    TABLE,
    Action,
    Event,
    StampedBy,
    difference_text,
    event_of,
    step,
)
from bat2influx.reading import NS

OWN, CONFIRMED, DEVICE = StampedBy
NOTHING, FOLLOW, LEAVE = Action


@pytest.mark.parametrize(
    ("state", "event", "after", "action"),
    [
        (OWN, Event.OWN, OWN, NOTHING),
        (OWN, Event.UNKNOWN, OWN, NOTHING),
        (OWN, Event.AGREES, CONFIRMED, NOTHING),
        (OWN, Event.CLOSE, CONFIRMED, NOTHING),
        (OWN, Event.DIFFERS, DEVICE, FOLLOW),
        (CONFIRMED, Event.OWN, OWN, NOTHING),
        (CONFIRMED, Event.UNKNOWN, CONFIRMED, NOTHING),
        (CONFIRMED, Event.AGREES, CONFIRMED, NOTHING),
        (CONFIRMED, Event.CLOSE, CONFIRMED, NOTHING),
        (CONFIRMED, Event.DIFFERS, DEVICE, FOLLOW),
        (DEVICE, Event.OWN, OWN, LEAVE),
        (DEVICE, Event.UNKNOWN, DEVICE, NOTHING),
        (DEVICE, Event.AGREES, CONFIRMED, LEAVE),
        (DEVICE, Event.CLOSE, DEVICE, FOLLOW),
        (DEVICE, Event.DIFFERS, DEVICE, FOLLOW),
    ],
)
def test_each_cell(state: StampedBy, event: Event, after: StampedBy, action: Action) -> None:
    """The transition, in readable form."""
    assert step(state, event) == (after, action)


def test_every_state_and_event_has_a_cell() -> None:
    """Every combination is possible, since both clocks may be set at any time."""
    assert TABLE.keys() == {(state, event) for state in StampedBy for event in Event}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("difference", "event"),
    [
        (0, Event.AGREES),
        (AGREES, Event.AGREES),
        (AGREES + 1, Event.CLOSE),
        (DIFFERS, Event.CLOSE),
        (DIFFERS + 1, Event.DIFFERS),
        (86_400 * NS, Event.DIFFERS),
    ],
)
def test_a_difference_counts_from_two_seconds(sign: int, difference: int, event: Event) -> None:
    """In both directions; a heartbeat has no better resolution than one second."""
    assert event_of(sign * difference, own=False) is event


@pytest.mark.parametrize("difference", [None, 0, 86_400 * NS])
def test_a_synchronised_clock_takes_precedence(difference: int | None) -> None:
    """Whatever the device's clock shows."""
    assert event_of(difference, own=True) is Event.OWN
    assert (event_of(difference, own=False) is Event.UNKNOWN) is (difference is None)


def test_a_difference_near_the_limit_does_not_alternate_clocks() -> None:
    """The two limits differ by a hysteresis."""
    state, changes = OWN, 0
    for difference in [DIFFERS + 1, DIFFERS] * 50:
        before = state
        state, _ = step(state, event_of(difference, own=False))
        changes += state is not before
    assert (state, changes) == (DEVICE, 1)


def test_a_difference_in_words() -> None:
    """It describes this machine's clock."""
    assert difference_text(-259_200 * NS) == "259200.0 s behind"
    assert difference_text(3 * NS + NS // 2) == "3.5 s ahead of"
