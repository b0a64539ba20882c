"""The writer with other servers on the port in place of a healthy InfluxDB."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bat2influx.failure import Backoff
from bat2influx.influx.outcome import Outcome, RejectedLine
from tests.standins.databases.http_peers import (
    ACCEPTED,
    CREATED,
    NO_DATABASE,
    Act,
    Dripping,
    HttpPeer,
    Silent,
    Void,
    answer,
)
from tests.standins.network.mqtt_peers import Peer, reset
from tests.support.daemon import wait
from tests.support.process import free_port
from tests.support.writing import lines, write, writer

DEADLINE = 1.0  # s
BATCH = lines(count=3)
SECRET = "gehe1m"
PAGE = "<html><h1>It works!</h1></html>"


def in_the_middle_of(text: bytes) -> Act:
    """Return a function that ends the connection with an RST after `text`."""

    def act(connection: socket.socket) -> None:
        connection.sendall(text)
        reset(connection)

    return act


def error(text: str, status: str = "503 Service Unavailable") -> bytes:
    """Return an answer with an error in InfluxDB's form."""
    return answer(status, json.dumps({"error": text}), "Content-Type: application/json")


def msgpack(body: bytes) -> bytes:
    """Return an answer in the binary form that the influxdb package prefers."""
    return answer("500 Internal Server Error", body, "Content-Type: application/x-msgpack")


