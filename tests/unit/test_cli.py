"""The command line: its commands, their imports, exit codes, and readers that close the output."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from bat2influx import __version__, cli
from bat2influx.cli import COMMANDS, DEFAULT
from bat2influx.config.paths import DEFAULT_CONFIG
from tests import TOP

EX_USAGE = 64
ARGUMENTS = {
    "run": set(),
    "check": {"--offline"},
    "discover": {"HOST[:PORT]", "--all", "--write", "--yes"},
    "health": set(),
    "pair": {"--password", "--write", "--yes", "HOST[:PORT]"},
    "pin": {"HOST[:PORT]"},
    "setup-db": {"--raw", "--minutes", "--hours", "--fill", "--change", "--dry-run"}
    | {"--admin", "--admin-password-file"},
    "spool": {"--export", "--retry-rejected", "--rejected"},
    "watch": {"PORTAL"},
}


NAME = r"(?<![\w-])(?:--[a-z-]+|HOST\[:PORT\]|PORTAL)"  # of an argument, in a help


def module(name: str) -> SimpleNamespace:
    """Return the module of a command."""
    return import_module(f"bat2influx.commands.{COMMANDS[name].module}")  # type: ignore[return-value]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_registers_itself(name: str) -> None:
    """In a module of its name, with a function that gets the parsed options."""
    assert module(name).__name__.split(".")[2] == name.replace("-", "_")
    parser = argparse.ArgumentParser()
    module(name).register(parser)
    assert callable(parser.get_default("function"))
    assert COMMANDS[name].summary


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_names_its_arguments(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, and no others; and the command is not run."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    usage, _, rest = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith(f"usage: bat2influx {name} [-h]")
    assert {*re.findall(NAME, usage)} == {*re.findall(NAME, rest)} - {"--help"} == ARGUMENTS[name]


def test_the_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """In order, each with its purpose; and the version is that of the package."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listing = " ".join(capsys.readouterr().out.partition("COMMAND\n")[2].split())
    assert listing == " ".join(f"{name} {each.summary}" for name, each in COMMANDS.items())
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"bat2influx {__version__}\n")


# What is imported

IMPORTED = """
import json, os, sys
from bat2influx import cli
for name in ("", *cli.COMMANDS):
    sys.stdout.flush()
    if os.fork() == 0:
        if name:
            cli.parser().parse_args([name, *["x"] * (name == "pin")])
        found = [each for each in sys.modules if each.startswith("bat2influx.commands.")]
        print(json.dumps([name, found]))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
SHARED = {"bridge_look", "configuration", "credentials", "output", "steps"}  # by several commands
SHARED |= {"file_changes", "ini_edit"}


def test_only_the_chosen_command_is_imported() -> None:
    """Without a command, none; shared modules are no commands."""
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    found = dict(map(json.loads, done.stdout.splitlines()))
    assert found.pop("") == []
    assert found.keys() == COMMANDS.keys()
    for name, modules in found.items():
        own = COMMANDS[name].module.partition(".")[0]
        assert {module.split(".")[2] for module in modules} - SHARED == {own}


# What it does


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, argparse.Namespace]]]:
    """Lets each command note its call, instead of running; each returns 42."""
    noted: list[tuple[str, argparse.Namespace]] = []

    def standing_in(name: str) -> Callable[[argparse.Namespace], int]:
        def run(options: argparse.Namespace) -> int:
            noted.append((name, options))
            return 42

        return run

    def made(name: str) -> SimpleNamespace:
        run = standing_in(name)
        real = module(name)

        def register(parser: argparse.ArgumentParser) -> None:
            real.register(parser)
            parser.set_defaults(function=run)

        return SimpleNamespace(register=register, run=run)

    monkeypatch.setattr(cli, "_module", made)
    before = signal.getsignal(signal.SIGINT)
    yield noted
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("arguments", "name", "config"),
    [
        ([], DEFAULT, DEFAULT_CONFIG),
        (["run"], "run", DEFAULT_CONFIG),
        (["--config", "/x.ini"], DEFAULT, Path("/x.ini")),
        (["--config", "/x.ini", "check", "--offline"], "check", Path("/x.ini")),
        (["health"], "health", DEFAULT_CONFIG),
        (["pin", "venus.local"], "pin", DEFAULT_CONFIG),
    ],
)
def test_a_command_gets_its_options_and_gives_the_exit_code(
    done: list[tuple[str, argparse.Namespace]], arguments: list[str], name: str, config: Path
) -> None:
    """Without one it is the daemon."""
    assert cli.main(arguments) == 42
    ((called, options),) = done
    assert (called, options.config) == (name, config)


@pytest.mark.parametrize(("arguments", "ends"), [(["health"], True), (["run"], False), ([], False)])
def test_ctrl_c_ends_a_command_at_once_and_shuts_the_daemon_down(
    done: list[tuple[str, argparse.Namespace]], arguments: list[str], ends: bool
) -> None:
    """The daemon has its own handler for it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main(arguments)
    assert (signal.getsignal(signal.SIGINT) is signal.SIG_DFL) is ends


