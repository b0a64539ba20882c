"""The subscriptions for a fleet, and what each of their topics is."""

from __future__ import annotations

import pytest

from bat2influx.fleet.plan import FleetPlan, WantedTopic, heartbeat_of, keepalive_of
from bat2influx.reading import Origin
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

P = "c0619ab1c2d3"
TOPIC = f"N/{P}/vebus/275/Dc/0/Voltage"


def plan(**fields: str) -> FleetPlan:
    """Return the plan of some fields."""
    return FleetPlan(parse_field(name, path) for name, path in fields.items())


def test_each_of_the_nine_is_one_filter() -> None:
    """For every device and every instance."""
    filters = FleetPlan(DEFAULT_FIELDS).filters
    assert len(filters) == 9
    assert filters[0] == "N/+/vebus/+/Dc/0/Voltage"


def test_no_filter_overlaps_another() -> None:
    """A broker delivers a message once for each filter that matches it."""
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
    """It is not wanted."""
    assert FleetPlan(DEFAULT_FIELDS).find(topic) is None


def test_apparent_power_is_to_be_asked_for() -> None:
    """Of each service that has sent a message."""
    made = FleetPlan(DEFAULT_FIELDS)
    assert made.not_notified(Origin(P, "vebus", 276)) == [f"R/{P}/vebus/276/Ac/ActiveIn/L1/S"]
    assert made.not_notified(Origin(P, "grid", 30)) == []


def test_signs_of_life() -> None:
    """They have the portal id in their topic."""
    assert heartbeat_of(f"N/{P}/heartbeat") == keepalive_of(f"R/{P}/keepalive") == P
    assert heartbeat_of(f"N/{P}/x/heartbeat") is None
    assert keepalive_of(f"N/{P}/keepalive") is None


@pytest.mark.parametrize(
    ("fields", "filters"),
    [
        ({"A": "vebus/Soc", "B": "vebus/Soc"}, ("N/+/vebus/+/Soc",)),
        ({"A": "grid/30/P", "B": "grid/30/P"}, ("N/+/grid/30/P",)),
        ({"A": "system/Serial", "B": "system/Relay/0/State"}, ("N/+/system/0/Relay/0/State",)),
        ({"A": "system/Soc", "B": "system/1/Soc"}, ("N/+/system/+/Soc",)),
        ({"A": "system/1/Soc"}, ("N/+/system/1/Soc",)),
        ({}, ()),
    ],
    ids=["found twice", "given twice", "a sign", "found and given", "given", "none"],
)
def test_nothing_is_subscribed_to_twice(fields: dict[str, str], filters: tuple[str, ...]) -> None:
    """Neither for two fields of a path, nor for what shows a device anyway."""
    assert plan(**fields).filters == filters


def test_apparent_power_of_given_instances_is_asked_of_these_alone() -> None:
    """Of other instances of the service nothing is stored."""
    made = plan(S="vebus/275/Ac/Out/L1/S", P="vebus/275/Ac/Out/L1/P", T="grid/275/Ac/In/L1/S")
    assert made.not_notified(Origin(P, "vebus", 275)) == [f"R/{P}/vebus/275/Ac/Out/L1/S"]
    assert made.not_notified(Origin(P, "vebus", 276)) == []


def test_two_instances_of_a_preset_are_two_filters() -> None:
    """They have one name, and are distinguished by the origin of each value."""
    made = FleetPlan(fields_of(["battery/512", "battery/513"]))
    assert {"N/+/battery/512/Soc", "N/+/battery/513/Soc"} < {*made.filters}
    for instance in (512, 513):
        topic = f"N/{P}/battery/{instance}/Soc"
        assert made.find(topic) == WantedTopic(("BatterySoc",), Origin(P, "battery", instance))
    assert made.find(f"N/{P}/battery/514/Soc") is None
