"""The writer, answer by answer: the outcome of each status and body for each kind of database."""

from __future__ import annotations

import logging

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
LIST = "api/v3/configure/database"
NAMED = (
    '{"error":"parsing failed for write_lp endpoint","data":{"error_message":"bad",'
    '"line_number":2,"original_line":"dc Voltage=1.5 17000"}}'
)
NO_POLICY = "retention policy not found: years"


@pytest.mark.parametrize(
    ("server", "status", "body", "cause"),
    [
        (ONE, 400, PAGE, "database 400"),
        (ONE, 400, "Client sent an HTTP request to an HTTPS server.", "database tls"),
        (ONE, 401, error("authorization failed"), "database login"),
        (ONE, 401, PAGE, "database login"),
        (ONE, 403, error("not authorized"), "database right"),
        (ONE, 404, PAGE, "database 404"),
        (ONE, 408, "", "database 408"),
        (ONE, 500, error("timeout"), "database 500"),
        (ONE, 500, error(NO_POLICY), "no retention policy"),
        (ONE, 503, "", "database 503"),
        (ONE, 302, "", "database 302"),
        (ONE, 200, PAGE, "database 200"),
        (TWO, 404, coded("no dbrp mapping found"), "no database"),
        (TWO, 429, coded("slow down"), "database 429"),
        (THREE, 400, error("invalid character in database name"), "database 400"),
        (THREE, 422, error("would exceed limit of 5 databases"), "database 422"),
        (THREE, 401, "", "database login"),
        (VICTORIA, 400, "unsupported path requested: /write", "database answer: path"),
    ],
)
def test_an_answer_that_is_not_about_rows_keeps_them_queued(
    monkeypatch: pytest.MonkeyPatch, server: Server, status: int, body: str, cause: str
) -> None:
    """After one request, and with the Trouble."""
    bench = Bench(monkeypatch, server)
    outcome = bench.write(reply(status, body))
    assert bench.http.requests == ["ping", BATCH]
    assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], BATCH)
    assert outcome.trouble
    assert outcome.trouble.cause == cause


def test_an_unidentified_server_is_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may answer everything with success; each write asks again."""
    bench = Bench(monkeypatch, UNKNOWN)
    bench.http.answer = lambda _: reply(204)
    for _ in range(2):
        outcome = bench.write()
        assert bench.http.requests == ["ping", "SHOW DATABASES", LIST, []]
        assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], BATCH)
        assert outcome.trouble
        assert outcome.trouble.cause == "database answer: not a database"


@pytest.mark.parametrize(
    ("pinged", "asked", "cause"),
    [
        (reply(302, Location="http://portal.lan/"), [], "database answer: moved"),
        (reply(400, "Client sent an HTTP request to an HTTPS server."), [], "database tls"),
        (reply(401), [reply(401)] * 3, "database login"),
        (reply(403, PAGE), [reply(403, PAGE)] * 3, "database 403"),
        (reply(413), [reply(413)] * 3, "database 413"),
        (reply(502), [reply(502)] * 3, "database 502"),
        (reply(204), [reply(204)] * 3, "database answer: not a database"),
        (reply(200, PAGE), [reply(404, PAGE)] * 3, "database answer: not a database"),
        (reply(404, PAGE), [reply(404, PAGE)] * 3, "database 404"),
        (reply(404, PAGE), [GONE, GONE, GONE], "database 404"),
        (reply(404, PAGE), [reply(200, X_Influxdb_Version="1.8.10")], None),
        (reply(403, PAGE), [reply(401, X_Influxdb_Version="v2.7.12")], None),
        (reply(400, "missing route"), [reply(400, X_Server_Hostname="vm")], None),
        (reply(404), [GONE, reply(200, '[{"iox::database":"battery"}]')], None),
        (reply(404), [reply(403), reply(403), reply(204, X_Influxdb_Version="1.8")], None),
    ],
)
def test_another_request_may_identify_the_server(
    monkeypatch: pytest.MonkeyPatch, pinged: Reply, asked: list[Reply], cause: str | None
) -> None:
    """A proxy may block pings; if no request identifies it, the answers have the reason."""
    bench = Bench(monkeypatch, pinged)
    outcome = bench.write(*asked)
    questions = ["ping", "SHOW DATABASES", LIST, []][: 1 + len(asked)]
    assert bench.http.requests == [*questions, *([] if cause else [BATCH])]
    assert (outcome.trouble.cause if outcome.trouble else None) == cause


def test_success_on_another_connection_needs_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the login page of a network; the writer asks on that connection."""
    portal = Bench(monkeypatch, THREE, UNKNOWN)
    portal.write()
    portal.http.connection += 1
    outcome = portal.write(OK, OK)
    assert portal.http.requests == [BATCH, "ping", "SHOW DATABASES", LIST]
    assert (outcome.undecided, outcome.uncertain) == (BATCH, True)
    assert outcome.trouble
    assert outcome.trouble.cause == "database answer: not a database"

    same = Bench(monkeypatch, THREE)
    same.write()
    same.http.connection += 1
    assert same.write().accepted == 2
    assert same.http.requests == [BATCH, "ping"]
    assert same.write().accepted == 2
    assert same.http.requests == [BATCH]


