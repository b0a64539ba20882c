"""The command line: one function for each command, exit codes as in sysexits.h.

A configuration is read before anything else is imported, so that a bad one is answered at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from bat2influx import __version__
from bat2influx.config import ConfigError, Settings, load

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/bat2influx/bat2influx.ini")
EX_OK, EX_USAGE, EX_SOFTWARE, EX_CONFIG = 0, 64, 70, 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.function
    return command(options)


def run(options: argparse.Namespace) -> int:
    """Run the daemon in the foreground."""
    settings = _load_or_complain(options.config)
    if settings is None:
        return EX_CONFIG
    from bat2influx import daemon, journal  # noqa: PLC0415 - a quarter of a second

    journal.set_up()
    try:
        return daemon.run(settings, partial(_load, options.config))
    except Exception:
        text = "ending, for an error in bat2influx"
        log.critical(text, exc_info=True, extra=journal.event("internal error"))
        return EX_SOFTWARE


def check(options: argparse.Namespace) -> int:
    """Check the configuration file, and nothing beyond it.

    It needs no secret: the credentials of a service cannot be read while it is reloaded.
    """
    try:
        load(options.config)
    except ConfigError as error:
        _complain(error.problems)
        return EX_CONFIG
    print(f"{options.config}: ok")  # noqa: T201 - this is the command's output
    return EX_OK


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
    from bat2influx import journal  # noqa: PLC0415 - only where it is needed

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
    checking = commands.add_parser("check", help="check the configuration")
    checking.add_argument(
        "--offline", action="store_true", required=True, help="the file only, without the network"
    )
    checking.set_defaults(function=check)
    return parser


class _Parser(argparse.ArgumentParser):
    """Ends with EX_USAGE on a command line that it does not understand."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")
