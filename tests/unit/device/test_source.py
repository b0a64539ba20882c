"""What a device and a fleet have in common: states and reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.intake import BaseIntake
from bat2influx.device.plan import Series
from bat2influx.device.source import Census, Source, endpoint_of
from bat2influx.failure import Trouble
from bat2influx.mqtt import reconnect
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.publishes import Packet
from bat2influx.mqtt.reconnect import State
from bat2influx.net.tls import Tls
from bat2influx.reading import NOWHERE, NS
from bat2influx.venus.protocol import NoValue
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.unit.device.test_discovery import Line

P = "c0619ab1c2d3"
START = 1_767_225_610 * NS
BATTERY = Battery("", "10.0.0.2", 1883, "u", "p", P, 275, 1.0, 10.0, DEFAULT_FIELDS, None)
LOST = Trouble("closed", "the connection to 10.0.0.2 is lost")


def at(seconds: float) -> Now:
    """Return the clocks that many seconds after START."""
    ns = round(seconds * NS)
    return Now(START + ns, 1000.0 + seconds, ns)


class LiveLine(Line):
    """A line with a login and messages, for a `Reconnector`."""

    protocol, may_lack_mqtt5, wants_write, pending = Protocol.MQTT_5, False, False, False

    def __init__(self, *, accepted: bool, confirms: bool) -> None:
        super().__init__(confirms=confirms)
        self.accepted = accepted
        self.trouble: Trouble | None = None
        self.steps: list[tuple[bool, bool]] = []
        self.waiting: list[Packet] = []

    @property
    def awaiting_acknowledgement(self) -> bool:
        """Whether something is not confirmed."""
        return len(self.acknowledged) < len(self.asked)

    def fileno(self) -> int:
        """Return some number."""
        return 7

    def step(self, *, readable: bool, writable: bool) -> None:
        """Record it."""
        self.steps.append((readable, writable))

    def say(self, topic: str, payload: bytes, *, retain: bool, arrival: int) -> None:
        """Deliver a message."""
        self.waiting.append((topic.encode(), payload, int(retain), arrival))

    def take_packets(self) -> list[Packet]:
        """Return what has arrived."""
        taken, self.waiting = self.waiting, []
        return taken

    def close(self) -> None:
        """End it."""
        self.trouble = self.trouble or LOST


class Broker:
    """A broker that accepts each connection; `lines` has them, `welcomes` and `confirms` how."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lines: list[LiveLine] = []
        self.welcomes = self.confirms = True
        self.unreachable: Trouble | None = None
        patch.setattr(reconnect, "Connector", self._attempt)
        patch.setattr(reconnect, "Connection", self._process)

    @property
    def line(self) -> LiveLine:
        """The latest connection."""
        return self.lines[-1]

    def _attempt(self, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(outcome=self.unreachable or "a link", abandon=lambda: None)

    def _process(self, *_: Any) -> LiveLine:
        self.lines.append(LiveLine(accepted=self.welcomes, confirms=self.confirms))
        return self.line


class Plain(Source):
    """A source that records what is wanted of it, and has no values."""

    census = trouble = None
    latest: ClassVar[dict[str, float]] = {}
    labels: ClassVar[list[str]] = []
    without_value: ClassVar[dict[str, str]] = {}
    missing_services: ClassVar[dict[tuple[str, int], int]] = {}

    def __init__(self) -> None:
        self.intake = BaseIntake("", by_tick=False)
        super().__init__(BATTERY, self.intake, config="/etc/x.ini", wake=lambda: None)
        self.calls: list[str] = []

    def timeout(self, now: Now) -> float:
        """Return nothing of interest."""
        return 1.0

    def expects_answer(self, since: float) -> bool:
        """Return nothing of interest."""
        return False

    def rescan(self) -> None:
        """Do nothing."""

    def stalled(self, seconds: float) -> None:
        """Do nothing."""

    def called(self) -> list[str]:
        """Return what was called since the last time."""
        taken, self.calls = self.calls, []
        return taken

    def _process(self, connection: Connection, now: Now) -> None:
        self.calls += ["take", *(topic.decode() for topic, *_ in connection.take_packets())]

    def _begin(self, connection: Connection, now: Now) -> None:
        self.calls.append(f"begin {self.state.value}")

    def _send_requests(self, connection: Connection, now: Now) -> None:
        self.calls.append("converse")
        self._stage = State.POLLING

    def _go_on_with(self, battery: Battery) -> None:
        self.calls.append(f"each {battery.interval:g} s")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that accepts every login."""
    return Broker(monkeypatch)


def test_before_the_first_step_there_is_nothing(broker: Broker) -> None:
    """No connection is attempted, and there is no descriptor to wait for."""
    source = Plain()
    assert (source.state, source.fileno(), source.wants_write) == (State.WAITING, -1, False)
    assert not source.connected
    assert source.reconnects == 0
    assert not broker.lines


def test_a_conversation_begins_once_on_each_connection(broker: Broker) -> None:
    """Messages are processed first; the state is the broker's, and then the conversation's."""
    source = Plain()
    broker.welcomes = False
    source.step(at(0))
    assert (source.state, source.called()) == (State.LOGIN, ["take"])
    assert not source.connected
    broker.line.accepted = True
    source.step(at(1), readable=True, writable=True)
    assert broker.line.steps[-1] == (True, True)
    assert not source.wants_write
    broker.line.wants_write = True
    assert source.wants_write
    assert source.called() == ["take", "begin discovering", "converse"]
    assert (source.state, source.fileno(), source.connected) == (State.POLLING, 7, True)
    source.step(at(2))
    assert broker.line.steps[-1] == (False, False)
    assert source.called() == ["take", "converse"]
    assert source.reconnects == 0


def test_what_came_before_a_connection_ended_is_taken(broker: Broker) -> None:
    """No request is sent on it any more, and the next connection starts over."""
    source = Plain()
    source.step(at(0))
    source.called()
    broker.line.say("N/last", b"", retain=False, arrival=0)
    broker.line.trouble = LOST
    source.step(at(20))
    assert source.called() == ["take", "N/last"]
    assert (source.state, source.fileno()) == (State.WAITING, -1)
    source.step(at(40))
    assert source.called() == ["take", "begin discovering", "converse"]
    assert len(broker.lines) == 2
    assert source.reconnects == 1


def test_a_broker_that_is_not_reached_is_tried_again(broker: Broker) -> None:
    """Until then no method of the conversation is called."""
    source = Plain()
    broker.unreachable = LOST
    source.step(at(0))
    assert (source.state, source.called()) == (State.WAITING, [])
    broker.unreachable = None
    source.step(at(0.4))
    assert not broker.lines
    source.step(at(0.6))
    assert source.state is State.POLLING
    assert source.reconnects == 0


def test_a_source_that_is_closed_has_left(broker: Broker) -> None:
    """Its connection is closed."""
    source = Plain()
    source.step(at(0))
    source.close()
    assert broker.line.trouble
    assert source.state is State.WAITING
    assert not source.connected


def test_readings_and_counts_are_those_of_the_intake() -> None:
    """They are taken away once; the stamp of the latest value stays."""
    source = Plain()
    assert source.last_value_ns is None
    source.intake._add(Series("Soc", NOWHERE), 61.5, START)
    source.intake.no_values[NoValue.NULL] += 2
    assert [each.value for each in source.pop_readings()] == [61.5]
    assert source.pop_readings() == source.pop_rows() == []
    assert source.last_value_ns == START
    assert source.no_values == {NoValue.NULL: 2}
    assert source.messages == 0


def test_a_clock_that_was_set_is_followed_by_the_stamps() -> None:
    """By the same number of ns."""
    source, steps = Plain(), list[int]()
    source.intake.clock_set = steps.append  # type: ignore[method-assign]
    source.clock_set(-5)
    assert steps == [-5]


@pytest.mark.parametrize(
    ("changes", "takes"),
    [
        ({}, True),
        ({"interval": 5.0}, True),
        ({"interval": 5.0, "soc_interval": 60.0}, True),
        ({"address": "10.0.0.3"}, False),
        ({"interval": 5.0, "password": "q"}, False),
        ({"fields": DEFAULT_FIELDS[:1]}, False),
        ({"mode": "notify"}, False),
    ],
)
def test_other_intervals_are_taken_without_a_new_source(
    changes: dict[str, Any], takes: bool
) -> None:
    """Any other difference needs a new one."""
    assert Plain().same_except_intervals(BATTERY._replace(**changes)) is takes


def test_a_source_goes_on_with_other_intervals() -> None:
    """The same ones again change nothing."""
    source = Plain()
    source.reschedule(BATTERY._replace())
    assert source.called() == []
    source.reschedule(BATTERY._replace(interval=5.0))
    assert source.called() == ["each 5 s"]
    assert source.battery.interval == 5.0
    assert source.same_except_intervals(BATTERY)


def test_the_endpoint_of_a_section() -> None:
    """Everything that the connection needs, and the file to name in messages."""
    tls = Tls()
    battery = BATTERY._replace(port=8883, tls=tls, topic_prefix="site/", vrm=True)
    expected = Endpoint("10.0.0.2", 8883, "u", "p", "/etc/x.ini", tls, "site/", True)
    assert endpoint_of(battery, "/etc/x.ini") == expected


def test_a_census_in_words() -> None:
    """A few of those that do not respond are named."""
    assert str(Census(1, ())) == "1 device"
    assert str(Census(1000, ("a", "b"))) == "1,000 devices, 2 not responding (a, b)"
    assert str(Census(1000, tuple("abc"))) == "1,000 devices, 3 not responding (a, b, c)"
    assert str(Census(1000, tuple("abcd"))) == "1,000 devices, 4 not responding (a, b, c, …)"
