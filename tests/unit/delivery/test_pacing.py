"""When the next request may be sent."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.delivery.pacing import AT_ONCE, DISTANCE, MOST, Pacing


def sent(came: list[float], takes: float) -> list[float]:
    """Return when requests begin, each with the values so far; each `takes` so many s."""
    pacing, begun, free, left = Pacing(), list[float](), 0.0, list(came)
    while left:
        now = max(left[0], free, pacing.next_at())
        pacing.begun(now)
        begun.append(now)
        left = [each for each in left if each > now]
        free = now + takes
        pacing.ended(free)
    return begun


@pytest.mark.parametrize("takes", [0.002, 0.03, 0.9])
def test_single_values_are_sent_at_once(takes: float) -> None:
    """However slow the server is."""
    assert sent([0.0, 1.0, 2.0, 3.0], takes) == [0.0, 1.0, 2.0, 3.0]


def test_the_rest_of_a_tick_is_sent_at_once_too() -> None:
    """As soon as its first value is stored."""
    tick = [0.0, 0.001, 0.0015, 0.002]
    assert sent([*tick, *(1.0 + each for each in tick)], 0.003) == [0.0, 0.003, 1.0, 1.003]


def test_values_under_load_gather() -> None:
    """From the third request on."""
    begun = sent([n / 1000 for n in range(500)], 0.001)
    assert begun[:3] == [0.0, 0.001, 0.021]
    assert all(late - early == pytest.approx(DISTANCE) for early, late in pairwise(begun[1:]))


@pytest.mark.parametrize(
    ("takes", "distance"),
    [(0.001, DISTANCE), (0.005, 0.075), (0.03, MOST), (0.08, MOST), (0.5, 0.5)],
)
def test_a_slow_server_has_time_for_others(takes: float, distance: float) -> None:
    """Fifteen times its own, at most MOST; with a slower server there is no pause."""
    begun = sent([n / 100 for n in range(1000)], takes)
    assert all(late - early == pytest.approx(distance) for early, late in pairwise(begun[1:]))


def test_a_load_ends_after_a_pause() -> None:
    """Then the next requests are sent at once again."""
    early = [n / 1000 for n in range(100)]
    begun = sent([*early, 0.2, 0.203], 0.002)
    assert begun[-2:] == [0.2, 0.203]


def test_forget_resets_the_pacing() -> None:
    """As with another database."""
    pacing = Pacing()
    for now in (0.0, 0.001, 0.002):
        pacing.begun(now)
        pacing.ended(now + 0.0005)
    assert pacing.next_at() > 0.002
    pacing.forget()
    assert pacing.next_at() == -math.inf


@given(st.lists(st.floats(0, 0.2), max_size=100), st.floats(0, 0.3))
def test_no_value_waits_longer_than_necessary(gaps: list[float], takes: float) -> None:
    """MOST, or the previous request; only the first two of a row are close together."""
    came = [math.fsum(gaps[:n]) for n in range(len(gaps))]
    begun = sent(came, takes)
    for at in came:
        assert min(each for each in begun if each >= at) <= at + max(MOST, takes) + 1e-9
    close = [late - early < DISTANCE - 1e-9 for early, late in pairwise(begun)]
    runs = "".join("x" if each else " " for each in close).split()
    assert all(len(run) < AT_ONCE for run in runs)
