"""The session of a command, with a fake connection, clock and poll."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt import session
from bat2influx.mqtt.connection import CONNACK_TIMEOUT
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.port_probe import Probe
from bat2influx.mqtt.session import ANSWER_TIMEOUT, Session
from bat2influx.net.tls import Tls, fingerprint_of
from tests.unit.mqtt.broker_by_hand import FakeConnection, FakeConnector

NEW, OLD = Protocol.MQTT_5, Protocol.MQTT_3_1_1
CLOSED = Trouble("closed", "venus.local ended the connection")
NO_MQTT = Trouble("protocol", "venus.local does not answer in MQTT")
REFUSED = Trouble("login", "venus.local rejected the login", Backoff.LOGIN)
UNKNOWN = Trouble("name", "cannot resolve venus.local")
SILENT = mqtt_errors.no_answer("venus.local", 1883)
LINK = SimpleNamespace(certificate=None)

Act = Callable[["Connection"], None]  # what the broker does at a step


class Connection(FakeConnection):
    """A connection at whose steps the broker carries out its `acts`, one after the other."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.acts: Iterator[Act] = iter(())
        self.acknowledged: set[int] = set()
        self.messages: list[str] = []
        self.wants_write = False
        self.published: list[tuple[str, bytes, bool]] = []

    def step(self, *, readable: bool, writable: bool) -> None:
        """Let the broker act."""
        super().step(readable=readable, writable=writable)
        next(self.acts, lambda _: None)(self)

    def fileno(self) -> int:
        """Return a number."""
        return 7

    def subscribe(self, topics: list[str]) -> int:
        """Return the id that is to be acknowledged."""
        assert topics == ["a", "b"]
        return 42

    def publish(self, topic: str, payload: bytes, *, checked: bool) -> None:
        """Note it."""
        self.published.append((topic, payload, checked))

    def received(self) -> Iterator[str]:
        """Yield and remove the received messages."""
        while self.messages:
            yield self.messages.pop(0)


def accept(connection: Connection) -> None:
    """Send the CONNACK."""
    connection.accepted = True


def end(why: Trouble, *, may_lack_mqtt5: bool = False) -> Act:
    """Return how to end the connection."""

    def act(connection: Connection) -> None:
        connection.trouble, connection.may_lack_mqtt5 = why, may_lack_mqtt5

    return act


def send(*messages: str) -> Act:
    """Return how to send messages."""
    return lambda connection: connection.messages.extend(messages)


class Place:
    """The environment of a session: outcomes of connectors, brokers, time in s, and poll()."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: list[object] = []  # of one connector after the other; LINK after the last
        self.brokers: list[list[Act]] = []  # what each does, step by step
        self.connectors: list[FakeConnector] = []
        self.connections: list[Connection] = []
        self.attempts: list[tuple[Protocol, bool]] = []  # with whether TLS was looked for first
        self.now = 1000.0
        self.polls: list[tuple[int, float]] = []  # the mask, and the time given in s
        self.events = select.POLLIN
        monkeypatch.setattr(session, "Connector", self._connector)
        monkeypatch.setattr(session, "Connection", self._connection)
        monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: self.now))
        constants = {"POLLIN": select.POLLIN, "POLLOUT": select.POLLOUT}
        monkeypatch.setattr(session, "select", SimpleNamespace(poll=self._poll, **constants))

    def session(self, tls: Tls | None = None, password: str = "") -> Session:
        """Return a session yet to be opened."""
        return Session(Endpoint("venus.local", 1883, "u", password, "/etc/x.ini", tls))

    def opened(self, *acts: Act) -> Session:
        """Return a session that is logged in; the broker continues with `acts`."""
        self.brokers.append([accept, *acts])
        made = self.session()
        assert made.open() is None
        del self.polls[:]
        return made

    def _connector(self, *args: Any, **keywords: bool) -> FakeConnector:
        made = FakeConnector(*args, **keywords)
        self.connectors.append(made)
        made.outcome = self.outcomes.pop(0) if self.outcomes else LINK
        made.addresses = ["10.0.0.2"]
        if made.outcome is not None:
            made.wake()
        return made

    def _connection(self, *args: Any) -> Connection:
        made = Connection(*args)
        self.connections.append(made)
        self.attempts.append((made.protocol, self.connectors[-1].probe))
        if self.brokers:
            made.acts = iter(self.brokers.pop(0))
        return made

    def _poll(self) -> Any:
        masks: dict[int, int] = {}

        def poll(milliseconds: float) -> list[tuple[int, int]]:
            self.polls.append((masks[7], milliseconds / 1000))
            self.now += milliseconds / 1000
            return [(7, self.events)] if self.events else []

        return SimpleNamespace(register=masks.__setitem__, modify=masks.__setitem__, poll=poll)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    """An environment with a broker that never answers."""
    return Place(monkeypatch)


# Connecting


def test_a_trouble_ends_the_session(place: Place) -> None:
    """No connection is made, and the addresses are known."""
    place.outcomes = [UNKNOWN]
    made = place.session()
    assert made.open() is made.trouble is UNKNOWN
    assert made.addresses == ["10.0.0.2"]
    assert not place.connections
    made.close()


def test_a_connector_without_an_outcome_is_abandoned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time limit."""
    monkeypatch.setattr(session, "LINK_TIMEOUT", 0.0)
    place.outcomes = [None]
    why = place.session().open()
    assert why == mqtt_errors.unreachable("venus.local", 1883, "no answer")
    assert place.connectors[0].abandoned


