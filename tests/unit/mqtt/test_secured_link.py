"""The link with TLS: what OpenSSL adds to a socket."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bat2influx.mqtt.handshake import secure
from bat2influx.mqtt.secured_link import SecuredLink
from bat2influx.net.tls import Tls, fingerprint_of
from tests.standins.network.certificates import Certificate
from tests.support.tls_by_hand import certificate


class Waiting:
    """A socket with TLS that waits for a complete record, or for room."""

    def recv(self, *_: Any) -> bytes:
        """Wait for the rest."""
        raise ssl.SSLWantReadError

    def send(self, *_: Any) -> int:
        """Wait for room."""
        raise ssl.SSLWantWriteError


def test_a_link_with_tls_blocks_like_one_without() -> None:
    """OpenSSL's waits become BlockingIOError, which paho handles; there is nothing to take."""
    link = SecuredLink(Waiting())  # type: ignore[arg-type]
    assert not link.read_ahead()
    with pytest.raises(BlockingIOError):
        link.recv(1)
    with pytest.raises(BlockingIOError):
        link.send(b"x")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A device's certificate and key."""
    return certificate(tmp_path_factory.mktemp("link"), "device", "venus.local")


@pytest.fixture(params=[True, False], ids=["verified", "pinned"])
def secured(
    device: Certificate, request: pytest.FixtureRequest
) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket, bool]]:
    """A socket with TLS, its peer, and whether the certificate was verified."""
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


def test_a_link_with_tls_has_the_certificate(
    device: Certificate, secured: tuple[ssl.SSLSocket, ssl.SSLSocket, bool]
) -> None:
    """The certificate, the version, and the certificate's content if it was verified."""
    link = SecuredLink(secured[0])
    assert link.certificate
    assert fingerprint_of(link.certificate) == device.fingerprint
    assert link.version == "TLSv1.3"
    name = ((("commonName", "venus.local"),),)
    assert link.certificate_fields.get("subject") == (name if secured[2] else None)


def test_a_link_with_tls_does_not_block_and_has_pending_data(
    secured: tuple[ssl.SSLSocket, ssl.SSLSocket, bool],
) -> None:
    """The rest of a started record is pending, which select() does not see."""
    ours, theirs, _ = secured
    link = SecuredLink(ours)
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
