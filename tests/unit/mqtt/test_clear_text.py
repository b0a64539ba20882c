"""The probe for unencrypted MQTT: the result of each answer to a CONNECT without a login."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from bat2influx.mqtt.clear_text import ClearPort, Look, takes_mqtt

LONG = 60.0  # s
SHORT = 0.05  # s
WELCOME, REFUSAL = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
MQTT_5_ONLY = b"\x20\x03\x00\x84\x00"


def look(answer: Callable[[socket.socket], None], within: float = LONG) -> tuple[bool, bytes]:
    """Return the result of a probe of a peer, and all bytes sent to the peer."""
    ours, theirs = socket.socketpair()
    found: list[bytes] = []

    def serve() -> None:
        with theirs:
            found.append(theirs.recv(14, socket.MSG_WAITALL))
            answer(theirs)
            with contextlib.suppress(ConnectionResetError):  # what it said was not all read
                while more := theirs.recv(100):
                    found.append(more)

    peer = threading.Thread(target=serve)
    peer.start()
    try:
        took = takes_mqtt(ours, within)
        assert ours.fileno() == -1
    finally:
        ours.close()
        peer.join()
    return took, b"".join(found)


@pytest.mark.parametrize("answer", [WELCOME, REFUSAL, MQTT_5_ONLY])
def test_any_connack_proves_mqtt(answer: bytes) -> None:
    """A rejection of the missing login also proves that the port reads unencrypted MQTT."""
    took, sent = look(lambda peer: peer.sendall(answer))
    assert took
    assert sent.endswith(b"\xe0\x00")


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x21\x02\x00\x00",
        b"\x30\x02\x00\x00",
    ],
)
def test_other_answers_prove_nothing(answer: bytes) -> None:
    """An alert of TLS, a web server, and other packets first."""
    took, sent = look(lambda peer: peer.sendall(answer))
    assert not took
    assert len(sent) == 14


def test_a_close_without_an_answer_proves_nothing() -> None:
    """A port with TLS may do that."""
    assert not look(lambda peer: peer.shutdown(socket.SHUT_RDWR))[0]


def test_no_answer_proves_nothing() -> None:
    """A port with TLS may wait for more."""
    assert not look(lambda _: None, SHORT)[0]


def test_the_probe_holds_no_login() -> None:
    """The flags of the CONNECT are those of a clean session, and the client id is empty."""
    _, sent = look(lambda _: None, SHORT)
    assert sent == b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"


# What is known of the port


def brought_to(look: Look, *, tls: bool = False, secret: bool = True) -> ClearPort:
    """Return a port in this state."""
    port = ClearPort(tls=tls, secret=secret)
    port.answered()
    if look is Look.TLS:
        assert port.wordless()
    elif look is Look.PROOF:
        port = ClearPort(tls=tls, secret=secret)
    assert port.look is look
    return port


@pytest.mark.parametrize(
    ("tls", "secret", "look"),
    [
        (False, True, Look.PROOF),
        (False, False, Look.NONE),
        (True, True, Look.NONE),
        (True, False, Look.NONE),
    ],
)
def test_a_password_requires_a_proof_first(tls: bool, secret: bool, look: Look) -> None:
    """With TLS the password is safe, and without a password there is nothing to protect."""
    assert ClearPort(tls=tls, secret=secret).look is look


@pytest.mark.parametrize(
    ("before", "answered", "reached", "ended", "wordless", "again"),
    [
        (Look.NONE, Look.NONE, Look.NONE, Look.TLS, Look.TLS, True),
        (Look.TLS, Look.NONE, Look.TLS, Look.TLS, Look.TLS, False),
        (Look.PROOF, Look.NONE, Look.NONE, Look.PROOF, Look.PROOF, False),
    ],
)
def test_the_table(
    before: Look, answered: Look, reached: Look, ended: Look, wordless: Look, again: bool
) -> None:
    """Cell by cell."""
    for event, after in ((0, answered), (1, reached), (2, ended)):
        port = brought_to(before)
        (port.answered, port.reached, port.ended)[event]()
        assert port.look is after
    port = brought_to(before)
    assert port.wordless() is again
    assert port.look is wordless


def test_without_a_password_an_ended_connection_is_not_probed() -> None:
    """The port may require TLS if it closes at the login without an answer."""
    port = brought_to(Look.NONE, secret=False)
    port.ended()
    assert port.look is Look.NONE
    assert port.wordless()
    assert port.look is Look.TLS


def test_with_tls_configured_nothing_is_probed() -> None:
    """Nothing has to be detected."""
    port = brought_to(Look.NONE, tls=True)
    port.ended()
    assert not port.wordless()
    assert port.look is Look.NONE
