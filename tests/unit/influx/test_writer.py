"""The writer, answer by answer: what each status and body means for each kind of database."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from bat2influx.influx.dialects import Server
from bat2influx.influx.http import Reply
from bat2influx.influx.outcome import RejectedLine
from bat2influx.net.tls import Tls
from tests.support.writing import lines, mixed
from tests.unit.influx.database_by_hand import (
    AWAY,
    BAD,
    BATCH,
    CREATED,
    GONE,
    MISSING,
    OK,
    ONE,
    THREE,
    TWO,
    UNKNOWN,
    VICTORIA,
    Bench,
    coded,
    error,
    reply,
)

PAGE = "<html>It works!</html>"
PLAIN_TLS = "Client sent an HTTP request to an HTTPS server."
PARTIAL = '{"error":"partial write","data":[{"error_message":"bad"}]}'
NO_POLICY = "retention policy not found: years"
TOO_LARGE = "max request size (10485760 bytes) exceeded"


def meaning_of(bench: Bench, answer: Reply) -> str:
    """Return what one answer to a write of two lines means, in a word or as a cause."""
    outcome = bench.write(answer)
    writes = [each for each in bench.http.requests if isinstance(each, list)]
    if outcome.trouble:
        assert (writes, outcome.undecided) == ([BATCH], BATCH)
        assert (outcome.accepted, outcome.rejected) == (0, [])
        assert len(bench.http.requests) == 2, "more was asked than who it is, and the write"
        return outcome.trouble.cause
    assert (outcome.accepted, outcome.undecided, outcome.rejected) == (2, [], [])
    if any("CREATE" in each for each in bench.http.requests if isinstance(each, str)):
        return "create"
    if len(writes) == 1:
        return "accepted"
    assert writes == [BATCH, BATCH[1:], BATCH[:1]]
    reason = bench.write(answer, batch=BATCH[:1]).rejected[0].reason
    return "split" if reason == "larger than the server takes" else "bisect"


@pytest.mark.parametrize(
    ("server", "status", "body", "meaning"),
    [
        (ONE, 204, "", "accepted"),
        (ONE, 400, error("unable to parse"), "bisect"),
        (ONE, 422, error("no"), "bisect"),
        (ONE, 400, PAGE, "database 400"),
        (ONE, 400, PLAIN_TLS, "database tls"),
        (ONE, 401, error("authorization failed"), "database login"),
        (ONE, 401, PAGE, "database login"),
        (ONE, 403, error("not authorized"), "database right"),
        (ONE, 404, error("database not found"), "create"),
        (ONE, 404, PAGE, "database 404"),
        (ONE, 408, "", "database 408"),
        (ONE, 413, error("Request Entity Too Large"), "split"),
        (ONE, 413, PAGE, "split"),
        (ONE, 429, "", "database 429"),
        (ONE, 500, error("timeout"), "database 500"),
        (ONE, 500, error(NO_POLICY), "no retention policy"),
        (ONE, 500, error(TOO_LARGE), "database 500"),
        (ONE, 502, PLAIN_TLS, "database 502"),
        (ONE, 503, "", "database 503"),
        (ONE, 302, "", "database 302"),
        (ONE, 200, PAGE, "database 200"),
        (TWO, 204, "", "accepted"),
        (TWO, 400, coded("unable to parse"), "bisect"),
        (TWO, 422, coded("no"), "bisect"),
        (TWO, 401, coded("unauthorized"), "database login"),
        (TWO, 403, coded("forbidden"), "database right"),
        (TWO, 404, coded("no bucket"), "no database"),
        (TWO, 404, PAGE, "database 404"),
        (TWO, 413, coded("too large"), "split"),
        (TWO, 429, coded("slow down"), "database 429"),
        (TWO, 503, coded("busy"), "database 503"),
        (THREE, 204, "", "accepted"),
        (THREE, 400, PARTIAL, "bisect"),
        (THREE, 400, error("invalid character in database name"), "database 400"),
        (THREE, 400, "plain", "database 400"),
        (THREE, 422, error("would exceed limit of 5 databases"), "database 422"),
        (THREE, 401, error("not authenticated"), "database login"),
        (THREE, 403, "", "database right"),
        (THREE, 404, "", "database 404"),
        (THREE, 413, "", "split"),
        (THREE, 500, TOO_LARGE, "split"),
        (THREE, 500, "overloaded", "database 500"),
        (VICTORIA, 204, "", "accepted"),
        (VICTORIA, 400, "cannot parse it", "bisect"),
        (VICTORIA, 422, "no", "bisect"),
        (VICTORIA, 400, "unsupported path requested: /write", "database answer: path"),
        (VICTORIA, 413, "", "split"),
        (VICTORIA, 503, "busy", "database 503"),
        (UNKNOWN, 204, "", "accepted"),
        (UNKNOWN, 400, error("unable to parse"), "bisect"),
        (UNKNOWN, 400, coded("unable to parse"), "bisect"),
        (UNKNOWN, 400, "plain", "database 400"),
        (UNKNOWN, 404, error("database not found"), "create"),
        (UNKNOWN, 404, PAGE, "database 404"),
        (UNKNOWN, 413, "", "split"),
        (UNKNOWN, 500, TOO_LARGE, "database 500"),
    ],
)
def test_what_an_answer_means(
    monkeypatch: pytest.MonkeyPatch, server: Server, status: int, body: str, meaning: str
) -> None:
    """Lines are decided on by an answer of the database's own alone, and kept otherwise."""
    assert meaning_of(Bench(monkeypatch, server), reply(status, body)) == meaning