def test_success_that_identifies_the_server_needs_no_other_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the answers of InfluxDB 1 and 2 do, and of VictoriaMetrics."""
    bench = Bench(monkeypatch, ONE)
    bench.write()
    bench.http.connection += 1
    assert bench.write(reply(204, X_Influxdb_Version="1.8.10")).accepted == 2
    assert bench.http.requests == [BATCH]


def test_an_answer_without_the_servers_identity_is_from_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its success stores nothing, and its errors reject nothing."""
    bench = Bench(monkeypatch, ONE)
    assert bench.write(reply(204, X_Influxdb_Version="1.8.10")).accepted == 2
    for answer, cause in (
        (reply(204), "database answer: not a database"),
        (BAD, "database 400"),
        (MISSING, "database 404"),
    ):
        outcome = bench.write(answer)
        assert bench.http.requests == [BATCH]
        assert (outcome.rejected, outcome.undecided) == ([], BATCH)
        assert outcome.trouble
        assert outcome.trouble.cause == cause
    assert bench.write(reply(413, PAGE), *[reply(204, X_Influxdb_Version="1.8")] * 2).accepted == 2


def test_the_trouble_depends_on_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS cannot be missing if it is used."""
    outcome = Bench(monkeypatch, ONE, tls=Tls()).write(
        reply(400, "Client sent an HTTP request to an HTTPS server.")
    )
    assert outcome.trouble
    assert outcome.trouble.cause == "database 400"


@pytest.mark.parametrize(
    ("server", "answer"),
    [(ONE, reply(413, PAGE)), (THREE, reply(500, "max request size (10485760 bytes) exceeded"))],
)
def test_a_batch_that_is_too_large_is_sent_in_parts(
    monkeypatch: pytest.MonkeyPatch, server: Server, answer: Reply
) -> None:
    """And the next batch in parts at once."""
    bench, batch = Bench(monkeypatch, server), lines(count=8)
    assert bench.write(answer, batch=batch).accepted == 8
    assert [len(part) for part in bench.http.requests[1:]] == [8, 4, 4]
    assert bench.write(batch=batch).accepted == 8
    assert [len(part) for part in bench.http.requests] == [4, 4]


def test_a_proxy_that_rejects_every_size_costs_no_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 200 stay queued, with a Trouble; then single rows are tried."""
    bench, batch = Bench(monkeypatch, ONE), lines(count=200)
    bench.http.answer = lambda _: reply(413, PAGE)
    outcome = bench.write(batch=batch)
    assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], batch)
    assert outcome.trouble
    assert "rejects even one value of" in outcome.trouble.text
    assert len(bench.http.requests) <= 10
    bench.write(batch=batch)
    assert len(bench.http.requests) == 2
    del bench.http.answer
    assert bench.write(batch=batch).accepted == 200
    assert len(bench.http.requests) < 12


