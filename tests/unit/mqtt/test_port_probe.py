"""The probe for unencrypted MQTT: the result of each answer to a CONNECT without a login."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from bat2influx.mqtt.port_probe import PortProbe, Probe, answers_mqtt

LONG = 60.0  # s
SHORT = 0.05  # s
WELCOME, REFUSAL = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
MQTT_5_ONLY = b"\x20\x03\x00\x84\x00"


def probe(answer: Callable[[socket.socket], None], within: float = LONG) -> tuple[bool, bytes]:
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
        took = answers_mqtt(ours, within)
        assert ours.fileno() == -1
    finally:
        ours.close()
        peer.join()
    return took, b"".join(found)


@pytest.mark.parametrize("answer", [WELCOME, REFUSAL, MQTT_5_ONLY])
def test_any_connack_proves_mqtt(answer: bytes) -> None:
    """A rejection of the missing login also proves that the port reads unencrypted MQTT."""
    took, sent = probe(lambda peer: peer.sendall(answer))
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
    took, sent = probe(lambda peer: peer.sendall(answer))
    assert not took
    assert len(sent) == 14


def test_a_close_without_an_answer_proves_nothing() -> None:
    """A port with TLS may do that."""
    assert not probe(lambda peer: peer.shutdown(socket.SHUT_RDWR))[0]


def test_no_answer_proves_nothing() -> None:
    """A port with TLS may wait for more."""
    assert not probe(lambda _: None, SHORT)[0]


def test_the_probe_holds_no_login() -> None:
    """The flags of the CONNECT are those of a clean session, and the client id is empty."""
    _, sent = probe(lambda _: None, SHORT)
    assert sent == b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"


# What is known of the port


def brought_to(probe: Probe, *, tls: bool = False, secret: bool = True) -> PortProbe:
    """Return a port in this state."""
    port = PortProbe(tls=tls, secret=secret)
    port.answered()
    if probe is Probe.TLS:
        assert port.closed_unanswered()
    elif probe is Probe.MQTT:
        port = PortProbe(tls=tls, secret=secret)
    assert port.probe is probe
    return port


@pytest.mark.parametrize(
    ("tls", "secret", "probe"),
    [
        (False, True, Probe.MQTT),
        (False, False, Probe.NONE),
        (True, True, Probe.NONE),
        (True, False, Probe.NONE),
    ],
)
def test_a_password_requires_a_proof_first(tls: bool, secret: bool, probe: Probe) -> None:
    """With TLS the password is safe, and without a password there is nothing to protect."""
    assert PortProbe(tls=tls, secret=secret).probe is probe


@pytest.mark.parametrize(
    ("before", "answered", "probed", "ended", "closed_unanswered", "again"),
    [
        (Probe.NONE, Probe.NONE, Probe.NONE, Probe.TLS, Probe.TLS, True),
        (Probe.TLS, Probe.NONE, Probe.TLS, Probe.TLS, Probe.TLS, False),
        (Probe.MQTT, Probe.NONE, Probe.NONE, Probe.MQTT, Probe.MQTT, False),
    ],
)
def test_the_table(
    before: Probe,
    answered: Probe,
    probed: Probe,
    ended: Probe,
    closed_unanswered: Probe,
    again: bool,
) -> None:
    """Cell by cell."""
    for event, after in ((0, answered), (1, probed), (2, ended)):
        port = brought_to(before)
        (port.answered, port.probed, port.ended)[event]()
        assert port.probe is after
    port = brought_to(before)
    assert port.closed_unanswered() is again
    assert port.probe is closed_unanswered


def test_without_a_password_an_ended_connection_is_not_probed() -> None:
    """The port may require TLS if it closes at the login without an answer."""
    port = brought_to(Probe.NONE, secret=False)
    port.ended()
    assert port.probe is Probe.NONE
    assert port.closed_unanswered()
    assert port.probe is Probe.TLS


def test_with_tls_configured_nothing_is_probed() -> None:
    """Nothing has to be detected."""
    port = brought_to(Probe.NONE, tls=True)
    port.ended()
    assert not port.closed_unanswered()
    assert port.probe is Probe.NONE
