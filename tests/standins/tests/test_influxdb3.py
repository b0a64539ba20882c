"""The peer of InfluxDB 3 answers by its rules; and the behaviour common to both peers.

A test whose name ends with "measured" checks behaviour that was seen on 3.6.0 Core; "by its source"
is behaviour read from influxdb3_server/src/http.rs.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator

import pytest

from tests.standins.databases.asking import ask, basic, write
from tests.standins.databases.influx_peer import InfluxPeer, Stored
from tests.standins.databases.influxdb2 import InfluxDB2
from tests.standins.databases.influxdb3 import InfluxDB3

AT = 1_700_000_000_123_456_789  # ns
LINE = f"dc,site=x Voltage=52.1 {AT}"
STORED = Stored(AT, "dc", {"site": "x"}, "Voltage", 52.1)
MALFORMED = f"dc Voltage= {AT}"


@pytest.fixture
def two() -> Iterator[InfluxDB2]:
    """A peer of version 2."""
    with InfluxDB2() as peer:
        yield peer
    assert not peer.broken


@pytest.fixture
def three() -> Iterator[InfluxDB3]:
    """A peer of version 3."""
    with InfluxDB3(more_tokens=("read-only",), rights={"read-only": "r"}) as peer:
        yield peer
    assert not peer.broken


@pytest.fixture
def both(request: pytest.FixtureRequest) -> InfluxPeer:
    """Each of the peers in turn."""
    peer: InfluxPeer = request.getfixturevalue(request.param)
    return peer


EACH = pytest.mark.parametrize("both", ["two", "three"], indirect=True)


@EACH
def test_a_peer_keeps_what_is_written(both: InfluxPeer) -> None:
    """Lines are stored in the request's unit, compressed or not; twice is the same as once."""
    assert write(both, LINE).status == 204
    assert write(both, LINE).status == 204
    assert both.stored == [STORED]
    packed = gzip.compress(f"dc Soc=81i {AT // 10**6}".encode())
    login = {"Authorization": f"Token {getattr(both, 'token', '')}", "Content_Encoding": "gzip"}
    path = "/write?db=battery&precision=ms"
    assert ask(both.port, path, packed, **login).status == 204
    assert both.stored[1:] == [Stored(AT // 10**6 * 10**6, "dc", {}, "Soc", 81)]
    assert len(both.writes) == 3


@EACH
def test_a_peer_is_busy_as_often_as_set(both: InfluxPeer) -> None:
    """A busy peer answers with Retry-After, and accepts nothing until then."""
    both.busy(503, retry_after=7, times=1)
    answer = write(both, LINE)
    assert (answer.status, answer.headers["Retry-After"], both.stored) == (503, "7", [])
    both.busy(429)
    assert write(both, LINE).status == 429
    both.busy(times=0)
    assert write(both, LINE).status == 204


def test_3_shows_its_version_after_a_login(three: InfluxDB3) -> None:
    """A ping needs a token, unless an option of the server changes that."""
    answer = ask(three.port, "/ping", Authorization=f"Bearer {three.token}")
    assert answer.status == 200
    assert answer.headers["X-Influxdb-Version"] == answer.told["version"] == "3.6.0"
    assert set(answer.told) == {"version", "revision", "process_id"}
    with InfluxDB3(open_ping=True) as peer:
        assert ask(peer.port, "/ping").headers["X-Influxdb-Build"] == "Core"


def test_3_requires_a_token(three: InfluxDB3) -> None:
    """Version 3 accepts its token in each of the ways, whatever the user's name."""
    token = three.token or ""
    for login in (f"Bearer {token}", f"Token {token}", basic("anybody", token)):
        assert write(three, LINE, Authorization=login).status == 204
    assert write(three, LINE, f"&u=anybody&p={token}", Authorization="").status == 204
    answer = write(three, LINE, Authorization="Bearer read-only")
    assert (answer.status, answer.body) == (403, "")
    with InfluxDB3(token=None) as peer:
        assert write(peer, LINE, Authorization="").status == 204


@pytest.mark.parametrize(
    ("version", "text"),
    [("3.6.0", ""), ("3.8.0", '{"error": "the request was not authenticated"}')],
)
def test_3_has_no_word_for_who_is_unknown_measured(version: str, text: str) -> None:
    """A wrong login or none gets an empty 401, /ping included; from 3.8 on it has a text."""
    # measured: wrong token or password; no login
    with InfluxDB3(version=version) as peer:
        for login in ({}, {"Authorization": "Bearer x"}, {"Authorization": basic("any", "x")}):
            for answer in (
                ask(peer.port, "/ping", **login),
                ask(peer.port, "/write?db=battery", LINE, **login),
            ):
                assert (answer.status, answer.body) == (401, text)
        assert peer.buckets == {}


@pytest.mark.parametrize(
    "login",
    ["Bearer Bearer TOKEN", "Token Bearer TOKEN", "Bearer  TOKEN", "Digest x", "Basic !"],
)
def test_3_refuses_a_malformed_login_measured(three: InfluxDB3, login: str) -> None:
    """A token after a scheme or a blank counts as malformed, not as wrong; /ping included."""
    # measured: token written as Bearer, Token or with a blank
    header = {"Authorization": login.replace("TOKEN", three.token or "")}
    for answer in (ask(three.port, "/ping", **header), write(three, LINE, **header)):
        assert answer.status == 400
        assert answer.body == (
            '{"error": "Authorization header was malformed, the request was not in the form of '
            "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token "
            'and Basic"}'
        )


@pytest.mark.parametrize(
    ("version", "what"),
    [("3.6.0", "parsing failed for write_lp endpoint"), ("3.10.0", "line protocol parsing error")],
)
def test_3_takes_all_or_nothing_measured(version: str, what: str) -> None:
    """A bad line makes it reject all; an object has the beginning of the first bad one."""
    # measured: a bad row among good ones; data is an object
    with InfluxDB3(version=version) as peer:
        answer = write(peer, f"{LINE}\n{MALFORMED}\nnonsense\n")
        assert (answer.status, answer.body) == (
            400,
            f'{{"error":"{what}","data":{{"error_message":"No fields were provided",'
            f'"line_number":2,"original_line":"{MALFORMED[:20]}"}}}}',
        )
        assert peer.stored == []
        assert write(peer, f'dc,site=x Voltage="52" {AT}').status == 204  # nor is its type kept


def test_3_rejects_a_field_of_another_type_measured(three: InfluxDB3) -> None:
    """A field of another type makes it reject all, also if the type is of the same write."""
    # measured: field of another type
    kind = "iox::column_type::field::"
    data = {
        "error_message": f"invalid column type for column 'Voltage', expected {kind}float, "
        f"got {kind}string",
        "line_number": 2,
        "original_line": 'dc,site=x Voltage="5',
    }
    other = f'{LINE}\ndc,site=x Voltage="52" {AT + 1}'
    for _ in range(2):
        answer = write(three, other)
        told = {"error": "parsing failed for write_lp endpoint", "data": data}
        assert (answer.status, json.loads(answer.body), three.stored) == (400, told, [])
    assert write(three, LINE).status == 204
    answer = write(three, f'dc Soc=80 {AT}\ndc,site=x Voltage="52" {AT + 1}')
    assert json.loads(answer.body)["data"] == data
    assert three.stored == [STORED]


def test_3_cuts_a_bad_row_between_characters(three: InfluxDB3) -> None:
    """The error shows 20 bytes of a bad line, and no part of a character."""
    original = json.loads(write(three, f"{'x' * 19}° V=").body)["data"]["original_line"]
    assert original == "x" * 19


def test_3_makes_the_database_of_an_empty_write_measured(three: InfluxDB3) -> None:
    """An empty write is rejected, but its database exists from then on."""
    # measured: it makes the database even for an empty write
    answer = write(three, "")
    assert (answer.status, answer.body) == (400, "incoming write was empty")
    assert list(three.buckets) == ["battery"]


def test_3_acknowledges_at_the_tick_of_its_clock_measured() -> None:
    """Each of several writes in sequence takes a period; a rejection comes at once."""
    # measured: it acknowledges a write after up to 1 s
    with InfluxDB3(flush=0.3) as peer:
        write(peer, LINE)
        began = time.monotonic()
        for number in range(3):
            assert write(peer, f"dc V=1 {AT + number}").status == 204
        assert time.monotonic() - began > 0.75
        assert write(peer, MALFORMED).status == 400
        assert peer.delay(peer.requests[-1], b"HTTP/1.1 400 Bad Request") == 0
        assert 0 < peer.delay(peer.requests[-1], b"HTTP/1.1 204 No Content") <= 0.3


def test_3_drops_old_values_without_error_measured() -> None:
    """A value older than the retention is accepted, and is not stored."""
    # measured: older than the retention
    with InfluxDB3(retention=3600) as peer:
        assert write(peer, f"dc Old=1 {AT}\ndc New=1 {time.time_ns()}").status == 204
        assert [each.field for each in peer.stored] == ["New"]


def test_3_makes_a_database_of_each_policy_measured(three: InfluxDB3) -> None:
    """A write creates its database, up to a limit; policies are separate databases."""
    # measured: one database too many
    for policy in ("a", "b", "c", "autogen", "default", "d"):
        assert write(three, LINE, f"&rp={policy}").status == 204
    assert sorted(three.buckets) == ["battery", *(f"battery/{each}" for each in "abcd")]
    answer = write(three, LINE, "&rp=e")
    text = "Adding a new database would exceed limit of 5 databases"
    assert (answer.status, answer.told) == (422, {"error": text, "data": None})
    assert write(three, LINE, "&rp=not+so").status == 400


def test_3_has_a_limit_measured(three: InfluxDB3) -> None:
    """A body above 10 MB is a failure of the server; for the API of version 2 it is a 413."""
    # measured: too large
    body = "#" * 10 * 2**20 + f"\n{LINE}"
    answer = write(three, body)
    text = "max request size (10485760 bytes) exceeded"
    assert (answer.status, answer.body) == (500, text)
    login = {"Authorization": f"Token {three.token}"}
    answer = ask(three.port, "/api/v2/write?bucket=battery", body, **login)
    assert (answer.status, answer.body) == (413, text)
    assert ask(three.port, "/api/v2/write?bucket=battery", LINE, **login).status == 204
    assert three.stored == [STORED]


def test_3_may_have_another_limit() -> None:
    """The limit can be set, and so can the status in the documents."""
    with InfluxDB3(limit=len(LINE) - 1, too_large=413) as peer:
        answer = write(peer, LINE)
        text = f"max request size ({len(LINE) - 1} bytes) exceeded"
        assert (answer.status, answer.body) == (413, text)


@pytest.mark.parametrize("statement", ["SHOW+DATABASES", "show+retention+policies+on+battery"])
def test_3_breaks_the_connection_measured(three: InfluxDB3, statement: str) -> None:
    """Two statements of InfluxQL end the connection without an answer."""
    # measured: SHOW RETENTION POLICIES and SHOW DATABASES break the connection
    with pytest.raises(http.client.RemoteDisconnected):
        ask(three.port, f"/query?q={statement}", Authorization=f"Bearer {three.token}")


def test_3_lists_its_databases_by_its_source(three: InfluxDB3) -> None:
    """The list has rows of one name each; it needs a token with all rights."""
    write(three, LINE)
    login = {"Authorization": f"Bearer {three.token}"}
    path = "/api/v3/configure/database"
    answer = ask(three.port, f"{path}?format=json", **login)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == '[{"iox::database":"_internal"},{"iox::database":"battery"}]'
    answer = ask(three.port, f"{path}?format=json&show_deleted=true", **login)
    assert json.loads(answer.body)[1] == {"iox::database": "battery", "deleted": False}
    assert ask(three.port, path, **login).status == 400
    assert ask(three.port, f"{path}?format=json").status == 401
    answer = ask(three.port, f"{path}?format=json", Authorization="Bearer read-only")
    assert (answer.status, answer.body) == (403, "")


@pytest.mark.parametrize("path", ["/query?", "/api/v3/query_influxql?format=json&"])
def test_3_knows_no_such_database_by_its_source(three: InfluxDB3, path: str) -> None:
    """A query of a missing database gets a 404, and does not create it."""
    login = {"Authorization": f"Bearer {three.token}"}
    answer = ask(three.port, f"{path}db=x&q=SELECT+*+FROM+dc", **login)
    text = '{"error":"query error: database not found: x","data":null}'
    assert (answer.status, answer.body, three.buckets) == (404, text, {})
    answer = ask(three.port, f"{path}q=SELECT+*+FROM+dc", **login)
    assert (answer.status, "must specify a 'db' parameter" in answer.body) == (500, True)
    write(three, LINE)
    answer = ask(three.port, f"{path}db=battery&q=CREATE+DATABASE+x", **login)
    assert (answer.status, "not implemented: CREATE DATABASE" in answer.body) == (500, True)
    assert ask(three.port, f"{path}db=battery&q=SELECT+*+FROM+other", **login).status == 200


def test_3_answers_influxql_since_3_8_by_its_source() -> None:
    """From 3.8 on it lists its databases, and errors come with status 200."""
    with InfluxDB3(version="3.8.0") as peer:
        write(peer, LINE)
        login = {"Authorization": f"Bearer {peer.token}"}

        def run(question: str) -> str:
            return ask(peer.port, f"/query?q={question}", **login).body

        assert '"values":[["battery"]]' in run("SHOW+DATABASES")
        assert "must specify a 'db' parameter" in run("CREATE+DATABASE+x")
        assert "not implemented: CREATE DATABASE" in run("CREATE+DATABASE+x&db=battery")
        assert "database not found: x" in run("SHOW+USERS&db=x")
        path = "/api/v3/query_influxql?format=json&q=SHOW+DATABASES"
        assert '{"iox::database":"battery","deleted":false}' in ask(peer.port, path, **login).body
