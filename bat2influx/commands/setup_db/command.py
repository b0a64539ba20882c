"""`bat2influx setup-db`: sets the database up, or prints how to, except for InfluxDB 1."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from bat2influx.commands import configuration
from bat2influx.commands.credentials import unreadable_secrets
from bat2influx.commands.output import complain
from bat2influx.commands.setup_db.downsampling import LEAST_DOWNSAMPLED, LEAST_RAW, Retention
from bat2influx.commands.setup_db.other_databases import elsewhere
from bat2influx.commands.setup_db.setup import setup_db
from bat2influx.commands.setup_db.statements import (
    MAX_ANSWER,
    StatementRunner,
    UnansweredError,
)
from bat2influx.config import inifile
from bat2influx.config.settings import ConfigError, Settings
from bat2influx.influx.diagnosis import Diagnosis
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.http import HttpClient
from bat2influx.influx.identity import Identity
from bat2influx.influx.influxql import HOUR, parse_duration
from bat2influx.influx.secrets import mask_of

STATEMENT_DEADLINE = 600.0  # s, for a statement that downsamples a day on a small computer

EXAMPLES = """\
DURATION is a number with s, m, h, d or w (up to 36500d), or forever.

examples:
  bat2influx setup-db --admin admin --dry-run
  bat2influx setup-db --admin admin --raw 365d"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    for name, least, default, what in (
        ("--raw", LEAST_RAW, "90d", "retention of raw values"),
        ("--minutes", LEAST_DOWNSAMPLED, "1825d", "retention of 1-minute values"),
        ("--hours", LEAST_DOWNSAMPLED, "forever", "retention of hourly values"),
        ("--fill", HOUR, "forever", "how far back to downsample"),
    ):
        parser.add_argument(
            name,
            metavar="DURATION",
            type=_duration(least),
            default=default,
            help=f"{what} (default: %(default)s)",
        )
    parser.add_argument(
        "--change", action="store_true", help="change existing settings that differ"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the statements, change nothing"
    )
    parser.add_argument(
        "--admin",
        metavar="USER",
        default="",
        help="log in as this administrator",
    )
    parser.add_argument(
        "--admin-password-file",
        metavar="FILE",
        type=Path,
        help="read the administrator's password from FILE",
    )
    parser.set_defaults(function=_run)


def _duration(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            return parse_duration(text, least)
        except ValueError as error:  # argparse would hide its text
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _run(options: argparse.Namespace) -> int:
    if options.admin_password_file and not options.admin:
        return _fail("--admin-password-file needs --admin", os.EX_USAGE)
    settings = configuration.read_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    return set_up_database(
        settings,
        Retention(options.raw, options.minutes, options.hours, options.fill),
        os.environ,
        admin=options.admin,
        password_file=options.admin_password_file,
        dry_run=options.dry_run,
        change=options.change,
    )


def set_up_database(
    settings: Settings,
    wanted: Retention,
    environment: Mapping[str, str],
    *,
    admin: str,
    password_file: Path | None,
    dry_run: bool,
    change: bool,
) -> int:
    """Set the database of `settings` up, or print how to; return the exit code.

    `admin` logs in as that user; the password is in `password_file`, or the terminal asks for it.
    Without `admin` the login of the file is used.
    """
    influx, config = settings.influx, str(settings.path)
    for hint in unreadable_secrets(
        settings, environment, command="setup-db", by="--pty", peers=("influx",)
    ):
        complain(f"note: {hint}")
    if admin:
        try:
            password = _password(admin, password_file)
        except ConfigError as error:
            return _fail(str(error), os.EX_CONFIG)
        influx = influx._replace(user=admin, password=password, token="")
    mask = mask_of(influx, settings.influx)  # the statements have the password of the file
    http = HttpClient(influx, config, STATEMENT_DEADLINE, mask, MAX_ANSWER)
    diagnosis = Diagnosis(influx, config, mask)
    if why := Identity(http, diagnosis).detect():
        return _fail(why.what, os.EX_UNAVAILABLE)
    dialect = http.server.dialect
    if dialect not in (None, Dialect.INFLUXDB1):
        lines = elsewhere(dialect, settings, wanted, change=change)
        print("\n".join(lines))  # noqa: T201 - a script, to be run unchanged
        return os.EX_OK
    ask = StatementRunner(http, diagnosis)
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
        text = f"no password of {user} was given; write it to a file, and name the file with"
        raise ConfigError([f"{text} --admin-password-file"]) from None


def _fail(text: str, code: int) -> int:
    complain(f"bat2influx setup-db: {text}")
    return code
