"""The description of a device: fetched, or given up in time, however its server answers."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from bat2influx.commands.discover.lan_search import MAX_HEAD, NoDescriptionError, fetch
from bat2influx.commands.discover.ssdp import DescriptionUrl, SearchResponse, description_url
from tests.standins.venus.ssdp_responder import DescriptionServer, description


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a server look often whether it is to end."""
    monkeypatch.setattr(socketserver.BaseServer.serve_forever, "__defaults__", (0.01,))


def place(server: DescriptionServer) -> DescriptionUrl:
    """Return where a server has its description."""
    found = description_url(SearchResponse("127.0.0.1", server.url))
    assert found is not None
    return found


@pytest.mark.parametrize("fault", ["", "malformed", "hostile"])
def test_a_description_is_fetched(fault: str) -> None:
    """The document is returned unchanged, valid or not."""
    with DescriptionServer("127.0.0.1", description(), fault) as server:
        got = fetch(place(server))
        assert got == description()[: None if fault != "malformed" else len(description()) // 2]


@pytest.mark.parametrize(
    ("fault", "seconds", "why"),
    [
        ("hang", 0.2, "takes more than 0.2 s"),
        ("drip", 0.2, "takes more than 0.2 s"),
        ("huge", 20.0, "larger than 64 KiB"),
        ("redirect", 20.0, "status 302"),
        ("missing", 20.0, "status 404"),
    ],
)
def test_a_description_has_limits(fault: str, seconds: float, why: str) -> None:
    """In total time, at 64 KiB; and a redirect is not followed."""
    with DescriptionServer("127.0.0.1", description(), fault) as server:
        begin = time.monotonic()
        with pytest.raises(NoDescriptionError, match=why):
            fetch(place(server), seconds)
        assert time.monotonic() - begin < 30.0
        assert server.requests == ["/device.xml"]


@contextmanager
def dripping(beginning: bytes, drop: bytes) -> Iterator[DescriptionUrl]:
    """Serve one client the beginning of something, and then drops without end."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    connection.sendall(beginning)
                    while True:
                        connection.sendall(drop)
                        time.sleep(0.05)
                except OSError:  # the client has gone
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield DescriptionUrl("127.0.0.1", server.getsockname()[1], "/")


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HT", b"T"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b" "),
    ],
)
def test_an_answer_byte_by_byte_is_given_up(beginning: bytes, drop: bytes) -> None:
    """The limit is for the whole answer, not for each piece of it."""
    with dripping(beginning, drop) as where:
        begin = time.monotonic()
        with pytest.raises(NoDescriptionError):
            fetch(where, 0.2)
        assert time.monotonic() - begin < 30.0


def head(size: int) -> bytes:
    """Return the head of an answer that has so many bytes."""
    begin, end = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n\r\n"
    line = b"X: %s\r\n"
    rest = size - len(begin) - len(end)
    whole, last = divmod(rest, 1000)
    lines = [line % (b"a" * (each - 5)) for each in (*[1000] * (whole - 1), 1000 + last)]
    return begin + b"".join(lines) + end


def test_a_head_of_the_largest_size_is_read() -> None:
    """And one with a byte more is not: http.client would take 6 MB, eight times at once."""
    with dripping(head(MAX_HEAD), b"") as where:
        assert fetch(where) == b""
    with (
        dripping(head(MAX_HEAD + 1), b"") as where,
        pytest.raises(NoDescriptionError, match="its header is larger than 16 KiB"),
    ):
        fetch(where)


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"a" * 8000 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\nX: " + b"a" * 8000 + b"\r\n\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
    ids=["headers", "large answers to go on", "answers to go on"],
)
def test_a_head_without_end_is_given_up(beginning: bytes, drop: bytes) -> None:
    """As soon as it is too large, long before the time limit."""
    with (
        dripping(beginning, drop) as where,
        pytest.raises(NoDescriptionError, match="its header is larger than 16 KiB"),
    ):
        fetch(where, 60.0)


def test_a_closed_port_has_no_description() -> None:
    """A refused connection is one of the reasons, and names the port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoDescriptionError, match=f"ConnectionRefusedError at port {port}"):
        fetch(DescriptionUrl("127.0.0.1", port, "/"))
