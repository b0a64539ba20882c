"""The `influxdb` package, over an HttpClient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from influxdb import InfluxDBClient

from bat2influx.influx.http import Reply
from bat2influx.influx.package import Package
from tests.unit.influx.http_by_hand import answer, client, failing

STATEMENT = "SET PASSWORD FOR \"a b\" = 'ü&='"


def run(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> tuple[Reply, list[Any]]:
    """Run a statement; return its reply, and the request."""
    http, transport = client(monkeypatch)
    transport.act = act
    return Package(http).query(STATEMENT), transport.asked


def test_a_statement_is_sent_like_those_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the body; the answer is returned unchanged."""
    reply, asked = run(monkeypatch, lambda: answer(200, b'{"results":[]}'))
    assert (reply.status, reply.ok, reply.body) == (200, True, b'{"results":[]}')
    http, transport = client(monkeypatch)
    http.query(STATEMENT)
    assert asked == transport.asked


def test_the_package_makes_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through its client, once."""
    asked: list[tuple[object, ...]] = []
    request = InfluxDBClient.request

    def spy(self: Any, *given: Any, **more: Any) -> Any:
        asked.append(given)
        return request(self, *given, **more)

    monkeypatch.setattr(InfluxDBClient, "request", spy)
    run(monkeypatch, lambda: answer(200))
    assert asked == [("query", "POST")]


@pytest.mark.parametrize(
    "act",
    [
        lambda: answer(401, b"no"),
        lambda: answer(500, b"[" * 10_000),
        lambda: answer(200, b"\xdd\x00\x00\xf0\x00", Content_Type="application/x-msgpack"),
        lambda: answer(307, Location="http://elsewhere/"),
    ],
)
def test_the_package_gets_no_answer(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]
) -> None:
    """Otherwise it would raise, unpack, or follow."""
    reply, asked = run(monkeypatch, act)
    made = act()
    assert (reply.status, reply.body, len(asked)) == (made.status, made.body, 1)


def test_a_failure_is_a_reply_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With this program's text, and without a second attempt."""
    reply, asked = run(monkeypatch, failing(ConnectionRefusedError(111, "Connection refused")))
    assert reply.trouble
    assert "connection refused" in reply.trouble.text
    assert len(asked) == 1
