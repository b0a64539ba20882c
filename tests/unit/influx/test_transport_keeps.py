"""Connections to a database: what is sent, on which connection, and through which proxy."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx import __version__
from bat2influx.influx import environment, transport
from bat2influx.influx.environment import Proxy, ProxyError, basic
from bat2influx.influx.exchange import Answer, NoAnswerError
from bat2influx.influx.transport import Transport, bracketed, is_usable
from bat2influx.net.tls import Tls
from tests.support.writing import DEFAULTS

TEXT = "text/plain"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"
CLOSING = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65_536)
    except ConnectionResetError:
        return b""


class Server:
    """Accepts connections for every name; each request gets the next of `answers`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[bytes] = []
        self.asked: list[bytes] = []
        self.names: list[tuple[str, int]] = []  # that led here
        self.taken: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        monkeypatch.setattr(transport, "resolver", SimpleNamespace(resolve=self._resolve))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _resolve(self, host: str, port: int, _timeout: float) -> list[Any]:
        self.names.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", self._listening.getsockname())]

    def _serve(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            if not self.answers:
                return
            self.taken.append(sock)
            while self.answers and (data := _received(sock)):
                self.asked.append(data)
                if not (given := self.answers.pop(0)):
                    break
                sock.sendall(given)
                if given is CLOSING or given.startswith(b"HTTP/1.0"):
                    break
            else:
                continue
            sock.close()

    def close(self) -> None:
        """Close."""
        self.answers.clear()
        for sock in self.taken:
            sock.close()
        with socket.create_connection(self._listening.getsockname()):
            self._thread.join()
        self._listening.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server."""
    made = Server(monkeypatch)
    yield made
    made.close()


def ask(made: Transport, method: str = "POST", data: bytes = b"dc V=1\n") -> Answer:
    """Carry out a request."""
    with made.deadline.within(60.0):
        return made.exchange(method, "write?db=a", data, TEXT, lambda: None)


def to(**ini: Any) -> Transport:
    """Return a transport; `ini` as in [Influx]."""
    return Transport(DEFAULTS._replace(address="db.example", **ini))


def head(data: bytes) -> list[str]:
    """Return the lines of a request's head, without its end."""
    return data.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_a_request_has_the_necessary_headers_only(server: Server) -> None:
    """With a body its type and length; without a body neither."""
    server.answers = [GONE, GONE, GONE]
    made = to(path="/influx")
    assert [ask(made).status, ask(made, data=b"").status, ask(made, "GET", b"").status] == [204] * 3
    common = ["Host: db.example:8086", f"User-Agent: bat2influx/{__version__}"]
    common += ["Accept: application/json", "Accept-Encoding: identity"]
    write = ["POST /influx/write?db=a HTTP/1.1", "Content-Type: text/plain"]
    assert [head(each) for each in server.asked] == [
        [*write, "Content-Length: 7", *common],
        [*write, "Content-Length: 0", *common],
        ["GET /influx/write?db=a HTTP/1.1", *common],
    ]
    assert server.asked[0].endswith(b"\r\n\r\ndc V=1\n")
    assert (made.connections, len(server.taken)) == (1, 1)


@pytest.mark.parametrize(
    ("ini", "login"),
    [
        ({"user": "ü", "password": "ö:"}, "Basic w7w6w7Y6"),
        ({"user": "me"}, "Basic bWU6"),
        ({"token": "ünï"}, "Token ünï"),
        ({"use_environment": True, "user": "me"}, "Basic bWU6"),
        ({"use_environment": True, "token": "t"}, "Token t"),
        ({"use_environment": True}, basic("of netrc", "pw")),
        ({}, None),
    ],
)
def test_a_login_is_sent_in_utf_8(
    server: Server, monkeypatch: pytest.MonkeyPatch, ini: dict[str, Any], login: str | None
) -> None:
    """That of ~/.netrc if the environment counts and there is no other."""
    monkeypatch.setattr(environment, "login_for", {"db.example": ("of netrc", "pw")}.get)
    monkeypatch.setattr(environment, "proxy_for", lambda *_: None)
    server.answers = [GONE]
    ask(to(**ini))
    found = [line for line in head(server.asked[0]) if line.startswith("Authorization")]
    assert found == ([f"Authorization: {login}"] if login else [])


@pytest.mark.parametrize(
    ("address", "port", "name"),
    [
        ("db.example.", 8086, "db.example:8086"),
        ("db.example", 80, "db.example"),
        ("::1", 443, "[::1]:443"),
        ("fe80::1%eth0", 8086, "[fe80::1]:8086"),
    ],
)
def test_the_host_header_has_the_name_that_the_server_knows(
    server: Server, address: str, port: int, name: str
) -> None:
    """Without a zone or a trailing dot, and with a port unless it is the usual one."""
    server.answers = [GONE]
    made = Transport(DEFAULTS._replace(address=address, port=port))
    ask(made)
    assert f"Host: {name}" in head(server.asked[0])
    assert server.names == [(address, port)]


def test_a_connection_that_the_server_closes_is_not_used_again(server: Server) -> None:
    """Whether announced or not, which is detected before a request is sent."""
    server.answers = [CLOSING, GONE, GONE]
    made = to()
    ask(made)
    ask(made)
    assert made.connections == 2
    assert made._sock is not None
    server.taken[1].shutdown(socket.SHUT_WR)
    while is_usable(made._sock):
        pass
    server.taken[1].shutdown(socket.SHUT_RD)
    ask(made)
    assert (made.connections, len(server.asked)) == (3, 3)


def test_unrequested_data_closes_a_connection(server: Server) -> None:
    """Otherwise the next request would take it as its answer."""
    server.answers = [GONE, CLOSING]
    made = to()
    ask(made)
    assert made._sock is not None
    server.taken[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    while is_usable(made._sock):
        pass
    assert ask(made).status == 204
    assert made.connections == 2


def test_a_failure_closes_the_connection(server: Server) -> None:
    """The server may have received the request."""
    server.answers = [b""]
    made = to()
    with pytest.raises(NoAnswerError):
        ask(made)
    assert made._sock is None
    assert made.reached


def test_without_a_connection_reached_is_false(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever happened to the request before."""

    def resolve(*_: object) -> list[Any]:
        raise OSError("no name")

    monkeypatch.setattr(transport, "resolver", SimpleNamespace(resolve=resolve))
    made = to()
    made.reached = True
    with pytest.raises(OSError, match="no name"):
        ask(made)
    assert not made.reached


def test_a_deleted_transport_closes_its_connection(server: Server) -> None:
    """As of a database that is no longer configured."""
    server.answers = [GONE, GONE]
    made = to()
    ask(made)
    taken = server.taken[0]
    made.close()
    made.close()
    other = to()
    ask(other)
    del other, made
    gc.collect()
    assert taken.fileno() >= 0


# Proxies


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[Proxy], None]:
    """Sets a proxy in the environment."""
    monkeypatch.setattr(environment, "login_for", lambda _: None)
    return lambda proxy: monkeypatch.setattr(environment, "proxy_for", lambda *_: proxy)


def test_a_proxy_gets_the_whole_address(server: Server, through: Callable[[Proxy], None]) -> None:
    """And its login, which the server does not see; it is connected like a server."""
    through(Proxy("proxy", 3128, login="Basic cDpw"))
    server.answers = [GONE, GONE]
    made = to(use_environment=True, path="/influx", user="me")
    ask(made)
    ask(made)
    for each in server.asked:
        lines = head(each)
        assert lines[0] == "POST http://db.example:8086/influx/write?db=a HTTP/1.1"
        assert "Host: db.example:8086" in lines
        assert lines[-2:] == ["Authorization: Basic bWU6", "Proxy-Authorization: Basic cDpw"]
    assert server.names == [("proxy", 3128)]


def test_a_proxy_counts_only_if_configured(
    server: Server, through: Callable[[Proxy], None]
) -> None:
    """Otherwise the environment is not read."""
    through(Proxy("proxy", 3128))
    server.answers = [GONE]
    ask(to())
    assert server.names == [("db.example", 8086)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Login\x1b[2J\r\nContent-Length: 0\r\n\r\n",
            r"proxy:3128 answers 407 Login",
        ),
        (b"HTTP/1.0 502 Bad\r\n\r\n", "answers 502 Bad"),
    ],
)
def test_a_proxy_that_rejects_a_tunnel_is_reported(
    server: Server, through: Callable[[Proxy], None], answer: bytes, words: str
) -> None:
    """No part of the request was sent; the login was for the proxy."""
    through(Proxy("proxy", 3128, login="Basic cDpw"))
    server.answers = [answer]
    made = to(use_environment=True, tls=Tls(), user="me", password="gehe1m")
    with pytest.raises(ProxyError, match=words):
        ask(made)
    agent = f"User-Agent: bat2influx/{__version__}"
    lines = ["CONNECT db.example:8086 HTTP/1.1", "Host: db.example:8086", agent]
    assert head(server.asked[0]) == [*lines, "Proxy-Authorization: Basic cDpw"]
    assert not made.reached


def test_a_proxy_with_tls_carries_no_tls(server: Server, through: Callable[[Proxy], None]) -> None:
    """The standard library has no TLS within TLS on a socket."""
    through(Proxy("proxy", 3128, tls=True))
    with pytest.raises(ProxyError, match="TLS within TLS"):
        ask(to(use_environment=True, tls=Tls()))
    assert not server.names


@pytest.mark.parametrize(
    ("address", "found"), [("db", "db"), ("10.0.0.1", "10.0.0.1"), ("::1", "[::1]")]
)
def test_an_ipv6_address_has_brackets_before_a_port(address: str, found: str) -> None:
    """If it contains colons."""
    assert bracketed(address) == found
