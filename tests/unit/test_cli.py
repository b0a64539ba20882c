"""The command line: commands, imports, help, exit codes, and a closed output."""

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

from bat2influx import __main__, __version__, cli
from bat2influx.cli import COMMANDS, DEFAULT
from bat2influx.config.paths import DEFAULT_CONFIG
from tests import TOP

EX_USAGE = 64
ARGUMENTS = {
    "run": set(),
    "check": {"--offline", "--json"},
    "discover": {"HOST[:PORT]", "--all", "--write", "--yes", "--json"},
    "health": {"--json"},
    "pair": {"--password", "--write", "--yes", "HOST[:PORT]"},
    "pin": {"HOST[:PORT]"},
    "setup-db": {"--raw", "--minutes", "--hours", "--fill", "--change", "--dry-run"}
    | {"--admin", "--admin-password-file"},
    "spool": {"--export", "--retry-rejected", "--rejected", "--json"},
    "watch": {"PORTAL"},
}


NAME = r"(?<![\w-])(?:--[a-z-]+|HOST\[:PORT\]|PORTAL)"  # of an argument, in a help


def module(name: str) -> SimpleNamespace:
    """Return the module of a command."""
    return import_module(f"bat2influx.commands.{COMMANDS[name].module}")  # type: ignore[return-value]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_registers_itself(name: str) -> None:
    """Its module has its name and a function that takes the parsed arguments."""
    assert module(name).__name__.split(".")[2] == name.replace("-", "_")
    parser = argparse.ArgumentParser()
    module(name).register(parser)
    assert callable(parser.get_default("function"))
    assert COMMANDS[name].summary


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_names_its_arguments(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its arguments and no others, and an example; the command is not run."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    out, _, examples = capsys.readouterr().out.partition("\nexample")
    usage, _, rest = out.partition("\n\n")
    assert usage.startswith(f"usage: bat2influx {name} [-h]")
    assert f"\n  bat2influx {name}" in examples.replace(" --config ./try.ini", "") or name == "run"
    assert {*re.findall(NAME, usage)} == {*re.findall(NAME, rest)} - {"--help"} == ARGUMENTS[name]


def test_the_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """In their order, each with what it does; and the version is that of the package."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listing = capsys.readouterr().out.partition("commands:\n")[2].partition("\n\n")[0]
    rows = dict(line.split(None, 1) for line in listing.splitlines())
    assert [*rows.items()] == [(name, each.summary) for name, each in COMMANDS.items()]
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"bat2influx {__version__}\n")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_terminal_of_80_columns_has_a_line_for_each_command_and_option(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aligned: all explanations of a help begin in the same column."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([*filter(None, [name]), "--help"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    lists = re.findall(r"(?m)^(?:options|commands|positional arguments):\n((?:  .*\n)+)", out)
    rows = [line for each in lists for line in each.splitlines()]
    columns = {
        found.start(1) for row in rows if (found := re.match(r"  \S+(?:,? \S+)*  +(\S)", row))
    }
    assert len(rows) >= 1
    assert len(columns) == 1
    assert all(re.match(r"  \S+(?:,? \S+)*  +\S", row) for row in rows)


def test_the_examples_are_valid_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Those in the help of the program and of each command."""
    seen = 0
    for name in ("", *COMMANDS):
        with pytest.raises(SystemExit):
            cli.main([*filter(None, [name]), "--help"])
        out = capsys.readouterr().out
        for line in re.findall(r"(?m)^  bat2influx( .*|$)", out):
            words = re.split(r"  +| [>|&]", line)[0].split()
            if "--help" not in words:
                assert cli.parser().parse_args(words)
                seen += 1
    assert seen > 15


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
SHARED = {"bridge_check", "configuration", "credentials", "output", "steps"}  # by several commands
SHARED |= {"file_changes", "ini_edit", "json_lines", "rejections", "spool_json"}


def test_of_the_commands_the_chosen_one_alone_is_imported() -> None:
    """Without a command none is imported; modules that several commands share are no commands."""
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    found = dict(map(json.loads, done.stdout.splitlines()))
    assert found.pop("") == []
    assert found.keys() == COMMANDS.keys()
    for name, modules in found.items():
        own = COMMANDS[name].module.partition(".")[0]
        assert {module.split(".")[2] for module in modules} - SHARED == {own}


# What is run


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, argparse.Namespace]]]:
    """Records the arguments of each command instead of running it; each returns 42."""
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
        (["--config", "/x.ini", "run"], DEFAULT, Path("/x.ini")),
        (["--config", "/x.ini", "check", "--offline"], "check", Path("/x.ini")),
        (["health"], "health", DEFAULT_CONFIG),
        (["pin", "venus.local"], "pin", DEFAULT_CONFIG),
    ],
)
def test_a_command_gets_its_options_and_gives_the_exit_code(
    done: list[tuple[str, argparse.Namespace]], arguments: list[str], name: str, config: Path
) -> None:
    """Without a command the daemon is run."""
    assert cli.main(arguments) == 42
    ((called, options),) = done
    assert (called, options.config) == (name, config)


