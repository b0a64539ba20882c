"""A device from its first connection to its values, step by step, with simulated clocks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bat2influx.config.settings import Battery
from bat2influx.device.device import Device
from bat2influx.device.remembered import DeviceRecord, RememberedDevices, key_of
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import NS
from bat2influx.venus.protocol import PORTALS, Field, NoValue, parse_field
from tests.unit.device.test_source import BATTERY, LOST, Broker, P, at

W, FILE = 120.0, "/etc/x.ini"
SOC, RELAY = parse_field("Soc", "vebus/Soc"), parse_field("Relay", "system/Relay/0/State")
SOC_LEAF, RELAY_LEAF, SERIAL = "vebus/275/Soc", "system/0/Relay/0/State", "system/0/Serial"
VALUE = b'{"value":1}'
FULL, CHANGES, OLD, SEARCH = "full", "changes", "old", "search"
GIVEN = BATTERY._replace(soc_interval=1.0, fields=(SOC, RELAY))
FOUND = GIVEN._replace(serial="", instance=None)
KNOWN = DeviceRecord(P, {"vebus": 275})


class Home:
    """A device behind a broker of the test, stepped every second."""

    def __init__(self, broker: Broker, state: Path, battery: Battery) -> None:
        self.broker = broker
        self.remembered = RememberedDevices(state)
        self.device = Device(
            battery,
            by_tick=False,
            watchdog=W,
            config=FILE,
            remembered=self.remembered,
            wake=lambda: None,
        )
        self.seconds = 0.5  # the time of a tick
        self.asked: list[tuple[float, str]] = []  # when, and what
        self.echo = ""

    def step(self, seconds: float = 0.0) -> list[str]:
        """Let time pass, and step; return the requests of that step."""
        self.seconds += seconds
        self.device.step(at(self.seconds), readable=True)
        asked = [self._name(*each) for line in self.broker.lines for each in line.published]
        for line in self.broker.lines:
            line.published.clear()
        self.asked += [(self.seconds, each) for each in asked]
        return asked

    def go_on(self, seconds: int, *leaves: str) -> list[tuple[float, str]]:
        """Step every second, answering these leaves; return the requests, with their times."""
        before = len(self.asked)
        for _ in range(seconds):
            self.say(*leaves)
            self.step(1.0)
        return self.asked[before:]

    def say(
        self, *leaves: str, payload: bytes = VALUE, portal: str = P, retain: bool = False
    ) -> None:
        """Deliver messages on the latest connection."""
        for leaf in leaves:
            arrival = round(self.seconds * NS)
            self.broker.line.say(f"N/{portal}/{leaf}", payload, retain=retain, arrival=arrival)

    def complete(self, *leaves: str, portal: str = P) -> None:
        """Answer the latest search with these leaves."""
        end = json.dumps({"full-publish-completed-echo": self.echo}).encode()
        self.say(*leaves, portal=portal)
        self.say("full_publish_completed", payload=end, portal=portal)

    def _name(self, topic: str, payload: bytes) -> str:
        leaf = topic.split("/", 2)[2]
        if leaf == SERIAL:
            return OLD
        if leaf != "keepalive":  # a refused keepalive ends the connection
            return leaf.removesuffix(" (unchecked)")
        option = json.loads(payload)["keepalive-options"][0] if payload else FULL
        if isinstance(option, dict):
            self.echo = option["full-publish-completed-echo"]
            return SEARCH
        return CHANGES if option == "suppress-republish" else FULL

    @property
    def questions(self) -> list[tuple[float, str]]:
        """The requests to the device other than reads, with their times."""
        return [(when, what) for when, what in self.asked if what in (FULL, CHANGES, OLD, SEARCH)]

    @property
    def listed(self) -> list[int]:
        """How often the portal ids were listed, on each connection."""
        wanted = [
            [topics for what, topics in line.asked if what != "unsubscribe"]
            for line in self.broker.lines
        ]
        return [each.count((PORTALS,)) for each in wanted]

    @property
    def cause(self) -> str:
        """The cause of what is wrong."""
        return self.device.trouble.cause if self.device.trouble else ""


Make = Callable[..., Home]


def topics(*leaves: str) -> tuple[str, ...]:
    """Return the topics of these leaves of the device."""
    return tuple(f"N/{P}/{leaf}" for leaf in leaves)


def homes(patch: pytest.MonkeyPatch, state: Path, log: pytest.LogCaptureFixture) -> Make:
    """Return a function that makes a connected device, optionally a remembered one."""
    log.set_level(logging.INFO, "bat2influx")
    broker = Broker(patch)

    def make(
        battery: Battery = GIVEN, known: DeviceRecord | None = None, *, confirms: bool = True
    ) -> Home:
        if known:
            remembered = Home(broker, state, battery).remembered
            remembered.keep(key_of(battery), known)
            remembered.flush(60.0)
        broker.confirms = confirms
        made = Home(broker, state, battery)
        made.step()
        return made

    return make


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


# From the connection to values


def test_a_given_device_is_read_once_its_topics_are_confirmed(home: Make) -> None:
    """No question is needed before; the first tick is immediate."""
    device = home(confirms=False)
    assert device.asked == []
    assert device.device.state is State.DISCOVERING
    assert device.broker.line.asked == [
        ("subscribe", topics(SOC_LEAF, RELAY_LEAF, "heartbeat", "full_publish_completed")),
        ("subscribe, if allowed", topics("vebus/+/ProductId")),
    ]
    device.broker.line.confirm()
    assert device.step(1.0) == [SOC_LEAF, RELAY_LEAF]
    assert device.device.state is State.POLLING
    assert device.device.portal == P
    assert device.device.labels == ["Soc", "Relay"]


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_values_together_with_the_confirmation_are_survived(home: Make, mode: str) -> None:
    """A device that another client keeps awake sends changes at once."""
    device = home(GIVEN._replace(mode=mode), confirms=False)
    device.broker.line.confirm()
    device.say(SOC_LEAF)
    device.say(RELAY_LEAF, payload=b"")
    device.step(0.1)
    assert device.device.state is State.POLLING


@pytest.mark.parametrize(
    ("sign", "kinds"),
    [
        ("vebus/275/State", [CHANGES, OLD, OLD, OLD]),
        ("heartbeat", [CHANGES, CHANGES, CHANGES, CHANGES]),
        ("full_publish_completed", [CHANGES, CHANGES, CHANGES, CHANGES]),
    ],
)
def test_new_firmware_is_detected_by_what_the_old_never_reports(
    home: Make, sign: str, kinds: list[str]
) -> None:
    """Otherwise the old keepalive is sent after a while, and again as long as it is answered."""
    device = home(GIVEN._replace(mode="notify"))
    assert f"N/{P}/full_publish_completed" in device.broker.line.asked[0][1]
    device.go_on(1, sign)
    for _ in range(13):
        device.go_on(1, SOC_LEAF, RELAY_LEAF)
        device.go_on(6)
    assert [what for _, what in device.asked if what in (FULL, CHANGES, OLD)] == kinds
    assert len(device.broker.lines) == 1


# Messages that count


@pytest.mark.parametrize(
    ("leaf", "options", "messages", "kind"),
    [
        (SOC_LEAF, {}, 1, None),
        (SOC_LEAF, {"payload": b'{"value":null}'}, 1, NoValue.NULL),
        (SOC_LEAF, {"payload": b""}, 1, NoValue.ZERO_BYTES),
        (SOC_LEAF, {"retain": True}, 0, NoValue.RETAINED),
        ("heartbeat", {}, 1, None),
        ("full_publish_completed", {}, 1, None),
        ("vebus/275/State", {}, 1, NoValue.OTHER_TOPIC),
        (SERIAL, {"retain": True}, 0, NoValue.RETAINED),
        ("heartbeat", {"portal": "0a1b2c3d4e5f"}, 0, NoValue.OTHER_TOPIC),
        (SOC_LEAF, {"portal": "0a1b2c3d4e5f"}, 0, NoValue.OTHER_TOPIC),
    ],
)
def test_any_message_that_is_not_retained_counts(
    home: Make, leaf: str, options: dict[str, Any], messages: int, kind: NoValue | None
) -> None:
    """Retained messages and other devices do not count; messages without a value are counted."""
    device = home()
    device.say(leaf, **options)
    device.step(1.0)
    assert device.device.messages == messages
    assert device.device.no_values == ({kind: 1} if kind else {})
    stored = [each.field for each in device.device.pop_readings()]
    assert stored == (["Soc"] if leaf == SOC_LEAF and kind is None else [])


def test_a_value_is_a_reading_that_is_shown(home: Make) -> None:
    """Its stamp is the wall clock of its arrival."""
    device = home()
    device.say(SOC_LEAF)
    arrival = at(device.seconds).wall_ns
    device.step(1.0)
    assert [(each.time_ns, each.value) for each in device.device.pop_readings()] == [(arrival, 1)]
    assert device.device.last_value_ns == arrival
    assert device.device.latest == {"Soc": 1.0}


# Queries of the main loop


def test_the_wait_is_that_to_the_tick_the_silence_or_the_next_attempt(home: Make) -> None:
    """Whichever is first, and never negative."""
    device = home(GIVEN._replace(interval=30.0))
    assert device.device.timeout(at(0.6)) == 1.0  # for the connection itself
    device.broker.line.pending = True
    assert device.device.timeout(at(0.6)) == 0.0
    device.broker.line.pending = False
    assert device.device.timeout(at(4.8)) == pytest.approx(0.2)
    device.step(4.5)
    assert device.device.timeout(at(10.2)) == pytest.approx(0.3)
    assert device.device.timeout(at(11.0)) == 0.0


@pytest.mark.parametrize(("confirms", "leaves"), [(True, True), (False, False), (False, True)])
def test_no_tick_is_waited_for_where_nothing_is_asked(
    home: Make, *, confirms: bool, leaves: bool
) -> None:
    """For example after `stop_requests`, or before the device is read."""
    device = home(GIVEN._replace(interval=30.0), confirms=confirms)
    if leaves:
        device.device.stop_requests()
    assert device.device.timeout(at(4.8)) == 1.0


def test_after_ask_no_more_messages_are_still_processed(home: Make) -> None:
    """Open requests are awaited until their answers have arrived."""
    device = home()
    since = at(device.seconds).mono
    assert device.device.expects_answer(since)
    device.device.stop_requests()
    assert device.step(1.0) == []
    assert device.device.expects_answer(since)
    device.say(SOC_LEAF, RELAY_LEAF)  # late, so that a republish may end in a moment
    device.step(0.1)
    assert device.device.expects_answer(since)
    assert device.step(0.5) == []
    assert not device.device.expects_answer(since)
    assert len(device.device.pop_readings()) == 2


def test_no_answer_is_expected_on_a_lost_connection(home: Make) -> None:
    """Its requests are no longer awaited."""
    device = home()
    device.broker.line.trouble = LOST
    device.step(0.1)
    assert not device.device.expects_answer(at(0.0).mono)


def test_optional_values_are_shown_last(home: Make) -> None:
    """Required values are shown first."""
    optional = Field("Grid", "grid", 30, "Ac/Power", optional=True)
    device = home(GIVEN._replace(fields=(optional, SOC, RELAY)))
    device.step(1.0)
    device.complete("grid/30/ProductId", "grid/30/Ac/Power")
    device.step(1.0)
    assert device.device.labels == ["Soc", "Relay", "Grid"]
    assert device.device.without_value == {}


def test_other_intervals_leave_the_connection_alone(home: Make) -> None:
    """The next tick is that of the new interval."""
    device = home()
    device.device.reschedule(GIVEN._replace(interval=10.0, soc_interval=10.0))
    asked = device.go_on(25, SOC_LEAF, RELAY_LEAF)
    assert [when for when, what in asked if what == SOC_LEAF] == [5.5, 15.5, 25.5]
    assert len(device.broker.lines) == 1


def test_the_connection_is_the_first_of_several_troubles(home: Make) -> None:
    """As long as it lasts; then the trouble of the fields is shown again."""
    device = home()
    device.go_on(30, RELAY_LEAF)
    missing = device.cause
    assert missing.startswith("missing: has no vebus 275")
    device.broker.unreachable = LOST
    device.broker.line.trouble = LOST
    device.go_on(3)
    assert device.cause == LOST.cause
    assert device.device.state is State.WAITING
    device.broker.unreachable = None
    device.go_on(30, RELAY_LEAF)
    assert device.cause == missing
    assert device.device.reconnects == 1
