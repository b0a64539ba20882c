"""The command line: one function for each command, exit codes as in sysexits.h.

A configuration is read before anything else is imported, so that a bad one is answered at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from bat2influx import __version__
from bat2influx.commands.setup_db.downsampling import LEAST_DOWNSAMPLED, LEAST_RAW, Retention
from bat2influx.config.settings import ConfigError, Settings, load, one_of_fleet
from bat2influx.influx.influxql import HOUR, parse_duration

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/bat2influx/bat2influx.ini")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.function
    if command is run:
        return run(options)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        code = command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # its output is not wanted any more: it ends as any other command
        # Not before: by the same signal a peer that goes away would end it without a word.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise
    return code


def run(options: argparse.Namespace) -> int:
    """Run the daemon in the foreground."""
    settings = _load_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    from bat2influx.daemon import main as daemon_main  # noqa: PLC0415 - a quarter of a second
    from bat2influx.service import journal  # noqa: PLC0415 - a quarter of a second

    journal.set_up()
    try:
        return daemon_main.run(settings, partial(_load, options.config))
    except Exception:
        text = "ending, for an error in bat2influx"
        log.critical(text, exc_info=True, extra=journal.event("internal error"))
        return os.EX_SOFTWARE


def check(options: argparse.Namespace) -> int:
    """Check the configuration file and, unless `offline`, each step from device to database.

    Offline it needs no secret: a service's credentials cannot be read while it is reloaded.
    """
    try:
        settings = load(options.config) if options.offline else _load(options.config)
    except ConfigError as error:
        _complain(error.problems)
        return os.EX_CONFIG
    if options.offline:
        print(f"{options.config}: ok")  # noqa: T201 - this is the command's output
        return os.EX_OK
    from bat2influx.commands.check.command import check as check_all  # noqa: PLC0415 - a quarter of a second

    return check_all(settings, os.environ)


def health(options: argparse.Namespace) -> int:
    """Say whether the daemon is well, for a container's health check."""
    from bat2influx.commands.health import tell  # noqa: PLC0415 - only where it is needed

    return tell(options.config, os.environ)


def watch(options: argparse.Namespace) -> int:
    """Show what comes from the devices, as it comes."""
    settings = _load_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    try:
        settings = one_of_fleet(settings, options.portal)
    except ValueError as error:
        print(f"bat2influx watch: {error}", file=sys.stderr)  # noqa: T201 - people read this
        return os.EX_USAGE
    from bat2influx.commands.watch.command import watch as look  # noqa: PLC0415 - a quarter of a second

    return look(settings, os.environ)


def pin(options: argparse.Namespace) -> int:
    """Print the lines that trust the certificate of a broker."""
    from bat2influx.commands.pin import pin as look  # noqa: PLC0415 - only where it is needed

    return look(options.host, str(options.config))


def discover(options: argparse.Namespace) -> int:
    """List devices and what they have, as lines for the file."""
    from bat2influx.commands.discover.command import discover as look  # noqa: PLC0415 - only where it is needed

    load_it = partial(_load, options.config)
    return look(options.host, everything=options.all, config=options.config, load=load_it)


def setup_db(options: argparse.Namespace) -> int:
    """Make database, retention policies, downsampling and user, or say how to."""
    if options.admin_password_file and not options.admin:
        text = "bat2influx setup-db: --admin-password-file goes with --admin"
        print(text, file=sys.stderr)  # noqa: T201 - people read this
        return os.EX_USAGE
    settings = _load_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    from bat2influx.commands.setup_db import command as setup_db_command  # noqa: PLC0415 - only where it is needed

    return setup_db_command.run(
        settings,
        Retention(options.raw, options.minutes, options.hours, options.fill),
        os.environ,
        admin=options.admin,
        password_file=options.admin_password_file,
        dry_run=options.dry_run,
        change=options.change,
    )


def spool(options: argparse.Namespace) -> int:
    """Show what waits on disk."""
    if options.rejected and not options.export:
        print("bat2influx spool: --rejected goes with --export", file=sys.stderr)  # noqa: T201
        return os.EX_USAGE
    try:
        settings = load(options.config)
    except ConfigError as error:
        _complain(error.problems)
        return os.EX_CONFIG
    from bat2influx.commands import spool as commands_spool  # noqa: PLC0415 - only where it is needed
    from bat2influx.config import paths  # noqa: PLC0415 - only where it is needed

    state = paths.state_directory(options.config, os.environ)
    return commands_spool.spool(
        settings,
        state,
        export=options.export,
        rejected=options.rejected,
        retry_rejected=options.retry_rejected,
    )


