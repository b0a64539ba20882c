"""What `check` reports about a portal id, and about another topic prefix."""

from __future__ import annotations

import pytest

from bat2influx.commands.bridge_check import PREFIXES_WITHIN
from bat2influx.commands.check import conversation, device_steps
from bat2influx.commands.check.conversation import (
    PORTAL_WITHIN,
    SEARCH_WITHIN,
)
from bat2influx.commands.steps import WRONG
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import UndecidedError
from tests.unit.commands.check.steps_by_hand import (
    HOST,
    INSTANCE,
    LOGGED_IN,
    PORT_OPEN,
    VALUES,
    after_portal,
    taken,
    waited,
    wrong,
)
from tests.unit.commands.session_by_hand import (
    CONFIG,
    OTHER,
    HandBroker,
    HandDevice,
    P,
    battery,
)

# The portal id

NO_PORTAL = device_errors.no_portal(HOST, CONFIG)


def test_a_broker_without_a_device_has_no_portal_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` waits for one, and sends nothing after that."""
    broker = HandBroker()
    found = taken(monkeypatch, broker, battery())
    assert found == [PORT_OPEN, LOGGED_IN, wrong("portal id", NO_PORTAL)]
    assert waited(broker, PORTAL_WITHIN + PREFIXES_WITHIN)
    assert not broker.published


def test_another_device_than_the_given_one_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the portal id of the other device, which is not queried."""
    broker = HandBroker(HandDevice(OTHER))
    found = taken(monkeypatch, broker, battery(serial=P))
    why = device_errors.wrong_portal(HOST, P, (OTHER,), CONFIG)
    assert found[2:] == [wrong("portal id", why)]
    assert not broker.published


@pytest.mark.parametrize("vrm", [False, True])
def test_a_given_portal_id_need_not_be_listed(monkeypatch: pytest.MonkeyPatch, vrm: bool) -> None:
    """A bridge may not forward its Serial, and the VRM cloud does not show it."""
    broker = HandBroker(HandDevice(listed=False))
    assert after_portal(monkeypatch, broker, battery(serial=P, vrm=vrm)) == [INSTANCE, *VALUES]
    assert ("N/+/system/0/Serial" in broker.subscribed) is not vrm


def test_a_person_has_to_choose_among_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps before are reported, and the connection is closed."""
    broker = HandBroker(HandDevice(), HandDevice(OTHER))
    monkeypatch.setattr(device_steps, "Session", broker.session)
    monkeypatch.setattr(conversation, "time", broker.time)
    under_way = device_steps.device_steps(battery(), CONFIG)
    assert [next(under_way), next(under_way)] == [PORT_OPEN, LOGGED_IN]
    with pytest.raises(UndecidedError, match=f"serial = {OTHER}\nserial = {P}"):
        next(under_way)
    assert broker.sessions[0].closed


def test_a_broker_that_confirms_nothing_leaves_the_portal_id_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not reported as present, and the device as not responding."""
    broker = HandBroker(HandDevice())
    broker.acknowledges = False
    found = taken(monkeypatch, broker, battery(serial=P))
    why = device_errors.device_not_responding(HOST, P, SEARCH_WITHIN, given=False)
    assert found == [PORT_OPEN, LOGGED_IN, wrong("device", why)]
    assert not broker.published


# What a bridge has in front of the topics


def portal_trouble(
    monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery
) -> tuple[str, str]:
    """Return label and text of the only step after the login."""
    (step,) = (each for each in taken(monkeypatch, broker, own)[2:] if each.state == WRONG)
    assert all(session.closed for session in broker.sessions)
    return step.label, step.text


@pytest.mark.parametrize(
    ("there", "own", "text"),
    [
        ("boat/", "", "Set topic_prefix = boat in"),
        ("home/cellar/", "", "Set topic_prefix = home/cellar in"),
        ("home/cellar/", "home/", "Set topic_prefix = home/cellar in"),
        ("", "boat/", "Remove topic_prefix from"),
    ],
)
@pytest.mark.parametrize("serial", ["", P, "*"])
def test_a_missing_or_wrong_prefix_is_detected(
    monkeypatch: pytest.MonkeyPatch, there: str, own: str, text: str, serial: str
) -> None:
    """With a portal id or without, and of a fleet, too; the detected one is not queried."""
    broker = HandBroker(HandDevice(prefix=there))
    found = portal_trouble(monkeypatch, broker, battery(topic_prefix=own, serial=serial))
    assert found[0] == "portal id"
    assert text in found[1]
    assert not any(topic.startswith(f"{there}R/") for topic, _ in broker.published) or not there


def test_a_listed_device_is_not_searched_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if it does not respond, its serial number proves that the prefix is right."""
    broker = HandBroker(HandDevice(silent=True), HandDevice(OTHER, prefix="boat/"))
    taken(monkeypatch, broker, battery())
    assert len(broker.sessions) == 1
    assert not any(topic.startswith("+/") for topic in broker.subscribed)


def test_over_vrm_no_prefix_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud rejects a list of devices."""
    broker = HandBroker(HandDevice(silent=True, listed=False))
    taken(monkeypatch, broker, battery(serial=P, vrm=True))
    assert len(broker.sessions) == 1
