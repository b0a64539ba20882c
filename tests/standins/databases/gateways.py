"""Gateways before a database, or in its place, that answer for it: proxies, portals, TLS ports.

Rules: as in `http_peers`. A `Gateway` passes a request on to a real server or a peer if its `judge`
permits; the requests that it answers itself are in `refused`. A judge can be replaced at any time,
as when a fault ends. The pages are those of nginx 1.22 (Debian 12); the texts of Go are those of
net/http/server.go, which the real InfluxDB 1 uses.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from tests.standins.databases.http_peers import ACCEPTED, Act, HttpPeer, answer, read_request
from tests.standins.network.mqtt_peers import Peer, reset

WAIT = 30.0  # s, for the server behind
OWN = ("content-length", "transfer-encoding", "connection")  # headers of one hop alone


@dataclass(frozen=True)
class Asked:
    """A request: its first line, its body, and its number on its connection, from 1."""

    first: bytes
    body: bytes
    number: int


# What a gateway does with a request: the bytes of an answer, a function that disturbs the
# connection, as with HttpPeer, or None to pass it on.
Verdict = bytes | Act | None
Judge = Callable[[Asked], Verdict]


class Gateway(Peer):
    """Stands before the server at port `to` of 127.0.0.1; without a judge it passes on all."""

    def __init__(self, to: int, judge: Judge | None = None) -> None:
        self.judge: Judge = judge or through
        self.refused: list[Asked] = []
        self.passed: list[Asked] = []
        self._to = to
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Answer one request after the other, or have the server do it."""
        server = http.client.HTTPConnection("127.0.0.1", self._to, timeout=WAIT)
        with closing(server), connection.makefile("rb") as stream:
            for number in itertools.count(1):
                request = read_request(stream, connection)
                if request is None:
                    return
                head, body = request
                asked = Asked(head[0].rstrip(), body, number)
                verdict = self.judge(asked)
                (self.passed if verdict is None else self.refused).append(asked)
                if verdict is None:
                    connection.sendall(_passed_on(server, head[1:-1], asked))
                elif not callable(verdict):
                    connection.sendall(verdict)
                else:
                    verdict(connection)
                    return


def _passed_on(server: http.client.HTTPConnection, headers: Sequence[bytes], asked: Asked) -> bytes:
    for again in (True, False):  # an idle connection may have been closed
        try:
            method, target, _ = asked.first.decode().split()
            server.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for line in headers:
                name, _, value = line.decode("latin-1").partition(":")
                if name.lower() not in ("expect", "connection"):
                    server.putheader(name, value.strip())
            server.endheaders(asked.body)
            reply = server.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException):
            server.close()
            if not again:
                return page("502 Bad Gateway")
        else:
            kept = [f"{name}: {text}" for name, text in reply.getheaders() if _goes_on(name)]
            return answer(f"{reply.status} {reply.reason}", content, *kept)
    raise AssertionError  # the second try has returned


def _goes_on(header: str) -> bool:
    return header.lower() not in OWN


def page(status: str, told: str = "", *headers: str) -> bytes:
    """Return a page of nginx with a status, as in "502 Bad Gateway", and a text."""
    title = f"{status.partition(' ')[0]} {told}" if told else status
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{status}</h1></center>",
        *([f"<center>{told}</center>"] if told else []),
        "<hr><center>nginx/1.22.1</center>",
        "</body>",
        "</html>",
        "",
    ]
    return answer(
        status, "\r\n".join(lines), "Server: nginx/1.22.1", "Content-Type: text/html", *headers
    )


def told(status: str, **body: str) -> bytes:
    """Return an answer with a JSON object: told("400 Bad Request", error="bad request")."""
    return answer(status, json.dumps(body), "Content-Type: application/json")


def of_influxdb_1(status: str, error: str) -> bytes:
    """Return an answer with an error as InfluxDB 1.6.7 frames it."""
    return answer(
        status,
        json.dumps({"error": error}, separators=(",", ":")) + "\n",
        "Content-Type: application/json",
        "X-Influxdb-Build: OSS",
        f"X-Influxdb-Error: {error}",
        "X-Influxdb-Version: 1.6.7~rc0",
    )


# InfluxDB 1.x, where its disk is full; the answer has nothing about the lines.
DISK_FULL = of_influxdb_1(
    "400 Bad Request",
    "partial write: write /var/lib/influxdb/data: no space left on device dropped=1",
)
FAILS = of_influxdb_1("500 Internal Server Error", "timeout")


def redirect(status: str, location: str) -> bytes:
    """Return an answer like "301 Moved Permanently" with another location, in any form."""
    return page(status, "", f"Location: {location}")


def through(asked: Asked) -> Verdict:
    """Pass everything on."""
    del asked
    return None


def too_large(limit: int | None = None) -> Judge:
    """Answer 413, as nginx does, to bodies above `limit` bytes, or to everything."""

    def judge(asked: Asked) -> Verdict:
        fits = limit is not None and len(asked.body) <= limit
        return None if fits else _last(page("413 Request Entity Too Large", "", CLOSES))

    return judge


def refuses(reply: bytes, what: bytes = b"/write") -> Judge:
    """Answer `reply` to requests with `what` in the first line, and pass everything else on."""
    return every(1, reply, what)


def every(times: int, verdict: bytes | Act, what: bytes = b"/write") -> Judge:
    """Reject every `number`th request, as in every(2, FAILS), and pass the others on."""
    numbers = itertools.count(1)

    def judge(asked: Asked) -> Verdict:
        return verdict if what in asked.first and next(numbers) % times == 0 else None

    return judge


def closes_kept(number: int = 2) -> Judge:
    """Close each connection, without an answer, at its request of that number (from 2).

    A server does the same when its idle timeout ends just as a request is under way.
    """

    def judge(asked: Asked) -> Verdict:
        return _hang_up if asked.number == number else None

    return judge


def portal() -> HttpPeer:
    """Return a captive portal that answers 204 to everything, and is no database."""
    return HttpPeer(ACCEPTED, ping=None)


def portal_with_login(page_at: str = "http://portal.lan/login") -> HttpPeer:
    """Return a captive portal that redirects every request to its page."""
    return HttpPeer(redirect("302 Found", page_at), ping=None)


CLOSES = "Connection: close"
# Neither a length nor a type, and an older version: the answer ends with the connection.
SAYS_GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
SAYS_NGINX = page("400 Bad Request", "The plain HTTP request was sent to HTTPS port", CLOSES)


class TlsPort(Peer):
    """A port for TLS that gets plain HTTP: it answers, and closes the connection.

    The body is left unread, so that the kernel resets the connection: a client that still sends
    fails before it reads the answer. `of` is the server: "go" reads 517 bytes at most, "nginx" the
    head. With `abrupt` the reset is sent in any case (SO_LINGER 0), also after a short request.
    """

    def __init__(self, of: str = "go", *, abrupt: bool = False) -> None:
        self._of = of
        self._abrupt = abrupt
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Read the beginning, answer, and close."""
        if self._of == "go":  # crypto/tls/conn.go: a record's head, and the bytes received with it
            connection.recv(5 + 512)
            connection.sendall(SAYS_GO)
        else:
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(1024)):
                head += data
            connection.sendall(SAYS_NGINX)
        if self._abrupt:
            reset(connection)


def _last(reply: bytes) -> Act:
    return lambda connection: connection.sendall(reply)


def _hang_up(_: socket.socket) -> None:
    """Return; the caller then closes the connection."""
