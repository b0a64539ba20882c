"""MQTT 5 if a broker has it, with its reason texts; otherwise 3.1.1."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt import connection as mqtt_connection
from bat2influx.mqtt import reconnect
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.reconnect import Reconnector
from bat2influx.mqtt.session import Session
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    OTHER_VERSION,
    PINGREQ,
    PINGRESP,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    WELCOME,
    WELCOME_5,
    Peer,
    Refusing,
    level,
    packet,
    packets,
    publish,
)
from tests.standins.venus.visitor import call, hello
from tests.support.daemon import BOUND, wait
from tests.unit.mqtt.test_packets import properties, said

INI = "/etc/x.ini"
P = "c0619ab1c2d3"
NEW, OLD = Protocol.MQTT_5, Protocol.MQTT_3_1_1
PUBACK = 4


def endpoint(port: int, *, user: str = "u", password: str = "", vrm: bool = False) -> Endpoint:
    """Return a broker on this machine."""
    return Endpoint("127.0.0.1", port, user, password, INI, vrm=vrm)


def session(port: int, **login: str | bool) -> Session:
    """Return a session that is not open yet."""
    return Session(endpoint(port, **login))  # type: ignore[arg-type]


class Broker(Peer):
    """Answers each kind of packet as the test sets it; `levels` has the level of each CONNECT.

    An answer is made from the packet's body; after a CONNACK that rejects, the connection ends.
    """

    def __init__(self, **answers: Callable[[bytes], bytes]) -> None:
        self.levels: list[int] = []
        self.heard: list[int] = []  # kinds
        self.answers: Mapping[int, Callable[[bytes], bytes]] = {
            CONNECT: answers.get("connect", lambda _: WELCOME_5),
            SUBSCRIBE: answers.get("subscribe", lambda body: packet(SUBACK, body[:2] + b"\0\0")),
            PUBLISH: answers.get("publish", lambda _: b""),
            PINGREQ: lambda _: packet(PINGRESP),
        }
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Act as a broker."""
        for kind, body in packets(connection):
            self.heard.append(kind)
            if kind == CONNECT:
                self.levels.append(level(body))
            answer = self.answers.get(kind, lambda _: b"")(body)
            connection.sendall(answer)
            if kind == CONNECT and answer[3:4] != b"\0":
                return


def said_of(session: Session, done: Callable[[], bool] = lambda: False) -> str:
    """Return the trouble that ends a session, once it has ended."""
    session.wait(done, BOUND)
    why = session.trouble
    assert why, "it did not end"
    return why.text


# The version


def test_a_current_broker_gets_mqtt_5(mosquitto: Mosquitto) -> None:
    """Its log shows the version."""
    with closing(session(mosquitto.port)) as conversation:
        assert conversation.open() is None
        assert conversation.connection.protocol is NEW
        wait("the log", lambda: "(p5," in mosquitto.log.read_text())


