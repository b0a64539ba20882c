"""The session of a command with a broker: each failure has a cause, and no resource leaks."""

from __future__ import annotations

import gc
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bat2influx.mqtt import connector, session
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.port_probe import answers_mqtt
from bat2influx.mqtt.session import Session
from bat2influx.net.tls import Tls
from tests.standins.network import mqtt_peers
from tests.standins.network.certificates import EXPIRED, Certificate, device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import Peer, Talker, Void, publish
from tests.standins.venus.login import Outcome, Profile
from tests.standins.venus.visitor import PASSWORD, TOKEN, TOKEN_PASSWORD, Opener, call, doors, hello
from tests.support.daemon import wait
from tests.support.process import free_port

INI = "/etc/x.ini"
PORTS = 1883, 8883


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a device's front door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


@pytest.fixture
def own(tmp_path: Path) -> Tls:
    """The settings that trust the certificate of the door."""
    return Tls(fingerprint=device_certificate(tmp_path).fingerprint)


def loopback() -> str:
    """Return an address of this machine at which the usual ports are free."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def at(
    port: int,
    trust: Tls | None = None,
    *,
    host: str = "127.0.0.1",
    user: str = "bat2influx",
    password: str = PASSWORD,
) -> Session:
    """Return a session that is not open yet."""
    return Session(Endpoint(host, port, user, password, INI, trust))


def cause(conversation: Session) -> str:
    """Open a session, close it, and return the cause of its trouble, '' for none."""
    with closing(conversation):
        why = conversation.open()
        assert why == conversation.trouble
        assert why is None or PASSWORD not in why.text
        return why.cause if why else ""


# The login


@pytest.mark.parametrize("profile", [Profile.SECURED, Profile.WEAK, Profile.UNSECURED])
def test_the_right_password_opens(opened: Opener, own: Tls, profile: Profile) -> None:
    """By TLS, and without TLS if the profile has that port open; the certificate is then known.

    Without TLS the port first has to answer an attempt without the password, even by a refusal.
    """
    door = opened(profile)
    conversation = at(door.tls_port, own)
    assert cause(conversation) == ""
    assert conversation.fingerprint == own.fingerprint
    assert conversation.addresses == ["127.0.0.1"]
    if profile.plain:
        assert cause(at(door.plain_port)) == ""
    looks = [attempt for attempt in door.attempts if not attempt.given]
    logins = [attempt for attempt in door.attempts if attempt.given]
    assert all(attempt.outcome is Outcome.ACCEPTED for attempt in logins)
    assert [attempt.tls for attempt in logins] == [True, False][: len(logins)]
    assert [attempt.tls for attempt in looks] == ([False] if profile.plain else [])


def test_a_paired_device_opens_by_its_token(opened: Opener, own: Tls) -> None:
    """This profile rejects the device's password, with a separate text."""
    door = opened(Profile.PAIRED)
    assert cause(at(door.tls_port, own, user=TOKEN, password=TOKEN_PASSWORD)) == ""
    assert cause(at(door.tls_port, own)) == "login"
    with closing(at(door.tls_port, own, user=TOKEN, password="unpaired")) as conversation:
        why = conversation.open()
        assert why
        assert (
            "the token or its password is wrong, or the token was removed at the device" in why.text
        )


@pytest.mark.parametrize(
    ("password", "what"), [("wrong", "the password is wrong"), ("", "it requires a password")]
)
def test_a_refusal_after_six_seconds_is_a_rejected_login(
    opened: Opener, own: Tls, password: str, what: str
) -> None:
    """However long the device takes, it is reported as such, after a single attempt."""
    door = opened(refusal_delay=(6, 6))
    with closing(at(door.tls_port, own, password=password)) as conversation:
        why = conversation.open()
        assert why
        assert why.cause == "login"
        assert f"127.0.0.1 rejected the login of 'bat2influx': {what}" in why.text
    assert len(door.attempts) == 1


def test_a_real_broker_rejects_unknown_users(tmp_path: Path) -> None:
    """A Mosquitto with users accepts only these, with and without TLS."""
    made = device_certificate(tmp_path)
    config = f"certfile {made.cert}\nkeyfile {made.key}"
    for more, trust in (("", None), (config, Tls(str(made.cert), verify_host=False))):
        users = {"bat2influx": PASSWORD}
        with Mosquitto(tmp_path / f"broker{bool(more)}", config=more, users=users) as broker:
            assert cause(at(broker.port, trust)) == ""
            assert cause(at(broker.port, trust, password="wrong")) == "login"
            assert cause(at(broker.port, trust, user="other")) == "login"


# Each way to fail


def test_a_name_that_cannot_be_resolved() -> None:
    """The cause is the name."""
    assert cause(at(1883, host="nowhere.invalid")) == "name"


