"""The manual pages, compared with the program: they describe all that exists and nothing else."""

import argparse
import os
import re
import signal
from pathlib import Path

import pytest
from configobj import ConfigObj

from bat2influx import cli
from bat2influx.config import settings
from bat2influx.venus.units import DEFAULT_FIELDS
from tests import TOP

SOURCES = "\n".join(path.read_text() for path in (TOP / "bat2influx").rglob("*.py"))
PROGRAM = TOP / "debian" / "man" / "bat2influx.8"
FILE = TOP / "debian" / "man" / "bat2influx.ini.5"


def _sections(page: Path, macro: str) -> dict[str, list[str]]:
    """Return the lines of a page by the headings that `macro` makes."""
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line in page.read_text().splitlines():
        if line.startswith((f"{macro} ", ".Sh ")):
            name = line.partition(" ")[2]
            sections[name] = []
        else:
            sections[name].append(line)
    return sections


def _described(lines: list[str]) -> dict[str, str]:
    """Return the description of each key, by key."""
    text = "\n".join(lines)
    parts = re.split(r"(?m)^\.It Ic (\S+)$", text)[1:]
    return {
        key: " ".join(re.split(r"(?m)^\.(?:It|El)\b", about)[0].split())
        for key, about in zip(parts[::2], parts[1::2], strict=True)
    }


def _spec() -> dict[str, dict[str, str]]:
    """Return the check of each key that this version takes, by section."""
    spec = ConfigObj(str(settings.SPEC), interpolation=False, list_values=False, _inspec=True)
    taken: dict[str, dict[str, str]] = {}
    for section in spec.sections:
        for key in spec[section].scalars:
            if key != "__many__":
                taken.setdefault(section, {})[key] = spec[section][key]
    return taken


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def _commands(parser: argparse.ArgumentParser) -> dict[str, cli._CommandParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands = dict(action.choices)
            for command in commands.values():
                command.fill_in()
            return commands
    return {}


def test_the_page_describes_every_key_and_no_other() -> None:
    """A new key needs a description; that of a removed key has to go."""
    sections = _sections(FILE, ".Ss")
    for section, keys in _spec().items():
        assert _described(sections[f"[{section}]"]).keys() == keys.keys(), section
    assert {name.strip("[]") for name in sections if name[:1] == "["} == _spec().keys()


@pytest.mark.parametrize("section", _spec())
def test_the_page_has_every_default_and_every_range(section: str) -> None:
    """As in config.spec, digit by digit; a detected or derived default is described in words."""
    described = _described(_sections(FILE, ".Ss")[f"[{section}]"])
    for key, rule in _spec()[section].items():
        about = described[key]
        default = re.search(r'default="?([^",)]*)', rule)
        assert default, rule
        said = about.partition("Default: ")[2]
        if key == "port":
            standard = {"Battery": "1883, or 8883 with .Ql tls = yes", "Influx": "8086"}[section]
            assert said == standard
        elif default[1] not in {"", "None", "list("}:
            assert said == default[1], f"[{section}] {key}"
        else:
            assert said, f"[{section}] {key}"
        for bound in re.findall(r"(?:whole|seconds)\(([\d.]+), ([\d.]+)", rule):
            assert f"{bound[0]} to {bound[1]}" in about, f"[{section}] {key}"
        for option in re.findall(r'"(\w+)"', rule.partition("default")[0]):
            assert f".Ql {option}" in about or key == "__many__", f"[{section}] {key}: {option}"


def test_the_page_lists_the_fields_that_are_stored_by_default() -> None:
    """With their paths, in the order of the program."""
    text = "\n".join(_sections(FILE, ".Ss")["[Fields]"])
    rows = re.findall(r"(?m)^\.It (\S+) Ta \S+ Ta (\S+) Ta", text)
    rows = [row for row in rows if row[0] != "Sy"]
    assert rows == [(field.name, f"{field.service}/{field.path}") for field in DEFAULT_FIELDS]


def test_the_page_names_every_command_and_every_option() -> None:
    """As the command line takes them."""
    page = PROGRAM.read_text()
    parser = cli.parser()
    commands = _commands(parser)
    heads = re.findall(r"(?m)^\.It Cm ([\w-]+)", page)
    assert heads == list(commands)
    wanted = _options(parser).union(*map(_options, commands.values()))
    named = set(re.findall(r"Fl Fl ([\w-]+)", page)) | set(re.findall(r"Fl (\w)\b", page))
    assert named == {option.lstrip("-") for option in wanted}


def test_the_page_has_every_exit_code() -> None:
    """Those of the command line, of the daemon and of each other command."""
    codes = {getattr(os, name) for name in re.findall(r"\bos\.(EX_[A-Z]+)", SOURCES)}
    status = "\n".join(_sections(PROGRAM, ".Sh")["EXIT STATUS"])
    assert {int(code) for code in re.findall(r"(?m)^\.It (\d+)$", status)} == codes


def test_the_page_has_every_signal_and_every_variable() -> None:
    """All signals and variables that the program uses."""
    page = PROGRAM.read_text()
    for name in set(re.findall(r"signal\.(SIG[A-Z]+)", SOURCES)):
        assert name in page
        assert hasattr(signal, name)
    for name in set(re.findall(r'environ(?:ment)?(?:\.get\(|\[)"(\w+)"', SOURCES)):
        assert f".It Ev {name}" in page or f" , {name}" in page, name
