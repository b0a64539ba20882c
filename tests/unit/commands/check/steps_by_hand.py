"""The steps of `check` with a fake broker, and those that most tests begin with."""

from __future__ import annotations

import pytest

from bat2influx.commands import bridge_check
from bat2influx.commands.check import conversation, device_steps
from bat2influx.commands.steps import OK, WRONG, Step
from bat2influx.config.settings import Battery
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from tests.unit.commands.session_by_hand import (
    CONFIG,
    START,
    TICK,
    HandBroker,
    P,
)

HOST = "venus.local"
PORT_OPEN = Step(OK, "port", "1883 is open")
LOGGED_IN = Step(OK, "login", "as 'bat2influx', without a password")
PORTAL = Step(OK, "portal id", P)
INSTANCE = Step(OK, "instance", "vebus 275")
VALUES = [
    Step(OK, "Voltage", "52.6 V (vebus/275/Dc/0/Voltage)"),
    Step(OK, "Soc", "88.5 % (vebus/275/Soc)"),
]
LOST = mqtt_errors.closed(HOST, "reset by peer")


def taken(monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery) -> list[Step]:
    """Return the steps that are taken with this section of the file."""
    monkeypatch.setattr(device_steps, "Session", broker.session)
    monkeypatch.setattr(bridge_check, "Session", broker.session)
    monkeypatch.setattr(conversation, "time", broker.time)
    return [*device_steps.device_steps(own, CONFIG)]


def after_portal(monkeypatch: pytest.MonkeyPatch, broker: HandBroker, own: Battery) -> list[Step]:
    """Return the steps after the portal id, which has to succeed."""
    found = taken(monkeypatch, broker, own)
    assert found[:3] == [PORT_OPEN, LOGGED_IN, PORTAL]
    return found[3:]


def waited(broker: HandBroker, seconds: float) -> bool:
    """Return whether so much time has passed, but for a few looks."""
    return seconds <= broker.now - START <= seconds + 4 * TICK


def wrong(label: str, why: Trouble) -> Step:
    """Return the step at which a trouble is met."""
    return Step(WRONG, label, why.what)
