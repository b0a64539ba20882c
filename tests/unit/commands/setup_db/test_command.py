"""`bat2influx setup-db`: its arguments, the login, the kind of database, and the exit code."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.setup_db import command
from bat2influx.commands.setup_db.command import STATEMENT_DEADLINE, register, set_up_database
from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.other_databases import elsewhere
from bat2influx.commands.setup_db.statements import (
    MAX_ANSWER,
    StatementRunner,
    UnansweredError,
)
from bat2influx.config.settings import Influx, Settings
from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.influxql import DAY, FOREVER, HOUR
from bat2influx.influx.secrets import Mask
from tests.unit.commands.hints_by_hand import HINT, give_hint
from tests.unit.commands.setup_db.test_plan import configured
from tests.unit.influx.database_by_hand import Answers, reply

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 0, 64, 69, 78
DOWN = influx_errors.database_unreachable("InfluxDB at localhost:8086", "refused", "x.ini")


class Database:
    """What answers a ping, and what becomes of the set-up; `logins` has who was logged in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trouble: Trouble | None = None
        self.server = Server(Dialect.INFLUXDB1, "1.6.7")
        self.outcome: int | UnansweredError = EX_OK
        self.logins: list[tuple[str, str, str]] = []
        self.set_up: list[tuple[Retention, dict[str, Any]]] = []
        self.masks: list[Mask] = []
        monkeypatch.setattr(command, "HttpClient", self._client)
        monkeypatch.setattr(command, "setup_db", self._setup_db)

    def _client(self, influx: Influx, config: str, deadline: float, mask: Mask, most: int) -> Any:
        assert (deadline, most) == (STATEMENT_DEADLINE, MAX_ANSWER)
        self.masks.append(mask)
        self.logins.append((influx.user, influx.password, influx.token))
        client = Answers()
        client.pings = [self.trouble or self.server]
        client.answer = lambda _: reply(404)  # type: ignore[method-assign]
        return client

    def _setup_db(
        self, settings: Settings, ask: object, wanted: Retention, _: object, **options: Any
    ) -> int:
        assert isinstance(ask, StatementRunner)
        self.set_up.append((wanted, options))
        if isinstance(self.outcome, UnansweredError):
            raise self.outcome
        return self.outcome


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    """An InfluxDB 1 that does all that is asked."""
    return Database(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A file with a user and a token apart."""
    return configured(tmp_path, "[Influx]\nuser = writer\npassword = s3cret\n")


def run(settings: Settings, *, admin: str = "", file: Path | None = None, **options: Any) -> int:
    """Run the command."""
    given = {"dry_run": False, "change": False} | options
    return set_up_database(settings, Retention(), {}, admin=admin, password_file=file, **given)


def test_influxdb1_is_set_up(database: Database, settings: Settings) -> None:
    """With the login of the file, as it is asked for; the exit code is that of the set-up."""
    database.outcome = EX_UNAVAILABLE
    assert run(settings, dry_run=True, change=True) == EX_UNAVAILABLE
    assert database.logins == [("writer", "s3cret", "")]
    options = {"dry_run": True, "change": True, "admin": ""}
    assert database.set_up == [(Retention(), options)]


def test_no_password_is_sent_to_an_unknown_server(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be the login page of a network."""
    database.server = Server()
    assert run(settings) == EX_UNAVAILABLE
    assert database.set_up == []
    assert "does not identify itself as a database" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [kind for kind in Dialect if kind is not Dialect.INFLUXDB1])
def test_for_other_databases_instructions_are_printed_and_nothing_is_changed(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str], kind: Dialect
) -> None:
    """On stdout, and that is no failure."""
    database.server = Server(kind, "x")
    assert run(settings) == EX_OK
    assert run(settings, change=True) == EX_OK
    lines = [
        *elsewhere(kind, settings, Retention()),
        *elsewhere(kind, settings, Retention(), change=True),
    ]
    assert capsys.readouterr() == ("\n".join(lines) + "\n", "")
    assert database.set_up == []