def test_a_hanging_resolver_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no timeout, but the connector has one; the name is reported as unknown."""
    ended = threading.Event()
    monkeypatch.setattr(connector, "RESOLVE_TIMEOUT", 0.1)
    monkeypatch.setattr(connector.socket, "getaddrinfo", lambda *_, **__: ended.wait(60) and [])
    assert cause(at(1883, host="hangs.example")) == "name"
    ended.set()


def test_a_port_that_is_closed() -> None:
    """The host is up, and refuses the connection."""
    assert cause(at(free_port())) == "refused"


def test_a_host_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer comes, not even a refusal."""
    monkeypatch.setattr(connector, "CONNECT_TIMEOUT", 0.2)
    void = Void()
    assert cause(at(void.port)) == "unreachable"
    void.close()


def test_the_other_port_is_open_instead(opened: Opener, tmp_path: Path, own: Tls) -> None:
    """Closed 1883 with open 8883: the profile is reported; the reverse: old firmware."""
    host = loopback()
    opened(host=host, ports=PORTS)
    assert cause(at(1883, host=host)) == "only tls"
    other = loopback()
    with Mosquitto(tmp_path / "old", config=f"listener 1883 {other}"):
        assert cause(at(8883, own, host=other)) == "no tls port"


def test_no_password_is_sent_without_tls_to_the_tls_port(opened: Opener) -> None:
    """8883 without TLS in the file is tested first, and gets nothing but a ClientHello."""
    host = loopback()
    door = opened(Profile.WEAK, host=host, ports=PORTS)
    assert cause(at(8883, host=host)) == "tls wanted"
    assert not door.attempts
    assert not any(b"MQTT" in failed.first for failed in door.failed_handshakes)


def test_tls_on_an_unusual_port_is_detected(opened: Opener) -> None:
    """A port that ends the connection at once may require TLS; if it does, it is reported."""
    door = opened(Profile.WEAK)
    assert cause(at(door.tls_port)) == "tls wanted"
    assert not door.attempts


def test_a_port_without_tls(mosquitto: Mosquitto, own: Tls) -> None:
    """TLS in the file, and none at the port."""
    assert cause(at(mosquitto.port, own)) == "no tls"


def test_a_certificate_that_is_not_trusted(opened: Opener, tmp_path: Path, own: Tls) -> None:
    """Each reason has a separate cause, and no login is tried."""
    other, old = (
        device_certificate(tmp_path, name="other"),
        device_certificate(tmp_path, name="old", days=EXPIRED),
    )
    door = opened()
    assert cause(at(door.tls_port, Tls(fingerprint=other.fingerprint))) == "certificate changed"
    assert cause(at(door.tls_port, Tls(str(other.cert)))) == "certificate untrusted"
    assert cause(at(door.tls_port, Tls())) == "certificate untrusted"
    mine = Tls(str(device_certificate(tmp_path).cert))
    assert cause(at(door.tls_port, mine)) == "certificate name"
    assert cause(at(door.tls_port, Tls(str(tmp_path / "gone.pem")))) == "ca file"
    door.certificate = old
    outdated = Tls(str(old.cert), verify_host=False)
    assert cause(at(door.tls_port, outdated)) == "certificate date"
    assert not door.attempts


ANSWERS = [
    (b"", True, "protocol"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "protocol"),
    (b"\xff" * 100, False, "protocol"),
    (b"\x20\x02\x00\x02", False, "connack"),
    (b"\x20\x02\x00\x03", False, "connack"),
    (b"\x20\x02\x00\x04", False, "login"),
    (b"\x20\x02\x00\x05", True, "login"),
]


@pytest.mark.parametrize(("answer", "ends", "what"), ANSWERS)
def test_a_strange_answer_to_the_login(answer: bytes, ends: bool, what: str) -> None:
    """An answer without MQTT is reported as such, and any other refusal as a refusal."""
    with Talker(answer, ends=ends) as peer:
        assert cause(at(peer.port)) == what