DAEMON = """
import sys
from bat2influx import __main__
from bat2influx.commands import run

def noted(config):
    print(config, *sorted({"argparse", "bat2influx.cli"} & {*sys.modules}))
    return 42

run.run_daemon = noted
sys.exit(__main__.main())
"""


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["--config", "/x.ini"], ["--config", "/x.ini", "run"]]
)
def test_the_daemon_starts_without_the_parser(arguments: list[str]) -> None:
    """It would have the same result, later."""
    parsed = cli.parser().parse_args(arguments)
    command = [sys.executable, "-c", DAEMON, *arguments]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (42, f"{parsed.config}\n", "")


@pytest.mark.parametrize("arguments", [["--config", "--help"], ["--config"], ["run", "run"]])
def test_any_other_command_line_is_parsed(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what is wrong with it is reported."""
    monkeypatch.setattr(sys, "argv", ["bat2influx", *arguments])
    monkeypatch.delattr("bat2influx.commands.run.run_daemon")
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == os.EX_USAGE


def test_any_other_command_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its exit code."""
    monkeypatch.setattr(sys, "argv", ["bat2influx", "health"])
    monkeypatch.setattr(cli, "main", lambda: 69)
    assert __main__.main() == 69


@pytest.mark.parametrize(("arguments", "ends"), [(["health"], True), (["run"], False), ([], False)])
def test_ctrl_c_ends_a_command_at_once_and_shuts_the_daemon_down(
    done: list[tuple[str, argparse.Namespace]], arguments: list[str], ends: bool
) -> None:
    """The daemon installs its own handler."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main(arguments)
    assert (signal.getsignal(signal.SIGINT) is signal.SIG_DFL) is ends


def test_ctrl_c_while_a_command_is_imported_ends_it_without_a_traceback(
    done: list[tuple[str, argparse.Namespace]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import happens during parsing and takes longer than parsing."""
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
        (["nonsense"], "", "unknown command 'nonsense'; commands: run, check, discover, health"),
        (["chekc"], "", "unknown command 'chekc'; did you mean 'check'?"),
        (["setup_db"], "", "unknown command 'setup_db'; did you mean 'setup-db'?"),
        (["--nonsense"], "", "unknown option '--nonsense'"),
        (["--confg", "x", "check"], "", "unknown option '--confg'; did you mean '--config'?"),
        (["-x"], "", "unknown option '-x'"),
        (["--config"], "", "--config: expected one argument"),
        (["run", "x"], " run", "unexpected argument 'x'"),
        (["check", "--online"], " check", "unknown option '--online'; did you mean '--offline'?"),
        (["check", "--x=y"], " check", "unknown option '--x'"),
        (["pin"], " pin", "required: HOST[:PORT]"),
        (["spool", "--export", "--retry-rejected"], " spool", "not allowed with argument --export"),
        (["setup-db", "--raw", "90"], " setup-db", "--raw: '90' must be a number and s, m, h, d"),
        (["setup-db", "--minutes", "6d"], " setup-db", "--minutes: '6d' must be from 7d to"),
        (["check", "--config", "x.ini"], " check", "'--config' must stand before the command"),
    ],
)
def test_an_invalid_command_line_does_nothing(
    done: list[tuple[str, argparse.Namespace]],
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    prog: str,
    why: str,
) -> None:
    """It prints the usage of the command and the mistake, and exits with the code for that."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert (ended.value.code, done) == (EX_USAGE, [])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"usage: bat2influx{prog} [-h]")
    assert err.splitlines()[-1].startswith(f"bat2influx{prog}: ")
    assert why in err.splitlines()[-1]


# A closed output

A_PEER_GOES_AWAY = """
import socket, sys
from bat2influx import cli
from bat2influx.commands import health

def tell(config, environment, *, as_json):
    ours, theirs = socket.socketpair()
    theirs.close()
    try:
        ours.send(b"x")
    except BrokenPipeError:
        print("told")
    return 69

health.report_health = tell
sys.exit(cli.main(["health"]))
"""


def test_found_a_peer_that_disconnects_ended_a_command_without_a_message() -> None:
    """A broken connection is an error like any other; SIGPIPE does not end the command."""
    command = [sys.executable, "-c", A_PEER_GOES_AWAY]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (69, "told\n", "")


def test_a_command_whose_output_is_closed_ends_as_others_do() -> None:
    """By SIGPIPE and without a message, as `cat` and `ls` do."""
    reader, writer = os.pipe()
    os.close(reader)
    ini = TOP / "etc/bat2influx.ini"
    command = [sys.executable, "-m", "bat2influx", "--config", ini, "check", "--offline"]
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(command, cwd=TOP, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
