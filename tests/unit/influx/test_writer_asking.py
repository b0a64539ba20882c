"""The writer's other requests: which server it is, and whether a write would succeed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bat2influx.failure import Trouble
from bat2influx.influx.dialects import Server
from bat2influx.influx.http import Reply
from tests.unit.influx.database_by_hand import (
    AWAY,
    BAD,
    BATCH,
    GONE,
    MISSING,
    OK,
    ONE,
    THREE,
    TWO,
    VICTORIA,
    Bench,
    coded,
    error,
    reply,
)

BUSY = reply(503)
OTHER = Server(version="10.0")


@pytest.mark.parametrize(
    ("server", "answer", "again"),
    [
        (ONE, OK, False),
        (ONE, BAD, False),
        (ONE, BUSY, False),
        (ONE, GONE, True),
        (VICTORIA, BUSY, False),
        (OTHER, BAD, False),
        (OTHER, GONE, True),
    ],
)
def test_the_server_is_determined_before_the_first_write(
    monkeypatch: pytest.MonkeyPatch, server: Server, answer: Reply, again: bool
) -> None:
    """And again after a write without an answer."""
    bench = Bench(monkeypatch, server)
    bench.write(answer, batch=BATCH[:1])
    assert bench.http.requests == ["ping", BATCH[:1]]
    bench.write()
    assert bench.http.requests == [*(["ping"] if again else []), BATCH]


def test_nothing_is_sent_without_an_answer_to_the_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines are undecided, and the next write asks again."""
    bench = Bench(monkeypatch, AWAY, ONE)
    outcome = bench.write()
    assert bench.http.requests == ["ping"]
    assert (outcome.undecided, outcome.trouble) == (BATCH, AWAY)
    assert bench.write().accepted == len(BATCH)
    assert bench.http.requests == ["ping", BATCH]


def test_a_changed_server_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of the database its new version determines the meaning of answers."""
    bench = Bench(monkeypatch, ONE, TWO)
    bench.write(GONE)
    no_bucket = reply(404, coded("no dbrp mapping found"))
    outcome = bench.write(no_bucket)
    assert bench.writer.server is TWO
    assert outcome.trouble
    assert "has no bucket for the database 'battery'" in outcome.trouble.text


def test_a_write_of_nothing_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outcome is empty."""
    bench = Bench(monkeypatch, ONE)
    outcome = bench.write(batch=[])
    assert bench.http.requests == ["ping"]
    assert (outcome.accepted, outcome.undecided, outcome.rejected) == (0, [], [])


@pytest.mark.parametrize(
    ("policy", "params"),
    [("", {"db": "my db"}), ("two years", {"db": "my db", "rp": "two years"})],
)
def test_a_write_names_database_and_policy(
    monkeypatch: pytest.MonkeyPatch, policy: str, params: dict[str, str]
) -> None:
    """A policy that is not configured is the server's default, and is left out."""
    bench = Bench(monkeypatch, ONE, db="my db", retention_policy=policy)
    bench.write()
    assert bench.http.params == params


