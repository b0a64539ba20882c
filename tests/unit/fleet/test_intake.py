"""Which messages of a fleet's devices are stored."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.fleet import intake as fleet_intake
from bat2influx.fleet.intake import FleetIntake
from bat2influx.fleet.keepalive import Pulse
from bat2influx.fleet.memory import SERIES, Memory
from bat2influx.fleet.plan import WantedTopic
from bat2influx.mqtt.publishes import Packet
from bat2influx.reading import NS, Origin
from bat2influx.venus.protocol import NoValue, decode

START = 1_767_225_610 * NS


class Devices:
    """An intake, and messages for it."""

    def __init__(self, *, by_tick: bool = False, shared: bool = False, topics: int = 1) -> None:
        memory = Memory(1_000_000)
        self.intake = FleetIntake("", memory, by_tick=by_tick, shared=shared)
        self.now = START
        self.intake.begin_tick(self.now)
        for number in range(topics):
            portal = f"c{number}"
            wanted = WantedTopic(
                ("A", "B") if number == 0 else ("A",), Origin(portal, "vebus", 275)
            )
            self.intake.learn(f"N/{portal}/vebus/275/A", wanted, Pulse(portal))

    def say(self, payload: str, portal: str = "c0") -> None:
        """Deliver a device's message, a moment later."""
        self.now += 1000
        series = self.intake.known[f"N/{portal}/vebus/275/A".encode()]
        self.intake.process(series, decode(payload.encode()), self.now)

    def read(self, messages: Sequence[tuple[str, bytes, bool]], *, known: bool) -> list[Packet]:
        """Deliver messages of topics that arrive together; return those that are handed back.

        With `known`, by the loop for known topics, and otherwise one after the other.
        """
        packets = [
            (f"N/{portal}/vebus/275/A".encode(), payload, int(retain), self.now + number // 2)
            for number, (portal, payload, retain) in enumerate(messages)
        ]
        self.now += len(messages) // 2
        if known:
            return [*self.intake.process_known(packets, float(self.now), 7)]
        others = []
        for packet in packets:
            topic, payload, retain, arrival = packet
            series = self.intake.known.get(topic)
            if series and not retain:
                series.pulse.received_at = float(self.now)
                self.intake.process(series, decode(payload), arrival + 7)
            else:
                others.append(packet)
        return others

    def state(self) -> list[object]:
        """Return what is known of all series, and what was counted."""
        slots = "value", "tick", "stamp"
        return [
            self.intake.readings,
            self.intake.last_value_ns,
            [*self.intake.no_values.items()],
            [[getattr(each, slot) for slot in slots] for each in self.intake.known.values()],
            [each.pulse.received_at for each in self.intake.known.values()],
        ]

    def tick(self) -> None:
        """Begin the next tick."""
        self.now += NS - self.now % NS
        self.intake.begin_tick(self.now)

    def kept(self, portal: str = "c0", field: str = "A") -> list[tuple[float, float]]:
        """Return (s since the start, value) of the stored values."""
        return [
            ((each.time_ns - START) / NS, each.value)
            for each in self.intake.readings
            if each.origin.portal == portal and each.field == field
        ]


MESSAGE = st.tuples(
    st.sampled_from(["c0", "c1", "c1", "c1", "c2", "unknown"]),
    st.sampled_from([b'{"value":1}', b'{"value":1}', b'{"value":2.5}', b'{"value":null}', b""]),
    st.sampled_from([False] * 5 + [True]),
)


@given(st.booleans(), st.booleans(), st.lists(st.lists(MESSAGE, max_size=8), max_size=8))
def test_messages_that_arrive_together_are_processed_as_single_ones(
    by_tick: bool, shared: bool, reads: list[list[tuple[str, bytes, bool]]]
) -> None:
    """With the same values, stamps and counts; some arrive at the same ns."""
    together, single = (Devices(by_tick=by_tick, shared=shared, topics=3) for _ in range(2))
    for number, messages in enumerate(reads):
        if number % 3 == 2:
            together.tick()
            single.tick()
        handed_back = together.read(messages, known=True)
        assert handed_back == single.read(messages, known=False)
        assert together.state() == single.state()


def test_a_topic_may_be_two_fields() -> None:
    """Each has every value, with the portal id and the instance."""
    devices = Devices()
    devices.say('{"value":1}')
    assert [each[2:] for each in devices.intake.readings] == [
        ("A", 1.0, Origin("c0", "vebus", 275)),
        ("B", 1.0, Origin("c0", "vebus", 275)),
    ]


def test_the_same_again_within_a_tick() -> None:
    """It is not stored, except of another device, in the next tick, or after another message."""
    devices = Devices(topics=2)
    for payload in ('{"value":1}', '{"value":1}', '{"value":2}', '{"value":1}'):
        devices.say(payload)
    devices.say('{"value":1}', "c1")
    assert [value for _, value in devices.kept()] == [1, 2, 1]
    assert [value for _, value in devices.kept("c1")] == [1]
    devices.say("null")
    devices.say('{"value":1}')
    devices.tick()
    devices.say('{"value":1}')
    assert [value for _, value in devices.kept()] == [1, 2, 1, 1, 1]
    assert devices.intake.no_values == {NoValue.REPEATED: 1, NoValue.NOT_AN_OBJECT: 1}


def test_where_the_work_is_shared_all_is_stored() -> None:
    """Another daemon may have received another value in between."""
    devices = Devices(shared=True)
    for _ in range(3):
        devices.say('{"value":1}')
    assert [value for _, value in devices.kept()] == [1, 1, 1]


def test_by_tick_the_last_of_a_second_is_in_the_next_row() -> None:
    """With the stamp of that row, and once; a field without a value any more is in none."""
    devices = Devices(by_tick=True, topics=2)
    devices.say('{"value":1}')
    devices.say('{"value":2}')
    devices.say('{"value":5}', "c1")
    devices.say('{"value":null}', "c1")
    assert not devices.intake.readings
    devices.tick()
    devices.tick()
    devices.say('{"value":3}')
    devices.tick()
    assert devices.kept() == devices.kept(field="B") == [(1.0, 2.0), (3.0, 3.0)]
    assert devices.kept("c1") == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60))