def _load(path: Path) -> Settings:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return load(path, credentials=Path(directory) if directory else None)


def _load_or_complain(path: Path) -> Settings | None:
    try:
        return _load(path)
    except ConfigError as error:
        _complain(error.problems)
        return None


def _complain(problems: Sequence[str]) -> None:
    """Print what is wrong, by stderr even where that is the journal.

    An entry sent to the journal itself by a process that ends at once may lose its unit, and
    `journalctl -u` with it; what comes through stderr has it from the service manager.
    """
    from bat2influx.service import journal  # noqa: PLC0415 - only where it is needed

    priority = "<3>" if journal.stderr_is_journal() else ""  # as in sd-daemon(3): an error
    for line in "\n".join(problems).splitlines():
        print(f"{priority}{line}", file=sys.stderr)  # noqa: T201 - people read this


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bat2influx",
        description="Read a Victron battery over MQTT once a second and store it in InfluxDB.",
    )
    parser.add_argument("--version", action="version", version=f"bat2influx {__version__}")
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_CONFIG,
        help="the configuration file (default: %(default)s)",
    )
    parser.set_defaults(function=run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    commands.add_parser("run", help="run in the foreground (without a command)").set_defaults(
        function=run
    )
    checking = commands.add_parser("check", help="check each step from the file to the database")
    checking.add_argument("--offline", action="store_true", help="the file alone")
    checking.set_defaults(function=check)
    discovering = commands.add_parser(
        "discover", help="list devices on the network, or at HOST, as lines for the file"
    )
    discovering.add_argument("host", metavar="HOST[:PORT]", nargs="?")
    discovering.add_argument(
        "--all", action="store_true", help="the device's settings and the like, too"
    )
    discovering.set_defaults(function=discover)
    about = "say whether the daemon is well, by text and exit code"
    commands.add_parser("health", help=about).set_defaults(function=health)
    pinning = commands.add_parser("pin", help="print the fingerprint of a broker's certificate")
    pinning.add_argument("host", metavar="HOST[:PORT]")
    pinning.set_defaults(function=pin)
    _add_setup_db(commands)
    spooling = commands.add_parser("spool", help="show what waits on disk, and what was refused")
    what = spooling.add_mutually_exclusive_group()
    what.add_argument("--export", action="store_true", help="as a file for influx -import")
    what.add_argument(
        "--retry-rejected", action="store_true", help="have the refused rows sent once more"
    )
    spooling.add_argument(
        "--rejected", action="store_true", help="with --export: the refused rows instead"
    )
    spooling.set_defaults(function=spool)
    about = "show the values as they come, and how all the parts are"
    watching = commands.add_parser("watch", help=about)
    watching.add_argument(
        "portal", metavar="PORTAL", nargs="?", default="", help="which device, with serial = *"
    )
    watching.set_defaults(function=watch)
    return parser


def _add_setup_db(commands: Any) -> None:
    about = "database, retention policies, downsampling and user in InfluxDB 1, or how elsewhere"
    setting = commands.add_parser("setup-db", help=about)
    for name, least, default, what in (
        ("--raw", LEAST_RAW, "90d", "how long raw values are kept"),
        ("--minutes", LEAST_DOWNSAMPLED, "1825d", "the same of values by the minute"),
        ("--hours", LEAST_DOWNSAMPLED, "forever", "the same of values by the hour"),
        ("--fill", HOUR, "forever", "how far back both are computed from raw values"),
    ):
        setting.add_argument(
            name,
            metavar="DURATION",
            type=_duration(least),
            default=default,
            help=f"{what}, as in 90d or forever (default: %(default)s)",
        )
    setting.add_argument("--change", action="store_true", help="alter what is there and differs")
    setting.add_argument(
        "--dry-run", action="store_true", help="print the statements, and change nothing"
    )
    setting.add_argument(
        "--admin",
        metavar="USER",
        default="",
        help="log in as this administrator of the server; the password is asked for",
    )
    setting.add_argument(
        "--admin-password-file", metavar="FILE", type=Path, help="take that password from a file"
    )
    setting.set_defaults(function=setup_db)


def _duration(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            return parse_duration(text, least)
        except ValueError as error:  # argparse would hide its text
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


class _Parser(argparse.ArgumentParser):
    """Ends with EX_USAGE on a command line that it does not understand."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")
