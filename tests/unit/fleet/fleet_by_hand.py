"""A fleet on simulated connections, stepped with simulated clocks.

The random part of a device's wait is zero, so a device is asked at once when its turn has come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bat2influx.config.settings import Battery
from bat2influx.failure import Trouble
from bat2influx.fleet import fleet as fleet_module
from bat2influx.fleet.fleet import Fleet
from bat2influx.reading import NS, Reading
from bat2influx.venus.protocol import parse_field
from tests.unit.device.test_source import BATTERY, Broker, LiveLine, at

W, FILE, HOST = 120.0, "/etc/x.ini", "10.0.0.2"
A, B, C = "c0619ab1c2d3", "c0619ab1c2d4", "c0619ab1c2d5"
SOC_LEAF, LOAD_LEAF, SERIAL = "vebus/275/Soc", "vebus/275/Ac/Out/L1/S", "system/0/Serial"
VALUE = b'{"value":1}'
FIELDS = tuple(
    parse_field(*each)
    for each in (
        ("Soc", "vebus/Soc"),
        ("Load", "vebus/Ac/Out/L1/S"),  # of whose changes a device does not notify
        ("Relay", "system/Relay/0/State"),
    )
)
FLEET = BATTERY._replace(serial="*", instance=None, fields=FIELDS, mode="notify", instances="tag")


class FleetLine(LiveLine):
    """A line with groups, refusals, and `room` for a number of messages."""

    room = 1_000_000

    def __init__(self, *, accepted: bool, confirms: bool) -> None:
        super().__init__(accepted=accepted, confirms=confirms)
        self.declined: dict[int, Trouble] = {}

    def subscribe(
        self, topics: Iterable[str], *, optional: bool = False, share_group: str = ""
    ) -> int:
        """Record it."""
        what = "subscribe, if allowed" if optional else "subscribe"
        return self._note(f"{what}, in {share_group}" if share_group else what, topics)

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        *,
        checked: bool = False,
        optional: bool = False,
    ) -> None:
        """Record it, with a mark if a refusal is detected and does not end the connection."""
        mark = {(True, True): " (if allowed)", (False, False): ""}[checked, optional]
        self.published.append((topic + mark, payload))
        self.room -= checked

    def abandon(self, why: Trouble) -> None:
        """End it."""
        self.trouble = why

    def has_room(self) -> bool:
        """Return whether there is room for another checked message."""
        return self.room > 0


class FleetBroker(Broker):
    """A broker that accepts each connection."""

    @property
    def line(self) -> FleetLine:
        """The latest connection."""
        return cast(FleetLine, self.lines[-1])

    def _process(self, *_: Any) -> LiveLine:
        self.lines.append(FleetLine(accepted=self.welcomes, confirms=self.confirms))
        return self.line


class SteppedFleet:
    """A fleet behind such a broker; its messages are recorded as words: "full", a portal id."""

    def __init__(self, broker: FleetBroker, battery: Battery, *, by_tick: bool) -> None:
        self.broker = broker
        self.fleet = Fleet(battery, by_tick=by_tick, watchdog=W, config=FILE, wake=lambda: None)
        self.seconds = 0.5  # the time of a tick
        self.asked: list[tuple[float, str]] = []  # when, and what
        self._taken: list[Reading] = []

    def step(self, seconds: float = 0.0) -> list[str]:
        """Let time pass, and step like the main loop; return the messages of that step."""
        self.seconds += seconds
        self.fleet.step(at(self.seconds), readable=True)
        self._taken += self.fleet.pop_readings()
        sent = [_in_words(*each) for line in self.broker.lines for each in line.published]
        for line in self.broker.lines:
            line.published.clear()
        self.asked += [(self.seconds, each) for each in sent]
        return sent

    def go_on(self, seconds: int, *leaves: str, portal: str = A) -> list[tuple[float, str]]:
        """Step every second, with these messages of a device; return what was sent, and when."""
        before = len(self.asked)
        for _ in range(seconds):
            self.say(*leaves, portal=portal)
            self.step(1.0)
        return self.asked[before:]

    def say(
        self, *leaves: str, portal: str = A, payload: bytes = VALUE, retain: bool = False
    ) -> None:
        """Deliver a device's message on the latest connection."""
        for leaf in leaves:
            self.hear(f"N/{portal}/{leaf}", payload, retain=retain)

    def hear(self, topic: str, payload: bytes = b"", *, retain: bool = False) -> None:
        """Deliver a message on any topic."""
        arrival = round(self.seconds * NS)
        self.broker.line.say(topic, payload, retain=retain, arrival=arrival)

    def sign(self, *portals: str, payload: bytes = VALUE) -> None:
        """Deliver what these devices have retained; an empty message is a farewell."""
        for portal in portals:
            self.say(SERIAL, portal=portal, payload=payload, retain=True)

    def readings(self) -> list[Reading]:
        """Return the values since the last call."""
        taken, self._taken = self._taken, []
        return taken

    def stored(self) -> list[tuple[str, str, float]]:
        """Return portal id, field and value of each."""
        return [(each.origin.portal, each.field, each.value) for each in self.readings()]

    @property
    def cause(self) -> str:
        """The cause of what is wrong."""
        return self.fleet.trouble.cause if self.fleet.trouble else ""

    @property
    def devices(self) -> tuple[int, list[str]]:
        """How many there are, and which do not respond."""
        return self.fleet.census.devices, [*self.fleet.census.not_responding]


def _in_words(topic: str, payload: bytes) -> str:
    for kind, own in (("full", b""), ("changes", b'{"keepalive-options":["suppress-republish"]}')):
        if topic.endswith("/keepalive (if allowed)") and payload == own:
            return f"{kind} {topic.split('/')[1]}"
    assert not payload
    return topic


Make = Callable[..., SteppedFleet]


def fleets(patch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture) -> Make:
    """Return a function that makes a connected fleet."""
    log.set_level(logging.INFO, "bat2influx")
    patch.setattr(fleet_module, "random", SimpleNamespace(random=lambda: 0.0))
    broker = FleetBroker(patch)

    def make(*, confirms: bool = True, by_tick: bool = False, **battery: Any) -> SteppedFleet:
        broker.confirms = confirms
        made = SteppedFleet(broker, FLEET._replace(**battery), by_tick=by_tick)
        made.step()
        return made

    return make
