"""Writing settings into an ini file: what changes, what must not, and what a diff may show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.config.ini_writer import (
    MASK,
    UnwritableError,
    difference,
    quoted,
    replaced,
    settings_of,
    with_settings,
)
from bat2influx.config.inifile import ConfigError, Index
from bat2influx.config.settings import known_defaults, known_names, load
from tests import TOP

NAMES = known_names()
SHIPPED = (TOP / "etc/bat2influx.ini").read_text()
PIN = ":".join(["AB"] * 32)
PAIRED = {"Battery": {"tls": "yes", "fingerprint": PIN, "user": "token/bat2influx/a1"}}
FIELDS = {"Pv": "solarcharger/288/Yield/Power", "Wärme": "tank/1/Level"}


def read(text: str) -> dict[tuple[str, str], str]:
    """Return the settings of a valid text."""
    index = Index(text.removeprefix("\ufeff"), NAMES, free=("Fields",))
    assert index.problems == []
    return {
        place: entry.value if isinstance(entry.value, str) else ", ".join(entry.value)
        for place, entry in index.entries.items()
    }


def test_the_shipped_file_gets_three_lines_and_keeps_all_others(tmp_path: Path) -> None:
    """Each replaces the empty line with its key, below its comment."""
    made = with_settings(SHIPPED, PAIRED, NAMES)
    changed = [
        (old, new)
        for old, new in zip(SHIPPED.split("\n"), made.split("\n"), strict=True)
        if old != new
    ]
    assert changed == [
        ("tls =", "tls = yes"),
        ("fingerprint =", f"fingerprint = {PIN}"),
        ("user =", "user = token/bat2influx/a1"),
    ]
    path = tmp_path / "x.ini"
    path.write_text(made)
    (battery,) = load(path).batteries
    assert (battery.user, battery.port) == ("token/bat2influx/a1", 8883)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[Battery]\nuser = new\n"),
        ("\ufeff", "\ufeff[Battery]\nuser = new\n"),
        ("# mine", "# mine\n\n[Battery]\nuser = new\n"),
        ("[Influx]\n\n", "[Influx]\n\n[Battery]\nuser = new\n"),
        ("[Battery]", "[Battery]\nuser = new"),
        ("[Battery]\n# why\n", "[Battery]\nuser = new\n# why\n"),
        ("[Battery]\nport = 1\n\n[Influx]\n", "[Battery]\nport = 1\nuser = new\n\n[Influx]\n"),
        ("[Battery]\r\nport = 1", "[Battery]\r\nport = 1\r\nuser = new"),
        ("[Influx]\r\n", "[Influx]\r\n\r\n[Battery]\r\nuser = new\r\n"),
        ("[Battery]\nuser=old", "[Battery]\nuser= new"),
        ("[Battery]\n\t user   =  old  \n", "[Battery]\n\t user   =  new  \n"),
        ("[Battery]\nuser = old # is 'it'\n", "[Battery]\nuser = new  # is 'it'\n"),
        ("[Battery]\nuser = # nobody\n", "[Battery]\nuser = new  # nobody\n"),
        ("[Battery]\nuser = 'a # b' # c\r\n", "[Battery]\nuser = new  # c\r\n"),
        ("[Battery]\n'user' = \"x\"\n", "[Battery]\n'user' = new\n"),
        ("[Battery]\nuser =  new # kept\n", "[Battery]\nuser =  new # kept\n"),
        ("[Battery x]\nuser = a\n", "[Battery x]\nuser = a\n\n[Battery]\nuser = new\n"),
    ],
)
def test_a_setting_goes_into_its_section(before: str, after: str) -> None:
    """Into its line, below the last of its section, or into a new section at the end."""
    assert with_settings(before, {"Battery": {"user": "new"}}, NAMES) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[Battery]\npassword = 'x'\n", "[Battery]\npassword =\n"),
        ('[Battery]\npassword = "x" # mine\n', "[Battery]\npassword = # mine\n"),
        ("[Battery]\npassword =\n", "[Battery]\npassword =\n"),
        ("[Battery]\n", "[Battery]\n"),
        ("", ""),
    ],
)
def test_an_empty_setting_empties_a_line_and_adds_none(before: str, after: str) -> None:
    """It stands for the default."""
    assert with_settings(before, {"Battery": {"password": ""}}, NAMES) == after


def test_fields_and_lists_are_written_as_they_are_read() -> None:
    """A preset is a list, and a field has any name."""
    wanted = {"Fields": {**FIELDS, "presets": "battery/512, solar"}}
    made = with_settings("[Fields]\npresets = phases\n", wanted, NAMES)
    assert made.splitlines()[:2] == ["[Fields]", "presets = battery/512, solar"]
    assert settings_of(made.splitlines(), NAMES) == wanted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", ""),
        ("a1", "a1"),
        (PIN, PIN),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("a b", '"a b"'),
        ("ab#cd", '"ab#cd"'),
        ('a"b', "'a\"b'"),
        ("it's", '"it\'s"'),
        ("a,b", '"a,b"'),
        ("a, b", "a, b"),
        ("//x", '"//x"'),
        ("[x]", '"[x]"'),
    ],
)
def test_a_value_gets_quotes_if_it_needs_them(value: str, written: str) -> None:
    """So it has no comment and is no list."""
    assert quoted(value) == written


@pytest.mark.parametrize("value", ["\"'", "a\nb", "a\x1b"])
def test_a_value_that_the_syntax_cannot_represent_is_an_error(value: str) -> None:
    """Nothing is written instead."""
    with pytest.raises(UnwritableError):
        quoted(value)


def test_a_value_that_its_line_would_change_is_an_error() -> None:
    """A comment with the quote of a secret could be read as the end of the secret."""
    text = '[Battery]\npassword =  # the "old"\n'
    with pytest.raises(UnwritableError, match="could end at either"):
        with_settings(text, {"Battery": {"password": "a b"}}, NAMES)


@pytest.mark.parametrize("text", ["[Batery]\n", "user = x\n", "[Battery]\nuser = a\nuser = b\n"])
def test_an_invalid_file_is_unchanged(text: str) -> None:
    """What nobody can read, nobody can change."""
    with pytest.raises(ConfigError, match="line "):
        with_settings(text, PAIRED, NAMES)
    with pytest.raises(ConfigError):
        replaced(text, PAIRED, NAMES, {})


def test_only_a_chosen_value_counts_as_replaced() -> None:
    """An empty value and the default do not count; another value does."""
    wanted = {"Battery": {"user": "token/a/b", "tls": "yes", "port": "", "address": "gx"}}
    defaults = known_defaults()
    assert defaults["Battery"]["verify_host"] == "yes"
    lines = ["[Battery]", "user = bat2influx", "tls =", "port = 1884", "address = boat.lan"]
    found = replaced("\n".join(lines), wanted, NAMES, defaults)
    assert found == ["[Battery] port", "[Battery] address"]
    assert replaced("", wanted, NAMES, defaults) == []


def test_a_diff_shows_no_secret() -> None:
    """Neither the old one, nor one beside a change, nor one in a comment."""
    before = "[Battery]\n# password = older\npassword = 'hunter2'\nuser =\n[Influx]\ntoken = t0k\n"
    after = before.replace("'hunter2'", "").replace("user =", "user = me")
    lines = difference(before, after, "x.ini")
    assert lines[:2] == ["--- x.ini (now)", "+++ x.ini (new)"]
    assert f"-password = {MASK}" in lines
    assert "+user = me" in lines
    for secret in ("older", "hunter2", "t0k"):
        assert secret not in "\n".join(lines)
    assert difference(before, before, "x.ini") == []


KEYS = st.sampled_from([("Battery", key) for key in ("address", "user", "serial", "password")])
PLAIN = st.text("abz019 ._:/#,;='\"é", max_size=12).map(str.strip)
COMMENT = st.sampled_from(["", "  # why", " #", "# x = y"])
OTHERS = st.sampled_from(["", "   ", "# a comment", "#password = old", "\t# [Battery]"])


def _writable(value: str) -> bool:
    return not {*"\"'"} <= {*value}


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return a file with comments, empty lines and some settings, with either end of lines."""
    lines: list[str] = draw(st.lists(OTHERS, max_size=3))
    if draw(st.booleans()):
        lines += ["[Battery]", *draw(st.lists(OTHERS, max_size=2))]
        for key in draw(st.sets(st.sampled_from(["address", "user", "serial", "port"]))):
            value = quoted(draw(PLAIN.filter(_writable)))
            lines += [f"{key} = {value}{draw(COMMENT) if value else ''}", *draw(st.lists(OTHERS))]
    lines += draw(st.sampled_from([[], ["[Influx] # db", "db = x"], ["[Influx]", ""]]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@settings(deadline=None, max_examples=200)
@given(files(), st.dictionaries(KEYS, PLAIN.filter(_writable), max_size=4))
def test_everything_else_is_unchanged(text: str, given: dict[tuple[str, str], str]) -> None:
    """The result has the wanted settings, and every other line is the same, byte by byte."""
    before = Index(text, NAMES, free=("Fields",))
    if before.problems:  # such as `a# x = y`
        return
    wanted: dict[str, dict[str, str]] = {"Battery": {key: v for (_, key), v in given.items()}}
    try:
        made = with_settings(text, wanted, NAMES)
    except UnwritableError:  # a comment in that line would be taken for more of a secret
        return
    after = read(made)
    expected = {place: value for place, value in read(text).items() if place not in given}
    expected |= given
    assert {place: value for place, value in after.items() if value} == {
        place: value for place, value in expected.items() if value
    }
    own = {entry.line for place, entry in before.entries.items() if place in given}
    rest = [line for number, line in enumerate(text.split("\n"), 1) if number not in own]
    left = iter(line.rstrip("\r") for line in made.split("\n"))
    assert all(line.rstrip("\r") in left for line in rest if line.strip())
    assert with_settings(made, wanted, NAMES) == made
