"""The request for a token: only to the known certificate, bounded, and once."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx.commands.pair import https
from bat2influx.commands.pair.https import (
    NoHttpError,
    OtherCertificateError,
    UnansweredError,
    post,
)
from bat2influx.influx.exchange import LONGEST_LINE, MAX_BODY
from tests.standins.network.certificates import Certificate, device_certificate
from tests.standins.network.mqtt_peers import Peer
from tests.standins.network.tls_peers import TlsServer
from tests.support.daemon import wait

FORM = b"role=bat2influx&device_id=pi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Act = Callable[[ssl.SSLSocket], object]


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    """Return the device's certificate."""
    return device_certificate(tmp_path)


@pytest.fixture
def served(own: Certificate) -> Iterator[Callable[[bytes], TlsServer]]:
    """Have a server that answers a request with these bytes and leaves."""
    with_answer: list[TlsServer] = []

    def serve(answer: bytes) -> TlsServer:
        def act(secured: ssl.SSLSocket) -> None:
            request = b""
            while FORM not in request:
                request += secured.recv(4096)
            server.heard.append(request)
            secured.sendall(answer)
            secured.unwrap()

        server = TlsServer(own, act)
        with_answer.append(server)
        return server

    yield serve
    for server in with_answer:
        server.close()


def sent(port: int, fingerprint: str) -> https.Answer:
    """Send the form."""
    return post("127.0.0.1", port, "/auth/", FORM, fingerprint)


def test_the_form_goes_to_the_page(own: Certificate, served: Callable[[bytes], TlsServer]) -> None:
    """As a browser sends one, with no information but the program's name."""
    server = served(OK)
    answer = sent(server.port, own.fingerprint)
    assert (answer.status, answer.body) == (200, b"{}")
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert body == FORM
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /auth/ HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Content-Type: application/x-www-form-urlencoded" in lines
    assert f"Content-Length: {len(FORM)}" in lines


def test_nothing_is_sent_to_another_certificate(own: Certificate, tmp_path: Path) -> None:
    """Not a byte; the error has the fingerprint of the shown one."""
    other = device_certificate(tmp_path, name="other")
    with TlsServer(other) as server:
        with pytest.raises(OtherCertificateError) as raised:
            sent(server.port, own.fingerprint)
        assert raised.value.shown == other.fingerprint
        wait("its end", lambda: server.heard)
        assert server.heard == [b""]


def test_nothing_is_sent_without_a_fingerprint() -> None:
    """That is a bug of the caller."""
    with pytest.raises(AssertionError):
        sent(1, "")


def test_a_redirect_is_an_answer(own: Certificate, served: Callable[[bytes], TlsServer]) -> None:
    """It is not followed, because the form may hold a password."""
    server = served(
        b"HTTP/1.1 302 Found\r\nLocation: https://a.example/\r\nContent-Length: 0\r\n\r\n"
    )
    assert sent(server.port, own.fingerprint).status == 302
    assert len(server.calls) == 1


@pytest.mark.parametrize("answer", [b"220 mail ready\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 9000])
def test_invalid_http_differs_from_no_answer(
    own: Certificate, served: Callable[[bytes], TlsServer], answer: bytes
) -> None:
    """A header that is too long is invalid."""
    assert len(answer) < 100 or len(answer) > LONGEST_LINE
    with pytest.raises(NoHttpError):
        sent(served(answer).port, own.fingerprint)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "it closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "in the middle of its answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * (MAX_BODY + 9),
            "in the middle of its answer",
        ),
    ],
)
def test_an_incomplete_answer_is_none(
    own: Certificate, served: Callable[[bytes], TlsServer], answer: bytes, why: str
) -> None:
    """Neither is one that exceeds the limit."""
    with pytest.raises(UnansweredError, match=why):
        sent(served(answer).port, own.fingerprint)


def test_a_port_without_tls_and_a_closed_port_have_no_answer(own: Certificate) -> None:
    """Each with its reason."""
    with Peer() as silent:
        port = silent.port
    with pytest.raises(UnansweredError, match="refused"):
        sent(port, own.fingerprint)


def test_an_answer_byte_by_byte_is_given_up(
    own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The total time is limited, however often a byte arrives."""
    monkeypatch.setattr(https, "REQUEST_WITHIN", 0.5)

    def drip(secured: ssl.SSLSocket) -> None:
        while not server.closing.wait(0.02):
            secured.sendall(b"H")

    with TlsServer(own, drip) as server, pytest.raises(UnansweredError, match="no answer in"):
        sent(server.port, own.fingerprint)
