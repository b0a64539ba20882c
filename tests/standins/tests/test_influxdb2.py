"""The peer of InfluxDB 2 answers by its rules, each of which is told where it is followed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.standins.databases.asking import ask, basic, write
from tests.standins.databases.influx_peer import Stored
from tests.standins.databases.influxdb2 import InfluxDB2

AT = 1_700_000_000_123_456_789  # ns
LINE = f"dc,site=x Voltage=52.1 {AT}"
STORED = Stored(AT, "dc", {"site": "x"}, "Voltage", 52.1)
MALFORMED = f"dc Voltage= {AT}"


@pytest.fixture
def two() -> Iterator[InfluxDB2]:
    """A peer of version 2."""
    with InfluxDB2(users={"me": "secret", "reader": "secret"}, rights={"reader": "r"}) as peer:
        yield peer
    assert not peer.broken


def test_2_says_its_version_to_everybody(two: InfluxDB2) -> None:
    """A ping takes no login; each answer has the version."""
    answer = ask(two.port, "/ping")
    assert (answer.status, answer.body) == (204, "")
    assert answer.headers["X-Influxdb-Version"].startswith("v2.7.")
    assert ask(two.port, "/ping", method="HEAD").headers["X-Influxdb-Build"] == "OSS"
    assert "X-Influxdb-Version" in write(two, LINE).headers


def test_2_asks_who_it_is(two: InfluxDB2) -> None:
    """Version 2 takes a token or the login of a user, in each of the ways, and no Bearer."""
    token = two.token
    for more, login in [
        ("", f"Token {token}"),
        ("", f"Token anybody:{token}"),
        ("", basic("me", "secret")),
        ("", basic("anybody", token)),
        ("&u=me&p=secret", ""),
        (f"&u=anybody&p={token}", ""),
    ]:
        assert write(two, LINE, more, Authorization=login).status == 204, (more, login)
    for login in ("", f"Bearer {token}", "Basic !"):
        answer = write(two, LINE, Authorization=login)
        assert answer.told == {"code": "unauthorized", "message": "unauthorized access"}
    for login in ("Token x", basic("me", token), basic("nobody", "x")):
        answer = write(two, LINE, Authorization=login)
        assert (answer.status, answer.told["message"]) == (401, "Unauthorized")
        assert answer.headers["X-Platform-Error-Code"] == "unauthorized"
    answer = write(two, LINE, Authorization=basic("reader", "secret"))
    text = "insufficient permissions for write"
    assert (answer.status, answer.told) == (403, {"code": "forbidden", "message": text})


def test_2_rejects_all_for_one_malformed_line(two: InfluxDB2) -> None:
    """One malformed line keeps the others out of version 2; none at all is no error."""
    answer = write(two, f"{LINE}\n{MALFORMED}\n")
    text = f"unable to parse '{MALFORMED}': missing field value"
    assert (answer.status, answer.told) == (400, {"code": "invalid", "message": text})
    assert two.stored == []
    assert write(two, "").status == 204


def test_2_keeps_the_rest_at_a_conflict(two: InfluxDB2) -> None:
    """Version 2 leaves out the points whose field has another type, as a whole."""
    write(two, f"dc Voltage=1i {AT}")
    answer = write(two, f"dc Voltage=1.5,Soc=80 {AT + 1}\ndc Current=2 {AT}")
    assert (answer.status, answer.told) == (
        422,
        {
            "code": "unprocessable entity",
            "message": "failure writing points to database: partial write: field type conflict: "
            'input field "Voltage" on measurement "dc" is type float, already exists as type '
            "integer dropped=1",
        },
    )
    assert [each.field for each in two.stored] == ["Voltage", "Current"]


def test_2_refuses_what_is_older_than_its_retention() -> None:
    """Version 2 names the oldest and the newest of what its retention leaves out."""
    with InfluxDB2(retention=3600) as peer:
        answer = write(peer, f"dc Old=1 {AT}\ndc New=1 {time.time_ns()}")
        assert answer.status == 422
        text = answer.told["message"]
        assert "dropped 1 points outside retention policy of duration 1h0m0s - oldest" in text
        assert "newest point dc at 2023-11-14T22:13:20.123456789Z dropped because" in text
        assert [each.field for each in peer.stored] == ["New"]


def test_2_finds_a_bucket_by_its_name() -> None:
    """A bucket's name is database and policy; what is not there is not made."""
    with InfluxDB2(more=["battery/raw"]) as peer:
        assert write(peer, LINE, "&rp=raw").status == 204
        assert (peer.stored, peer.buckets["battery/raw"].stored) == ([], [STORED])
        answer = write(peer, LINE, "&rp=year")
        text = "no dbrp mapping found"
        assert (answer.status, answer.told) == (404, {"code": "not found", "message": text})
        login = {"Authorization": f"Bearer {peer.token}"}
        path = "/api/v2/write?org=home&bucket="
        assert ask(peer.port, f"{path}battery", LINE, **login).status == 204
        assert peer.stored == [STORED]
        assert ask(peer.port, f"{path}x", LINE, **login).told["message"] == 'bucket "x" not found'


def test_2_has_a_limit_if_told() -> None:
    """A body above the limit is too large, also when it came packed."""
    with InfluxDB2(limit=len(LINE) - 1) as peer:
        answer = write(peer, LINE)
        assert (answer.status, answer.told["code"]) == (413, "request too large")
        peer.limit = len(LINE)
        assert write(peer, LINE).status == 204


def test_2_answers_influxql() -> None:
    """Version 2 shows its databases and their policies, and cannot be told to make any."""
    with InfluxDB2(more=["battery/raw", "house"], rights={"token-of-2": "rw"}) as peer:
        login = {"Authorization": f"Token {peer.token}"}

        def run(statement: str) -> object:
            answer = ask(peer.port, f"/query?q={statement.replace(' ', '+')}", "", **login)
            assert answer.status == 200
            return json.loads(answer.body)["results"][0]

        names = [["battery"], ["house"]]
        series = {"name": "databases", "columns": ["name"], "values": names}
        assert run("SHOW DATABASES") == {"statement_id": 0, "series": [series]}
        text = "not implemented: CREATE DATABASE"
        assert run("CREATE DATABASE x") == {"statement_id": 0, "error": text}
        assert '["raw", "0s"' in json.dumps(run('SHOW RETENTION POLICIES ON "battery"'))
        assert ask(peer.port, "/query?q=SHOW+USERS", "").status == 401
