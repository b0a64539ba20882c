"""The search for other prefixes, and for devices that answer reads, with a fake broker."""

from __future__ import annotations

import pytest

from bat2influx.commands import bridge_check
from bat2influx.commands.bridge_check import (
    MAX_READS,
    PREFIXES_WITHIN,
    READ_WITHIN,
    answering,
    prefixes_of,
)
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import Endpoint
from tests.unit.commands.session_by_hand import (
    CONFIG,
    OTHER,
    START,
    HandBroker,
    HandDevice,
    HandSession,
    P,
)

PRODUCT = "vebus/275/ProductId"


def session(broker: HandBroker, prefix: str = "") -> HandSession:
    """Return a session with that prefix, logged in."""
    return broker.session(Endpoint("broker", 1883, "me", "secret", CONFIG, prefix=prefix))


def looked(monkeypatch: pytest.MonkeyPatch, broker: HandBroker, prefix: str = "") -> list[str]:
    """Return the prefixes that are found by a session with `prefix`."""
    monkeypatch.setattr(bridge_check, "Session", broker.session)
    return [*prefixes_of(session(broker, prefix))]  # type: ignore[arg-type]


def test_devices_below_other_prefixes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a separate connection, which subscribes to all devices and is closed afterwards."""
    devices = (HandDevice(P, prefix="home/cellar/"), HandDevice(OTHER), HandDevice(prefix="boat/"))
    broker = HandBroker(*devices)
    assert looked(monkeypatch, broker, "boat/") == ["", "home/cellar/"]
    own, look = broker.sessions
    assert (own.endpoint.prefix, look.endpoint.prefix, look.endpoint.user) == ("boat/", "", "me")
    assert (own.closed, look.closed) == (False, True)
    assert not broker.published
    assert broker.now == START + PREFIXES_WITHIN


def test_a_failed_search_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier trouble is the one that is reported."""
    broker = HandBroker(HandDevice(prefix="boat/"))
    broker.log_in = lambda _: mqtt_errors.connack_refused("broker", "busy")
    assert looked(monkeypatch, broker) == []
    assert broker.sessions[0].trouble is None


def test_an_answer_to_a_read_is_a_message_that_is_not_retained() -> None:
    """Any leaf counts for its device; only a few of them are read."""
    broker = HandBroker(HandDevice(P), HandDevice(OTHER, silent=True))
    broker.at(1.0, f"N/{OTHER}/{PRODUCT}", b'{"value":1}', retain=True)
    broker.at(2.0, f"N/{OTHER}/vebus/275/Soc", b'{"value":1}')
    broker.at(3.0, f"N/{OTHER}/{PRODUCT}", b"")
    leaves = {P: ["vebus/1/ProductId", PRODUCT], OTHER: [PRODUCT]}
    assert answering(session(broker), leaves) == {P}  # type: ignore[arg-type]
    assert broker.now == START + READ_WITHIN


def test_the_search_ends_when_each_device_has_answered() -> None:
    """A device has no more to say than that it is there."""
    broker = HandBroker(HandDevice())
    many = [PRODUCT, *(f"vebus/{n}/ProductId" for n in range(9))]
    assert answering(session(broker), {P: many}) == {P}  # type: ignore[arg-type]
    assert (broker.now, len(broker.published)) == (START, MAX_READS)
    assert answering(session(broker), {}) == set()  # type: ignore[arg-type]
    assert answering(session(broker), {P: []}) == set()  # type: ignore[arg-type]
    assert broker.now == START
