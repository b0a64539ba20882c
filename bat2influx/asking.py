"""Statements to a database as its administrator, one after the other, for `setup-db`."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bat2influx import database_trouble as trouble
from bat2influx import inifile
from bat2influx.channel import HttpClient
from bat2influx.config import ConfigError, Settings
from bat2influx.downsampling import Retention
from bat2influx.elsewhere import elsewhere
from bat2influx.failure import Trouble
from bat2influx.influxql import StatementError
from bat2influx.safe_json import parse_object
from bat2influx.server import Dialect, reason_of
from bat2influx.setup_db import QueryRow, setup_db

STATEMENT_DEADLINE = 600.0  # s, for a statement that downsamples a day on a small computer


class UnansweredError(Exception):
    """No answer, or none of a database; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


class StatementRunner:
    """Runs statements over HTTP."""

    def __init__(self, http: HttpClient, config: str) -> None:
        self._http = http
        self._config = config

    def __call__(self, statement: str) -> list[QueryRow]:
        """Run one statement; return its rows, columns and tags alike, times in ns.

        Raises StatementError when the server refuses it, UnansweredError when it does not answer.
        """
        reply = self._http.query(statement)
        if reply.trouble:
            raise UnansweredError(reply.trouble)
        reason = reason_of(self._http.server, reply.status, reply.body)
        if reason is not None:
            raise StatementError(reason)
        if not reply.ok:
            answer = trouble.database_answer(
                self._http.peer, reply.status, reply.words, self._config, own=False
            )
            raise UnansweredError(answer)
        return list(_rows(reply.body))


def _rows(body: bytes) -> Iterator[QueryRow]:
    for result in parse_object(body).get("results", []):
        for series in result.get("series", []):
            for values in series.get("values", []):
                columns: dict[str, Any] = dict(zip(series["columns"], values, strict=True))
                yield {**series.get("tags", {}), **columns}


def run(
    settings: Settings,
    wanted: Retention,
    environment: Mapping[str, str],
    *,
    admin: str,
    password_file: Path | None,
    dry_run: bool,
    change: bool,
) -> int:
    """Set the database of `settings` up, or say how to; return the exit code.

    `admin` logs in as that user, whose password is in `password_file` or asked for; without it
    the login of the file is used.
    """
    influx, config = settings.influx, str(settings.path)
    if admin:
        try:
            password = _password(admin, password_file)
        except ConfigError as error:
            return _fail(str(error), os.EX_CONFIG)
        influx = replace(influx, user=admin, password=password, token="")
    http = HttpClient(influx, config, STATEMENT_DEADLINE)
    if why := http.ping():
        return _fail(why.what, os.EX_UNAVAILABLE)
    kind = http.server.dialect
    if kind not in (None, Dialect.INFLUXDB1):
        print("\n".join(elsewhere(kind, settings, wanted)))  # noqa: T201 - the command's output
        return os.EX_OK
    ask = StatementRunner(http, config)
    try:
        return setup_db(
            settings, ask, wanted, environment, dry_run=dry_run, change=change, admin=admin
        )
    except UnansweredError as error:
        return _fail(error.trouble.what, os.EX_UNAVAILABLE)


def _password(user: str, file: Path | None) -> str:
    """Return the password of an administrator. Raises ConfigError."""
    try:
        if file is None:
            return getpass.getpass(f"Password of {user}: ")
        return inifile.read_text(file).removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        raise ConfigError([f"{file}: there is no such file"]) from None
    except EOFError:
        text = f"nobody says the password of {user}; write it to a file, and give that by"
        raise ConfigError([f"{text} --admin-password-file"]) from None


def _fail(text: str, code: int) -> int:
    print(f"bat2influx setup-db: {text}", file=sys.stderr)  # noqa: T201 - people read this
    return code