def test_the_writer_passes_on_its_clients_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress after each request, cut, and the names for messages."""
    bench, signs = Bench(monkeypatch, ONE), []
    bench.writer.write(BATCH, lambda: signs.append(1))
    bench.http.progress()
    bench.writer.abort()
    assert (signs, bench.http.was_cut) == ([1], True)
    assert (bench.writer.where, bench.writer.peer) == ("db:8086", "InfluxDB at db:8086")


def there(*names: str) -> Reply:
    """Return the list of databases in the form of InfluxDB 3."""
    return reply(200, json.dumps([{"iox::database": name} for name in names]))


ASKED = "SHOW USERS"
USERS = reply(200, '{"results":[{"statement_id":0,"series":[]}]}')


@pytest.mark.parametrize(
    ("server", "replies", "cause", "missing", "asked"),
    [
        (ONE, [OK], None, False, []),
        (TWO, [OK], None, False, []),
        (VICTORIA, [OK], None, False, []),
        (ONE, [BAD], "database 400", False, []),
        (ONE, [reply(401, error("no"))], "database login", False, []),
        (ONE, [reply(403, error("no"))], "database right", False, []),
        (ONE, [reply(500, error("retention policy not found"))], "no retention policy", False, []),
        (ONE, [GONE], "database", False, []),
        (ONE, [MISSING, USERS], None, True, [ASKED]),
        (ONE, [MISSING, reply(403, error("not authorized"))], "no database", True, [ASKED]),
        (OTHER, [OK], None, False, []),
        (OTHER, [MISSING], "database 404", False, []),
        (ONE, [reply(413)], "database 413", False, []),
        (TWO, [reply(404, coded("no dbrp mapping found"))], "no database", True, []),
    ],
)
def test_a_probe_checks_whether_a_write_would_succeed(
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
    replies: list[Reply],
    cause: str | None,
    missing: bool,
    asked: list[str],
) -> None:
    """With a write without a line; a missing database is a Trouble if it cannot be created."""
    bench = Bench(monkeypatch, server)
    bench.http.replies = list(replies)
    probe = bench.writer.probe()
    assert bench.http.requests == ["ping", [], *asked]
    assert (probe.trouble.cause if probe.trouble else None) == cause
    assert (probe.missing, probe.server) == (missing, server)


LIST = "api/v3/configure/database"
EMPTY, ODD = reply(400, "incoming write was empty"), reply(400, error("bad name"))


@pytest.mark.parametrize(
    ("policy", "replies", "cause", "missing", "opened", "asked"),
    [
        ("", [there("battery"), EMPTY], None, False, False, [LIST, []]),
        ("", [there("other")], None, True, False, [LIST]),
        ("", [there()], None, True, False, [LIST]),
        ("autogen", [there("battery"), EMPTY], None, False, False, [LIST, []]),
        ("raw", [there("battery")], None, True, False, [LIST]),
        ("raw", [there("battery/raw"), EMPTY], None, False, False, [LIST, []]),
        (
            "",
            [there("battery"), reply(400, error("bad name"))],
            "database 400",
            False,
            False,
            [LIST, []],
        ),
        ("", [there("battery"), reply(403)], "database right", False, False, [LIST, []]),
        ("", [reply(401)], "database login", False, False, [LIST]),
        ("", [reply(403)], None, False, True, [LIST]),
        ("", [reply(404, "not found")], None, False, True, [LIST]),
        ("", [reply(200, "OK")], None, False, True, [LIST]),
        ("", [GONE], "database", False, False, [LIST]),
    ],
)
def test_a_probe_creates_no_database_in_influxdb_3(
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    replies: list[Reply],
    cause: str | None,
    missing: bool,
    opened: bool,
    asked: list[object],
) -> None:
    """A write without a line would create it, so the list of databases is requested first."""
    bench = Bench(monkeypatch, THREE, retention_policy=policy)
    bench.http.replies = list(replies)
    probe = bench.writer.probe()
    assert bench.http.requests == ["ping", *asked]
    assert (probe.trouble.cause if probe.trouble else None) == cause
    assert (probe.missing, bool(probe.open)) == (missing, opened)


def test_a_probe_without_an_answer_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further request is made."""
    bench = Bench(monkeypatch, AWAY)
    probe = bench.writer.probe()
    assert (probe.trouble, probe.missing) == (AWAY, False)
    assert bench.http.requests == ["ping"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply(403, error("not authorized")),
            "user 'me' may not create it; as administrator of the",
        ),
        (reply(403, error("full")), "does not create it (full); as administrator of the"),
    ],
)
def test_a_missing_right_to_create_is_reported_with_the_statement(
    monkeypatch: pytest.MonkeyPatch, answer: Reply, words: Any
) -> None:
    """The text has the statement."""
    bench = Bench(monkeypatch, ONE, user="me", password="secret")
    bench.http.replies = [MISSING, answer]
    why = bench.writer.probe().trouble
    assert isinstance(why, Trouble)
    assert words in why.text
    assert 'CREATE DATABASE "battery"' in why.text
    assert "secret" not in why.text
