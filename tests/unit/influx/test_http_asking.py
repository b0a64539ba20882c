"""The HTTP client: its requests, and when it repeats them."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qs

import pytest

from bat2influx.failure import Trouble
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.exchange import Answer, NoAnswerError
from bat2influx.influx.http import Reply
from tests.unit.influx.http_by_hand import Asked, answer, client, failing

TEXT = "text/plain; charset=utf-8"


def test_a_request_is_sent_as_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """With POST, and 200 as good answer unless another status is expected."""
    made, transport = client(monkeypatch)
    assert made.ask("write", params={"db": "a b&"}, data=b"dc Soc=1.5", expected=204).ok
    assert not made.ask("any", "GET").ok
    assert transport.asked == [
        Asked("POST", "write?db=a+b%26", b"dc Soc=1.5", TEXT),
        Asked("GET", "any", b"", TEXT),
    ]


def test_a_ping_determines_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an answer with any status; without an answer nothing changes."""
    made, transport = client(monkeypatch)
    transport.act = lambda: answer(204, X_Influxdb_Version="v2.7.1")
    reply = made.ping()
    assert (reply.status, reply.ok) == (204, True)
    assert made.server == Server(Dialect.INFLUXDB2, "2.7.1")
    assert transport.asked[0][:2] == ("GET", "ping")
    transport.act = failing(OSError())
    why = made.ping().trouble
    assert isinstance(why, Trouble)
    assert why.cause == "database"
    assert made.server == Server(Dialect.INFLUXDB2, "2.7.1")


ENDED = (
    NoAnswerError("no answer"),
    ConnectionResetError(104, "reset"),
    BrokenPipeError(32, "broken"),
    ssl.SSLEOFError(),
)


@pytest.mark.parametrize("failure", ENDED)
def test_a_closed_persistent_connection_is_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The server's idle timeout is not a failure; the request is repeated."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        if len(transport.asked) == 1:
            raise failure
        return answer(204)

    transport.act = act
    reply = made.ask("write", expected=204)
    assert reply == Reply(204, reply.headers, b"", "Words", ok=True)
    assert len(transport.asked) == 2
    assert transport.asked[0] == transport.asked[1]


@pytest.mark.parametrize("failure", ENDED)
def test_a_request_is_repeated_only_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Whatever its result is then, the server may have executed the first."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        transport.reached = len(transport.asked) == 1  # the second is not even connected
        raise failure

    transport.act = act
    reply = made.ask("write")
    assert len(transport.asked) == 2
    assert reply.trouble
    assert reply.uncertain


@pytest.mark.parametrize(
    ("failure", "fresh", "late"),
    [
        (NoAnswerError("no answer"), True, False),
        (NoAnswerError("no answer"), False, True),
        (ConnectionRefusedError(111, "refused"), False, False),
        (TimeoutError(), False, False),
    ],
)
def test_other_failures_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, fresh: bool, late: bool
) -> None:
    """On a new connection, after the deadline, or for another reason."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        transport.connections += fresh
        if late:
            made.abort()
        raise failure

    transport.act = act
    assert made.ask("write").trouble
    assert len(transport.asked) == 1


def test_a_statement_is_sent_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may contain a password, and servers log URLs."""
    made, transport = client(monkeypatch)
    transport.act = lambda: answer(200)
    assert made.query("SET PASSWORD FOR \"a b\" = 'ü&='", "my db").ok
    (asked,) = transport.asked
    assert (asked.method, asked.path) == ("POST", "query")
    assert asked.content == "application/x-www-form-urlencoded"
    assert parse_qs(asked.data.decode()) == {
        "q": ["SET PASSWORD FOR \"a b\" = 'ü&='"],
        "db": ["my db"],
        "epoch": ["ns"],
    }


@pytest.mark.parametrize(
    ("ini", "where"),
    [
        ({"address": "db.example"}, "db.example:8086"),
        ({"address": "::1"}, "[::1]:8086"),
        ({"address": "db", "path": "/insert/0/influx"}, "db:8086/insert/0/influx"),
    ],
)
def test_the_place_is_readable(
    monkeypatch: pytest.MonkeyPatch, ini: dict[str, str], where: str
) -> None:
    """Address, port and path; an IPv6 address in brackets."""
    made, _ = client(monkeypatch, **ini)
    assert made.where == where
    assert made.peer == f"InfluxDB at {where}"


def test_the_number_of_the_connection_is_that_of_the_transport(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another connection may lead to another server."""
    made, transport = client(monkeypatch)
    transport.connections = 7
    assert made.connection == 7
