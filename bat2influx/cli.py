"""The command line: a table of commands, each of which registers its own arguments.

Exit codes are those of sysexits.h. Of a command only its own module is imported, so that the daemon
has nothing in memory that it does not use, and no command waits for what another one needs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from bat2influx import __version__
from bat2influx.config.paths import DEFAULT_CONFIG

Function = Callable[[argparse.Namespace], int]


class Command(NamedTuple):
    """Where a command is, below bat2influx.commands, and what `--help` says of it."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = {
    "run": Command("run", "run in the foreground (without a command)"),
    "check": Command("check.command", "check each step from the file to the database"),
    "discover": Command(
        "discover.command", "list devices on the network, or at HOST, as lines for the file"
    ),
    "health": Command("health", "say whether the daemon is well, by text and exit code"),
    "pair": Command(
        "pair.command", 'get a token from a device with the profile "Paired devices only"'
    ),
    "pin": Command("pin", "print the fingerprint of a broker's certificate"),
    "setup-db": Command(
        "setup_db.command",
        "database, retention policies, downsampling and user in InfluxDB 1, or how elsewhere",
    ),
    "spool": Command("spool", "show what waits on disk, and what was refused"),
    "watch": Command("watch.command", "show the values as they come, and how all the parts are"),
}
DEFAULT = "run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # parsing imports the command, too
    options = parser().parse_args(arguments)
    if options.command in (None, DEFAULT):
        signal.signal(signal.SIGINT, before)
        return int(_module(DEFAULT).run(options))
    function: Function = options.function
    try:
        code = function(options)
        sys.stdout.flush()
    except BrokenPipeError:  # its output is not wanted any more: it ends as any other command
        # Not before: by the same signal a peer that goes away would end it without a word.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; a command's own is filled in when it is used."""
    made = _Parser(
        prog="bat2influx",
        description="Read a Victron battery over MQTT once a second and store it in InfluxDB.",
    )
    made.add_argument("--version", action="version", version=f"bat2influx {__version__}")
    made.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_CONFIG,
        help="the configuration file (default: %(default)s)",
    )
    commands = made.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=_CommandParser
    )
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary, command=name)
    return made


def _module(command: str) -> Any:
    return import_module(f"bat2influx.commands.{COMMANDS[command].module}")


class _Parser(argparse.ArgumentParser):
    """Ends with EX_USAGE on a command line that it does not understand."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")


class _CommandParser(_Parser):
    """The parser of one command, which registers its arguments when it is asked for."""

    def __init__(self, *, command: str, **options: Any) -> None:
        super().__init__(**options)
        self._command: str | None = command

    def fill_in(self) -> None:
        """Have the command register its arguments, once."""
        command, self._command = self._command, None
        if command:
            _module(command).register(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, once the command has registered what it takes."""
        self.fill_in()
        return super().parse_known_args(args, namespace)
