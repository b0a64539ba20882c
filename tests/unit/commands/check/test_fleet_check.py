"""The devices of a fleet that a command finds, their order, and the time of the search."""

from __future__ import annotations

import pytest

from bat2influx.commands.check import fleet_check
from bat2influx.commands.check.fleet_check import HEARTBEAT_WITHIN, OTHERS_WITHIN, fleet_portals
from bat2influx.fleet.plan import FleetPlan
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import Endpoint
from tests.unit.commands.session_by_hand import CONFIG, START, HandBroker, HandDevice

A, B, C = "a1", "b2", "c3"
ENDPOINT = Endpoint("broker", 1883, "me", "", CONFIG)


def look(broker: HandBroker) -> list[str]:
    """Search the devices behind a broker; check that nothing is requested or left subscribed."""
    session = broker.session(ENDPOINT)
    found = fleet_portals(session)  # type: ignore[arg-type]
    assert not broker.published
    assert not session.connection.filters
    return found


def test_without_a_sign_of_life_all_that_are_listed_are_found() -> None:
    """In the order of their portal ids, after the time of a heartbeat."""
    broker = HandBroker(HandDevice(B), HandDevice(A))
    assert look(broker) == [A, B]
    assert broker.now == START + HEARTBEAT_WITHIN + OTHERS_WITHIN
    assert broker.subscribed == [*FleetPlan.signs]


@pytest.mark.parametrize("topic", [f"N/{C}/heartbeat", f"N/{C}/system/0/Serial"])
def test_a_device_that_is_publishing_is_the_first(topic: str) -> None:
    """By its heartbeat or its Serial, and the search ends a moment later."""
    broker = HandBroker(HandDevice(B), HandDevice(A), HandDevice(C))
    broker.at(2.0, topic, b'{"value":"c3"}')
    assert look(broker) == [C, A, B]
    assert broker.now == START + 2.0 + OTHERS_WITHIN


def test_of_several_publishing_devices_the_first_one_counts() -> None:
    """Those of the moment after it are found, too."""
    broker = HandBroker(HandDevice(A))
    broker.at(1.0, f"N/{C}/heartbeat")
    broker.at(1.5, f"N/{B}/heartbeat")
    assert look(broker) == [C, A, B]


def test_the_number_of_devices_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many are found as a daemon reads."""
    monkeypatch.setattr(fleet_check, "MAX_DEVICES", 2)
    broker = HandBroker(HandDevice(C), HandDevice(B), HandDevice(A))
    assert len(look(broker)) == 2


@pytest.mark.parametrize(
    ("topic", "payload", "retain"),
    [
        (f"N/{C}/heartbeat", b"", False),
        (f"N/{C}/system/0/Serial", b"", True),
        (f"N/{C}/system/0/Serial", b'{"value":null}', True),
        (f"N/{C}/system/0/Serial", b'{"value":null}', False),
    ],
)
def test_an_empty_message_is_no_device(topic: str, payload: bytes, retain: bool) -> None:
    """It removes a retained Serial from the broker."""
    broker = HandBroker(HandDevice(A))
    broker.at(1.0, topic, payload, retain=retain)
    assert look(broker) == [A]
    assert broker.now == START + HEARTBEAT_WITHIN + OTHERS_WITHIN


def test_without_devices_the_list_is_empty() -> None:
    """The list is empty where nothing has come."""
    assert look(HandBroker()) == []


def test_a_rejected_subscription_is_the_sessions_trouble() -> None:
    """The list is empty, without a wait."""
    broker = HandBroker(HandDevice(A))
    sign = FleetPlan.signs[0]
    why = mqtt_errors.subscription_refused("broker", "me", sign, "no", CONFIG)
    broker.refuses[sign] = why
    assert look(broker) == []
    assert broker.sessions[0].trouble == why
    assert broker.now == START
