"""Completion for bash, zsh and fish: the files compared with the parser, and tried in shells."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx import cli
from tests import TOP
from tests.tools.completions.__main__ import FOLDER, scripts

BOUND = 60.0  # s; a shell that takes longer hangs
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
INSTALL = (TOP / "debian/install").read_text()
PLACES = {  # where each shell reads completions of packages
    "bash/bat2influx": "usr/share/bash-completion/completions",
    "zsh/_bat2influx": "usr/share/zsh/vendor-completions",
    "fish/bat2influx.fish": "usr/share/fish/vendor_completions.d",
}
Offered = Callable[[str], set[str]]


def _bash(line: str, _folder: Path) -> set[str]:
    script = f"""
source {BASH_COMPLETION}
source {FOLDER}/bash/bat2influx
COMP_LINE='{line}'
COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=({line}{"''" if line.endswith(" ") else ""})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_bat2influx bat2influx
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return _lines("bash", "--norc", "-c", script)


def _zsh(line: str, folder: Path) -> set[str]:
    found = folder / "offered"
    found.touch()
    script = Path(__file__).with_name("offered.zsh")
    _lines("zsh", "-f", script, FOLDER / "zsh", found, line)
    before = line.rpartition(" ")[2].rpartition("/")  # zsh offers the last part of a path
    return {f"{before[0]}{before[1]}{word}" for word in found.read_text().split("\n") if word}


def _fish(line: str, _folder: Path) -> set[str]:
    script = f"source {FOLDER}/fish/bat2influx.fish; complete -C '{line}'"
    return {each.partition("\t")[0] for each in _lines("fish", "--no-config", "-c", script)}


def _lines(*command: str | Path) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=BOUND)
    assert done.stderr == ""
    return {line for line in done.stdout.split("\n") if line}


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}


@pytest.fixture(params=SHELLS)
def offered(request: pytest.FixtureRequest, tmp_path: Path) -> Offered:
    """Returns the completions of a shell at the end of a command line."""
    number = iter(range(1000))

    def ask(line: str) -> set[str]:
        folder = tmp_path / f"shell-{next(number)}"
        folder.mkdir()
        return SHELLS[request.param](line, folder)

    return ask


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parser of each command by its name, and that of the program by ""."""
    parser = cli.parser()
    yield "", parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                command.fill_in()
                yield name, command


def _long_options(parser: argparse.ArgumentParser) -> set[str]:
    names = (name for action in parser._actions for name in action.option_strings)
    return {name for name in names if name.startswith("--")}


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.parent.name)
def test_a_completion_equals_the_generated_one(path: Path) -> None:
    """A change of options needs new completions: `make completions`."""
    assert path.read_text() == scripts()[path], "run make completions"


def test_each_completion_is_installed_where_its_shell_reads_it() -> None:
    """And no other file is beside them."""
    lines = {tuple(line.split()) for line in INSTALL.splitlines()}
    assert {(f"debian/completions/{name}", place) for name, place in PLACES.items()} <= lines
    assert {FOLDER / name for name in PLACES} == {*FOLDER.glob("*/*")} == {*scripts()}


def test_a_shell_offers_the_commands(offered: Offered) -> None:
    """All of them, also after an option and its file; one is completed from its first letters."""
    assert {*cli.COMMANDS} <= offered("bat2influx ")
    assert {*cli.COMMANDS} <= offered("bat2influx --config check ")
    assert offered("bat2influx disc") == {"discover"}


def test_a_shell_offers_the_options_of_each_command(offered: Offered) -> None:
    """Those that the parser accepts there, and no other."""
    for name, parser in _parsers():
        line = " ".join(["bat2influx", name, "--"] if name else ["bat2influx", "--"])
        assert offered(line) == _long_options(parser), line
    spool = offered("bat2influx --config /etc/boat.ini spool --")
    assert spool == {"--help", "--export", "--retry-rejected", "--rejected", "--json"}


def test_a_shell_offers_configuration_files(offered: Offered, tmp_path: Path) -> None:
    """After --config, files of that kind."""
    (tmp_path / "boat.ini").touch()
    (tmp_path / "boat.txt").touch()
    assert offered(f"bat2influx --config {tmp_path}/b") == {f"{tmp_path}/boat.ini"}


def test_a_shell_offers_files_for_a_password(offered: Offered, tmp_path: Path) -> None:
    """After --admin-password-file, files of any kind."""
    (tmp_path / "admin").touch()
    line = f"bat2influx setup-db --admin-password-file {tmp_path}/a"
    assert offered(line) == {f"{tmp_path}/admin"}


def test_a_shell_offers_nothing_for_a_free_value(offered: Offered) -> None:
    """A duration, a user: neither commands nor options nor files."""
    assert offered("bat2influx setup-db --raw ") == set()
    assert offered("bat2influx setup-db --admin ") == set()
