"""The short way of ordinary values against the long way: two devices get the same messages."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bat2influx.config.settings import Battery
from bat2influx.device.device import Device
from bat2influx.device.plan import Plan
from bat2influx.device.remembered import RememberedDevices
from bat2influx.mqtt.publishes import Packet
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import NS
from bat2influx.venus.protocol import Field, NoValue, parse_field
from tests.standins.venus.payloads import EDGES, TRANSCRIPT
from tests.unit.device.test_source import BATTERY, LOST, Broker, LiveLine, P, at

W = 120.0
LEAVES = (
    *("vebus/275/Soc", "vebus/275/Dc/0/Voltage", "vebus/275/Dc/0/Power"),
    *("vebus/275/Ac/Out/L1/S", "tank/3/Level", "system/0/Relay/0/State", "battery/512/Soc"),
)
FIELDS = (
    *(
        parse_field(*each)
        for each in (
            ("Soc", "vebus/Soc"),
            ("Charge", "vebus/275/Soc"),  # two fields of one path
            ("Voltage", "vebus/Dc/0/Voltage"),
            ("Power", "vebus/Dc/0/Power"),
            ("Load", "vebus/Ac/Out/L1/S"),
            ("Level", "tank/3/Level"),
            ("Relay", "system/Relay/0/State"),
        )
    ),
    Field("BatterySoc", "battery", None, "Soc", optional=True),
)
GIVEN = BATTERY._replace(soc_interval=2.0, fields=FIELDS)
OTHERS = (
    *("heartbeat", "vebus/275/ProductId", "vebus/276/ProductId", "battery/512/ProductId"),
    *("vebus/275/State", "system/0/Serial", "keepalive", "full_publish_completed"),
)
PAYLOADS = (
    *(
        b'{"value":1}',
        b'{"value":1}',
        b'{"value":2.5}',
        b'{"value":53.24000167}',
        b'{"value":-0.0}',
    ),
    *(b'{"value":null}', b'{"max":2,"value":1}', b"", b'{"value":"on"}', b"{", b'{"value":1e3}'),
)
PAUSES = (0.0, 0.0, 0.001, 0.1, 0.24, 0.3, 0.5, 0.999, 1.0, 1.0, 1.0, 2.5, 4.0, 16.0, 35.0)


def known(part: object) -> Any:
    """Return the state of a part of a device, in a form that can be compared."""
    if isinstance(part, dict):
        return [(known(key), known(each)) for key, each in part.items()]
    if isinstance(part, set | frozenset):
        return sorted(map(repr, part))
    if isinstance(part, list | tuple):
        return [known(each) for each in part]
    if not type(part).__module__.startswith(("bat2influx.device", "bat2influx.reading")):
        return part if isinstance(part, str | bytes | int | float | Enum | None) else None
    if isinstance(part, Enum):
        return part
    slots = getattr(type(part), "__slots__", ())
    names = [*(slots or vars(part))]
    return {name: known(getattr(part, name)) for name in names}


class Forgetful:
    """Remembers no device, and writes no file."""

    def recall(self, _key: str) -> None:
        """Return nothing."""

    def keep(self, *_: object) -> None:
        """Do nothing."""


class Pair:
    """Two devices that get the same messages, one of which always uses the long way."""

    def __init__(self, patch: pytest.MonkeyPatch, battery: Battery, *, by_tick: bool) -> None:
        patch.setattr(random, "random", lambda: 1.0)
        patch.setattr(os, "urandom", bytes)
        self.broker = Broker(patch)
        self.seconds, self.arrival, self.steps = 0.5, 0, 0
        self.prefix = battery.topic_prefix
        self.short, self.long = (
            Device(
                battery,
                by_tick=by_tick,
                watchdog=W,
                config="/etc/x.ini",
                remembered=cast(RememberedDevices, Forgetful()),
                wake=lambda: None,
            )
            for _ in range(2)
        )
        patch.setattr(self.long._fast_path, "_begin", lambda _: ({}, ()))
        self.step(0.0)

    def lines(self) -> Iterator[LiveLine]:
        """Yield the connections."""
        for device in (self.short, self.long):
            if line := device._broker.connection:
                yield cast(LiveLine, line)

    def say(self, topic: str, payload: bytes, *, retain: bool = False, after: float = 0.0) -> None:
        """Deliver a message to both, that many s after the clock was read."""
        self.arrival = max(self.arrival, round((self.seconds + after) * NS))
        for line in self.lines():
            line.say(self.prefix + topic, payload, retain=retain, arrival=self.arrival)

    def answer(self, payload: bytes) -> None:
        """Answer each field with this value."""
        for leaf in LEAVES:
            self.say(f"N/{P}/{leaf}", payload, after=0.002)

    def farewell(self, place: str) -> None:
        """Let a service leave."""
        for leaf in (*LEAVES, *OTHERS):
            if leaf.startswith(place):
                self.say(f"N/{P}/{leaf}", b"")

    def complete(self) -> None:
        """End a full republish, with values that are not read."""
        self.say(f"N/{P}/battery/512/ProductId", b'{"value":1}')
        self.say(f"N/{P}/full_publish_completed", b'{"full-publish-completed-echo":"0"}')

    def step(self, seconds: float) -> None:
        """Let time pass, and step both; check that the results are equal.

        The complete comparison takes long, and is done at intervals.
        """
        self.seconds += seconds
        self.steps += 1
        now = at(self.seconds)
        for device in (self.short, self.long):
            device.step(now, readable=True)
        assert self._outcome(self.short) == self._outcome(self.long)
        if self.steps % 4 == 0:
            self.compare()
        for line in self.lines():
            line.published.clear()

    def compare(self) -> None:
        """Check that the states of both are equal."""
        assert self._knows(self.short) == self._knows(self.long)

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`."""
        self.seconds += seconds
        self.short.stalled(seconds)
        self.long.stalled(seconds)

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set."""
        self.short.clock_set(step_ns)
        self.long.clock_set(step_ns)

    def rescan(self) -> None:
        """A user has reloaded the daemon."""
        self.short.rescan()
        self.long.rescan()

    def lose(self) -> None:
        """End the connection."""
        for line in self.lines():
            line.trouble = LOST

    def _outcome(self, device: Device) -> list[object]:
        line = cast(LiveLine, device._broker.connection)
        return [
            device.pop_readings(),
            device.no_values,
            [*device.no_values],
            device.messages,
            device.latest,
            device.last_value_ns,
            device.state,
            device.trouble,
            device.missing_services,
            device.without_value,
            device.timeout(at(self.seconds)),
            line and (line.asked, line.published),
        ]

    def _knows(self, device: Device) -> list[object]:
        parts = "presence", "problems", "intake", "liveness", "poller", "discovery", "standstill"
        return [known(getattr(device, f"_{part}")) for part in parts]


@contextmanager
def pairs(battery: Battery = GIVEN, *, by_tick: bool = False) -> Iterator[Pair]:
    """A pair of devices that are read."""
    log = logging.getLogger("bat2influx")
    level = log.level
    log.setLevel(logging.CRITICAL)  # an assignment to `level` would leave stale caches behind
    try:
        with pytest.MonkeyPatch.context() as patch:
            yield Pair(patch, battery, by_tick=by_tick)
    finally:
        log.setLevel(level)


TOPICS = (
    *(f"N/{P}/{leaf}" for leaf in (*LEAVES, *LEAVES, *LEAVES, *LEAVES, *OTHERS)),
    *("N/other/vebus/275/Soc", "", "N/é"),
)
SAID = st.tuples(
    st.just("say"),
    st.sampled_from(TOPICS),
    st.sampled_from([*PAYLOADS, *PAYLOADS[:3], *PAYLOADS[:3]]),
    st.sampled_from([False] * 5 + [True]),
    st.sampled_from([0.0, 0.0, 0.001, 0.2, 0.3, 2.5]),
)
EVENTS = st.one_of(
    SAID,
    SAID,
    st.tuples(st.just("answer"), st.sampled_from(PAYLOADS)),
    st.tuples(st.just("step"), st.sampled_from(PAUSES)),
    st.tuples(st.just("step"), st.sampled_from(PAUSES)),
    st.tuples(st.just("complete")),
    st.tuples(st.just("farewell"), st.sampled_from(["vebus/275", "tank", "battery", "system"])),
    st.tuples(st.just("stalled"), st.sampled_from([0.6, 5.0])),
    st.tuples(st.just("clock_set"), st.sampled_from([-NS, 3600 * NS])),
    st.tuples(st.just("rescan")),
    st.tuples(st.just("lose")),
)
# With a preset, a survey of the paths comes first.
SETTINGS = st.builds(
    lambda mode, prefix, preset: GIVEN._replace(
        mode=mode, topic_prefix=prefix, fields=FIELDS if preset else FIELDS[:-1]
    ),
    st.sampled_from(["poll", "notify"]),
    st.sampled_from(["", "b/é/"]),
    st.sampled_from([False, False, False, True]),
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(SETTINGS, st.booleans(), st.integers(0, 3), st.lists(EVENTS, min_size=12, max_size=40))
def test_both_ways_have_the_same_results(
    battery: Battery, by_tick: bool, ticks: int, events: list[tuple[Any, ...]]
) -> None:
    """Whatever comes, and when: the same values, counts, requests and states at each step."""
    with pairs(battery, by_tick=by_tick) as pair:
        for number in range(ticks):
            pair.answer(b'{"value":%d}' % number)
            pair.step(0.1)
            pair.step(0.9)
        for what, *given in events:
            if what == "say":
                topic, payload, retain, after = given
                pair.say(topic, payload, retain=retain, after=after)
            else:
                getattr(pair, what)(*given)
        for _ in range(3):
            pair.step(1.0)
        pair.compare()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    SETTINGS,
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from(LEAVES)), max_size=40),
)
def test_numbers_at_the_edge_are_the_same(
    battery: Battery, by_tick: bool, numbers: list[tuple[str, str]]
) -> None:
    """Long, unusual and huge ones, each in time after a tick."""
    with pairs(battery, by_tick=by_tick) as pair:
        for number, leaf in numbers:
            pair.answer(b'{"value":1}')
            pair.step(0.01)
            pair.step(0.99)
            pair.say(f"N/{P}/{leaf}", b'{"value":%b}' % number.encode())
            pair.step(0.1)
        pair.compare()


def conversation() -> Iterable[tuple[float, str, bytes, bool]]:
    """Yield a device's recorded messages, and when (s since the beginning)."""
    begun = latest = 0.0
    for entry in map(json.loads, TRANSCRIPT.read_text().splitlines()):
        if "scene" in entry:
            begun = latest + 1.0
        elif entry.get("from") == "device":
            latest = begun + entry["ms"] / 1000
            yield latest, entry["topic"], entry["payload"].encode(), entry["retain"]


