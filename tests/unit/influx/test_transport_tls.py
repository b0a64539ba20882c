"""Requests with TLS: the certificate is verified before any part of a request is sent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from bat2influx.influx import transport
from bat2influx.influx.transport import (
    HandshakeError,
    OtherCertificateError,
    Transport,
    TrustError,
)
from bat2influx.net.tls import Tls, TlsFault
from tests.standins.network.certificates import Certificate
from tests.standins.network.tls_peers import TlsServer
from tests.support.tls_by_hand import certificate
from tests.support.writing import DEFAULTS

NAME = "db.example"


class Files(NamedTuple):
    """The certificates of these tests."""

    signer: Certificate
    server: Certificate
    other: Certificate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """An authority, a server with its signature, and another certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    signer = certificate(folder, "signer", "an authority")
    server = certificate(folder, "server", NAME, signer)
    return Files(signer, server, certificate(folder, "other", NAME))


class Server(TlsServer):
    """Answers each request, and records what it receives."""

    def __init__(self, shown: Certificate) -> None:
        self.asked: list[bytes] = []
        self.certificate = shown
        super().__init__(shown, self._answer)

    def _answer(self, secured: ssl.SSLSocket) -> None:
        while data := secured.recv(4096):
            self.asked.append(data)
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.fixture
def server(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server for every name."""

    def resolve(_host: str, port: int, _timeout: float) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(transport, "resolver", SimpleNamespace(resolve=resolve))
    with Server(files.server) as made:
        yield made


def transport_to(server: Server, tls: Tls, name: str) -> Transport:
    """Return a transport to a server by some name."""
    ini = {"address": name, "port": server.port, "tls": tls, "user": "me", "password": "gehe1m"}
    return Transport(DEFAULTS._replace(**ini))  # type: ignore[arg-type]


def ask(made: Transport) -> int:
    """Request a page; return the status of the answer."""
    with made.deadline.within(60.0):
        return made.exchange("GET", "page", b"", "", lambda: None).status


def test_a_trusted_server_gets_the_request(files: Files, server: Server) -> None:
    """By authority and name, with the name unchecked, or by its fingerprint only."""
    ca_file = str(files.signer.cert)
    for tls, name in (
        (Tls(ca_file), NAME),
        (Tls(ca_file), f"{NAME}."),
        (Tls(ca_file, verify_host=False), "other.example"),
        (Tls(fingerprint=files.server.fingerprint), "other.example"),
    ):
        made = transport_to(server, tls, name)
        assert ask(made) == 204
        assert made.reached
    assert [each.split(b"\r\n")[0] for each in server.asked] == [b"GET /page HTTP/1.1"] * 4


@pytest.mark.parametrize(
    ("trusted", "name", "fault"),
    [
        ("signer", "other.example", TlsFault.OTHER_NAME),
        ("signer", "127.0.0.1", TlsFault.OTHER_NAME),
        ("other", NAME, TlsFault.UNTRUSTED),
        ("", NAME, TlsFault.UNTRUSTED),
    ],
)
def test_an_untrusted_server_gets_nothing_of_the_request(
    files: Files, server: Server, trusted: str, name: str, fault: TlsFault
) -> None:
    """The error names the problem of the certificate."""
    tls = Tls(str(getattr(files, trusted).cert)) if trusted else Tls()
    made = transport_to(server, tls, name)
    with pytest.raises(HandshakeError) as found:
        ask(made)
    assert found.value.fault is fault
    assert not made.reached
    assert b"".join(server.asked) == b""


def test_a_server_without_the_pinned_certificate_gets_nothing_of_the_request(
    files: Files, server: Server
) -> None:
    """The error has the fingerprint of its certificate."""
    made = transport_to(server, Tls(fingerprint=files.other.fingerprint), NAME)
    with pytest.raises(OtherCertificateError) as found:
        ask(made)
    assert found.value.shown == files.server.fingerprint
    assert not made.reached
    assert b"".join(server.asked) == b""


@pytest.mark.parametrize("content", [None, "none"])
def test_an_unusable_file_ends_a_request_before_anything_is_sent(
    server: Server, tmp_path: Path, content: str | None
) -> None:
    """It is read again for each connection, and its error is raised unchanged."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    made = transport_to(server, Tls(str(path)), NAME)
    with pytest.raises(TrustError) as found:
        ask(made)
    assert isinstance(found.value.error, ssl.SSLError if content else FileNotFoundError)
    assert (made.connections, made.reached) == (0, False)
    path.write_bytes(server.certificate.cert.read_bytes())
    assert ask(made) == 204


def test_a_connection_with_tls_is_kept_too(files: Files, server: Server) -> None:
    """The server's messages about the session, in TLS 1.3, are neither an answer nor an end."""
    made = transport_to(server, Tls(str(files.signer.cert)), NAME)
    assert [ask(made), ask(made)] == [204, 204]
    assert made.connections == 1
    assert len(server.asked) == 2
