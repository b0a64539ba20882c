"""The command line as a shell completes it, read from the parser of bat2influx.cli.

Rules: all names come from the parser. For an option with a path files are offered, with the suffix
of its default, if any; for other values nothing is offered.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bat2influx import cli


@dataclass(frozen=True)
class Option:
    """An option with all its names. `value` is the name of its value, "" without one.

    `files` is the pattern of the files that are offered for the value, "" for none.
    """

    names: tuple[str, ...]
    summary: str
    value: str = ""
    files: str = ""

    @property
    def long(self) -> tuple[str, ...]:
        """The names that begin with two hyphens."""
        return tuple(name for name in self.names if name.startswith("--"))


@dataclass(frozen=True)
class Command:
    """A command, or the part before commands, with the name "". `operand` may follow it."""

    name: str
    summary: str
    options: tuple[Option, ...]
    operand: str = ""


def read() -> tuple[Command, ...]:
    """Return the part before commands, and each command in the order of the help."""
    parser = cli.parser()
    first = _command(parser, "", "")
    table = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    commands = []
    for name, its_parser in table.choices.items():
        its_parser.fill_in()
        commands.append(_command(its_parser, name, cli.COMMANDS[name].summary))
    return first, *commands


def _command(parser: argparse.ArgumentParser, name: str, summary: str) -> Command:
    formatter = parser._get_formatter()
    options = []
    operands = []
    for action in parser._actions:
        if action.option_strings:
            told = formatter._expand_help(action) if action.help else ""
            options.append(
                Option(tuple(action.option_strings), told, _value(action), _files(action))
            )
        elif not isinstance(action, argparse._SubParsersAction):
            operands.append(str(action.metavar or action.dest))
    return Command(name, summary, tuple(options), " ".join(operands))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return str(action.metavar or action.dest.upper())


def _files(action: argparse.Action) -> str:
    if action.type is not Path:
        return ""
    return f"*{action.default.suffix}" if isinstance(action.default, Path) else "*"