NO_MQTT_5: dict[str, bytes] = {
    "refuses the version": OTHER_VERSION,
    "ends without a word": b"",
    "refuses it in MQTT 5": b"\x20\x03\x00\x84\x00",
    "welcomes to 3.1.1": b"\x20\x02\x00\x00",
    "refuses in 3.1.1": b"\x20\x02\x00\x03",
    "talks nonsense": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def first(answer: bytes) -> Callable[[bytes], bytes]:
    """Return a peer that gives this answer to MQTT 5, and accepts 3.1.1."""
    return lambda body: answer if level(body) == NEW else WELCOME


@pytest.mark.parametrize("answer", NO_MQTT_5.values(), ids=NO_MQTT_5)
def test_a_broker_without_mqtt_5_gets_3_1_1(answer: bytes) -> None:
    """At once, and without a trouble; the line uses 3.1.1 from then on."""
    with Broker(connect=first(answer)) as peer, closing(session(peer.port)) as conversation:
        assert conversation.open() is None
        assert conversation.trouble is None
        assert conversation.connection.protocol is OLD
        assert peer.levels == [NEW, OLD]
    with (
        Broker(connect=first(answer)) as peer,
        closing(Reconnector(endpoint(peer.port), _nobody)) as line,
    ):
        drive(line, lambda: line.logins == 1)
        line.drop(time.monotonic())
        drive(line, lambda: line.logins == 2)
        assert line.trouble is None
        assert peer.levels == [NEW, OLD, OLD]


def test_a_broker_that_does_not_answer_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting again for an answer to 3.1.1 would take too long."""
    monkeypatch.setattr(reconnect, "CONNACK_TIMEOUT", 0.2)
    with Peer() as peer, closing(Reconnector(endpoint(peer.port), _nobody)) as line:
        drive(line, lambda: line.trouble)
        assert line.trouble
        assert "does not answer" in line.trouble.text
        assert len(peer.calls) == 1


def _nobody() -> None:
    """Do nothing."""


def drive(line: Reconnector, done: Callable[[], object]) -> None:
    """Step a line until it is `done`."""

    def stepped() -> object:
        now = time.monotonic()
        line.step(now, readable=True, writable=True)
        line.check(now)
        return done()

    wait("the line", stepped)


def test_a_broker_that_rejects_both_is_reported_after_both_were_tried() -> None:
    """The report has the result of 3.1.1; then TLS is tested; the next round begins with 5."""
    with (
        Broker(connect=lambda body: b"" if level(body) == NEW else b"\x20\x02\x00\x02") as peer,
        closing(Reconnector(endpoint(peer.port), _nobody)) as line,
    ):
        drive(line, lambda: line.trouble)
        assert peer.levels == [NEW, OLD]
        assert line.trouble
        assert line.trouble.text == "127.0.0.1 rejected the connection: client id"
        assert session(peer.port).open() == line.trouble
    with (
        Broker(connect=lambda _: b"") as peer,
        closing(Reconnector(endpoint(peer.port), _nobody)) as line,
    ):
        drive(line, lambda: len(peer.levels) >= 5)
        assert peer.levels[:5] == [NEW, OLD, OLD, NEW, OLD]
        assert line.trouble
        assert line.trouble.cause == "protocol"


@pytest.mark.parametrize("code", [4, 5, 134, 135])
def test_a_wrong_password_is_tried_once(code: int) -> None:
    """Rejected by MQTT 5 or 3.1.1, it is not repeated: a device locks out after many attempts.

    An attempt without password comes before, to check that the port has plain MQTT.
    """
    short, long = bytes([32, 2, 0, code]), bytes([32, 3, 0, code, 0])
    for answer in (short, long):
        with Broker(connect=lambda _, a=answer: a) as peer:
            why = session(peer.port, password="wrong").open()
            assert why
            assert why.cause == "login"
            assert peer.levels == [OLD, NEW]
    with Refusing(0.0) as refusing:
        assert session(refusing.port, password="wrong").open()
        assert len([login for login in refusing.logins if b"MQTT" in login]) == 2
        assert len([login for login in refusing.logins if b"wrong" in login]) == 1


def test_a_refusal_in_mqtt_5_is_final() -> None:
    """A broker with MQTT 5 would reject 3.1.1 for the same reason."""
    refusal = packet(CONNACK, b"\0\x89" + properties(said("come back\nlater")))
    with Broker(connect=lambda _: refusal) as peer:
        why = session(peer.port).open()
        assert why
        assert why.text == "127.0.0.1 rejected the connection: server busy: come back later"
        assert peer.levels == [NEW]


# Reason texts


def test_a_rejected_login_has_the_brokers_reason() -> None:
    """In one line, cut to a readable length, and never with the password."""
    reasons = {
        "account\x1b[31m\texpired": "'u' (account [31m expired): the password is wrong",
        "x" * 1000: f"'u' ({'x' * (mqtt_connection.LONGEST_REASON - 1)}…): the password is wrong",
        "sesame is not it": "'u': the password is wrong",
        "": "'u': the password is wrong",
    }
    for reason, text in reasons.items():
        refusal = packet(CONNACK, b"\0\x86" + properties(said(reason)))
        with Broker(connect=lambda _, a=refusal: a) as peer:
            why = session(peer.port, password="sesame").open()
            assert why
            assert f"127.0.0.1 rejected the login of {text}" in why.text


ENDS: dict[bytes, str] = {
    b"\x8e": "session taken over by a client with the same client id",
    b"\x8b\x00": "server shutting down",
    b"\x8b" + properties(said("back at noon")): "server shutting down: back at noon",
    b"\x98" + properties(b"\x26\0\1a\0\1b", said("go away")): "administrative action: go away",
    b"": "no reason is given",
    b"\xf0": "code 240",
}


@pytest.mark.parametrize("body", ENDS, ids=ENDS.values())
def test_the_reason_of_a_brokers_disconnect_is_quoted(body: bytes) -> None:
    """Whether it is a code alone, with or without properties, or also a text."""
    with (
        Broker(publish=lambda _: packet(DISCONNECT, body)) as peer,
        closing(session(peer.port)) as conversation,
    ):
        assert conversation.open() is None
        conversation.publish("a")
        text = f"127.0.0.1 ended the connection ({ENDS[body]})"
        assert said_of(conversation) == text


def test_a_real_broker_sends_a_reason_when_it_disconnects(tmp_path: Path) -> None:
    """Mosquitto sends a code alone."""
    with (
        Mosquitto(tmp_path / "m", config="max_packet_size 1000") as server,
        closing(session(server.port)) as conversation,
    ):
        assert conversation.open() is None
        conversation.publish("a", bytes(2000))
        assert said_of(conversation) == "127.0.0.1 ended the connection (packet too large)"


def test_a_rejected_topic_is_reported_with_the_reason() -> None:
    """That of the first rejected one of several, for subscriptions and requests."""
    refusal = properties(said("for members"))
    with Broker(
        subscribe=lambda body: packet(SUBACK, body[:2] + refusal + b"\0\x87\x87"),
        publish=lambda body: packet(PUBACK, body[3:5] + b"\x87" + refusal),
    ) as peer:
        with closing(session(peer.port)) as conversation:
            assert conversation.open() is None
            why = conversation.subscribe(["a", "b", "c"])
            assert why
            assert why.cause == "subscription refused"
            assert "rejected the subscription of 'u' to b (not authorised: for members)" in why.text
        with closing(session(peer.port)) as conversation:
            assert conversation.open() is None
            conversation.publish("a", checked=True)
            assert "publish of 'u' to a (not authorised: for members)" in said_of(conversation)


def test_a_keepalive_set_by_the_broker_is_used() -> None:
    """A broker may set a shorter interval of pings in its CONNACK."""
    welcome = packet(CONNACK, b"\0\0" + properties(b"\x13\x00\x01"))
    with Broker(connect=lambda _: welcome) as peer, closing(session(peer.port)) as conversation:
        assert conversation.open() is None
        assert conversation.wait(lambda: PINGREQ in peer.heard, BOUND)


# The messages


@pytest.mark.parametrize("protocol", Protocol)
def test_a_message_with_more_than_qos_0_is_accepted_and_acknowledged(
    tmp_path: Path, protocol: Protocol
) -> None:
    """A broker may be configured to deliver messages with the QoS of the publisher."""
    config = "upgrade_outgoing_qos true\nmax_inflight_messages 1"
    with (
        Mosquitto(tmp_path / "m", config=config) as server,
        closing(session(server.port)) as conversation,
        call(server.port) as other,
    ):
        link = conversation.connect()
        assert not isinstance(link, Trouble)
        connection: Connection = conversation._converse(link, protocol)
        assert conversation.subscribe(["a/#"]) is None
        other.sendall(hello(user=None, password=None))
        for number, flags in enumerate((2, 4, 2, 0)):
            payload = (b"\0%c" % (number + 1) if flags else b"") + b"%d" % number
            other.sendall(publish("a/b", payload, flags))
            if flags == 4:
                other.sendall(packet(6, b"\0%c" % (number + 1), 2))
        come = []
        assert conversation.until(lambda m: come.append(m) or len(come) == 4, BOUND)
        assert sorted((m.topic, m.payload) for m in come) == [("a/b", b"%d" % n) for n in range(4)]
        assert connection.trouble is None