@pytest.mark.parametrize("by_tick", [False, True])
@pytest.mark.parametrize("mode", ["poll", "notify"])
@pytest.mark.parametrize("each", [0.02, 1.0])
def test_a_conversation_is_the_same_by_both_ways(mode: str, by_tick: bool, each: float) -> None:
    """A device's recorded messages, in reads with different intervals."""
    fields = tuple(
        parse_field(path.replace("/", ""), path)
        for path in ("vebus/Soc", "vebus/Dc/0/Voltage", "vebus/Dc/0/Current", "vebus/Dc/0/Power")
    )
    battery = GIVEN._replace(mode=cast(Any, mode), fields=fields)
    with pairs(battery, by_tick=by_tick) as pair:
        begun = pair.seconds
        for when, topic, payload, retain in conversation():
            while begun + when > pair.seconds + each:
                pair.step(max(each, min(1.0, begun + when - pair.seconds - each)))
            pair.say(topic, payload, retain=retain, after=max(0.0, begun + when - pair.seconds))
        pair.step(1.0)
        pair.compare()
        assert pair.short.last_value_ns


@pytest.mark.parametrize("prefix", ["", "site/7/"])
@pytest.mark.parametrize("by_tick", [False, True])
@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_what_is_ordinary_takes_the_short_way(mode: str, by_tick: bool, prefix: str) -> None:
    """All answers of a tick, or changes, once each service has answered; whoever requested them."""
    battery = GIVEN._replace(
        mode=cast(Any, mode), soc_interval=1.0, topic_prefix=prefix, fields=FIELDS[:-1]
    )
    with pairs(battery, by_tick=by_tick) as pair:
        for number in range(20):
            pair.answer(b'{"value":%d}' % number)
            pair.say(f"N/{P}/heartbeat", b'{"value":1}')
            pair.step(0.1)
            pair.step(0.9)
        assert pair.short.state is State.POLLING
        assert pair.short._fast_path.taken > 0.85 * 20 * (len(LEAVES) - 1)
        assert pair.long._fast_path.taken == 0
        assert pair.short.no_values == {NoValue.OTHER_TOPIC: 20}