@pytest.mark.parametrize(
    ("ini", "status", "body", "cause"),
    [
        ({"tls": Tls()}, 400, PLAIN_TLS, "database 400"),
        ({"path": "/insert/0/influx"}, 404, PAGE, "database answer: path"),
        ({"path": "/insert/0/influx"}, 400, PAGE, "database 400"),
    ],
)
def test_the_same_answer_may_mean_something_else_with_another_configuration(
    monkeypatch: pytest.MonkeyPatch, ini: dict[str, Any], status: int, body: str, cause: str
) -> None:
    """TLS that is spoken cannot be missing; a path that is configured may be wrong."""
    assert meaning_of(Bench(monkeypatch, ONE, **ini), reply(status, body)) == cause


@pytest.mark.parametrize(
    ("body", "who"),
    [
        (error("busy"), "InfluxDB at db:8086 answers 503 busy"),
        (PAGE, "the database at db:8086 answers 503 Words, not as InfluxDB does"),
    ],
)
def test_an_answer_of_somebody_else_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, body: str, who: str
) -> None:
    """It is not the database's own where it has no error in its way."""
    outcome = Bench(monkeypatch, ONE).write(reply(503, body))
    assert outcome.trouble
    assert who in outcome.trouble.text


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_a_server_says_when_to_try_again(
    monkeypatch: pytest.MonkeyPatch, header: str, seconds: float | None
) -> None:
    """What it says goes with the outcome, and whether the lines may be stored."""
    answer = replace(reply(503, Retry_After=header), in_doubt=True)
    outcome = Bench(monkeypatch, ONE).write(answer)
    assert (outcome.retry_after, outcome.in_doubt) == (seconds, True)


# One bad line among many


