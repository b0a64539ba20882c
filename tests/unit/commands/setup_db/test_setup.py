"""What `setup-db` does with InfluxDB 1, in which order, and what it prints."""

from __future__ import annotations

import io
import itertools
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands.setup_db import setup
from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.setup import setup_db
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, StatementError
from tests.unit.commands.setup_db.test_plan import configured

SECRET = "hunter2-'Geheimnis"
EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
NOW = 1_795_000_000  # s
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


POLICY = {"duration": "2160h0m0s", "shardGroupDuration": "24h0m0s", "default": True}


def there(server: Server) -> None:
    """Set up a server with a policy for raw values and the user."""
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
    assert (err, SECRET in out, "rows, in" in out) == ("", False, False)


def test_a_dry_run_prints_statements_and_does_none(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout, as they could be entered except for the secret; other lines are on stderr."""
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


def test_existing_things_are_altered_with_change_only(settings: Settings, server: Server) -> None:
    """The plan gets the option."""
    there(server)
    run(settings, server)
    assert not any(each.startswith("ALTER") for each in server.done)
    server.rows["SHOW RETENTION POLICIES"][0]["duration"] = "0s"
    run(settings, server, change=True)
    assert 'ALTER RETENTION POLICY "raw" ON "battery" DURATION 90d' in server.done


@pytest.fixture
def two_days(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server with raw values of two days, at a time that each look at the clock moves by 2 s."""
    there(server)
    clock = itertools.count(0, 2)
    fake = SimpleNamespace(time=lambda: NOW + 0.5, monotonic=lambda: next(clock))
    monkeypatch.setattr(setup, "time", fake)
    server.rows["SHOW SHARDS"] = [
        {
            "database": "battery",
            "retention_policy": "raw",
            "start_time": "2026-07-01T00:00:00Z",
            "end_time": "2026-07-08T00:00:00Z",
        }
    ]
    server.rows["SELECT *"] = [{"time": (NOW - 2 * DAY) * 10**9}]
    server.rows["SELECT last"] = [{"time": 0, "written": 7}]
    return server


def test_written_points_are_counted(
    settings: Settings, two_days: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all statements that fill together, with their time."""
    assert run(settings, two_days) == EX_OK
    lines = [line for line in capsys.readouterr().out.splitlines() if " fill " in line]
    assert [line[6:] for line in lines] == [
        "fill minutes  computed from 2.0 days of raw values: 21 rows, in 2.0 s",
        "fill hours    computed from 2.0 days of raw values: 21 rows, in 2.0 s",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal(
    settings: Settings, two_days: Server, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """Filling may take minutes; the next line overwrites it."""
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", stderr)
    assert run(settings, two_days) == EX_OK
    steps = [f"\rfill {policy}: {n} of 3 \r" for policy in ("minutes", "hours") for n in (2, 3)]
    assert stderr.getvalue() == ("".join(steps) if terminal else "")


def test_names_that_clash_are_a_configuration_error(
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
        ("no Privilege", "", "t", f"no Privilege{NEEDS}"),
        ("not authenticated", "", "t", f"not authenticated{NEEDS}"),
        ("admins alone", "", "t", f"admins alone{NEEDS}"),
        ("bad credentials", "", "t", f"bad credentials{NEEDS}"),
        (
            *("authorization failed", "root", ""),
            "authorization failed"
            "\ncheck that 'root' is an administrator of the server, with that password",
        ),
    ],
)
def test_a_missing_right_has_advice(
    settings: Settings,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    reason: str,
    admin: str,
    token: str,
    text: str,
) -> None:
    """If the server's message is about rights; the message is a separate line."""
    influx = settings.influx._replace(token=token)
    own = settings._replace(influx=influx)
    server.refuses["SHOW USERS"] = reason
    assert run(own, server, admin=admin) == EX_UNAVAILABLE
    shown = f"the server rejected it: {text}".replace("\n", "\n" + " " * 20)
    assert capsys.readouterr().out == f"wrong looking       {shown}\n"


def test_the_first_rejected_statement_ends_it(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done before stays, and a line below the step says that."""
    server.refuses['CREATE RETENTION POLICY "hours"'] = "no\nroom"
    assert run(settings, server) == EX_UNAVAILABLE
    assert len(server.done) == 3
    database, minutes, *rest = capsys.readouterr().out.splitlines()
    assert [database[:20].split(), minutes[:20].split()] == [["ok", "database"], ["ok", "minutes"]]
    assert rest == [
        "wrong hours         the server rejected it: no room",
        " " * 20 + "the steps above are done; run the command again to continue from here",
    ]


@pytest.mark.parametrize("secret", [SECRET, "hunter2-\\'Geheimnis"])
def test_a_secret_in_a_rejection_is_not_shown(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    """Neither as it is nor as in the statement; and a message has a limit."""
    server.refuses["CREATE USER"] = f"error parsing {secret} in " + "x" * 600
    assert run(settings, server) == EX_UNAVAILABLE
    out = capsys.readouterr().out
    assert "error parsing … in xxx" in out
    assert "hunter2" not in out
    assert len(out.splitlines()[-2]) < 560


def test_other_exceptions_pass(settings: Settings, server: Server) -> None:
    """It passes through."""

    def broken(_: str) -> list[dict[str, Any]]:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        setup_db(settings, broken, Retention(), os.environ, dry_run=False, change=False)
