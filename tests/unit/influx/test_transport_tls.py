"""Requests by TLS: the certificate is judged before anything of a request leaves."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import requests

from bat2influx.influx import transport
from bat2influx.influx.transport import Adapter, Dialer, HandshakeError, OtherCertificateError
from bat2influx.net.tls import Tls, TlsFault
from tests.standins.network.certificates import Certificate
from tests.standins.network.tls_peers import TlsServer
from tests.support.tls_by_hand import certificate

NAME = "db.example"


class Files(NamedTuple):
    """The certificates of the tests here."""

    signer: Certificate
    server: Certificate
    other: Certificate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """An authority, a server for which it vouches, and another certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    signer = certificate(folder, "signer", "an authority")
    server = certificate(folder, "server", NAME, signer)
    return Files(signer, server, certificate(folder, "other", NAME))


class Server(TlsServer):
    """Answers the first request on each connection, and keeps what was said to it."""

    def __init__(self, shown: Certificate) -> None:
        self.asked: list[bytes] = []
        super().__init__(shown, self._answer)

    def _answer(self, secured: ssl.SSLSocket) -> None:
        self.asked.append(secured.recv(4096))
        secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.fixture
def server(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server to which every name leads."""

    def resolve(_host: str, port: int, _timeout: float) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(transport, "resolver", SimpleNamespace(resolve=resolve))
    with Server(files.server) as made:
        yield made


def status(server: Server, tls: Tls, name: str, dialer: Dialer) -> int:
    """Ask for a page; return the status of the answer."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter(dialer, tls))
        with dialer.deadline.within(60.0):
            answer = session.get(f"https://{name}:{server.port}/page", auth=("me", "gehe1m"))
    return answer.status_code


def test_a_server_that_is_trusted_is_asked(files: Files, server: Server) -> None:
    """By an authority and its name, with the name left unchecked, or by its fingerprint alone."""
    ca_file = str(files.signer.cert)
    for tls, name in (
        (Tls(ca_file), NAME),
        (Tls(ca_file, verify_host=False), "other.example"),
        (Tls(fingerprint=files.server.fingerprint), "other.example"),
    ):
        dialer = Dialer()
        assert status(server, tls, name, dialer) == 204
        assert dialer.reached
    assert [each.split(b"\r\n")[0] for each in server.asked] == [b"GET /page HTTP/1.1"] * 3


@pytest.mark.parametrize(
    ("trusted", "name", "fault"),
    [
        ("signer", "other.example", TlsFault.OTHER_NAME),
        ("other", NAME, TlsFault.UNTRUSTED),
        ("", NAME, TlsFault.UNTRUSTED),
    ],
)
def test_a_server_that_is_not_trusted_sees_nothing_of_the_request(
    files: Files, server: Server, trusted: str, name: str, fault: TlsFault
) -> None:
    """What is wrong with its certificate is told."""
    tls = Tls(str(getattr(files, trusted).cert)) if trusted else Tls()
    dialer = Dialer()
    with pytest.raises(HandshakeError) as found:
        status(server, tls, name, dialer)
    assert found.value.fault is fault
    assert not dialer.reached
    assert b"".join(server.asked) == b""


def test_a_server_with_another_certificate_than_the_pinned_one_sees_nothing_of_the_request(
    files: Files, server: Server
) -> None:
    """The fingerprint of the one that it shows is told."""
    dialer = Dialer()
    with pytest.raises(OtherCertificateError) as found:
        status(server, Tls(fingerprint=files.other.fingerprint), NAME, dialer)
    assert found.value.shown == files.server.fingerprint
    assert not dialer.reached
    assert b"".join(server.asked) == b""