@pytest.mark.parametrize("bad", range(5))
def test_a_bad_line_is_rejected_alone(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Wherever it stands, after as many requests as halving takes."""
    batch, bench = lines(count=5), Bench(monkeypatch, ONE)
    bench.http.answer = lambda request: BAD if batch[bad] in request else OK
    outcome = bench.write(batch=batch)
    assert outcome.rejected == [RejectedLine(batch[bad], "unable to parse")]
    assert (outcome.accepted, outcome.undecided, outcome.trouble) == (4, [], None)
    assert len(bench.http.requests) <= 1 + 7


def test_a_failure_in_the_middle_keeps_what_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that are left are undecided, in their order."""
    batch, bench = lines(count=8), Bench(monkeypatch, ONE)
    outcome = bench.write(BAD, OK, BAD, BAD, BAD, GONE, batch=batch)
    assert (outcome.accepted, outcome.undecided) == (4, batch[:3])
    assert outcome.rejected == [RejectedLine(batch[3], "unable to parse")]
    assert (outcome.trouble, outcome.in_doubt) == (AWAY, True)


CONFLICT = reply(400, error("partial write: field type conflict dropped=1"))


def test_a_field_that_is_rejected_takes_no_more_than_some_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a row alone has proven it, all others of that field go in one request of their own."""
    power, bench = lines("Power", 4), Bench(monkeypatch, ONE)
    bench.http.answer = lambda request: CONFLICT if {*power} & {*request} else OK
    outcome = bench.write(batch=mixed("Soc", "Power", count=4))
    writes = bench.http.requests[1:]
    assert [len(write) for write in writes] == [8, 4, 2, 1, 4, 3]
    assert writes[-2:] == [lines("Soc", 4), power[:3]]
    assert (outcome.accepted, sorted(each.line for each in outcome.rejected)) == (4, power)
    assert {each.reason for each in outcome.rejected} == {"partial write: field type conflict"}


def test_a_field_known_to_be_rejected_is_sent_by_itself_until_it_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it goes with the others again."""
    soc, power, bench = lines("Soc", 3), lines("Power", 3), Bench(monkeypatch, ONE)
    bench.write(CONFLICT, batch=power[:1])
    for answer, accepted in ((CONFLICT, 3), (OK, 6)):
        assert bench.write(OK, answer, batch=[*soc, *power]).accepted == accepted
        assert bench.http.requests == [soc, power]
    bench.write(batch=[*soc, *power])
    assert bench.http.requests == [[*soc, *power]]


# A database that is not there


CREATE = 'CREATE DATABASE "battery"'


@pytest.mark.parametrize(
    ("replies", "cause", "requests"),
    [
        ([MISSING, CREATED, OK], None, [BATCH, CREATE, BATCH]),
        ([MISSING, CREATED, MISSING], "no database", [BATCH, CREATE, BATCH]),
        ([MISSING, CREATED, GONE], "database", [BATCH, CREATE, BATCH]),
        ([MISSING, reply(403, error("no"))], "no database", [BATCH, CREATE]),
        ([MISSING, reply(401, error("no"))], "no database", [BATCH, CREATE]),
        ([MISSING, reply(503, error("no"))], "database 503", [BATCH, CREATE]),
        ([MISSING, GONE], "database", [BATCH, CREATE]),
        ([MISSING, reply(200, '{"results":[{"error":"full"}]}')], "no database", [BATCH, CREATE]),
    ],
)
def test_a_missing_database_is_created_once(
    monkeypatch: pytest.MonkeyPatch, replies: list[Reply], cause: str | None, requests: list[object]
) -> None:
    """Then the lines are written; whatever is in the way, they are kept."""
    bench = Bench(monkeypatch, ONE)
    outcome = bench.write(*replies)
    assert bench.http.requests == ["ping", *requests]
    assert (outcome.trouble.cause if outcome.trouble else None) == cause
    assert (outcome.accepted, outcome.undecided) == ((0, BATCH) if cause else (2, []))


def test_a_database_that_was_created_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only once a write has found it."""
    caplog.set_level(logging.INFO)
    bench = Bench(monkeypatch, ONE)
    bench.write(MISSING, CREATED, MISSING)
    assert not caplog.messages
    bench.write(MISSING, CREATED, BAD)
    assert caplog.messages == ["created the database 'battery' at db:8086"]