SOC, POWER = f"N/{P}/{LEAVES[0]}", f"N/{P}/{LEAVES[2]}"


def settled(pair: Pair) -> Pair:
    """Answer all fields for some ticks."""
    for number in range(5):
        pair.answer(b'{"value":%d}' % number)
        pair.step(0.1)
        pair.step(0.9)
    return pair


@pytest.mark.parametrize("mode", ["poll", "notify"])
@pytest.mark.parametrize(
    ("payload", "how"),
    [
        (b'{"value":7}', {"retain": True}),
        (b'{"value":7}', {"after": 2.5}),
        (b'{"value":null}', {}),
        (b"", {}),
    ],
    ids=["retained", "after a standstill", "null", "farewell"],
)
def test_what_is_not_ordinary_takes_the_long_way(
    mode: str, payload: bytes, how: dict[str, Any]
) -> None:
    """It is counted and processed there, and later results are the same again."""
    battery = GIVEN._replace(mode=cast(Any, mode), soc_interval=1.0, fields=FIELDS[:-1])
    with pairs(battery) as pair:
        settled(pair)
        before = pair.short._fast_path.taken
        pair.say(SOC, payload, **how)
        pair.step(0.01)
        assert pair.short._fast_path.taken == before
        settled(pair).compare()
        assert pair.short._fast_path.taken > before


