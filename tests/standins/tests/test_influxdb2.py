"""The peer of InfluxDB 2 answers by its rules; the peer's code names their sources.

A test whose name ends with "measured" checks behaviour that was seen on 2.7.12 and 2.9.1.
"""

from __future__ import annotations

import json
import re
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
NO_MAPPING = '{"code":"not found","message":"no dbrp mapping found"}'


@pytest.fixture
def two() -> Iterator[InfluxDB2]:
    """A peer of version 2."""
    with InfluxDB2(users={"me": "secret", "reader": "secret"}, rights={"reader": "r"}) as peer:
        yield peer
    assert not peer.broken


def test_2_shows_its_version_without_login(two: InfluxDB2) -> None:
    """A ping needs no login; each answer has the version."""
    answer = ask(two.port, "/ping")
    assert (answer.status, answer.body) == (204, "")
    assert answer.headers["X-Influxdb-Version"].startswith("v2.7.")
    assert ask(two.port, "/ping", method="HEAD").headers["X-Influxdb-Build"] == "OSS"
    assert "X-Influxdb-Version" in write(two, LINE).headers


def test_2_requires_a_login(two: InfluxDB2) -> None:
    """Version 2 accepts a token or a user's login, in each of the ways, but no Bearer."""
    # measured: no login
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
    answer = write(two, LINE, Authorization=basic("reader", "secret"))
    text = "insufficient permissions for write"
    assert (answer.status, answer.told) == (403, {"code": "forbidden", "message": text})


def test_2_refuses_a_wrong_login_measured(two: InfluxDB2) -> None:
    """A wrong token or password gets one text, whatever the scheme; so does a token with prefix."""
    # measured: wrong token or password; token written as Bearer, Token or with a blank
    token = two.token
    wrong = ["Token x", basic("me", token), basic("nobody", "x"), basic("me", "x")]
    for login in (*wrong, f"Token Bearer {token}", f"Token Token {token}", f"Token  {token}"):
        answer = write(two, LINE, Authorization=login)
        assert (answer.status, answer.body) == (
            401,
            '{"code":"unauthorized","message":"Unauthorized"}',
        )
        assert answer.headers["X-Platform-Error-Code"] == "unauthorized"
    assert two.stored == []


def test_2_may_be_a_build_of_ones_own_measured() -> None:
    """A self-built server calls its version dev; its other header identifies it."""
    # measured: a self-built server calls its version dev
    with InfluxDB2(version="dev") as peer:
        for answer in (ask(peer.port, "/ping"), write(peer, LINE)):
            assert answer.headers["X-Influxdb-Version"] == "dev"
            assert answer.headers["X-Influxdb-Build"] == "OSS"


def test_2_rejects_all_for_one_malformed_line(two: InfluxDB2) -> None:
    """For one malformed line version 2 rejects all lines; an empty body is no error."""
    # measured: a bad row among good ones
    answer = write(two, f"{LINE}\n{MALFORMED}\n")
    text = f"unable to parse '{MALFORMED}': missing field value"
    assert (answer.status, answer.told) == (400, {"code": "invalid", "message": text})
    assert two.stored == []
    assert write(two, "").status == 204


def test_2_keeps_the_rest_at_a_conflict(two: InfluxDB2) -> None:
    """Version 2 rejects the whole points in which a field has another type."""
    # measured: field of another type
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


def test_2_refuses_what_is_older_than_its_retention_measured() -> None:
    """Version 2 counts the points that its retention rejects, and names the oldest and newest."""
    # measured: older than the retention
    with InfluxDB2(retention=3600) as peer:
        old = "\n".join(f"dc Old=1 {AT + number}" for number in range(5))
        answer = write(peer, f"{old}\ndc New=1 {time.time_ns()}")
        assert (answer.status, answer.told["code"]) == (422, "unprocessable entity")
        text = answer.told["message"]
        assert text.startswith(
            "failure writing points to database: partial write: dropped 5 points outside "
            "retention policy of duration 1h0m0s - oldest"
        )
        assert "newest point dc at 2023-11-14T22:13:20.123456793Z dropped because" in text
        assert re.search(
            "dropped=5 for database: [0-9a-f]{16} for retention policy: autogen$", text
        )
        assert [each.field for each in peer.stored] == ["New"]


def test_2_finds_a_bucket_by_its_name() -> None:
    """A bucket's name is database and policy; a missing bucket is not created."""
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


def test_2_hides_a_bucket_from_a_token_for_another_measured() -> None:
    """For a token of another bucket, or of a bucket before it was recreated, it is not mapped."""
    # measured: token for another bucket, or from before it was made anew
    with InfluxDB2(more=["house"], narrow={"ours": ["battery"], "other": ["house"]}) as peer:
        ours, other = ({"Authorization": f"Token {token}"} for token in ("ours", "other"))
        assert write(peer, LINE, **ours).status == 204
        answer = write(peer, LINE, **other)
        assert (answer.status, answer.body) == (404, NO_MAPPING)
        peer.recreate("battery")
        answer = write(peer, LINE, **ours)
        assert (answer.status, answer.body, peer.stored) == (404, NO_MAPPING, [])
        assert write(peer, LINE).status == 204
        assert _databases(peer, "other") == ["house"]
        assert _databases(peer, "ours") == []


def test_2_has_a_default_mapping_hide_what_was_there_measured() -> None:
    """A default mapping to a new bucket gets the writes, and the old token has no access."""
    # measured: a default DBRP mapping raw hides autogen; all durations as 0s
    with InfluxDB2(narrow={"ours": ["battery"]}) as peer:
        assert write(peer, LINE, Authorization="Token ours").status == 204
        peer.map("battery", "raw", "battery/raw", default=True)
        answer = write(peer, f"dc Soc=80 {AT}", Authorization="Token ours")
        assert (answer.status, answer.body) == (404, NO_MAPPING)
        assert write(peer, f"dc Soc=80 {AT}").status == 204
        assert [each.field for each in peer.buckets["battery/raw"].stored] == ["Soc"]
        assert peer.stored == [STORED]
        login = {"Authorization": f"Token {peer.token}"}
        told = ask(peer.port, "/query?q=SHOW+RETENTION+POLICIES+ON+battery", "", **login).body
        assert json.loads(told)["results"][0]["series"][0]["values"] == [
            ["autogen", "0s", "168h0m0s", 1, False],
            ["raw", "0s", "168h0m0s", 1, True],
        ]


def _databases(peer: InfluxDB2, token: str) -> list[str]:
    told = ask(peer.port, "/query?q=SHOW+DATABASES", "", Authorization=f"Token {token}").body
    return [name for (name,) in json.loads(told)["results"][0]["series"][0]["values"]]


def test_2_accepts_any_size_measured() -> None:
    """A body of 30 MB is accepted; versions 1 and 3 have a limit."""
    # measured: too large: no limit found
    with InfluxDB2() as peer:
        comment = "#" + "x" * 1_000_000 + "\n"
        assert write(peer, comment * 30 + LINE).status == 204
        assert peer.stored == [STORED]


def test_2_has_a_limit_if_set() -> None:
    """A body above the limit is too large, also when it came compressed."""
    with InfluxDB2(limit=len(LINE) - 1) as peer:
        answer = write(peer, LINE)
        assert (answer.status, answer.told["code"]) == (413, "request too large")
        peer.limit = len(LINE)
        assert write(peer, LINE).status == 204


def test_2_answers_influxql() -> None:
    """Version 2 shows its databases and their policies, but InfluxQL cannot create any."""
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
