"""The survey of a republish: which numbers and names are used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.commands.discover.survey import MAX_NUMBERS, MAX_TEXTS, ServiceInstance, Survey
from bat2influx.venus.protocol import keepalive
from bat2influx.venus.units import unit_of
from tests.standins.venus.device import Device

PORTAL = "c0619ab1c2d3"


def surveyed(device: Device, echo: str = "mine") -> Survey:
    """Return what a stand-in says in a full republish."""
    survey = Survey(device.portal_id, echo)
    for publish in device.handle(*keepalive(device.portal_id, echo=echo), now=1.8e9):
        survey.process(publish.topic, publish.payload)
    assert survey.complete
    return survey


def told(*said: tuple[str, object]) -> Survey:
    """Return a survey that has seen these values on these leaves."""
    survey = Survey(PORTAL, "mine")
    for leaf, value in said:
        survey.process(f"N/{PORTAL}/{leaf}", json.dumps({"value": value}).encode())
    return survey


def flooded() -> Survey:
    """Return a survey of a device that makes up paths and names."""
    survey = Survey(PORTAL, "mine")
    for n in range(2 * MAX_NUMBERS):
        survey.process(f"N/{PORTAL}/s{n % 997}/{n % 65_000}/x{n}", b'{"value":1}')
        survey.process(f"N/{PORTAL}/s{n}/1/ProductName", b'{"value":"x"}')
    return survey


def test_only_numbers_are_fields() -> None:
    """Text, null, booleans and removed values are not."""
    survey = told(
        ("vebus/275/A", "text"),
        ("vebus/275/B", None),
        ("vebus/275/C", True),
        ("vebus/275/D", [1]),
        ("vebus/275/E", 1),
        ("vebus/275/F", 2),
        ("grid/30/Gone", 3),
        ("vebus/275/E", None),
    )
    survey.process(f"N/{PORTAL}/grid/30/Gone", b"")
    assert survey.numbers == {ServiceInstance("vebus", 275): {"F": 2.0}}


@pytest.mark.parametrize(
    "topic",
    [
        "N/another/vebus/275/X",
        f"R/{PORTAL}/vebus/275/X",
        f"N/{PORTAL}/vebus/275/",
        f"N/{PORTAL}/vebus/275//X",
        f"N/{PORTAL}/vebus/0275/X",
        f"N/{PORTAL}/vebus/65536/X",
        f"N/{PORTAL}/vebus/²/X",
        f"N/{PORTAL}/Vebus/275/X",
        f"N/{PORTAL}/vebus/275/a b",
        f"N/{PORTAL}/vebus/275/a\nb",
        f"N/{PORTAL}/vebus/275/X\n",
        f"N/{PORTAL}/vebus/275/ä",
        f"N/{PORTAL}/vebus/275/{'x' * 161}",
        f"N/{PORTAL}/heartbeat",
        "",
    ],
)
def test_invalid_topics_are_ignored(topic: str) -> None:
    """A topic that is not service/instance/path, in the syntax of the ini file, is no field."""
    survey = Survey(PORTAL, "mine")
    survey.process(topic, b'{"value":1}')
    assert survey.numbers == {}


def test_wanted_services_come_first_and_housekeeping_not_at_all() -> None:
    """The inverter, the sums, the battery; then the other services; the rest with everything."""
    services = ("settings/0", "tank/1", "grid/30", "vebus/276", "vebus/275", "platform/0")
    survey = told(*((f"{service}/X", 1) for service in services))
    shown = ["vebus/275", "vebus/276", "grid/30", "tank/1"]
    assert [str(place) for place in survey.places()] == shown
    assert {str(place) for place in survey.places(everything=True)} == {*services}


def test_units_are_those_of_victrons_list() -> None:
    """By service and path, and by the last part where that says it everywhere."""
    assert unit_of("vebus", "Ac/ActiveIn/L2/S") == "VA"
    assert unit_of("system", "Dc/Battery/TimeToGo") == "s"
    assert unit_of("solarcharger", "Yield/User") == "kWh"
    assert unit_of("vebus", "State") == ""
    assert unit_of("dcsystem", "Dc/0/Power") == "W"
    assert unit_of("tank", "Level") == "%"
    assert unit_of("tank", "RawValue") == ""


@settings(deadline=None)
@given(st.text(), st.binary())
def test_no_message_raises(topic: str, payload: bytes) -> None:
    """Whatever the topic and the bytes."""
    survey = Survey(PORTAL, "mine")
    for each in (topic, f"N/{PORTAL}/{topic}", f"N/{PORTAL}/vebus/275/CustomName"):
        survey.process(each, payload)
    assert all(name.isprintable() for name in survey.names_of(ServiceInstance("vebus", 275)))


@pytest.mark.parametrize("payload", [b"[" * 60_000, b'{"value":"' + b"x" * 70_000 + b'"}'])
def test_a_name_that_is_too_large_is_ignored(payload: bytes) -> None:
    """Nested without end, or longer than any payload may be."""
    survey = told(("vebus/275/Soc", 50))
    survey.process(f"N/{PORTAL}/vebus/275/CustomName", payload)
    assert survey.names_of(ServiceInstance("vebus", 275)) == ()


def test_the_number_of_paths_is_bounded() -> None:
    """A device cannot fill the memory."""
    assert sum(map(len, flooded().numbers.values())) == MAX_NUMBERS


@pytest.mark.parametrize("value", [b'{"value":"x"}', b'{"value":1}', b'{"value":""}', b""])
def test_the_number_of_names_is_bounded(value: bytes) -> None:
    """A name that is not text takes no memory at all."""
    survey = Survey(PORTAL, "mine")
    for n in range(2 * MAX_TEXTS):
        survey.process(f"N/{PORTAL}/s{n}/1/ProductName", value)
    assert len(survey._texts) <= MAX_TEXTS
    assert all(survey._texts.values())


def test_the_end_is_marked_by_the_requested_echo() -> None:
    """Another client's republish does not end it; one without an echo, as of old firmware, does."""
    survey = Survey(PORTAL, "mine")
    end = f"N/{PORTAL}/full_publish_completed"
    survey.process(end, b'{"full-publish-completed-echo":"theirs","value":1}')
    assert not survey.complete
    survey.process(end, b'{"full-publish-completed-echo":"mine","value":1}')
    assert survey.complete
    old = Survey(PORTAL, "mine")
    old.process(end, b'{"value":1795350075}')
    assert old.complete
