"""The look at a port in clear: what each answer to a CONNECT without a login comes to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from bat2influx.mqtt.clear_text import takes_mqtt

LONG = 60.0  # s
SHORT = 0.05  # s
WELCOME, REFUSAL = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
MQTT_5_ONLY = b"\x20\x03\x00\x84\x00"


def look(answer: Callable[[socket.socket], None], within: float = LONG) -> tuple[bool, bytes]:
    """Return what a look comes to at a peer, and all that the peer was sent."""
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
def test_a_connack_is_mqtt_whatever_it_says(answer: bytes) -> None:
    """A refusal for want of a login shows that the port reads MQTT in clear."""
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
def test_what_is_no_connack_is_none(answer: bytes) -> None:
    """An alert of TLS, a web server, and packets that do not come first."""
    took, sent = look(lambda peer: peer.sendall(answer))
    assert not took
    assert len(sent) == 14


def test_an_end_without_an_answer_is_none() -> None:
    """As of a port with TLS."""
    assert not look(lambda peer: peer.shutdown(socket.SHUT_RDWR))[0]


def test_silence_is_none() -> None:
    """As of a port with TLS that waits for more."""
    assert not look(lambda _: None, SHORT)[0]


def test_it_holds_no_login() -> None:
    """The flags of the CONNECT are those of a clean session, and nothing follows its empty name."""
    _, sent = look(lambda _: None, SHORT)
    assert sent == b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"