# The answers, and a pattern of the log's text.
PEERS: dict[str, tuple[Callable[[], Peer], str]] = {
    "429": (lambda: HttpPeer(error("slow down", "429 Too Many Requests")), "429 slow down"),
    "503": (lambda: HttpPeer(error("no leader")), "503 no leader"),
    "500": (lambda: HttpPeer(answer("500 Oops", PAGE)), "500 Oops"),
    "408": (lambda: HttpPeer(answer("408 Request Timeout")), "408 Request Timeout"),
    "404 of a web server": (lambda: HttpPeer(answer("404 Not Found", PAGE)), "404 Not Found"),
    "400 of a web server": (lambda: HttpPeer(answer("400 Bad Request", PAGE)), "400 Bad Request"),
    "another service": (lambda: HttpPeer(answer("200 OK", '{"message":"done"}')), "200 OK"),
    "a page": (lambda: HttpPeer(answer("200 OK", PAGE)), "200 OK"),
    "401 of a proxy": (
        lambda: HttpPeer(answer("401 Unauthorized", PAGE)),
        "rejects the login of user 'me'",
    ),
    "403 of a proxy": (lambda: HttpPeer(answer("403 Forbidden", PAGE)), "allow user 'me' to write"),
    "a redirect": (
        lambda: HttpPeer(answer("302 Found", "", "Location: http://127.0.0.1:9/write")),
        "302 Found",
    ),
    "a redirect to nonsense": (
        lambda: HttpPeer(answer("307 Moved", "", "Location: http://[::1")),
        "307 Moved",
    ),
    "a bare status": (lambda: HttpPeer(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n"), "500"),
    "SSH": (lambda: HttpPeer(lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")), "is unreachable"),
    "noise": (lambda: HttpPeer(lambda c: c.sendall(bytes(range(256)))), "is unreachable"),
    "a header of 9 kB": (
        lambda: HttpPeer(answer("204 No Content", "", f"X: {'x' * 9000}"), ping=None),
        "is unreachable (its answer is not HTTP)",
    ),
    "a line without end": (
        lambda: HttpPeer(b"HTTP/1.1 204 " + b"x" * 70_000),
        "is unreachable",
    ),
    "a thousand headers": (
        lambda: HttpPeer(answer("204 No Content", "", *(f"X-{n}: x" for n in range(1000)))),
        "is unreachable",
    ),
    "reset before the answer": (lambda: HttpPeer(reset), "connection reset"),
    "reset in the status": (lambda: HttpPeer(in_the_middle_of(b"HTTP/1.1 204 N")), "unreachable"),
    "reset in the headers": (
        lambda: HttpPeer(in_the_middle_of(b"HTTP/1.1 400 Bad Request\r\nContent-L")),
        "",
    ),
    "reset in the body": (
        lambda: HttpPeer(
            in_the_middle_of(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 99\r\n\r\n{"error":"')
        ),
        "",
    ),
    "reset in a chunk": (
        lambda: HttpPeer(
            in_the_middle_of(
                b'HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"error":"'
            )
        ),
        "",
    ),
    "a chunk without a length": (
        lambda: HttpPeer(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "",
    ),
    "a body that ends too soon": (
        lambda: HttpPeer(
            lambda c: c.sendall(b'HTTP/1.1 400 Bad\r\nContent-Length: 99\r\n\r\n{"error":"x"')
        ),
        "",
    ),
    "gzip that is none": (
        lambda: HttpPeer(answer("400 Bad Request", "x", "Content-Encoding: gzip")),
        "",
    ),
    "400 with JSON of 100,000 levels": (
        lambda: HttpPeer(answer("400 Bad Request", "[" * 100_000)),
        "400 Bad Request",
    ),
    "500 with JSON of 100,000 levels": (
        lambda: HttpPeer(answer("500 Oops", '{"a":' * 100_000)),
        "500 Oops",
    ),
    "msgpack with a short time": (lambda: HttpPeer(msgpack(b"\xd4\x05\x00")), "500 Int"),
    "msgpack with a time beyond all years": (
        lambda: HttpPeer(msgpack(b"\xc7\x0c\x05" + b"\xff" * 12)),
        "500 Int",
    ),
    "msgpack that is none": (lambda: HttpPeer(msgpack(b"\xc1")), "500 Int"),
    "an error that is no text": (lambda: HttpPeer(answer("503 Busy", '{"error":[1]}')), "503 Busy"),
    "an error of NUL and half a character": (
        lambda: HttpPeer(answer("503 Busy", r'{"error":"a\u0000b\ud800c\nd"}')),
        "503 a b c d",
    ),
    "control characters in the status": (
        lambda: HttpPeer(answer("500 a\x1b[2Jb\x00c")),
        "500 a [2Jb c",
    ),
    "ends every connection at once": (lambda: HttpPeer(lambda _: None), "is unreachable"),
    "takes it and never answers": (Silent, "does not answer within 1 s"),
    "drips the status": (Dripping, "does not answer within 1 s"),
    "drips headers": (
        lambda: Dripping(b"HTTP/1.1 204 No Content\r\n", b"X: y\r\n"),
        "does not answer within 1 s",
    ),
    "drips a header": (
        lambda: Dripping(b"HTTP/1.1 204 No Content\r\nX: "),
        "does not answer within 1 s",
    ),
    "drips a body": (
        lambda: Dripping(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999999\r\n\r\n"),
        "does not answer within 1 s",
    ),
    "drips a body without a length": (
        lambda: Dripping(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "does not answer within 1 s",
    ),
    "drips chunks": (
        lambda: Dripping(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        "does not answer within 1 s",
    ),
    "asks to go on for ever": (
        lambda: Dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "does not answer within 1 s",
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_after_an_answer_of_no_healthy_influxdb_all_lines_stay_queued(name: str) -> None:
    """The outcome comes in time, has a printable cause, and no line is accepted or rejected.

    Otherwise lines would be lost; and an exception of the thread would end the daemon.
    """
    made, found = PEERS[name]
    deadline = DEADLINE if "within" in found else 20.0
    with made() as peer:
        outcome = write(writer(peer.port, deadline, user="me", password=SECRET), BATCH)
        assert_kept(outcome, found)
        assert outcome.trouble is not None
        assert outcome.trouble.text.isprintable()
        assert SECRET not in repr(outcome)
        assert len(peer.calls) <= 2


def assert_kept(outcome: Outcome, found: str) -> None:
    """Assert that the whole batch is to be sent again, and the text of the reason."""
    assert (outcome.accepted, outcome.rejected) == (0, [])
    assert outcome.undecided == BATCH
    assert outcome.trouble is not None
    assert found in outcome.trouble.text


def test_a_closed_port() -> None:
    """A port that refuses connections is reported with the address."""
    port = free_port()
    found = f"127.0.0.1:{port} is unreachable (connection refused)"
    assert_kept(write(writer(port), BATCH), found)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("86400", 300.0),
        ("9" * 400, 300.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("1e3", None),
        ("nan", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_used_if_it_is_in_seconds(
    status: str, header: str, expected: float | None
) -> None:
    """Seconds are used, up to five minutes; for other forms the usual back-off applies."""
    with HttpPeer(answer(status, "", f"Retry-After: {header}")) as peer:
        outcome = write(writer(peer.port), BATCH)
    assert outcome.retry_after == expected
    assert outcome.undecided == BATCH


def test_a_redirect_is_not_followed() -> None:
    """Neither values nor password are sent to the target of a redirect."""
    with HttpPeer(ACCEPTED) as other:
        to = f"Location: http://127.0.0.1:{other.port}/write"
        with HttpPeer(answer("307 Temporary Redirect", "", to)) as peer:
            assert_kept(write(writer(peer.port, user="me", password=SECRET), BATCH), "307")
        assert not other.requests


def test_after_a_lost_answer_the_same_lines_are_sent_again() -> None:
    """The lines may be stored or not; sent again unchanged, they do no harm."""
    with HttpPeer(in_the_middle_of(b"HTTP/1.1 2"), ACCEPTED) as peer:
        assert write(writer(peer.port), BATCH).accepted == 3
        assert peer.lines == [*BATCH, *BATCH]


def test_a_failure_during_bisection_keeps_earlier_results() -> None:
    """When bisection is interrupted, accepted and rejected lines are not sent again."""
    bad = error("unable to parse 'x': missing", "400 Bad Request")
    batch = lines(count=8)
    # 8: bad; the last 4: stored; the first 4: bad; the last 2 of them: bad; the last: refused.
    with HttpPeer(bad, ACCEPTED, bad, bad, bad, error("busy")) as peer:
        outcome = write(writer(peer.port), batch)
        assert outcome.accepted == 4
        assert outcome.rejected == [RejectedLine(batch[3], "unable to parse: missing")]
        assert outcome.undecided == batch[:3]
        assert len(peer.requests) == 6


def test_after_a_404_of_influxdb_the_database_is_created_once() -> None:
    """If it is still missing afterwards, that is logged, and not tried again and again."""
    with HttpPeer(NO_DATABASE, CREATED, NO_DATABASE) as peer:
        outcome = write(writer(peer.port), BATCH)
        assert_kept(outcome, "has no database 'battery', and does not create it")
        assert outcome.trouble is not None
        assert outcome.trouble.backoff is Backoff.DATABASE_LOGIN
        assert len(peer.asked(b"POST /query")) == 1
        assert len(peer.asked(b"POST /write")) == 2


def test_a_404_of_another_server_creates_nothing() -> None:
    """A web server without /write gets no request to create a database."""
    with HttpPeer(answer("404 Not Found", PAGE)) as peer:
        write(writer(peer.port), BATCH)
        assert not peer.asked(b"/query")


def test_a_service_that_answers_yes_to_everything_is_not_treated_as_a_database(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even if its 404 and 200 are JSON; no log line reports a database as created."""
    no, yes = answer("404 Not Found", '{"error":"no route"}'), answer("200 OK", '{"results":{}}')
    with caplog.at_level(logging.INFO), HttpPeer(no, yes, no) as peer:
        assert_kept(write(writer(peer.port), BATCH), "answers 404 no route")
    assert not caplog.records


@pytest.mark.parametrize(
    "body", ['{"results":5}', '{"results":[5]}', '{"results":"x"}', "[]", "null", "", "[" * 100_000]
)
def test_after_an_odd_answer_to_a_statement_all_lines_stay_queued(body: str) -> None:
    """Whatever the answer has in place of results, no error is raised and no line decided."""
    with HttpPeer(NO_DATABASE, answer("200 OK", body), NO_DATABASE) as peer:
        assert_kept(write(writer(peer.port), BATCH), "")


@pytest.mark.parametrize(
    "refusal",
    [
        answer("200 OK", '{"results":[{"statement_id":0,"error":"no space left"}]}'),
        error("no space left", "400 Bad Request"),
        error("no space left", "403 Forbidden"),
        error("no space left", "404 Not Found"),
    ],
    ids=["200", "400", "403", "404"],
)
def test_a_database_that_cannot_be_created_is_reported_with_the_reason(refusal: bytes) -> None:
    """InfluxDB answers a failed statement with 200, and the reason in the body."""
    with HttpPeer(NO_DATABASE, refusal) as peer:
        found = "has no database 'battery', and does not create it (no space left)"
        assert_kept(write(writer(peer.port), BATCH), found)


def test_each_request_is_a_sign_of_life() -> None:
    """Write, create and write again may take three deadlines; each gives a sign of life."""
    signs: list[int] = []
    with HttpPeer(NO_DATABASE, CREATED, ACCEPTED) as peer:
        outcome = writer(peer.port).write(BATCH, lambda: signs.append(len(peer.requests)))
    assert outcome.accepted == 3
    assert signs == [0, 1, 2, 3]  # the first after the request for its version


def test_neither_netrc_nor_proxies_of_the_environment_have_an_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go directly to the address, with the login of the ini or with none."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with HttpPeer(ACCEPTED) as proxy, HttpPeer(NO_DATABASE, CREATED, ACCEPTED) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert write(writer(peer.port), BATCH).accepted == 3
        assert not proxy.requests
        assert len(peer.requests) == 3
        assert not [each for each in peer.requests if b"authorization" in each.lower()]


class Resolver:
    """Replaces socket.getaddrinfo."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.addresses = ["127.0.0.1"]
        self.act: Callable[[], object] = lambda: None
        self.ended = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.act()
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.addresses
        ]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """A resolver that the test controls."""
    made = Resolver(monkeypatch)
    yield made
    made.ended.set()


def test_a_hanging_resolver_is_abandoned(resolver: Resolver) -> None:
    """The outcome comes in time; later attempts wait for the same lookup, without new threads."""
    resolver.act = resolver.ended.wait
    made = writer(1, 3 * DEADLINE, address="hanging.example")
    for _ in range(3):
        assert_kept(write(made, BATCH), "name resolution of hanging.example takes more than")
    assert resolver.asked == ["hanging.example"]
    assert len([t for t in threading.enumerate() if "hanging.example" in t.name]) == 1


def test_an_answer_after_the_deadline_is_used_by_the_next_attempt(
    resolver: Resolver,
) -> None:
    """Otherwise a resolver slower than the deadline would never give an answer."""
    resolver.act = resolver.ended.wait
    with HttpPeer(ACCEPTED) as peer:
        made = writer(peer.port, 3 * DEADLINE, address="late.example")
        assert_kept(write(made, BATCH), "name resolution")
        resolver.ended.set()
        wait("its end", lambda: not any("late" in t.name for t in threading.enumerate()))
        made = writer(peer.port, address="late.example")
        assert write(made, BATCH).accepted == 3
    assert resolver.asked == ["late.example"]


def test_a_slow_resolver_gets_one_query_per_connection(resolver: Resolver) -> None:
    """With a dead name server each lookup takes seconds; two would take too long for a request."""
    resolver.act = lambda: resolver.ended.wait(6.5)
    with HttpPeer(ACCEPTED) as peer:
        made = writer(peer.port, 12.0, address="slow.example")
        assert write(made, BATCH).accepted == 3
        assert write(made, BATCH).accepted == 3
        assert len(peer.calls) == 1
    assert resolver.asked == ["slow.example"]


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "unknown"), UnicodeError("too long")])
def test_a_name_without_an_address_is_reported(resolver: Resolver, failure: Exception) -> None:
    """The lines stay queued until the name has an address."""

    def fail() -> None:
        raise failure

    resolver.act = fail
    with HttpPeer(ACCEPTED) as peer:
        made = writer(peer.port, address="unknown.example")
        assert_kept(write(made, BATCH), "is unreachable")
        resolver.act = lambda: None
        assert write(made, BATCH).accepted == 3


@pytest.mark.parametrize("address", ["::1", "fe80::1%eth0"])
def test_an_ipv6_address_is_written_without_brackets(resolver: Resolver, address: str) -> None:
    """The ini has the plain address; only a URL of it has brackets."""
    with HttpPeer(ACCEPTED) as peer:
        assert write(writer(peer.port, address=address), BATCH).accepted == 3
    assert resolver.asked == [address]


def test_a_dead_address_does_not_use_up_the_time_of_the_next(resolver: Resolver) -> None:
    """With several addresses, as of a host with IPv6, one that never answers leaves time."""
    resolver.addresses = ["127.0.0.2", "127.0.0.1"]
    with HttpPeer(ACCEPTED) as peer:
        void = Void("127.0.0.2", peer.port)
        assert write(writer(peer.port, 4.0, address="two.example"), BATCH).accepted == 3
        void.close()


def test_many_dead_addresses_take_one_deadline_in_all(resolver: Resolver) -> None:
    """The deadline is for the whole request, whatever the number of addresses."""
    resolver.addresses = [f"127.0.0.{n}" for n in range(2, 10)]
    with Dripping() as peer:
        voids = [Void(each, peer.port) for each in resolver.addresses]
        resolver.addresses.append("127.0.0.1")
        began = time.monotonic()
        assert_kept(write(writer(peer.port, 2.0, address="many.example"), BATCH), "")
        assert time.monotonic() - began < 7.0  # eight times half the deadline would be more
        for void in voids:
            void.close()


def test_cutting_ends_a_hanging_request() -> None:
    """At the program's exit a request under way is aborted at once."""
    with Silent() as peer:
        made = writer(peer.port, 3600.0)
        outcomes: list[Outcome] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(made.write(BATCH, lambda: None)), daemon=True
        )
        thread.start()
        while not peer.requests:
            time.sleep(0.01)
        made.abort()
        thread.join(30.0)
        assert_kept(outcomes[0], "")
