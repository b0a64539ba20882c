"""Statements to a database over HTTP: what an answer is, as rows or as an error."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    RawMeasurement,
    columns,
    continuous_query,
)
from bat2influx.commands.setup_db.rows import OddAnswerError
from bat2influx.commands.setup_db.statements import MAX_ANSWER, StatementRunner, UnansweredError
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.diagnosis import Diagnosis
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import Reply
from bat2influx.influx.influxql import StatementError
from bat2influx.venus.presets import PRESETS, fields_of
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.support.writing import DEFAULTS

CONFIG = "/etc/bat2influx/bat2influx.ini"
WHERE = "localhost:8086"
PEER = f"InfluxDB at {WHERE}"
STATEMENT = "SHOW DATABASES"
ONE = Server(Dialect.INFLUXDB1, "1.6.7")


def run(reply: Reply, server: Server = ONE) -> list[dict[str, object]]:
    """Run a statement to which this is the reply."""
    asked: list[str] = []

    def ask(path: str, method: str, *, data: bytes, content: str) -> Reply:
        assert (path, method, content) == ("query", "POST", "application/x-www-form-urlencoded")
        asked.extend(parse_qs(data)[b"q"])
        return reply

    http = SimpleNamespace(server=server, where=WHERE, ask=ask, mask=str)
    rows = StatementRunner(http, Diagnosis(DEFAULTS, CONFIG))(STATEMENT)  # type: ignore[arg-type]
    assert asked == [STATEMENT.encode()]
    return rows


def answer(*series: object) -> Reply:
    """Return a good answer with these series."""
    body = json.dumps({"results": [{"statement_id": 0, "series": series}]}).encode()
    return Reply(200, {}, body, "OK", ok=True)


def test_rows_have_columns_and_tags_alike() -> None:
    """Of all series, in their order; a column counts before a tag of its name."""
    first = {"columns": ["time", "Soc"], "values": [[1, 88.5], [2, None]]}
    second = {"tags": {"portal": "p", "Soc": "x"}, "columns": ["Soc"], "values": [[3]]}
    assert run(answer(first, second)) == [
        {"time": 1, "Soc": 88.5},
        {"time": 2, "Soc": None},
        {"portal": "p", "Soc": 3},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"results":[{"statement_id":0}]}',
        b'{"results":[{"series":[{"columns":["a"]}]}]}',
        b'{"results":[]}',
    ],
)
def test_an_answer_without_rows_has_none(body: bytes) -> None:
    """As that to a statement that makes something."""
    assert run(Reply(200, {}, body, "OK", ok=True)) == []


@pytest.mark.parametrize(
    ("status", "body", "ok"),
    [
        (200, b'{"results":[{"statement_id":0,"error":"no such thing"}]}', True),
        (400, b'{"error":"no such thing"}', False),
        (401, b'{"error":"no such thing"}', False),
        (403, b'{"code":"forbidden","message":"no such thing"}', False),
    ],
)
def test_the_servers_error_is_a_rejected_statement(status: int, body: bytes, ok: bool) -> None:
    """With its own text, whatever the status."""
    with pytest.raises(StatementError, match=r"\Ano such thing\Z"):
        run(Reply(status, {}, body, "words", ok=ok))


def test_no_answer_is_a_trouble() -> None:
    """That of the connection, whatever else the reply has."""
    why = influx_errors.database_slow(PEER, 600.0)
    with pytest.raises(UnansweredError) as raised:
        run(Reply(200, {}, b'{"error":"x"}', "OK", ok=True, trouble=why))
    assert raised.value.trouble == why
    assert str(raised.value) == why.what


@pytest.mark.parametrize("body", [b"<html>", b'{"message":"no route"}', b"[]", b""])
def test_an_answer_of_another_server_is_a_trouble(body: bytes) -> None:
    """Such as that of a proxy; the message names the file to check."""
    with pytest.raises(UnansweredError) as raised:
        run(Reply(502, {}, body, "Bad Gateway"))
    assert raised.value.trouble == influx_errors.behind_proxy(WHERE, 502, "Bad Gateway")


@pytest.mark.parametrize(
    "series",
    [
        5,
        "x",
        None,
        [5],
        [{"columns": 5}],
        [{"columns": ["a"], "values": 5}],
        [{"columns": ["a"], "values": [5]}],
        [{"columns": ["a"], "values": [[1, 2]]}],
        [{"columns": [5], "values": [[1]]}],
        [{"columns": ["a"], "tags": [], "values": [[1]]}],
    ],
)
def test_an_unexpected_answer_is_an_error(series: object) -> None:
    """Whatever is in place of rows, there is no traceback."""
    body = json.dumps({"results": [{"series": series}]}).encode()
    with pytest.raises(OddAnswerError):
        run(Reply(200, {}, body, "OK", ok=True))


def test_an_answer_whose_tags_would_fill_the_memory_is_odd() -> None:
    """A little of it can make rows of a gigabyte."""
    series = {"columns": [], "tags": {str(n): "" for n in range(1000)}, "values": [[]] * 1000}
    with pytest.raises(OddAnswerError, match="too many columns"):
        run(answer(series))


def test_an_incomplete_answer_is_an_error() -> None:
    """It is longer than the limit, or incomplete."""
    with pytest.raises(OddAnswerError, match="2048 KiB"):
        run(Reply(200, {}, b'{"results":[]}', "OK", ok=True, whole=False))


@pytest.mark.parametrize("body", [b"<html>", b'{"result":[]}', b'{"results":null}', b"[]", b""])
def test_a_server_that_accepts_anything_is_no_database(body: bytes) -> None:
    """Such as the page of a router: nothing was created."""
    with pytest.raises(UnansweredError) as raised:
        run(Reply(200, {}, body, "OK", ok=True))
    assert raised.value.trouble == influx_errors.not_a_database(WHERE, 200, CONFIG)


def test_the_queries_of_all_presets_are_read_whole() -> None:
    """The server lists them with their texts, which have three columns for nearly every field."""
    source = RawMeasurement("battery", "raw", "dc")
    made = columns((*DEFAULT_FIELDS, *fields_of(PRESETS)))
    queries = [
        continuous_query(grain, run, source, made)[1] for grain in GRAINS for run in grain.runs
    ]
    size = sum(len(each.text) for each in queries)
    assert 64 * 1024 < size < MAX_ANSWER / 4