def test_influxdb_3_names_the_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed, and the rest is sent in one request."""
    bench, batch = Bench(monkeypatch, THREE), lines(count=50)
    outcome = bench.write(reply(400, NAMED), batch=batch)
    assert (outcome.accepted, outcome.undecided) == (49, [])
    assert [row.line for row in outcome.rejected] == batch[1:2]
    assert bench.http.requests == ["ping", batch, [batch[0], *batch[2:]]]


def test_a_batch_is_larger_if_each_takes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """InfluxDB 3 acknowledges once a second, whatever the size."""
    for server, count in ((ONE, 5000), (THREE, 20_000)):
        bench = Bench(monkeypatch, server)
        assert bench.writer.lines_at_once == 5000
        bench.write()
        assert bench.writer.lines_at_once == count


@pytest.mark.parametrize(
    ("body", "who"),
    [
        (error("busy"), "InfluxDB at db:8086 answers 503 busy"),
        (PAGE, "the database at db:8086 answers 503 Words, not as InfluxDB does"),
    ],
)
def test_an_answer_of_another_program_is_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, body: str, who: str
) -> None:
    """An answer is the database's own only with an error in its form."""
    outcome = Bench(monkeypatch, ONE).write(reply(503, body))
    assert outcome.trouble
    assert who in outcome.trouble.text


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_a_server_sets_the_time_of_the_retry(
    monkeypatch: pytest.MonkeyPatch, header: str, seconds: float | None
) -> None:
    """The outcome has it, and whether the lines may be stored."""
    answer = reply(503, Retry_After=header)._replace(uncertain=True)
    outcome = Bench(monkeypatch, ONE).write(answer)
    assert (outcome.retry_after, outcome.uncertain) == (seconds, True)


# One bad line among many


@pytest.mark.parametrize("bad", range(5))
def test_a_bad_line_is_rejected_alone(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Wherever it is, after as many requests as halving takes."""
    batch, bench = lines(count=5), Bench(monkeypatch, ONE)
    bench.http.answer = lambda request: BAD if batch[bad] in request else OK
    outcome = bench.write(batch=batch)
    assert outcome.rejected == [RejectedLine(batch[bad], "unable to parse: missing value")]
    assert (outcome.accepted, outcome.undecided, outcome.trouble) == (4, [], None)
    assert len(bench.http.requests) <= 1 + 7


def test_a_failure_in_the_middle_keeps_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remaining lines are undecided, in their order."""
    batch, bench = lines(count=8), Bench(monkeypatch, ONE)
    outcome = bench.write(BAD, OK, BAD, BAD, BAD, GONE, batch=batch)
    assert (outcome.accepted, outcome.undecided) == (4, batch[:3])
    assert outcome.rejected == [RejectedLine(batch[3], "unable to parse: missing value")]
    assert (outcome.trouble, outcome.uncertain) == (AWAY, True)


CONFLICT = reply(400, error("partial write: field type conflict dropped=1"))


def test_a_rejected_field_takes_few_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After one row alone has proven it, all others of that field are sent in one request."""
    power, bench = lines("Power", 4), Bench(monkeypatch, ONE)
    bench.http.answer = lambda request: CONFLICT if {*power} & {*request} else OK
    outcome = bench.write(batch=mixed("Soc", "Power", count=4))
    writes = bench.http.requests[1:]
    assert [len(write) for write in writes] == [8, 4, 2, 1, 4, 3]
    assert writes[-2:] == [lines("Soc", 4), power[:3]]
    assert (outcome.accepted, sorted(each.line for each in outcome.rejected)) == (4, power)
    assert {each.reason for each in outcome.rejected} == {"partial write: field type conflict"}


def test_a_rejected_field_is_sent_separately_until_it_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it is sent with the others again."""
    soc, power, bench = lines("Soc", 3), lines("Power", 3), Bench(monkeypatch, ONE)
    bench.write(OK, batch=soc)
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
    """Then the lines are written; if that fails, they stay queued."""
    bench = Bench(monkeypatch, ONE)
    outcome = bench.write(*replies)
    assert bench.http.requests == ["ping", *requests]
    assert (outcome.trouble.cause if outcome.trouble else None) == cause
    assert (outcome.accepted, outcome.undecided) == ((0, BATCH) if cause else (2, []))


def test_a_created_database_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only after a successful write to it."""
    caplog.set_level(logging.INFO)
    bench = Bench(monkeypatch, ONE)
    bench.write(MISSING, CREATED, MISSING)
    assert not caplog.messages
    bench.write(MISSING, CREATED, OK)
    assert caplog.messages == ["created the database 'battery' at db:8086"]
