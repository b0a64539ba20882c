"""The HTTP client: what it asks, and when once more."""

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


def test_a_request_goes_out_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By POST, with 200 for a good answer unless another one is expected."""
    made, transport = client(monkeypatch)
    assert made.ask("write", params={"db": "a b&"}, data=b"dc Soc=1.5", expected=204).ok
    assert not made.ask("any", "GET").ok
    assert transport.asked == [
        Asked("POST", "write?db=a+b%26", b"dc Soc=1.5", TEXT),
        Asked("GET", "any", b"", TEXT),
    ]


def test_a_ping_finds_out_which_server_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an answer of whatever status; without one it stays what it was."""
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
def test_a_kept_connection_that_has_ended_is_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The server has had it open for long enough, which is no failure; the request goes again."""
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
def test_a_request_is_sent_again_only_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """And whatever becomes of it then, the first may have been carried out."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        transport.reached = len(transport.asked) == 1  # the second is not even connected
        raise failure

    transport.act = act
    reply = made.ask("write")
    assert len(transport.asked) == 2
    assert reply.trouble
    assert reply.in_doubt


@pytest.mark.parametrize(
    ("failure", "fresh", "late"),
    [
        (NoAnswerError("no answer"), True, False),
        (NoAnswerError("no answer"), False, True),
        (ConnectionRefusedError(111, "refused"), False, False),
        (TimeoutError(), False, False),
    ],
)
def test_any_other_failure_is_one(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, fresh: bool, late: bool
) -> None:
    """On a new connection, after the deadline, or for another reason nothing is sent again."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        transport.connections += fresh
        if late:
            made.cut()
        raise failure

    transport.act = act
    assert made.ask("write").trouble
    assert len(transport.asked) == 1


def test_a_statement_goes_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password, and a URL stands in logs."""
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
def test_where_it_is_can_be_read_by_people(
    monkeypatch: pytest.MonkeyPatch, ini: dict[str, str], where: str
) -> None:
    """Address, port and path; an address of IPv6 in brackets."""
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