def test_a_connector_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outcome arrives from another thread, with a wake-up."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        place.connectors[0].outcome = UNKNOWN

    event = SimpleNamespace(set=lambda: None, wait=wait)
    monkeypatch.setattr(session, "threading", SimpleNamespace(Event=lambda: event))
    place.outcomes = [None]
    assert place.session().open() is UNKNOWN
    assert waits == [session.LINK_TIMEOUT]


@pytest.mark.parametrize(
    ("certificate", "fingerprint"), [(None, None), (b"DER", fingerprint_of(b"DER"))]
)
def test_the_fingerprint_is_known_with_tls(
    place: Place, certificate: bytes | None, fingerprint: str | None
) -> None:
    """That of the certificate that was shown."""
    place.outcomes = [SimpleNamespace(certificate=certificate)]
    made = place.session()
    made.connect()
    assert made.fingerprint == fingerprint


# The login: what each attempt comes to, and what is tried

AGAIN = end(NO_MQTT, may_lack_mqtt5=True)
FINAL = end(NO_MQTT)


@pytest.mark.parametrize(
    ("tls", "brokers", "trouble", "attempts"),
    [
        (None, [[accept]], None, [(NEW, Probe.NONE)]),
        (None, [[end(REFUSED)]], REFUSED, [(NEW, Probe.NONE)]),
        (None, [[]], SILENT, [(NEW, Probe.NONE)]),
        (None, [[AGAIN], [accept]], None, [(NEW, Probe.NONE), (OLD, Probe.NONE)]),
        (None, [[AGAIN], [end(REFUSED)]], REFUSED, [(NEW, Probe.NONE), (OLD, Probe.NONE)]),
        (
            None,
            [[AGAIN], [FINAL], [accept]],
            None,
            [(NEW, Probe.NONE), (OLD, Probe.NONE), (OLD, Probe.TLS)],
        ),
        (
            None,
            [[AGAIN], [FINAL], [FINAL]],
            NO_MQTT,
            [(NEW, Probe.NONE), (OLD, Probe.NONE), (OLD, Probe.TLS)],
        ),
        (None, [[FINAL], [accept]], None, [(NEW, Probe.NONE), (NEW, Probe.TLS)]),
        (Tls(), [[FINAL]], NO_MQTT, [(NEW, Probe.NONE)]),
        (Tls(), [[AGAIN], [FINAL]], NO_MQTT, [(NEW, Probe.NONE), (OLD, Probe.NONE)]),
    ],
)
def test_a_login_tries_the_older_version_and_then_for_tls(
    place: Place,
    tls: Tls | None,
    brokers: list[list[Act]],
    trouble: Trouble | None,
    attempts: list[tuple[Protocol, bool]],
) -> None:
    """A rejection and no answer are final; with TLS nothing is probed."""
    place.brokers = list(brokers)
    made = place.session(tls)
    assert made.open() == made.trouble == trouble
    assert place.attempts == attempts


def test_with_a_password_the_port_must_prove_mqtt_first(place: Place) -> None:
    """The password is not sent unencrypted to a port that uses TLS."""
    place.brokers = [[AGAIN], [accept]]
    place.session(password="secret").open()
    assert place.attempts == [(NEW, Probe.MQTT), (OLD, Probe.NONE)]


def test_with_tls_a_password_needs_no_probe(place: Place) -> None:
    """The port uses TLS already."""
    place.brokers = [[accept]]
    place.session(Tls(), password="secret").open()
    assert place.attempts == [(NEW, Probe.NONE)]


