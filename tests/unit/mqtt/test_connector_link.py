"""The link: a connected socket as paho uses one, in clear and within TLS."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bat2influx.mqtt.connector import Link, reason, secure
from bat2influx.mqtt.packets import Protocol
from bat2influx.net.tls import Tls, fingerprint_of
from tests.standins.network.certificates import Certificate
from tests.support.tls_by_hand import certificate, openssl


class Socket(socket.socket):
    """A socket within TLS that waits for the record to be complete, or for room."""

    def recv(self, *_: Any) -> bytes:
        """Wait for the rest."""
        raise ssl.SSLWantReadError

    def send(self, *_: Any) -> int:
        """Wait for room."""
        raise ssl.SSLWantWriteError


def test_a_link_within_tls_blocks_as_one_without() -> None:
    """What OpenSSL waits for is BlockingIOError, which paho knows; nothing is there to be taken."""
    with Socket() as sock:
        assert not Link(sock).read_ahead()
        with pytest.raises(BlockingIOError):
            Link(sock).recv(1)
        with pytest.raises(BlockingIOError):
            Link(sock).send(b"x")


def test_a_link_takes_what_the_socket_has_room_for() -> None:
    """`send` returns how much that was, and BlockingIOError where there is no room at all."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        taken = Link(ours).send(bytes(10**8))
        assert 0 < taken < 10**8
        with pytest.raises(BlockingIOError):
            Link(ours).send(b"x")


def test_what_was_read_ahead_is_cut() -> None:
    """The beginning of an ordinary packet waits for its rest, which select() tells of."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        link = Link(ours)
        assert not link.read_ahead()
        theirs.sendall(b"\x30\x05\0\1tab\x31\x05\0\1uc")
        assert link.read_ahead()
        found, size = link.cut(9, Protocol.MQTT_3_1_1)
        assert ([each[:3] for each in found], size) == ([(b"t", b"ab", 0)], 7)
        assert (link.incomplete, link.pending) == (True, False)
        assert not link.read_ahead()
        assert (link.incomplete, link.pending) == (True, False)
        theirs.sendall(b"d\xd0\0")
        assert link.read_ahead()
        found, size = link.cut(9, Protocol.MQTT_3_1_1)
        assert ([each[:3] for each in found], size) == ([(b"u", b"cd", 1)], 7)
        assert link.cut(9, Protocol.MQTT_3_1_1) == ([], 0)
        assert link.pending
        assert link.recv(9) == b"\xd0\0"


@pytest.mark.parametrize("reset", [False, True])
def test_the_end_is_left_to_be_received(reset: bool) -> None:
    """With what came before it; a failure of the socket looks the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with ours:
            theirs.sendall(b"\x30\x05\0\1ta")
            link = Link(ours)
            assert link.read_ahead()
            assert link.cut(9, Protocol.MQTT_5) == ([], 0)
            assert link.used_up
            if reset:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
            assert link.read_ahead()
            assert link.cut(9, Protocol.MQTT_5) == ([], 0)
            assert link.pending
            assert link.recv(9) == b"\x30\x05\0\1ta"
            assert link.recv(9) == b""


def test_a_link_in_clear_has_no_certificate() -> None:
    """Nor a version of TLS."""
    with socket.socket() as sock:
        link = Link(sock)
        assert (link.certificate, link.says, link.version) == (None, {}, None)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What a device shows."""
    return certificate(tmp_path_factory.mktemp("link"), "device", "venus.local")


@pytest.fixture(params=[True, False], ids=["verified", "pinned"])
def secured(
    device: Certificate, request: pytest.FixtureRequest
) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket, bool]]:
    """A socket within TLS, its peer, and whether the certificate was verified."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(device.cert, device.key)
    ours, theirs = socket.socketpair()
    peers: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: peers.append(settings.wrap_socket(theirs, server_side=True))
    )
    thread.start()
    ours.setblocking(False)
    tls = Tls(str(device.cert)) if request.param else Tls(fingerprint=device.fingerprint)
    made = secure(ours, "venus.local", 8883, tls, "/etc/x.ini", timeout=60.0)
    thread.join()
    assert isinstance(made, ssl.SSLSocket)
    with made, peers[0]:
        yield made, peers[0], request.param


def test_a_link_within_tls_knows_what_was_shown(
    device: Certificate, secured: tuple[ssl.SSLSocket, ssl.SSLSocket, bool]
) -> None:
    """The certificate, the version, and what the certificate says where it was verified."""
    link = Link(secured[0])
    assert link.certificate
    assert fingerprint_of(link.certificate) == device.fingerprint
    assert link.version == "TLSv1.3"
    name = ((("commonName", "venus.local"),),)
    assert link.says.get("subject") == (name if secured[2] else None)


def test_a_link_within_tls_does_not_block_and_tells_what_select_does_not(
    secured: tuple[ssl.SSLSocket, ssl.SSLSocket, bool],
) -> None:
    """What lies in a record that was begun is pending, whoever has begun it."""
    ours, theirs, _ = secured
    link = Link(ours)
    assert ours.gettimeout() == 0.0
    with pytest.raises(BlockingIOError):
        link.recv(1)
    assert not link.pending
    theirs.sendall(b"abc")
    assert ours.recv(1) == b"a"
    assert link.pending
    assert link.recv(1) == b"b"
    assert link.pending
    assert link.recv(9) == b"c"
    assert not link.pending
    assert link.send(b"xyz") == 3
    assert theirs.recv(9) == b"xyz"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (openssl("DECRYPTION_FAILED"), "decryption failed"),
        (OSError("Odd"), "odd"),
        (BrokenPipeError(), "brokenpipeerror"),
    ],
)
def test_why_a_link_failed_is_told_in_a_few_words(error: OSError, words: str) -> None:
    """By OpenSSL's reason, the kernel's, its text, or its name."""
    assert reason(error) == words
