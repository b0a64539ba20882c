"""The schedule, with simulated clocks: every second is covered, and there are no bursts."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.device.schedule import Schedule, Tick
from bat2influx.reading import NS

START = 1_795_350_064  # s since 1970


class Loop:
    """A loop that wakes a little late, beside a wall clock that can be set and slewed."""

    def __init__(self, schedule: Schedule, *, wall: float = START, rate: float = 1.0) -> None:
        self.schedule = schedule
        self.mono = 1000.0
        self.wall_ns = round(wall * NS)
        self.rate = rate

    def advance(self, seconds: float) -> None:
        """Let time pass, by the monotonic clock."""
        self.mono += seconds
        self.wall_ns += round(seconds * self.rate * NS)

    def next_tick(self, late: float = 0.0) -> Tick:
        """Wait as the schedule requires, `late` s longer, until a tick is due."""
        for _ in range(1000):
            self.advance(self.schedule.wait(self.wall_ns, self.mono) + late)
            if tick := self.schedule.due(self.wall_ns, self.mono):
                return tick
        raise AssertionError("no tick in a thousand turns")


def test_24_hours_cover_each_of_86400_seconds() -> None:
    """With a jittered loop and jittered answers, every second of a day has its answer."""
    rng = random.Random(1)
    loop = Loop(Schedule(1.0, 10.0))
    covered = set()
    while loop.wall_ns < (START + 86_400) * NS:
        loop.next_tick(late=rng.uniform(0, 0.05))
        covered.add((loop.wall_ns + round(rng.uniform(0.001, 0.4) * NS)) // NS)
    assert len(covered & set(range(START, START + 86_400))) == 86_400


@pytest.mark.parametrize("begins", [0.0, 0.01, 0.3, 0.499, 0.5, 0.7, 0.999])
def test_the_first_tick_is_at_once_and_in_its_own_second(begins: float) -> None:
    """In the first half of a second it takes the place of that second's tick."""
    loop = Loop(Schedule(1.0, 10.0, at_once=True), wall=START + begins)
    assert loop.schedule.wait(loop.wall_ns, loop.mono) == 0.0
    ticks = [loop.next_tick() for _ in range(12)]
    assert [tick.start_ns // NS for tick in ticks] == [START + k for k in range(12)]
    assert ticks[0].slow
    assert loop.wall_ns == (START + 11) * NS + NS // 2


def test_only_the_first_tick_is_early() -> None:
    """After a stall the phase counts again."""
    loop = Loop(Schedule(1.0, 10.0, at_once=True), wall=START + 0.2)
    loop.next_tick()
    loop.advance(10.0)
    assert loop.schedule.due(loop.wall_ns, loop.mono) is None
    assert loop.next_tick().start_ns == (START + 10) * NS


@pytest.mark.parametrize("rate", [0.9995, 1.0005, 0.99, 1.01])
def test_a_slewed_clock_is_followed(rate: float) -> None:
    """Every second of the wall clock is covered while it is slewed, even far beyond 500 ppm."""
    loop = Loop(Schedule(1.0, 10.0), rate=rate)
    seconds = [loop.next_tick(late=0.01).start_ns // NS for _ in range(5000)]
    assert seconds == list(range(seconds[0], seconds[0] + 5000))


@pytest.mark.parametrize("stall", [10.0, 10.3, 9.6, 10.75])
def test_a_stall_gives_no_burst(stall: float) -> None:
    """After a stall of 10 s at most one tick is due at once, and none is made up for."""
    loop = Loop(Schedule(1.0, 10.0))
    before = loop.next_tick()
    loop.advance(stall)
    times, ticks = [], []
    for _ in range(4):
        ticks.append(loop.next_tick())
        times.append(loop.mono)
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))
    assert times[-1] - times[0] > 2.4
    assert 8 <= (ticks[0].start_ns - before.start_ns) // NS - 1 <= 11


@pytest.mark.parametrize("step", [-3600.0, -1.0, -0.3, -2.5, 0.4, 3.0, 86_400.0, -1e9])
def test_a_stepped_clock_is_followed_at_once(step: float) -> None:
    """After a step in either direction reading continues within 2 intervals, in the new phase."""
    loop = Loop(Schedule(1.0, 10.0))
    for _ in range(3):
        loop.next_tick()
    before = loop.mono
    loop.wall_ns += round(step * NS)
    loop.next_tick()
    assert 0.5 <= loop.mono - before <= 2.5
    for _ in range(3):
        loop.next_tick()
        assert loop.wall_ns % NS == NS // 2


@settings(deadline=None)
@given(
    interval=st.sampled_from([0.2, 0.3, 1.0, 7.0, 30.0]),
    steps=st.lists(st.tuples(st.floats(0, 40), st.floats(-5000, 5000)), max_size=30),
)
def test_ticks_are_half_an_interval_apart_whatever_the_clock_does(
    interval: float, steps: list[tuple[float, float]]
) -> None:
    """Stalls and steps at random never bring two ticks closer than half an interval."""
    loop = Loop(Schedule(interval, 10.0))
    last = -1e9
    for stall, step in steps:
        loop.advance(stall)
        loop.wall_ns += round(step * NS)
        for _ in range(3):
            loop.next_tick()
            assert loop.mono - last >= interval / 2 - 1e-6
            last = loop.mono


def test_slow_paths_come_with_the_first_tick_and_every_soc_interval() -> None:
    """Soc is read at once, then every 10 s; after a reconnection at once again."""
    loop = Loop(Schedule(1.0, 10.0))
    slow = [loop.next_tick().slow for _ in range(41)]
    assert slow[0]
    assert slow.count(True) in (5, 6)
    every = [index for index, is_slow in enumerate(slow) if is_slow][1:]
    assert {later - earlier for earlier, later in pairwise(every)} == {10}
    loop.schedule.restart()
    assert loop.next_tick().slow


def test_a_soc_interval_below_the_interval_is_every_tick() -> None:
    """Slow paths are never read more often than there are ticks."""
    loop = Loop(Schedule(1.0, 0.2))
    assert all(loop.next_tick().slow for _ in range(20))
    loop = Loop(Schedule(1.0, 1.0))
    assert all(loop.next_tick().slow for _ in range(20))


def test_a_tick_stands_for_the_start_of_its_second() -> None:
    """A tick in the middle of a second is stamped with the second's start."""
    loop = Loop(Schedule(1.0, 10.0), wall=START + 0.2)
    tick = loop.next_tick()
    assert tick.start_ns == START * NS
    assert loop.wall_ns == START * NS + NS // 2