def test_a_port_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deadline it counts as no MQTT; it may be slow TLS, so it gets no password."""
    monkeypatch.setattr(session, "CONNACK_TIMEOUT", 0.2)
    monkeypatch.setattr(connector, "answers_mqtt", partial(answers_mqtt, within=0.2))
    with Peer() as peer, closing(at(peer.port)) as conversation:
        why = conversation.open()
        assert why
        assert why.cause == "protocol"
        assert "answers neither MQTT nor TLS, so the password was not sent" in why.text
        assert len(peer.calls) == 2
    with Peer() as peer, closing(at(peer.port, user="", password="")) as conversation:
        why = conversation.open()
        assert why
        assert "accepts connections and does not answer" in why.text


def test_after_a_disconnect_within_tls_plain_mqtt_is_not_tried(tmp_path: Path) -> None:
    """The reason cannot be TLS, but the older MQTT may help: two attempts are made."""
    made = device_certificate(tmp_path)
    with Curt(made) as peer:
        assert cause(at(peer.port, Tls(fingerprint=made.fingerprint))) == "protocol"
        assert len(peer.calls) == 2


class Curt(Peer):
    """Speaks TLS, and ends it after the first packet."""

    def __init__(self, certificate: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.cert, certificate.key)
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """End a connection."""
        with self._context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)


# The session


def test_messages_come_after_the_subscription(opened: Opener, own: Tls) -> None:
    """`until` hands over messages until enough have come, and `wait` lets the caller check."""
    door = opened(Profile.UNSECURED)
    seen: list[Message] = []

    def see(message: Message) -> bool:
        seen.append(message)
        return message.payload == b"3"

    with closing(at(door.tls_port, own)) as conversation, call(door.plain_port) as other:
        assert conversation.open() is None
        assert conversation.subscribe(["a/+", "b"]) is None
        other.sendall(hello() + b"".join(publish(f"a/{n}", b"%d" % n) for n in range(5)))
        assert conversation.until(see, 60)
        assert [message.topic for message in seen] == ["a/0", "a/1", "a/2", "a/3"]
        rest: list[Message] = []

        def take() -> bool:
            rest.extend(conversation.connection.received())
            return bool(rest)

        assert conversation.wait(take, 60)
        assert [message.payload for message in rest] == [b"4"]
        conversation.publish("b", b"own")
        assert conversation.until(lambda message: message.payload == b"own", 60)
        assert conversation.trouble is None


def test_a_missing_message_is_waited_for_until_the_deadline(mosquitto: Mosquitto) -> None:
    """The given time is kept, and the session continues."""
    with closing(at(mosquitto.port)) as conversation:
        assert conversation.open() is None
        began = time.monotonic()
        assert not conversation.until(lambda _: True, 0.3)
        assert not conversation.wait(lambda: False, 0.3)
        assert time.monotonic() - began >= 0.6
        assert conversation.subscribe(["a"]) is None


def test_an_unconfirmed_subscription_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that stops responding does not block a command for ever."""
    monkeypatch.setattr(session, "ANSWER_TIMEOUT", 0.2)
    with (
        mqtt_peers.Device(mutes=frozenset({mqtt_peers.SUBSCRIBE})) as peer,
        closing(at(peer.port)) as conversation,
    ):
        assert conversation.open() is None
        why = conversation.subscribe(["a"])
        assert why
        assert why.cause == "protocol"
        assert conversation.trouble == why


@pytest.mark.parametrize("by_tls", [True, False])
def test_the_end_of_the_broker_is_detected_at_once(opened: Opener, own: Tls, by_tls: bool) -> None:
    """Every wait ends with an error; later requests do no harm."""
    door = opened(Profile.UNSECURED)
    port = door.tls_port if by_tls else door.plain_port
    with closing(at(port, own if by_tls else None)) as conversation:
        assert conversation.open() is None
        assert conversation.subscribe(["a"]) is None
        door.close()
        began = time.monotonic()
        assert not conversation.until(lambda _: True, 60)
        why = conversation.trouble
        assert why
        assert why.cause == "closed"
        conversation.publish("a", b"1")
        assert conversation.subscribe(["b"]) == why
        assert not conversation.wait(lambda: False, 60)
        assert time.monotonic() - began < 50


def open_sockets() -> int:
    """Return how many sockets this process has."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:  # the descriptor of the directory itself
            continue
    return sum(link.startswith("socket:") for link in links)


@pytest.mark.usefixtures("mosquitto")
def test_a_session_leaks_nothing(tmp_path: Path, opened: Opener, own: Tls) -> None:
    """Whatever its result, there are as many sockets and threads afterwards as before."""
    door = opened(Profile.WEAK)
    other = Tls(fingerprint=device_certificate(tmp_path, name="other").fingerprint)
    kinds = [
        ("", lambda: at(door.tls_port, own)),
        ("", lambda: at(door.plain_port)),
        ("login", lambda: at(door.tls_port, own, password="wrong")),
        ("certificate changed", lambda: at(door.tls_port, other)),
        ("certificate untrusted", lambda: at(door.tls_port, Tls())),
        ("no tls", lambda: at(door.plain_port, own)),
        ("tls wanted", lambda: at(door.tls_port)),
        ("refused", lambda: at(free_port())),
    ]
    gc.collect()
    before = threading.active_count()
    sockets = open_sockets()
    gc.disable()
    try:
        for what, made in kinds:
            assert cause(made()) == what
        wait("the end of every thread", lambda: threading.active_count() <= before)
        wait("the end of every socket", lambda: open_sockets() <= sockets)
    finally:
        gc.enable()
