"""The HTTP client: what it asks, and how it logs in."""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected
from urllib.parse import parse_qs

import pytest
import requests

from bat2influx.failure import Trouble
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import Reply
from bat2influx.influx.transport import Adapter
from bat2influx.net.tls import Tls
from tests.unit.influx.http_by_hand import client, failing, response


def test_a_request_goes_out_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By POST, with 200 for a good answer unless another one is expected."""
    made, package = client(monkeypatch)
    made.ask("write", params={"db": "battery"}, data=b"dc Soc=1.5", expected=204)
    assert package.asked == {
        "path": "write",
        "method": "POST",
        "params": {"db": "battery"},
        "data": b"dc Soc=1.5",
        "expected_response_code": 204,
        "headers": {"Accept": "application/json", "Content-Type": "text/plain; charset=utf-8"},
    }
    made.ask("any")
    assert (package.asked["params"], package.asked["data"]) == ({}, b"")
    assert package.asked["expected_response_code"] == 200


@pytest.mark.parametrize("tls", [None, Tls()])
def test_a_request_is_tried_once_by_our_own_connections(
    monkeypatch: pytest.MonkeyPatch, tls: Tls | None
) -> None:
    """With TLS where it is configured; what is tried again is for the sender to say."""
    _, package = client(monkeypatch, tls=tls)
    assert (package.given["ssl"], package.given["retries"]) == (tls is not None, 1)
    for url in ("http://db/", "https://db/"):
        assert isinstance(package.given["session"].get_adapter(url), Adapter)


def test_a_ping_finds_out_which_server_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an answer of whatever status; without one it stays what it was."""
    made, package = client(monkeypatch)
    package.act = lambda: package.answer(response(204, X_Influxdb_Version="v2.7.1"))
    assert made.ping().status == 204
    assert made.server == Server(Dialect.INFLUXDB2, "2.7.1")
    assert package.asked["path"] == "ping"
    assert (package.asked["method"], package.asked["expected_response_code"]) == ("GET", 204)
    package.act = failing(requests.ConnectionError())
    why = made.ping().trouble
    assert isinstance(why, Trouble)
    assert why.cause == "database"
    assert made.server == Server(Dialect.INFLUXDB2, "2.7.1")


ENDED = (
    RemoteDisconnected("no answer"),
    ConnectionResetError(104, "reset"),
    BrokenPipeError(32, "broken"),
    ssl.SSLEOFError(),
)


@pytest.mark.parametrize("failure", ENDED)
def test_a_kept_connection_that_has_ended_is_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The server has had it open for long enough, which is no failure; the request goes again."""
    made, package = client(monkeypatch)
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise requests.ConnectionError(failure)
        package.answer(response(204))

    package.act = act
    assert made.ask("write", expected=204) == Reply(204, {}, b"", "Words", ok=True)
    assert len(tries) == 2


@pytest.mark.parametrize("failure", ENDED)
def test_a_request_is_sent_again_only_once(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """And whatever becomes of it then, the first may have been carried out."""
    made, package = client(monkeypatch)
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        made._dialer.reached = len(tries) == 1  # the second is not even connected
        raise requests.ConnectionError(failure)

    package.act = act
    reply = made.ask("write")
    assert len(tries) == 2
    assert reply.trouble
    assert reply.in_doubt


@pytest.mark.parametrize(
    ("failure", "fresh", "late"),
    [
        (RemoteDisconnected("no answer"), True, False),
        (RemoteDisconnected("no answer"), False, True),
        (ConnectionRefusedError(111, "refused"), False, False),
        (requests.ReadTimeout(), False, False),
    ],
)
def test_any_other_failure_is_one(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, fresh: bool, late: bool
) -> None:
    """On a new connection, after the deadline, or for another reason nothing is sent again."""
    made, package = client(monkeypatch)
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        made._dialer.connections += fresh
        if late:
            made.cut()
        raise requests.ConnectionError(failure)

    package.act = act
    assert made.ask("write").trouble
    assert len(tries) == 1


def test_a_statement_goes_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password, and a URL stands in logs."""
    made, package = client(monkeypatch)
    made.query("SET PASSWORD FOR \"a b\" = 'ü&='", "my db")
    assert package.asked["params"] == {}
    assert package.asked["expected_response_code"] == 200
    assert package.asked["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(package.asked["data"].decode()) == {
        "q": ["SET PASSWORD FOR \"a b\" = 'ü&='"],
        "db": ["my db"],
        "epoch": ["ns"],
    }


@pytest.mark.parametrize("use_environment", [False, True])
def test_the_environment_counts_where_that_is_configured(
    monkeypatch: pytest.MonkeyPatch, use_environment: bool
) -> None:
    """And no redirect is followed."""
    _, package = client(monkeypatch, use_environment=use_environment)
    session = package.given["session"]
    assert (session.trust_env, session.max_redirects) == (use_environment, 0)


@pytest.mark.parametrize(
    ("ini", "user", "password", "authorization"),
    [
        ({}, None, None, None),
        ({"user": "ü", "password": "ö"}, "ü".encode(), "ö".encode(), None),
        ({"token": "ünï"}, None, None, "Token ünï".encode()),
    ],
)
def test_a_login_goes_out_in_utf_8(
    monkeypatch: pytest.MonkeyPatch,
    ini: dict[str, str],
    user: bytes | None,
    password: bytes | None,
    authorization: bytes | None,
) -> None:
    """requests would make Latin-1 of it; a token is a header of its own."""
    _, package = client(monkeypatch, **ini)
    assert (package.given["username"], package.given["password"]) == (user, password)
    request = requests.Request("POST", "http://127.0.0.1/")
    prepared = package.given["session"].prepare_request(request)
    assert prepared.headers.get("Authorization") == authorization


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
    made, package = client(monkeypatch, **ini)
    assert made.where == where
    assert made.peer == f"InfluxDB at {where}"
    assert package.given["host"] == where.rpartition(":8086")[0]
    assert package.given["path"] == ini.get("path", "")
