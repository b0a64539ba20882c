"""The peer of InfluxDB 3 answers by its rules, and what both peers have in common."""

from __future__ import annotations

import gzip
import json
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
    """Lines are stored in the unit of the request, packed or not, and twice is as once."""
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
def test_a_peer_is_busy_as_often_as_told(both: InfluxPeer) -> None:
    """A busy peer says when to come again, and takes nothing until then."""
    both.busy(503, retry_after=7, times=1)
    answer = write(both, LINE)
    assert (answer.status, answer.headers["Retry-After"], both.stored) == (503, "7", [])
    both.busy(429)
    assert write(both, LINE).status == 429
    both.busy(times=0)
    assert write(both, LINE).status == 204


def test_3_says_its_version_to_whom_it_knows(three: InfluxDB3) -> None:
    """A ping takes a token, unless the server was told otherwise."""
    answer = ask(three.port, "/ping")
    assert (answer.status, answer.told) == (401, {"error": "the request was not authenticated"})
    answer = ask(three.port, "/ping", Authorization=f"Bearer {three.token}")
    assert answer.status == 200
    assert answer.headers["X-Influxdb-Version"] == answer.told["version"]
    assert set(answer.told) == {"version", "revision", "process_id"}
    with InfluxDB3(open_ping=True) as peer:
        assert ask(peer.port, "/ping").headers["X-Influxdb-Build"] == "Core"


def test_3_asks_for_a_token(three: InfluxDB3) -> None:
    """Version 3 takes its token in each of the ways, whatever the user is called."""
    token = three.token or ""
    for login in (f"Bearer {token}", f"Token {token}", basic("anybody", token)):
        assert write(three, LINE, Authorization=login).status == 204
    assert write(three, LINE, f"&u=anybody&p={token}", Authorization="").status == 204
    for login in ("", "Bearer x", basic("anybody", "x")):
        assert write(three, LINE, Authorization=login).status == 401
    for login in ("Digest x", f"Bearer {token} x", "Basic !"):
        answer = write(three, LINE, Authorization=login)
        assert (answer.status, "malformed" in answer.told["error"]) == (400, True)
    answer = write(three, LINE, Authorization="Bearer read-only")
    assert (answer.status, answer.body) == (403, "")
    with InfluxDB3(token=None) as peer:
        assert write(peer, LINE, Authorization="").status == 204


def test_3_names_each_line_that_it_rejects(three: InfluxDB3) -> None:
    """Version 3 keeps the good lines and names up to a hundred others; none at all is an error."""
    answer = write(three, f'{LINE}\n{MALFORMED}\ndc,site=x Voltage="52" {AT + 1}\n')
    assert answer.status == 400
    what, kind = "invalid column type for column 'Voltage', expected", "iox::column_type::field::"
    assert json.loads(answer.body) == {
        "error": "partial write of line protocol occurred",
        "data": [
            {
                "original_line": MALFORMED,
                "line_number": 2,
                "error_message": "No fields were provided",
            },
            {
                "original_line": f"dc,site=x Voltage=52 {AT + 1}",
                "line_number": 3,
                "error_message": f"{what} {kind}float, got {kind}string",
            },
        ],
    }
    assert three.stored == [STORED]
    assert len(json.loads(write(three, "x\n" * 101).body)["data"]) == 100
    answer = write(three, "")
    assert (answer.status, answer.body) == (400, "incoming write was empty")


def test_3_makes_a_database_of_each_policy(three: InfluxDB3) -> None:
    """A write makes its database, up to a bound; policies are databases of their own."""
    for policy in ("a", "b", "c", "autogen", "default", "d"):
        assert write(three, LINE, f"&rp={policy}").status == 204
    assert sorted(three.buckets) == ["battery", *(f"battery/{each}" for each in "abcd")]
    answer = write(three, LINE, "&rp=e")
    text = "Adding a new database would exceed limit of 5 databases"
    assert (answer.status, answer.told) == (422, {"error": text})
    assert write(three, LINE, "&rp=not+so").status == 400


@pytest.mark.parametrize("status", [500, 413])
def test_3_has_a_limit(status: int) -> None:
    """A body above the limit gets what the source says, or what the documents say."""
    with InfluxDB3(limit=len(LINE) - 1, too_large=status) as peer:
        answer = write(peer, LINE)
        text = f"max request size ({len(LINE) - 1} bytes) exceeded"
        assert (answer.status, answer.body) == (status, text)


def test_3_answers_influxql(three: InfluxDB3) -> None:
    """Version 3 shows its databases, and cannot be told to make any."""
    write(three, LINE)
    login = {"Authorization": f"Bearer {three.token}"}

    def run(question: str) -> str:
        return ask(three.port, f"/query?q={question}", **login).body

    assert '"values":[["battery"]]' in run("SHOW+DATABASES")
    assert "must specify a 'db' parameter" in run("CREATE+DATABASE+x")
    assert "not implemented: CREATE DATABASE" in run("CREATE+DATABASE+x&db=battery")
    assert "database not found: x" in run("SHOW+USERS&db=x")