@pytest.mark.parametrize("first", [AGAIN, FINAL])
def test_an_attempt_that_cannot_be_repeated_is_trouble(place: Place, first: Act) -> None:
    """The port may be closed by then; that is the reported trouble."""
    place.outcomes = [LINK, UNKNOWN]
    place.brokers = [[first]]
    made = place.session()
    assert made.open() is made.trouble is UNKNOWN


def test_a_broker_that_does_not_answer_is_given_up_after_the_time_for_connack(place: Place) -> None:
    """The connection is closed then."""
    place.events = 0
    began = place.now
    assert place.session().open() == SILENT
    assert place.now == began + CONNACK_TIMEOUT
    assert place.connections[0].closed


def test_a_broker_that_accepts_a_login_and_closes_at_once_is_trouble(place: Place) -> None:
    """Both come with one read: the same step accepts the login and ends the connection."""

    def both(connection: Connection) -> None:
        accept(connection)
        end(CLOSED)(connection)

    place.brokers = [[both]]
    made = place.session()
    assert made.open() is made.trouble is CLOSED


# The conversation


def test_a_subscription_is_waited_for(place: Place) -> None:
    """Another id that is acknowledged is not it."""
    made = place.opened(
        lambda connection: connection.acknowledged.add(41),
        lambda connection: connection.acknowledged.add(42),
    )
    assert made.subscribe(["a", "b"]) is None
    assert len(place.polls) == 2


def test_a_subscription_that_is_not_confirmed_is_trouble(place: Place) -> None:
    """The broker has a time limit for an acknowledgement."""
    made, began = place.opened(), place.now
    assert made.subscribe(["a", "b"]) == made.trouble == SILENT
    assert place.now == began + ANSWER_TIMEOUT


def test_the_end_of_the_connection_ends_a_wait_with_its_trouble(place: Place) -> None:
    """Nothing goes on waiting."""
    for ask in (
        lambda made: made.subscribe(["a", "b"]) is None,
        lambda made: made.until(lambda _: False, 60.0),
        lambda made: made.wait(lambda: False, 60.0),
    ):
        made, began = place.opened(end(CLOSED)), place.now
        assert not ask(made)
        assert made.trouble is CLOSED
        assert place.now <= began + 1.0


def test_messages_are_handed_over_until_one_is_enough(place: Place) -> None:
    """Later messages stay for the next call."""
    made, seen = place.opened(send("1", "2"), send("3", "4", "5")), []

    def see(message: Any) -> bool:
        seen.append(message)
        return message == "4"

    assert made.until(see, 60.0)
    assert seen == ["1", "2", "3", "4"]
    assert made.until(lambda message: message == "5", 60.0)


def test_waiting_ends_with_its_time(place: Place) -> None:
    """A missing message is no trouble."""
    made, began = place.opened(), place.now
    assert not made.until(lambda _: True, 2.5)
    assert not made.wait(lambda: False, 2.5)
    assert (place.now, made.trouble) == (began + 5.0, None)
    assert [seconds for _, seconds in place.polls] == [1.0, 1.0, 0.5] * 2


@pytest.mark.parametrize(
    ("wants_write", "events", "step"),
    [
        (False, 0, (False, False)),
        (False, select.POLLIN, (True, False)),
        (True, select.POLLOUT, (False, True)),
        (True, select.POLLIN | select.POLLOUT, (True, True)),
        (False, select.POLLHUP, (True, False)),
        (False, select.POLLERR, (True, False)),
    ],
)
def test_the_connection_gets_what_its_socket_is_ready_for(
    place: Place, wants_write: bool, events: int, step: tuple[bool, bool]
) -> None:
    """The end is readable; room is polled for only if there is something to write."""
    made, connection = place.opened(), place.connections[0]
    connection.wants_write, place.events = wants_write, events
    assert not made.wait(lambda: False, 0.5)
    mask = select.POLLIN | (select.POLLOUT if wants_write else 0)
    assert place.polls == [(mask, 0.5)]
    assert connection.steps[-1] == step


def test_a_wait_does_not_poll_while_data_was_read_ahead(place: Place) -> None:
    """A poll would not see it."""
    made, steps = place.opened(), iter(range(3))
    place.connections[0].pending = True
    assert made.wait(lambda: next(steps, None) is None, 60.0)
    assert [seconds for _, seconds in place.polls] == [0.0] * 3


def test_publishing_and_closing_go_to_the_connection(place: Place) -> None:
    """With the `checked` option."""
    made = place.opened()
    made.publish("a", b"1")
    made.publish("b", checked=True)
    made.close()
    assert place.connections[0].published == [("a", b"1", False), ("b", b"", True)]
    assert place.connections[0].closed
