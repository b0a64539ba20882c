"""How `setup-db` looks at InfluxDB 1, what it does in which order, and what it prints."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.setup_db import setup
from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.plan import DatabaseState, Policy
from bat2influx.commands.setup_db.setup import look, setup_db
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, FOREVER, StatementError
from tests.unit.commands.setup_db.test_plan import configured

SECRET = "hunter2-'Geheimnis"
EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
READS = ("SHOW ", "SELECT *")


class Server:
    """A database made by hand: rows by the beginning of a statement, and what is refused."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.refuses: dict[str, str] = {}
        self.asked: list[str] = []

    def __call__(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement."""
        self.asked.append(statement)
        for start, reason in self.refuses.items():
            if statement.startswith(start):
                raise StatementError(reason)
        found = [start for start in self.rows if statement.startswith(start)]
        return self.rows[max(found, key=len)] if found else []

    @property
    def done(self) -> list[str]:
        """What has changed something."""
        return [each for each in self.asked if not each.startswith(READS)]


@pytest.fixture
def server() -> Server:
    """A server on which there is nothing."""
    return Server()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One field, and a user."""
    return configured(
        tmp_path,
        f'[Influx]\nuser = writer\npassword = "{SECRET}"\n'
        "[Fields]\ndefaults = no\nState = vebus/State\n",
    )


def run(settings: Settings, server: Server, *, admin: str = "", **options: Any) -> int:
    """Run the command."""
    given = {"dry_run": False, "change": False} | options
    return setup_db(settings, server, Retention(), {}, admin=admin, **given)


# What it looks at

POLICY = {"duration": "2160h0m0s", "shardGroupDuration": "24h0m0s", "default": True}


def there(server: Server) -> None:
    """Have a database with a policy for raw values and the user on the server."""
    server.rows = {
        "SHOW USERS": [{"user": "root", "admin": True}, {"user": "writer", "admin": False}],
        "SHOW GRANTS": [
            {"database": "other", "privilege": "ALL PRIVILEGES"},
            {"database": "battery", "privilege": "READ"},
        ],
        "SHOW DATABASES": [{"name": "_internal"}, {"name": "battery"}],
        "SHOW RETENTION POLICIES": [
            {"name": "raw", **POLICY},
            {"name": "hours", **POLICY, "duration": "0s", "default": False},
        ],
    }


def test_of_a_server_without_the_database_the_user_alone_is_looked_at(
    settings: Settings, server: Server
) -> None:
    """The rest cannot be there."""
    server.rows["SHOW USERS"] = [{"user": "writer", "admin": True}]
    assert look(settings, server) == DatabaseState(admin=True)
    assert server.asked == ["SHOW USERS", 'SHOW GRANTS FOR "writer"', "SHOW DATABASES"]


def test_a_user_that_is_not_there_is_asked_nothing_about(
    settings: Settings, server: Server
) -> None:
    """Users are looked at in any case, for an administrator alone may see them."""
    influx = dataclasses.replace(settings.influx, user="")
    for own in (settings, dataclasses.replace(settings, influx=influx)):
        server.asked.clear()
        assert look(own, server) == DatabaseState()
        assert server.asked == ["SHOW USERS", "SHOW DATABASES"]


def test_a_database_is_looked_at_as_a_whole(settings: Settings, server: Server) -> None:
    """Policies in s, the right in this very database, and its own continuous queries."""
    there(server)
    own = 'CREATE CONTINUOUS QUERY {} ON {} BEGIN SELECT mean("x") INTO y FROM z END'
    server.rows["SHOW CONTINUOUS QUERIES"] = [
        {"name": "a", "query": own.format("a", "battery")},
        {"name": "b", "query": own.format('"b"', '"battery"')},
        {"name": "c", "query": own.format("c", "battery2")},
        {"name": "d", "query": "CREATE CONTINUOUS QUERY d"},
    ]
    found = look(settings, server)
    assert found == DatabaseState(
        database=True,
        policies={
            "raw": Policy(90 * DAY, DAY, default=True),
            "hours": Policy(FOREVER, DAY, default=False),
        },
        queries={"a": own.format("a", "battery"), "b": own.format('"b"', '"battery"')},
        admin=False,
        right="READ",
    )
    assert not any("FIELD KEYS" in each for each in server.asked)


def test_the_oldest_value_is_looked_for_shard_by_shard(settings: Settings, server: Server) -> None:
    """In the policy of raw values, from the first one on, and no further than the first value."""
    there(server)
    shard = {"database": "battery", "retention_policy": "raw"}
    days = [{"start_time": f"2026-07-0{n}T", "end_time": f"2026-07-0{n + 1}T"} for n in range(1, 5)]
    server.rows["SHOW SHARDS"] = [
        {**shard, **days[3]},
        {**shard, **days[2]},
        {**shard, "retention_policy": "hours", **days[0]},
        {**shard, "database": "other", **days[0]},
        {**shard, **days[1]},
    ]
    select = 'SELECT * FROM "battery"."raw"."dc" WHERE time >= \'2026-07-0'
    server.rows[f"{select}3"] = [{"time": 1_795_000_000_999_999_999, "State": 3}]
    assert look(settings, server).first == 1_795_000_000
    assert [each for each in server.asked if each.startswith("SELECT")] == [
        f"{select}{n}T' AND time < '2026-07-0{n + 1}T' ORDER BY time LIMIT 1" for n in (2, 3)
    ]
    del server.rows[f"{select}3"]
    assert look(settings, server).first is None


def test_without_a_policy_of_raw_values_there_is_no_oldest_one(
    settings: Settings, server: Server
) -> None:
    """Nothing is asked for it."""
    there(server)
    influx = dataclasses.replace(settings.influx, retention_policy="mine")
    assert look(dataclasses.replace(settings, influx=influx), server).first is None
    assert "SHOW SHARDS" not in server.asked


def test_stored_names_are_looked_at_where_instances_are_in_them(
    tmp_path: Path, server: Server
) -> None:
    """Those of numbers."""
    there(server)
    server.rows["SHOW FIELD KEYS"] = [
        {"fieldKey": "State_275", "fieldType": "float"},
        {"fieldKey": "Count_275", "fieldType": "integer"},
        {"fieldKey": "Name_275", "fieldType": "string"},
    ]
    own = configured(tmp_path, "[Fields]\ninstances = name\n")
    assert look(own, server).fields == {"State_275", "Count_275"}
    assert 'SHOW FIELD KEYS ON "battery" FROM "battery"."raw"."dc"' in server.asked


# What it does


def test_tasks_are_done_in_order_with_a_line_each(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The secret goes to the server and nowhere else."""
    assert run(settings, server) == EX_OK
    assert [each.split(" ")[:2] for each in server.done] == [
        ["CREATE", "DATABASE"],
        *[["CREATE", "RETENTION"]] * 2,
        *[["CREATE", "CONTINUOUS"]] * 4,
        ["CREATE", "USER"],
        ["GRANT", "WRITE"],
    ]
    assert server.done[-2] == "CREATE USER \"writer\" WITH PASSWORD 'hunter2-\\'Geheimnis'"
    out, err = capsys.readouterr()
    assert [line[:20].split() for line in out.splitlines()] == [
        ["ok", "database"],
        *(["ok", each] for each in ("minutes", "hours")),
        *(["ok", "into", each] for each in ("minutes", "minutes", "hours", "hours")),
        *(["ok", "user"], ["ok", "right"]),
    ]
    assert (err, SECRET in out) == ("", False)


def test_a_dry_run_prints_statements_and_does_none(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout, as they could be entered but for the secret; what needs none is on stderr."""
    there(server)
    assert run(settings, server, dry_run=True) == EX_OK
    assert server.done == []
    out, err = capsys.readouterr()
    statements = out.splitlines()
    assert statements[0].startswith('CREATE RETENTION POLICY "minutes"')
    assert statements[-1] == 'GRANT ALL ON "battery" TO "writer"'
    assert [line[:20].split()[:2] for line in err.splitlines()] == [
        ["ok", "database"],
        ["ok", "raw"],
        ["ok", "hours"],
        ["ok", "user"],
    ]
    server.rows["SHOW USERS"] = []
    run(settings, server, dry_run=True)
    assert "CREATE USER \"writer\" WITH PASSWORD '…'\n" in capsys.readouterr().out


def test_what_is_there_and_differs_is_altered_on_request_alone(
    settings: Settings, server: Server
) -> None:
    """The plan is told so."""
    there(server)
    run(settings, server)
    assert not any(each.startswith("ALTER") for each in server.done)
    server.rows["SHOW RETENTION POLICIES"][0]["duration"] = "0s"
    run(settings, server, change=True)
    assert 'ALTER RETENTION POLICY "raw" ON "battery" DURATION 90d' in server.done


def test_rows_that_were_written_are_counted(
    settings: Settings,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all statements that fill in together, with the time that they took."""
    there(server)
    clock = iter(range(0, 1000, 2))
    fake = type("Time", (), {"time": lambda: 1_795_000_000.5, "monotonic": lambda: next(clock)})
    monkeypatch.setattr(setup, "time", fake)
    server.rows["SHOW SHARDS"] = [
        {"database": "battery", "retention_policy": "raw", "start_time": "a", "end_time": "b"}
    ]
    server.rows["SELECT *"] = [{"time": (1_795_000_000 - 2 * DAY) * 10**9}]
    server.rows["SELECT last"] = [{"time": 0, "written": 7}]
    assert run(settings, server) == EX_OK
    lines = [line for line in capsys.readouterr().out.splitlines() if " fill " in line]
    assert [line[6:] for line in lines] == [
        "fill minutes  computed from 2.0 days of raw values: 21 rows, in 2.0 s",
        "fill hours    computed from 2.0 days of raw values: 21 rows, in 2.0 s",
    ]


def test_names_that_clash_are_a_mistake_in_the_file(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done."""
    own = configured(tmp_path, "[Influx]\nretention_policy = hours\n")
    assert run(own, server) == EX_CONFIG
    out, err = capsys.readouterr()
    start = f"bat2influx setup-db: {own.path}: [Influx] retention_policy: raw values would be"
    assert err.startswith(start)
    assert (out, server.done) == ("", [])


# What is refused

OTHERWISE = "; or, with InfluxDB 3, a token in the file"
NEEDS = "\nthis needs an administrator of the database server: --admin USER"


@pytest.mark.parametrize(
    ("reason", "admin", "token", "text"),
    [
        ("disk full", "", "", "disk full"),
        ("disk full", "root", "", "disk full"),
        ("authorization failed", "", "", f"authorization failed{NEEDS}{OTHERWISE}"),
        ("requires admin privilege", "", "t", f"requires admin privilege{NEEDS}"),
        (
            *("Unable to parse Authentication credentials", "root", ""),
            "Unable to parse Authentication credentials"
            "\nis 'root' an administrator of the database server, with that password?",
        ),
    ],
)
def test_who_may_not_is_told_who_may(
    settings: Settings,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    reason: str,
    admin: str,
    token: str,
    text: str,
) -> None:
    """Where the server's words are about rights; what it refused is a line of its own."""
    influx = dataclasses.replace(settings.influx, token=token)
    own = dataclasses.replace(settings, influx=influx)
    server.refuses["SHOW USERS"] = reason
    assert run(own, server, admin=admin) == EX_UNAVAILABLE
    shown = f"the server refused it: {text}".replace("\n", "\n" + " " * 20)
    assert capsys.readouterr().out == f"wrong looking       {shown}\n"


def test_the_first_refusal_ends_it(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done before stays, and that is said below the step that was refused."""
    server.refuses['CREATE RETENTION POLICY "hours"'] = "no\nroom"
    assert run(settings, server) == EX_UNAVAILABLE
    assert len(server.done) == 3
    database, minutes, *rest = capsys.readouterr().out.splitlines()
    assert [database[:20].split(), minutes[:20].split()] == [["ok", "database"], ["ok", "minutes"]]
    assert rest == [
        "wrong hours         the server refused it: no room",
        " " * 20 + "what is above is done; another run goes on from here",
    ]


@pytest.mark.parametrize("secret", [SECRET, "hunter2-\\'Geheimnis"])
def test_a_secret_in_a_refusal_is_not_shown(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    """Neither as it is nor as it stood in the statement; and an answer has an end."""
    server.refuses["CREATE USER"] = f"error parsing {secret} in " + "x" * 600
    assert run(settings, server) == EX_UNAVAILABLE
    out = capsys.readouterr().out
    assert "error parsing … in xxx" in out
    assert "hunter2" not in out
    assert len(out.splitlines()[-2]) < 560


def test_trouble_on_the_way_is_anothers(settings: Settings, server: Server) -> None:
    """It passes through."""

    def broken(_: str) -> list[dict[str, Any]]:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        setup_db(settings, broken, Retention(), os.environ, dry_run=False, change=False)