def test_a_question_sees_the_values_that_answer_it() -> None:
    """While it is open, all take the long way: a path that does not appear then does not exist."""
    with pairs(GIVEN._replace(mode="notify")) as pair:
        for _ in range(2):
            settled(pair)
            pair.complete()
            pair.step(0.1)
            assert "BatterySoc" in pair.short.labels
            for _ in range(12):  # one is permitted every W/2
                settled(pair)
            pair.rescan()
            pair.step(0.1)
        pair.compare()


def test_messages_before_reading_begins_are_handed_back() -> None:
    """By the next plan, on a new connection, or by no plan at all."""
    with pairs(GIVEN._replace(fields=FIELDS[:-1])) as pair:
        settled(pair)
        packets: list[Packet] = [(SOC.encode(), b'{"value":7}', 0, round(pair.seconds * NS))]
        for plan in (None, Plan(P, FIELDS[:-1], {"vebus": (275,)})):
            handed_back = pair.short._fast_path.process(packets, plan, at(pair.seconds))
            assert [*handed_back] == packets


def test_a_service_counts_as_heard_when_its_latest_value_arrives() -> None:
    """Whichever of its topics came first in a read."""
    with pairs(GIVEN._replace(mode="notify", fields=FIELDS[:-1])) as pair:
        settled(pair)
        for after, topic in enumerate((SOC, POWER, SOC)):
            pair.say(topic, b'{"value":%d}' % after, after=after / 10)
        pair.step(0.01)
        pair.compare()


def test_what_is_handed_back_is_in_its_turn() -> None:
    """Earlier values are processed before it, and later ones afterwards."""
    with pairs(GIVEN._replace(mode="notify", fields=FIELDS[:-1])) as pair:
        for number in range(20):
            pair.answer(b'{"value":%d}' % number)
            pair.step(1.0)
        way, device = pair.short._fast_path, pair.short
        topic, odd = f"N/{P}/vebus/275/Soc".encode(), b"N/odd"
        packets: list[Packet] = [
            (name, b'{"value":%d}' % number, 0, round(pair.seconds * NS))
            for number, name in enumerate((topic, odd, topic, topic, odd))
        ]
        device.pop_readings()
        stored = [
            len(device._intake.rows) for _ in way.process(packets, device._plan, at(pair.seconds))
        ]
        assert stored == [2, 6]  # of two fields each
