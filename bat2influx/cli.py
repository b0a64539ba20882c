"""The command line: a table of commands, each of which registers its own arguments.

The daemon's usual command line does not get here (__main__.py). Exit codes are those of sysexits.h.
Only the module of the chosen command is imported, so that it starts without the others' imports.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from bat2influx import __version__
from bat2influx.config.paths import DEFAULT_CONFIG

Function = Callable[[argparse.Namespace], int]


class Command(NamedTuple):
    """Where a command is, below bat2influx.commands, and its line in `--help`."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = {
    "run": Command("run", "run the daemon in the foreground (the default)"),
    "check": Command("check.command", "test each step from the configuration to the database"),
    "discover": Command("discover.command", "find devices, print lines for the configuration"),
    "health": Command("health", "report whether the daemon is healthy, also by exit code"),
    "pair": Command("pair.command", 'get a token from a device with "Paired devices only"'),
    "pin": Command("pin", "print the fingerprint of a TLS certificate"),
    "setup-db": Command("setup_db.command", "set up database, retention, downsampling and user"),
    "spool": Command("spool", "show values queued on disk, and rejected values"),
    "watch": Command("watch.command", "show values live, and the state of each part"),
}
EXAMPLES = f"""\
first steps:
  bat2influx discover                find the device, print lines for the file
  editor {DEFAULT_CONFIG}
  bat2influx check                   test each step up to the database
  systemctl enable --now bat2influx  start the service, now and at each boot

examples:
  bat2influx discover --write        put these lines into the file
  bat2influx watch                   show the values as they arrive
  bat2influx --config ./try.ini      run with another configuration
  bat2influx check --help            options and examples of a command

manual: man 8 bat2influx, man 5 bat2influx.ini"""
DEFAULT = "run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # parsing also imports the command
    options = parser().parse_args(arguments)
    if options.command in (None, DEFAULT):
        signal.signal(signal.SIGINT, before)
        return int(_module(DEFAULT).run(options))
    function: Function = options.function
    try:
        code = function(options)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads the output: end like any other command
        # Not set earlier: a peer that closes its connection would end the command silently.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; that of a command is completed when it is used."""
    made = _Parser(
        prog="bat2influx",
        description="Read a Victron battery over MQTT once a second and store it in InfluxDB.",
        epilog=EXAMPLES,
        formatter_class=_Help,
    )
    made.add_argument(
        "--version",
        action="version",
        version=f"bat2influx {__version__}",
        help="show the version and exit",
    )
    made.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=DEFAULT_CONFIG,
        help="configuration file (default: %(default)s)",
    )
    commands = made.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=_CommandParser
    )
    for name, command in COMMANDS.items():
        description = f"{command.summary[0].upper()}{command.summary[1:]}."
        commands.add_parser(
            name,
            help=command.summary,
            description=description,
            formatter_class=_Help,
            command=name,
            before={option for action in made._actions for option in action.option_strings},
        )
    return made


def _module(command: str) -> Any:
    return import_module(f"bat2influx.commands.{COMMANDS[command].module}")


class _Help(argparse.RawDescriptionHelpFormatter):
    """One line for each command and each option, and examples as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)  # the longest option of setup-db

    def _iter_indented_subactions(
        self, action: argparse.Action
    ) -> Generator[argparse.Action, None, None]:
        if isinstance(action, argparse._SubParsersAction):
            yield from action._get_subactions()

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        if isinstance(action, argparse._SubParsersAction):
            return text.partition("\n")[2]  # without the line COMMAND
        return text


class _Parser(argparse.ArgumentParser):
    """Exits with EX_USAGE for a wrong command line, and suggests the nearest name."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments. The value of a mistyped option is not parsed as a command."""
        args = sys.argv[1:] if args is None else args
        for word in takewhile(lambda word: word not in COMMANDS, args):
            name = word.partition("=")[0]
            if name.startswith("--") and not any(each.startswith(name) for each in self.options()):
                self.refuse(word)
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.refuse(rest[0])
        return options, rest

    def options(self) -> set[str]:
        """Return the names of all options."""
        return {option for action in self._actions for option in action.option_strings}

    def refuse(self, word: str) -> NoReturn:
        """Exit because an option or another argument does not exist."""
        name = word.partition("=")[0]
        if not name.startswith("-"):
            self.error(f"unexpected argument {name!r}")
        self.error(f"unknown option {name!r}{_nearest(name, self.options())}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            meant = _nearest(value, action.choices) or f"; commands: {', '.join(action.choices)}"
            raise argparse.ArgumentError(None, f"unknown command {value!r}{meant}")
        super()._check_value(action, value)


class _CommandParser(_Parser):
    """The parser of one command, which registers its arguments when the parser is used.

    `before` has the names of the options that stand before a command.
    """

    def __init__(self, *, command: str, before: Iterable[str], **options: Any) -> None:
        super().__init__(**options)
        self._command: str | None = command
        self._before = before

    def fill_in(self) -> None:
        """Have the command register its arguments, once."""
        command, self._command = self._command, None
        if command:
            _module(command).register(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, after the command has registered its own."""
        self.fill_in()
        return super().parse_known_args(args, namespace)

    def refuse(self, word: str) -> NoReturn:
        """Exit likewise; an option of the program must stand before the command."""
        name = word.partition("=")[0]
        if name in self._before:
            self.error(f"option {name!r} must stand before the command")
        super().refuse(word)


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

    found = get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
