"""Which database it is: the requests, and what counts as identification."""

from __future__ import annotations

import pytest

from bat2influx.influx.diagnosis import Diagnosis
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.http import Reply
from bat2influx.influx.identity import Identity, databases_in
from tests.support.writing import CONFIG, DEFAULTS
from tests.unit.influx.database_by_hand import AWAY, GONE, ONE, UNKNOWN, Answers, reply

LIST = "api/v3/configure/database"
WRITE = {"db": "battery"}
NO = reply(403)


def asked(*answers: Reply, pings: list[object], write: dict[str, str] | None = None) -> Answers:
    """Determine the server once, with these answers after the ping; return the client."""
    http = Answers()
    http.pings = pings  # type: ignore[assignment]
    http.replies = list(answers)
    Identity(http, Diagnosis(DEFAULTS, CONFIG)).detect(write)  # type: ignore[arg-type]
    return http


def test_an_identified_server_is_asked_once() -> None:
    """Until `forget`."""
    http = Answers()
    http.pings = [ONE]
    identity = Identity(http, Diagnosis(DEFAULTS, CONFIG))  # type: ignore[arg-type]
    assert identity.detect() is None
    assert identity.detect() is None
    assert http.requests == ["ping"]
    identity.forget()
    assert identity.detect() is None
    assert http.requests == ["ping"] * 2


def test_a_server_without_an_answer_gets_no_further_request() -> None:
    """The Trouble is that of the request."""
    http = Answers()
    http.pings = [AWAY]
    identity = Identity(http, Diagnosis(DEFAULTS, CONFIG))  # type: ignore[arg-type]
    assert identity.detect() is AWAY
    assert http.requests == ["ping"]


@pytest.mark.parametrize(
    ("answers", "write", "requests", "dialect"),
    [
        ([reply(200, X_Influxdb_Version="1.8")], None, ["SHOW DATABASES"], Dialect.INFLUXDB1),
        (
            [NO, reply(200, '[{"iox::database":"x"}]')],
            WRITE,
            ["SHOW DATABASES", LIST],
            Dialect.INFLUXDB3,
        ),
        ([NO, reply(200, "[]")], None, ["SHOW DATABASES", LIST], Dialect.INFLUXDB3),
        ([NO, NO], None, ["SHOW DATABASES", LIST], None),
        (
            [GONE, GONE, reply(204, X_Influxdb_Version="v2.7")],
            WRITE,
            ["SHOW DATABASES", LIST, []],
            Dialect.INFLUXDB2,
        ),
        ([NO, NO, NO], WRITE, ["SHOW DATABASES", LIST, []], None),
    ],
)
def test_behind_a_proxy_that_blocks_pings_other_requests_are_tried(
    answers: list[Reply],
    write: dict[str, str] | None,
    requests: list[object],
    dialect: Dialect | None,
) -> None:
    """A write without a line is the last of them, and only for a write."""
    http = asked(*answers, pings=[NO], write=write)
    assert http.requests == ["ping", *requests]
    assert http.server.dialect is dialect


def test_on_another_connection_it_is_asked_again() -> None:
    """That may lead to another server."""
    http = Answers()
    http.pings = [ONE, ONE, UNKNOWN]
    identity = Identity(http, Diagnosis(DEFAULTS, CONFIG))  # type: ignore[arg-type]
    identity.detect()
    assert identity.is_database()
    assert http.requests == ["ping"]
    http.connection += 1
    assert identity.is_database()
    assert http.requests == ["ping"] * 2
    http.connection += 1
    http.replies = [NO, NO]
    assert not identity.is_database()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'[{"iox::database":"a"},{"iox::database":"b"}]', {"a", "b"}),
        (b"[]", set()),
        (b"[1]", set()),
        (b"{}", None),
        (b"OK", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_list_of_databases_is_read(body: bytes, names: set[str] | None) -> None:
    """Any other answer is none."""
    assert databases_in(body) == names
