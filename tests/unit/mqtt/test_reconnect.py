"""The reconnector, state by state and event by event, with fake connectors and connections."""

from __future__ import annotations

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.mqtt.connection import CONNACK_TIMEOUT
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.port_probe import Probe
from bat2influx.mqtt.reconnect import PING_CHECK_INTERVAL, State
from bat2influx.net.tls import Tls
from tests.unit.mqtt.broker_by_hand import LINK, Way

NEW, OLD = Protocol.MQTT_5, Protocol.MQTT_3_1_1
CLOSED = Trouble("closed", "venus.local ended the connection")
NO_MQTT = Trouble("protocol", "venus.local does not answer in MQTT")
REFUSED = Trouble("login", "venus.local rejected the login", Backoff.LOGIN)
UNKNOWN = Trouble("name", "cannot resolve venus.local")


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    """A reconnector without TLS."""
    return Way(monkeypatch)


# WAITING, RESOLVING, CONNECTING


def test_the_first_step_begins_an_attempt(way: Way) -> None:
    """The connector gets the endpoint and the wake-up function."""
    assert way.reconnector.timeout(way.now) == 0.0
    assert not way.step()
    (made,) = way.connectors
    assert (made.endpoint, made.wake, made.probe) == (way.endpoint, way.wake, Probe.NONE)


@pytest.mark.parametrize("step", [State.RESOLVING, State.CONNECTING])
def test_the_state_is_the_step_of_the_connector(way: Way, step: State) -> None:
    """There is one attempt at a time, and its connector wakes the loop."""
    way.step()
    way.connectors[0].step = step.value
    assert not way.step()
    assert way.reconnector.state is step
    assert way.reconnector.timeout(way.now) == PING_CHECK_INTERVAL
    assert len(way.connectors) == 1
    assert not way.connections


@pytest.mark.parametrize("kind", Backoff)
def test_each_kind_of_failure_has_its_own_delays(way: Way, kind: Backoff) -> None:
    """The delay doubles from the shortest of its kind to the longest."""
    shortest, longest = kind.value
    for attempt in range(9):
        way.connect(Trouble("any", "any", kind))
        assert way.reconnector.state is State.WAITING
        assert way.reconnector.timeout(way.now) == min(longest, shortest * 2**attempt)


def test_no_attempt_begins_before_the_delay_is_over(way: Way) -> None:
    """`timeout` returns the rest of the delay."""
    way.connect(UNKNOWN)
    for early in (0.0, 0.25, 0.499):
        way.reconnector.step(way.now + early, readable=True, writable=True)
        assert way.reconnector.timeout(way.now + early) == pytest.approx(0.5 - early)
    assert len(way.connectors) == 1
    assert way.reconnector.timeout(way.now + 9.0) == 0.0
    way.reconnector.step(way.now + 0.5, readable=False, writable=False)
    assert len(way.connectors) == 2


def test_the_attempts_of_all_kinds_count_together(way: Way) -> None:
    """A rejected login after two lost connections waits as a third attempt."""
    delays = []
    for why in (UNKNOWN, CLOSED, REFUSED):
        way.connect(why)
        delays.append(way.reconnector.timeout(way.now))
    assert delays == [0.5, 1.0, 60.0]


def test_after_a_working_device_the_next_failure_counts_as_the_first(way: Way) -> None:
    """`works` resets the delays."""
    for _ in range(4):
        way.connect(UNKNOWN)
    assert way.wait() == 4.0
    way.reconnector.message_received()
    way.connect(UNKNOWN)
    assert way.wait() == 0.5


# LOGIN


def test_a_link_becomes_a_connection_at_once(way: Way) -> None:
    """It is stepped in the same step, and begins with MQTT 5."""
    way.connect()
    (made,) = way.connections
    assert (made.link, made.endpoint, made.protocol) == (LINK, way.endpoint, NEW)
    assert made.steps == [(False, False)]
    assert (way.reconnector.state, way.reconnector.connection) == (State.LOGIN, made)