def test_the_latest_stored_value_is_the_latest_received_value(
    said: Sequence[tuple[int, int]],
) -> None:
    """Of each device, whatever repeated values were left out; and stamps are unique."""
    devices = Devices(topics=3)
    latest = {}
    for portal, value in said:
        devices.say(f'{{"value":{value}}}', f"c{portal}")
        latest[f"c{portal}"] = value
        if value == 2:
            devices.tick()
    for portal, value in latest.items():
        kept = devices.kept(portal)
        assert kept[-1][1] == value
        assert len({when for when, _ in kept}) == len(kept)


@pytest.mark.parametrize("by_tick", [False, True])
def test_a_device_that_is_forgotten(by_tick: bool) -> None:
    """None of its topics is known, and all of the others are; no queued value of it is stored."""
    devices = Devices(by_tick=by_tick, topics=11)
    devices.say('{"value":1}', "c1")
    devices.intake.pop_rows()
    devices.intake.forget("c1")
    devices.intake.forget("nobody")
    devices.tick()
    assert b"N/c1/vebus/275/A" not in devices.intake.known
    assert len(devices.intake.known) == 10
    assert not devices.intake.readings


def test_invented_topics_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number per device and in total is limited; the others are ignored."""
    monkeypatch.setattr(fleet_intake, "SERIES_OF_ONE", 3)
    memory = Memory(5 * (SERIES + len("a/0")))
    intake = FleetIntake("", memory, by_tick=False, shared=False)
    learnt = [
        intake.learn(
            f"{portal}/{instance}",
            WantedTopic(("A",), Origin(portal, "vebus", instance)),
            Pulse(portal),
        )
        for portal in "ab"
        for instance in range(4)
    ]
    assert [each is not None for each in learnt] == [True] * 3 + [False] + [True] * 2 + [False] * 2
    intake.forget("a")
    assert [*intake.known] == [b"b/0", b"b/1"]