def test_a_server_that_does_not_answer_is_unavailable(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the first request, or at any statement."""
    database.trouble = DOWN
    assert run(settings) == EX_UNAVAILABLE
    assert database.set_up == []
    database.trouble, database.outcome = None, UnansweredError(DOWN)
    assert run(settings) == EX_UNAVAILABLE
    assert capsys.readouterr() == ("", f"bat2influx setup-db: {DOWN.what}\n" * 2)


def test_a_secret_of_the_service_is_named(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that this command cannot read: the set-up would lack the login, or a user's password."""
    asked = give_hint(monkeypatch, command)
    assert run(settings) == EX_OK
    assert capsys.readouterr().err == f"note: {HINT}\n"
    assert asked == [{"command": "setup-db", "by": "--pty", "peers": ("influx",)}]


# The administrator


@pytest.mark.parametrize(
    ("text", "password"),
    [("r00t\n", "r00t"), ("r00t\r\n", "r00t"), (" r00t ", " r00t "), ("a\n\n", "a\n"), ("", "")],
)
def test_an_administrator_logs_in_with_a_password_file(
    database: Database, settings: Settings, tmp_path: Path, text: str, password: str
) -> None:
    """Instead of the file's user, with the content of the file without its newline."""
    file = tmp_path / "password"
    file.write_bytes(text.encode())
    assert run(settings, admin="root", file=file) == EX_OK
    assert database.logins == [("root", password, "")]
    assert database.set_up[0][1]["admin"] == "root"


def test_found_the_password_of_the_file_was_shown_to_an_administrator(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """A server may repeat the statement that sets it, and the login in a request."""
    file = tmp_path / "password"
    file.write_text("r00t\n")
    assert run(settings, admin="root", file=file) == EX_OK
    assert database.masks[0]("SET PASSWORD 's3cret' by r00t") == "SET PASSWORD '…' by …"


def test_an_administrator_replaces_a_token(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt has the name, if there is no password file."""
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or "r00t")
    own = configured(tmp_path, "[Influx]\ntoken = t0ken\n")
    assert run(own, admin="root") == EX_OK
    assert run(own) == EX_OK
    assert database.logins == [("root", "r00t", ""), ("", "", "t0ken")]
    assert asked == ["Password of root: "]


def test_a_missing_password_is_a_configuration_error(
    database: Database,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A missing file, or the end of the input; no request is sent."""

    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", ended)
    gone = tmp_path / "gone"
    assert run(settings, admin="root", file=gone) == EX_CONFIG
    assert run(settings, admin="root") == EX_CONFIG
    assert capsys.readouterr().err == (
        f"bat2influx setup-db: {gone}: there is no such file\n"
        "bat2influx setup-db: no password of root was given; write it to a file, and name the"
        " file with --admin-password-file\n"
    )
    assert database.logins == []


# The command line


def parsed(*arguments: str) -> argparse.Namespace:
    """Return what the arguments come to."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    register(parser)
    return parser.parse_args([*arguments])


def test_the_arguments_have_defaults() -> None:
    """A quarter of a year, five years, and for ever."""
    options = parsed()
    assert (options.raw, options.minutes, options.hours) == (90 * DAY, 1825 * DAY, FOREVER)
    assert (options.fill, options.change, options.dry_run) == (FOREVER, False, False)
    assert (options.admin, options.admin_password_file) == ("", None)


@pytest.mark.parametrize(
    ("name", "least", "less"),
    [
        ("--raw", "1h", "59m"),
        ("--minutes", "7d", "6d"),
        ("--hours", "7d", "167h"),
        ("--fill", "1h", "3599s"),
    ],
)
def test_a_duration_has_a_least_value(name: str, least: str, less: str) -> None:
    """The server would reject less, or the values would be removed before the next run."""
    assert vars(parsed(name, least))[name[2:]] in (HOUR, 7 * DAY)
    assert vars(parsed(name, "forever"))[name[2:]] == FOREVER
    for wrong, text in ((less, f"must be from {least} to"), ("90", "must be a number and")):
        with pytest.raises(argparse.ArgumentError, match=text):
            parsed(name, wrong)


def test_the_command_line_reaches_the_set_up(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """All of it."""
    file = tmp_path / "password"
    file.write_text("r00t")
    options = parsed(
        *("--raw", "30d", "--minutes", "60d", "--hours", "90d", "--fill", "2d"),
        *("--change", "--dry-run", "--admin", "root", "--admin-password-file", str(file)),
    )
    options.config = settings.path
    assert options.function(options) == EX_OK
    assert database.set_up == [
        (
            Retention(30 * DAY, 60 * DAY, 90 * DAY, 2 * DAY),
            {"dry_run": True, "change": True, "admin": "root"},
        )
    ]
    assert database.logins == [("root", "r00t", "")]


def test_a_password_file_needs_an_administrator(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise it is a usage error."""
    options = parsed("--admin-password-file", "/x")
    options.config = settings.path
    assert options.function(options) == EX_USAGE
    text = "bat2influx setup-db: --admin-password-file needs --admin\n"
    assert capsys.readouterr().err == text


def test_an_invalid_file_is_reported(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No request is sent."""
    options = parsed()
    options.config = tmp_path / "gone.ini"
    assert options.function(options) == EX_CONFIG
    assert "there is no such file" in capsys.readouterr().err
    assert database.logins == []