def test_the_connection_gets_what_its_socket_is_ready_for(way: Way) -> None:
    """Readable and writable go to the connection as they come."""
    made = way.open()
    del made.steps[:]
    for readable, writable in ((True, False), (False, True), (True, True)):
        way.reconnector.step(way.now, readable=readable, writable=writable)
    assert made.steps == [(True, False), (False, True), (True, True)]


def test_each_attempt_has_the_same_client_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the broker ends the rest of a lost connection; no other client has that id."""
    ids = []
    for _ in range(2):
        way = Way(monkeypatch)
        for _ in range(2):
            ids.append(way.open().client_id)
            way.end(CLOSED)
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize(
    ("after", "pending", "timeout"),
    [
        (0.0, False, PING_CHECK_INTERVAL),
        (0.0, True, 0.0),
        (CONNACK_TIMEOUT - 0.25, False, 0.25),
        (CONNACK_TIMEOUT + 1, False, 0.0),
    ],
)
def test_the_timeout_of_a_login_is_short_enough(
    way: Way, after: float, pending: bool, timeout: float
) -> None:
    """For data read ahead, and for the end of the time for CONNACK."""
    way.connect()
    way.connections[0].pending = pending
    assert way.reconnector.timeout(way.now + after) == timeout


def test_an_accepted_login_opens(way: Way) -> None:
    """It is counted, and after that only housekeeping is due."""
    made = way.open()
    assert (way.reconnector.state, way.reconnector.connection, way.reconnector.logins) == (
        State.OPEN,
        made,
        1,
    )
    assert way.reconnector.timeout(way.now + 1e6) == PING_CHECK_INTERVAL
    assert way.step()
    assert way.reconnector.logins == 1


def test_a_rejected_login_waits_long_and_is_reported(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not retried in another version, nor with TLS."""
    way.connect()
    way.end(REFUSED)
    assert (way.reconnector.state, way.reconnector.connection, way.reconnector.trouble) == (
        State.WAITING,
        None,
        REFUSED,
    )
    assert way.wait() == 35.0
    assert len(caplog.messages) == 1
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE)] * 2
    assert way.reconnector.logins == 0


def test_a_broker_that_does_not_answer_is_given_up_after_the_time_for_connack(way: Way) -> None:
    """Not before; the connection is closed, and the other version is not tried."""
    way.connect()
    way.now += CONNACK_TIMEOUT - 0.001
    assert not way.step()
    assert way.reconnector.state is State.LOGIN
    way.now += 0.001
    assert not way.step()
    assert way.connections[0].closed
    assert way.reconnector.state is State.WAITING
    assert way.reconnector.trouble
    assert way.reconnector.trouble.cause == "protocol"
    assert "does not answer" in way.reconnector.trouble.text
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE)] * 2


