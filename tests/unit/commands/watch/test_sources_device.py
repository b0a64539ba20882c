"""What `bat2influx watch` shows of a device, and when the device counts as not responding."""

from __future__ import annotations

from typing import Any

import pytest

from bat2influx.commands.watch.model import Fact, Level
from bat2influx.commands.watch.sources import Watched
from bat2influx.config.settings import Battery
from bat2influx.failure import Trouble
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import Reading
from tests.unit.commands.session_by_hand import P, battery


class HandDevice:
    """Stands in for a device; a test sets its state."""

    def __init__(self, own: Battery) -> None:
        self.battery = own
        self.state = State.POLLING
        self.connected = True
        self.portal: str | None = P
        self.labels = ["Voltage", "Soc"]
        self.messages = 0
        self.without_value: dict[str, str] = {}
        self.trouble: Trouble | None = None
        self.readings: list[Reading] = []

    def pop_readings(self) -> list[Reading]:
        """Return the readings since the last call."""
        taken, self.readings = self.readings, []
        return taken


def watched(*, alone: bool = True, **changes: Any) -> tuple[Any, Watched]:
    """Return a device and what watches it."""
    device: Any = HandDevice(battery(**changes))
    return device, Watched(device, 3.0, alone=alone)


def facts(shown: Watched, now: float) -> list[Fact]:
    """Return what is said of a device."""
    return list(shown.part(now).facts)


WHO = f"{P} at venus.local:1883"


@pytest.mark.parametrize(
    ("state", "connected", "mode", "how"),
    [
        (State.POLLING, True, "poll", "connected, polling every 1 s"),
        (State.POLLING, True, "notify", "connected, receiving changes"),
        (State.WAITING, False, "poll", "waiting to reconnect"),
        (State.RESOLVING, False, "poll", "resolving"),
        (State.CONNECTING, False, "poll", "connecting"),
        (State.LOGIN, False, "notify", "login"),
        (State.DISCOVERING, True, "notify", "connected, discovering"),
        (State.NOT_RESPONDING, True, "poll", "connected, not responding"),
    ],
)
def test_a_device_has_its_state(state: State, connected: bool, mode: str, how: str) -> None:
    """With whether it is connected."""
    device, shown = watched(mode=mode)
    device.state, device.connected = state, connected
    assert facts(shown, 0.0) == [Fact("device", f"{WHO}: {how}")]


@pytest.mark.parametrize(
    ("changes", "portal", "label", "who"),
    [
        ({}, None, "device", "venus.local:1883"),
        ({"address": "fe80::1", "port": 8883}, P, "device", f"{P} at [fe80::1]:8883"),
        ({"name": "boat"}, "a\x1bb", "boat", "a b at venus.local:1883"),
        ({"alone": False}, P, "[Battery]", WHO),
        ({"alone": False, "name": "boat"}, P, "boat", WHO),
    ],
)
def test_a_device_has_its_address_and_portal_id(
    changes: dict[str, Any], portal: str | None, label: str, who: str
) -> None:
    """The label is its name, or a general one."""
    device, shown = watched(**changes)
    device.portal = portal
    (fact,) = facts(shown, 0.0)
    assert (fact.label, fact.text.partition(": ")[0]) == (label, who)


def test_a_trouble_of_a_device_is_a_separate_fact() -> None:
    """With the daemon's message, printable."""
    device, shown = watched()
    device.trouble = Trouble("silent", "device x\nis silent", effect="asking")
    assert facts(shown, 0.0)[1:] == [Fact("device", "device x is silent", Level.WRONG, "silent")]


@pytest.mark.parametrize(
    ("changes", "late"),
    [({}, 5.0), ({"interval": 2.0}, 6.0), ({"mode": "notify", "interval": 30.0}, 8.0)],
)
def test_a_device_that_does_not_respond_is_shown(changes: dict[str, Any], late: float) -> None:
    """After three intervals, after a missed heartbeat with notifications, and not before 5 s."""
    device, shown = watched(**changes)
    shown.take(100.0)
    shown.take(100.0 + late)
    assert [fact.level for fact in facts(shown, 100.0 + late)] == [Level.OK]
    (fact,) = facts(shown, 100.5 + late)
    assert (fact.level, fact.cause) == (Level.WRONG, "silence")
    text = facts(shown, 100.0 + late)[0].text
    assert fact.text == f"{text}, but no message for {0.5 + late:.0f} s"
    device.messages += 1
    shown.take(101.0 + late)
    assert [each.level for each in facts(shown, 101.0 + late)] == [Level.OK]


def test_a_device_that_is_not_polled_is_not_late() -> None:
    """The time begins with the first request."""
    device, shown = watched()
    shown.take(0.0)
    device.state = State.WAITING
    shown.take(50.0)
    assert [fact.level for fact in facts(shown, 60.0)] == [Level.OK]
    device.state = State.POLLING
    shown.take(100.0)
    assert [fact.level for fact in facts(shown, 105.0)] == [Level.OK]
    assert [fact.level for fact in facts(shown, 105.5)] == [Level.WRONG]


def test_values_of_a_device_are_its_rows() -> None:
    """The values, the reason for a missing one, and whether the device responds."""
    device, shown = watched()
    device.readings = [Reading(0, "", "Voltage", 52.6), Reading(0, "", "Soc", 88.5)]
    shown.take(10.0)
    device.without_value = {"Soc": "null"}
    voltage, soc = shown.part(12.0).rows
    assert (voltage.name, voltage.value, voltage.age, voltage.stale) == (
        "Voltage",
        52.6,
        2.0,
        False,
    )
    assert (soc.name, soc.value, soc.instead) == ("Soc", None, "null")
    device.without_value = {}
    assert [row.stale for row in shown.part(20.0).rows] == [True, False]
    device.state = State.NOT_RESPONDING
    assert [row.stale for row in shown.part(20.0).rows] == [True, True]


@pytest.mark.parametrize(("name", "site"), [("", ""), ("boat", "boat: ")])
def test_the_beginnings_of_a_device_in_the_daemons_status(name: str, site: str) -> None:
    """Its first label, and its trouble without what the daemon does until then."""
    device, shown = watched(name=name)
    device.trouble = Trouble("silent", "it is\nsilent", effect="asking")
    assert [*shown.beginnings()] == [f"{site}Voltage ", f"{site}it is silent"]
    device.trouble, device.labels = None, []
    assert [*shown.beginnings()] == []
