"""Several daemons keep the same devices awake, coordinated only by received keepalives."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.device.keepalive import KeepaliveKind
from bat2influx.fleet.keepalive import EACH_SECOND, MAX_OLD, Keepalives
from bat2influx.venus.protocol import full_keepalive, keepalive

W = 120.0
LASTS = 60.0  # s, VENUS
LATENCY = 0.2  # s, from a keepalive to its receivers
STEP = 0.1  # s between two checks by a daemon
SLACK = LATENCY + STEP


@dataclass
class Sent:
    """A keepalive on the wire."""

    time: float
    portal: str
    ask: KeepaliveKind
    by: int


@dataclass
class Plant:
    """Some daemons and devices in a simulated time; `off` are devices that do not respond."""

    daemons: int
    portals: tuple[str, ...]
    seed: int = 0
    shared: bool = True
    off: set[str] = field(default_factory=set)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.sent: list[Sent] = []
        self.alive: dict[str, float] = dict.fromkeys(self.portals, -math.inf)  # until when
        self.running: dict[int, Keepalives] = {}
        self._wire: list[tuple[float, int, str, bytes]] = []
        self._order = count()
        self._looked = self._beaten = self.now
        for number in range(self.daemons):
            self.start(number)

    def start(self, number: int) -> None:
        """Start a daemon, which receives the retained messages at once."""
        chance = random.Random(f"{self.seed} {number}").random
        daemon = self.running[number] = Keepalives(W, chance, shared=self.shared)
        daemon.begin(self.now)
        for portal in self.portals:
            daemon.add(portal, self.now)

    def kill(self, number: int) -> None:
        """End a daemon abruptly."""
        del self.running[number]

    def go_on(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self.now += STEP
            each()
            self._hear()
            for number, daemon in self.running.items():
                for portal, ask in daemon.next(self.now):
                    self._send(portal, ask, number)
            if self.now >= self._beaten + 3.0:
                self._beaten = self.now
                self._beat()
            if self.now >= self._looked + 5.0:
                self._looked = self.now
                for daemon in self.running.values():
                    daemon.check_devices(self.now)

    def foreign(self, portal: str, ask: KeepaliveKind = KeepaliveKind.CHANGES) -> None:
        """Another client sends a keepalive."""
        self._send(portal, ask, -1)

    def times(self, portal: str, *asks: KeepaliveKind, since: float = 0.0) -> list[float]:
        """Return when a device was sent one."""
        return [
            sent.time
            for sent in self.sent
            if sent.portal == portal and sent.time >= since and (not asks or sent.ask in asks)
        ]

    def _send(self, portal: str, ask: KeepaliveKind, by: int) -> None:
        self.sent.append(Sent(self.now, portal, ask, by))
        _, payload = (full_keepalive if ask is KeepaliveKind.FULL else keepalive)(portal)
        heapq.heappush(self._wire, (self.now + LATENCY, next(self._order), portal, payload))

    def _hear(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            when, _, portal, payload = heapq.heappop(self._wire)
            if portal not in self.off:
                self.alive[portal] = when + LASTS
                self._speak(portal)
            for daemon in self.running.values():
                daemon.keepalive_seen(portal, payload, self.now)

    def _beat(self) -> None:
        for portal, until in self.alive.items():
            if self.now < until and portal not in self.off:
                self._speak(portal)

    def _speak(self, portal: str) -> None:
        for daemon in self.running.values():
            daemon.add(portal, self.now).received_at = self.now


def portals(number: int) -> tuple[str, ...]:
    """Return that many portal ids."""
    return tuple(f"c06{each:03}" for each in range(number))


@settings(max_examples=15)
@given(
    daemons=st.integers(1, 5),
    shared=st.booleans(),
    seed=st.integers(0, 10**6),
    deaths=st.lists(st.floats(5.0, 60.0), max_size=4),
)
def test_once_per_device_however_many_daemons(
    daemons: int, shared: bool, seed: int, deaths: list[float]
) -> None:
    """No device is kept alive late or twice in a period, except by two at once, or falls asleep.

    The same holds while daemons end one after the other; and full republishes are a minute apart.
    """
    plant = Plant(daemons, portals(12), seed, shared=shared)
    plant.go_on(20.0)
    begun = plant.now
    for number, after in enumerate(deaths[: daemons - 1]):
        plant.go_on(after)
        plant.kill(number)
    plant.go_on(130.0)
    for portal in plant.portals:
        times = plant.times(portal)
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert all(gap <= SLACK or gap >= W / 4 - SLACK for gap in gaps)
        assert max(gaps) <= W / 4 + W / 40 + 2 * SLACK
        full = plant.times(portal, KeepaliveKind.FULL)
        assert full
        assert all(b - a <= SLACK or b - a >= W / 2 - SLACK for a, b in pairwise(full))
        assert plant.alive[portal] > plant.now
    steady = [sent for sent in plant.sent if sent.time >= begun]
    periods = (plant.now - begun) / (W / 4)
    assert len(steady) <= 1.35 * len(plant.portals) * (periods + 1)  # the others are collisions


def test_a_daemon_that_joins_listens_first() -> None:
    """If the work is shared, no device that another daemon has just asked is asked again."""
    plant = Plant(1, portals(10))
    plant.go_on(100.0)
    plant.start(1)
    joined = plant.now
    plant.go_on(90.0)
    for portal in plant.portals:
        times = plant.times(portal, since=joined - 31)
        assert all(b - a <= SLACK or b - a >= W / 8 - SLACK for a, b in pairwise(times))


def test_by_itself_it_wants_all_values_though_others_keep_the_devices_awake() -> None:
    """Otherwise unchanged values would not arrive."""
    plant = Plant(0, portals(1), shared=False)
    (portal,) = plant.portals

    def victron() -> None:
        if not plant.times(portal) or plant.now >= plant.times(portal)[-1] + 20.0:
            plant.foreign(portal)

    plant.go_on(30.0, victron)
    plant.start(0)
    plant.go_on(60.0, victron)
    assert len(plant.times(portal, KeepaliveKind.FULL)) == 1
    own = [sent for sent in plant.sent if sent.by == 0]
    assert [sent.ask for sent in own] == [KeepaliveKind.FULL]


def test_full_republishes_are_spread() -> None:
    """A thousand devices do not answer at once, and none of them has to wait long."""
    plant = Plant(1, portals(1000))
    plant.go_on(50.0)
    full = sorted(sent.time for sent in plant.sent if sent.ask is KeepaliveKind.FULL)
    assert len(full) == 1000
    for begin in range(1000, 1050):
        in_it = sum(begin <= when < begin + 1 for when in full)
        assert in_it <= EACH_SECOND + 2  # the simulation steps every 0.1 s
    first = {portal: plant.times(portal)[0] for portal in plant.portals}
    assert max(first.values()) <= 1000 + W / 4 + W / 20 + SLACK


def test_a_device_that_was_off_is_asked_for_all_it_has() -> None:
    """Within a minute of its return, and once."""
    plant = Plant(2, portals(3))
    plant.go_on(100.0)
    gone = plant.portals[0]
    plant.off.add(gone)
    plant.go_on(300.0)
    (daemon, _) = plant.running.values()
    assert daemon.check_devices(plant.now) == [gone]
    plant.off.clear()
    back = plant.now
    plant.go_on(100.0)
    assert daemon.check_devices(plant.now) == []
    full = plant.times(gone, KeepaliveKind.FULL, since=back)
    assert 1 <= len(full) <= 2
    assert full[0] <= back + W / 2 + W / 40 + SLACK


def test_a_short_silence_loses_no_value() -> None:
    """Changes during half a minute without its bridge are requested."""
    plant = Plant(1, portals(1))
    (portal,) = plant.portals
    plant.go_on(100.0)
    plant.off.add(portal)
    plant.go_on(25.0)
    plant.off.clear()
    back = plant.now
    plant.go_on(60.0)
    assert len(plant.times(portal, KeepaliveKind.FULL, since=back)) == 1


def test_a_new_connection_starts_over() -> None:
    """Changes in between are requested, but never twice in a minute."""
    plant = Plant(1, portals(5))
    plant.go_on(10.0)
    for _ in range(10):
        plant.running[0].begin(plant.now)
        plant.go_on(15.0)
    for portal in plant.portals:
        full = plant.times(portal, KeepaliveKind.FULL)
        assert all(b - a >= W / 2 - SLACK for a, b in pairwise(full))
        assert len(full) >= 2


def test_a_device_that_is_removed_is_asked_no_more() -> None:
    """And it is not counted as not responding."""
    plant = Plant(1, portals(2))
    plant.go_on(50.0)
    (daemon,) = plant.running.values()
    daemon.remove(plant.portals[0])
    plant.off.add(plant.portals[0])
    gone = plant.now
    plant.go_on(200.0)
    assert not plant.times(plant.portals[0], since=gone)
    assert daemon.check_devices(plant.now) == []


def test_devices_that_come_and_go_leave_few_entries_of_the_agenda() -> None:
    """Obsolete entries are removed, and no present device is left out."""
    keepalives = Keepalives(W, lambda: 0.5, shared=False)
    keepalives.add("stays", 0.0)
    for number in range(5_000):
        keepalives.add(f"c{number}", 0.001 * number)
        keepalives.remove(f"c{number}")
        assert len(keepalives._agenda) <= MAX_OLD + 4
    assert "stays" in {portal for portal, _ in keepalives.next(6.0)}


def test_keepalives_that_were_not_taken_come_with_the_next_call() -> None:
    """A device stays on the agenda until its keepalive was taken."""
    keepalives = Keepalives(W, lambda: 0.0, shared=False)
    for portal in "abc":
        keepalives.add(portal, 0.0)
    asked = [next(keepalives.next(time))[0] for time in (10.0, 10.1, 10.2)]
    assert sorted(asked) == ["a", "b", "c"]
    assert not [*keepalives.next(10.2)]
    assert len([*keepalives.next(45.0)]) == 3