def test_an_older_broker_is_connected_at_once_without_a_report(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """MQTT 3.1.1 follows without a delay, and every later connection begins with 3.1.1."""
    way.connect()
    way.end(NO_MQTT, may_lack_mqtt5=True)
    assert way.wait() == 0.0
    way.open()
    assert not caplog.messages
    way.reconnector.drop(way.now)
    way.connect(UNKNOWN)
    way.open()
    assert way.attempts == [(NEW, Probe.NONE), (OLD, Probe.NONE), (OLD, Probe.NONE)]


def test_a_port_that_is_no_broker_is_probed_for_tls_and_then_given_up(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """In one round without a delay; the next one begins with MQTT 5, and again probes for TLS."""
    way.connect()
    way.end(NO_MQTT, may_lack_mqtt5=True)
    assert way.wait() == 0.0
    way.connect()
    way.end(NO_MQTT)
    assert way.wait() == 0.0
    assert not caplog.messages
    way.connect()
    way.end(NO_MQTT)
    assert len(caplog.messages) == 1
    assert way.wait() == 0.5
    way.connect()
    assert way.attempts == [
        (NEW, Probe.NONE),
        (OLD, Probe.NONE),
        (OLD, Probe.TLS),
        (NEW, Probe.TLS),
    ]


@pytest.mark.parametrize(("tls", "looks"), [(None, Probe.MQTT), (Tls(), Probe.NONE)])
def test_with_a_password_an_unencrypted_port_must_prove_mqtt(
    monkeypatch: pytest.MonkeyPatch, tls: Tls | None, looks: Probe
) -> None:
    """Until it is connected; a rejection is an answer, too."""
    way = Way(monkeypatch, tls, password="secret")
    way.connect(REFUSED)
    way.connect()
    way.end(REFUSED)
    way.connect()
    assert [made.probe for made in way.connectors] == [looks, looks, Probe.NONE]


@pytest.mark.parametrize("ends", ["ended", "dropped", "given up"])
def test_with_a_password_a_port_is_probed_again_after_an_open_connection(
    monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The port may have changed, or require TLS now, whoever has ended the connection."""
    way = Way(monkeypatch, password="secret")
    way.open()
    if ends == "ended":
        way.end(CLOSED)
    elif ends == "dropped":
        way.reconnector.drop(way.now)
    else:
        way.reconnector.give_up(way.now)
    way.connect()
    assert way.connectors[-1].probe is Probe.TLS


def test_after_a_login_tls_is_not_probed_again(way: Way) -> None:
    """A broker that was overloaded once is not probed for TLS for ever."""
    way.connect()
    way.end(NO_MQTT)
    way.open()
    way.end(CLOSED)
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE), (NEW, Probe.TLS), (NEW, Probe.NONE)]


def test_with_tls_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that closes without an answer is a failure, with a delay."""
    way = Way(monkeypatch, Tls())
    way.connect()
    way.end(NO_MQTT)
    assert way.reconnector.trouble is NO_MQTT
    assert way.wait() == 0.5
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE)] * 2


def test_a_connection_that_ended_with_its_connack_has_shown_its_version(way: Way) -> None:
    """It does not count as a login, and the next attempt begins with the accepted version."""
    way.connect()
    way.end(NO_MQTT, may_lack_mqtt5=True)
    way.connect()
    way.connections[-1].accepted = True
    way.end(CLOSED)
    assert (way.reconnector.logins, way.reconnector.trouble) == (0, CLOSED)
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE), (OLD, Probe.NONE), (OLD, Probe.NONE)]


# OPEN


def test_invalid_data_after_the_login_is_a_failure(way: Way) -> None:
    """TLS cannot be the reason then."""
    way.open()
    way.end(NO_MQTT)
    assert (way.reconnector.trouble, way.wait()) == (NO_MQTT, 0.5)
    way.connect()
    assert way.attempts == [(NEW, Probe.NONE)] * 2


def test_a_drop_begins_the_next_connection_at_once(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """The old connection is closed, and nothing is reported."""
    made = way.open()
    way.reconnector.drop(way.now)
    assert made.closed
    assert (way.reconnector.state, way.reconnector.connection) == (State.WAITING, None)
    assert not way.reconnector.check(way.now)
    assert way.wait() == 0.0
    way.open()
    assert way.reconnector.logins == 2
    assert not caplog.messages


@pytest.mark.parametrize(
    ("backoff", "delays"), [((), [0.5, 1.0, 2.0]), ((Backoff.LOGIN,), [35.0, 60.0, 60.0])]
)
def test_giving_up_closes_and_waits(
    way: Way, backoff: tuple[Backoff, ...], delays: list[float]
) -> None:
    """Longer each time, by the kind of failure."""
    for delay in delays:
        made = way.open()
        way.reconnector.give_up(way.now, *backoff)
        assert made.closed
        assert way.reconnector.state is State.WAITING
        assert way.reconnector.timeout(way.now) == delay


# The end


def test_closing_disconnects_from_the_broker(way: Way) -> None:
    """With a DISCONNECT."""
    made = way.open()
    way.reconnector.close()
    assert (made.closed, way.reconnector.connection) == (True, None)


def test_closing_abandons_the_attempt_under_way(way: Way) -> None:
    """A link that is still made is closed."""
    way.step()
    way.reconnector.close()
    assert way.connectors[0].abandoned
    way.connectors[0].outcome = LINK
    assert not way.step()
    assert not way.connections