def test_ctrl_c_while_a_command_is_imported_ends_it_without_a_traceback(
    done: list[tuple[str, argparse.Namespace]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is while the command line is parsed, and the import takes longer."""
    then: list[object] = []
    made = cli._module

    def slow(name: str) -> object:
        then.append(signal.getsignal(signal.SIGINT))
        return made(name)

    monkeypatch.setattr(cli, "_module", slow)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main(["health"])
    assert then[0] is signal.SIG_DFL
    assert done


@pytest.mark.parametrize(
    ("arguments", "prog", "why"),
    [
        (["nonsense"], "", "invalid choice: 'nonsense'"),
        (["--nonsense"], "", "unrecognized arguments: --nonsense"),
        (["--config"], "", "--config: expected one argument"),
        (["run", "x"], "", "unrecognized arguments: x"),
        (["check", "--online"], "", "unrecognized arguments: --online"),
        (["pin"], " pin", "required: HOST[:PORT]"),
        (["spool", "--export", "--retry-rejected"], " spool", "not allowed with argument --export"),
        (["setup-db", "--raw", "90"], " setup-db", "--raw: '90' must be a number and s, m, h, d"),
        (["setup-db", "--minutes", "6d"], " setup-db", "--minutes: '6d' must be from 7d to"),
        (["check", "--config", "x.ini"], "", "unrecognized arguments: --config x.ini"),
    ],
)
def test_an_invalid_command_line_does_nothing(
    done: list[tuple[str, argparse.Namespace]],
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    prog: str,
    why: str,
) -> None:
    """Stderr has the usage of the command, and the exit code is EX_USAGE."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert (ended.value.code, done) == (EX_USAGE, [])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"usage: bat2influx{prog} [-h]")
    assert err.splitlines()[-1].startswith(f"bat2influx{prog}: ")
    assert why in err.splitlines()[-1]


# Who does not listen

A_PEER_GOES_AWAY = """
import socket, sys
from bat2influx import cli
from bat2influx.commands import health

def tell(config, environment):
    ours, theirs = socket.socketpair()
    theirs.close()
    try:
        ours.send(b"x")
    except BrokenPipeError:
        print("told")
    return 69

health.tell = tell
sys.exit(cli.main(["health"]))
"""


def test_found_a_closed_connection_ended_a_command_without_a_message() -> None:
    """It is an error like any other; SIGPIPE for it does not end the command."""
    command = [sys.executable, "-c", A_PEER_GOES_AWAY]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (69, "told\n", "")


def test_a_command_ends_when_the_reader_of_its_output_closes() -> None:
    """By SIGPIPE, as `cat` and `ls` do, without a message."""
    reader, writer = os.pipe()
    os.close(reader)
    ini = TOP / "etc/bat2influx.ini"
    command = [sys.executable, "-m", "bat2influx", "--config", ini, "check", "--offline"]
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(command, cwd=TOP, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
