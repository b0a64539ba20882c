"""What is subscribed to of a fleet, what each topic is, and what is stored of a message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.device.source import Census
from bat2influx.fleet import intake as fleet_intake
from bat2influx.fleet.intake import FleetIntake
from bat2influx.fleet.keepalive import Pulse
from bat2influx.fleet.plan import FleetPlan, WantedTopic, heartbeat_of, keepalive_of
from bat2influx.reading import NS, Origin
from bat2influx.venus.protocol import NoValue, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

P = "c0619ab1c2d3"
TOPIC = f"N/{P}/vebus/275/Dc/0/Voltage"
START = 1_767_225_610 * NS


def plan(**fields: str) -> FleetPlan:
    """Return the plan of some fields."""
    return FleetPlan(parse_field(name, path) for name, path in fields.items())


def test_each_of_the_nine_is_one_filter() -> None:
    """For every device and every instance."""
    filters = FleetPlan(DEFAULT_FIELDS).filters
    assert len(filters) == 9
    assert filters[0] == "N/+/vebus/+/Dc/0/Voltage"


def test_no_filter_overlaps_another() -> None:
    """A broker delivers a message once for each filter that it fits."""
    made = plan(A="vebus/Soc", B="vebus/275/Soc", C="system/Soc", D="grid/30/P", E="grid/31/P")
    assert made.filters == (
        "N/+/vebus/+/Soc",
        "N/+/system/0/Soc",
        "N/+/grid/30/P",
        "N/+/grid/31/P",
    )
    assert made.find(f"N/{P}/vebus/275/Soc") == WantedTopic(("A", "B"), Origin(P, "vebus", 275))
    assert made.find(f"N/{P}/vebus/276/Soc") == WantedTopic(("A",), Origin(P, "vebus", 276))
    assert made.find(f"N/{P}/grid/32/P") is None


@pytest.mark.parametrize(
    "topic",
    ["", "N", TOPIC[2:], f"R{TOPIC[1:]}", f"{TOPIC}/x", TOPIC.replace("275", "x"), "N//a/0/b"],
)
def test_what_is_no_value(topic: str) -> None:
    """It is read for nothing."""
    assert FleetPlan(DEFAULT_FIELDS).find(topic) is None


def test_apparent_power_is_to_be_asked_for() -> None:
    """Of each service of which something was heard."""
    made = FleetPlan(DEFAULT_FIELDS)
    assert made.untold(Origin(P, "vebus", 276)) == [f"R/{P}/vebus/276/Ac/ActiveIn/L1/S"]
    assert made.untold(Origin(P, "grid", 30)) == []


def test_signs_of_life() -> None:
    """They have the portal id in their topic."""
    assert heartbeat_of(f"N/{P}/heartbeat") == keepalive_of(f"R/{P}/keepalive") == P
    assert heartbeat_of(f"N/{P}/x/heartbeat") is None
    assert keepalive_of(f"N/{P}/keepalive") is None


class Devices:
    """An intake, and messages for it."""

    def __init__(self, *, by_tick: bool = False, shared: bool = False, topics: int = 1) -> None:
        self.intake = FleetIntake("", by_tick=by_tick, shared=shared)
        self.now = START
        self.intake.begin_tick(self.now)
        for number in range(topics):
            portal = f"c{number}"
            wanted = WantedTopic(
                ("A", "B") if number == 0 else ("A",), Origin(portal, "vebus", 275)
            )
            self.intake.learn(f"N/{portal}/vebus/275/A", wanted, Pulse(portal))

    def say(self, payload: str, portal: str = "c0") -> None:
        """Have a device say something, a moment later."""
        self.now += 1000
        series = self.intake.known[f"N/{portal}/vebus/275/A"]
        self.intake.take(series, payload.encode(), self.now)

    def tick(self) -> None:
        """Have the next tick come."""
        self.now += NS - self.now % NS
        self.intake.begin_tick(self.now)

    def kept(self, portal: str = "c0", field: str = "A") -> list[tuple[float, float]]:
        """Return (s since the start, value) of what was stored."""
        return [
            ((each.time_ns - START) / NS, each.value)
            for each in self.intake.readings
            if each.origin.portal == portal and each.field == field
        ]


def test_a_topic_may_be_two_fields() -> None:
    """Each has every value, with the portal id and the instance."""
    devices = Devices()
    devices.say('{"value":1}')
    assert [each[2:] for each in devices.intake.readings] == [
        ("A", 1.0, Origin("c0", "vebus", 275)),
        ("B", 1.0, Origin("c0", "vebus", 275)),
    ]


def test_the_same_again_within_a_tick() -> None:
    """It is not stored, but of another device, in the next tick, or after something else."""
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
    assert devices.intake.no_values == {NoValue.SAID_AGAIN: 1, NoValue.NOT_AN_OBJECT: 1}


def test_where_the_work_is_shared_all_is_stored() -> None:
    """Another daemon may have heard something else in between."""
    devices = Devices(shared=True)
    for _ in range(3):
        devices.say('{"value":1}')
    assert [value for _, value in devices.kept()] == [1, 1, 1]


def test_by_tick_the_last_of_a_second_is_in_the_next_row() -> None:
    """With the stamp of that, and once; what has no value any more is in none."""
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
def test_the_latest_that_is_stored_is_the_latest_that_was_said(
    said: Sequence[tuple[int, int]],
) -> None:
    """Of each device, whatever was left out as said again; and no stamp comes twice."""
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
    """None of its topics is known, and all of the others are; nothing of it is yet to be stored."""
    devices = Devices(by_tick=by_tick, topics=11)
    devices.say('{"value":1}', "c1")
    devices.intake.readings.clear()
    devices.intake.forget("c1")
    devices.intake.forget("nobody")
    devices.tick()
    assert "N/c1/vebus/275/A" not in devices.intake.known
    assert len(devices.intake.known) == 10
    assert not devices.intake.readings


def test_topics_that_are_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device has so many at most, and so have all; what is over is left out."""
    monkeypatch.setattr(fleet_intake, "SERIES_OF_ONE", 3)
    monkeypatch.setattr(fleet_intake, "MOST_SERIES", 5)
    intake = FleetIntake("", by_tick=False, shared=False)
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
    assert [*intake.known] == ["b/0", "b/1"]


def test_a_census_in_words() -> None:
    """A few of the silent ones are named."""
    assert str(Census(1, ())) == "1 device"
    assert str(Census(1000, ("a", "b"))) == "1,000 devices, 2 silent (a, b)"
    assert str(Census(1000, tuple("abcd"))) == "1,000 devices, 4 silent (a, b, c, …)"
