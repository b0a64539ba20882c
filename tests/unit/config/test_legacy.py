"""How a file of the original script is detected, and the text about each of its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.inifile import Index
from bat2influx.config.legacy import changes

NAMES = {
    "Battery": ["address", "password", "db"],
    "Influx": ["address", "user", "token", "db", "tags"],
    "Fields": ["defaults"],
}


def told(text: str, path: str = "/etc/b.ini") -> list[str] | None:
    """Return the lines of the answer, None without one."""
    answer = changes(Index(text, NAMES, free=("Fields",)), Path(path))
    return None if answer is None else answer.splitlines()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("[Battery]\naddress: a\n[Influx]\naddress: b", True),
        ("[Influx]\naddress: a\ndb: b", True),
        ("[Battery]\nx: a\nx: b", True),
        ("[Battery]\naddress: a", False),  # one slip
        ("[Battery]\naddress: a\npassword: b\ndb = c", False),  # ours, with two
        ("[Fields]\na: b\nc: d", False),
        ("[battery]\naddress: a\ndb: b", False),
        ("address: a\ndb: b\n[Battery]", True),
        ("address: a\ndb: b", False),
        ("[Battery]\n# address: a\n# db: b", False),
        ("", False),
    ],
)
def test_a_file_is_detected_by_its_colons(text: str, is_one: bool) -> None:
    """At least two of them, no =, and a section of the original script."""
    assert (told(text) is not None) is is_one


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("address: 10.0.0.7", "write address = 10.0.0.7"),
        ("address :10.0.0.7", "write address = 10.0.0.7"),
        ("ADDRESS: Cerbo", "write address = Cerbo"),
        ("tags: a, b", 'write tags = "a, b"'),
        ("db: a#b", 'write db = "a#b"'),
        ("user: me@home", "write user = …"),
        ("token: abc", "write token = …"),
        ("Token: a,b", "write token = …"),
        ("password: hunter", "remove the line, because there is no such key here"),
        ("colour: red", "remove the line, because there is no such key here"),
    ],
)
def test_a_line_is_rewritten_or_removed(line: str, change: str) -> None:
    """A key may be in capitals; a value gets quotes if it needs them, and a secret is not shown."""
    answer = told(f"[Influx]\naddress: x\n{line}")
    assert answer
    assert answer[2] == f"  line 3: {change}"


def test_a_line_in_an_unknown_section_is_removed() -> None:
    """There is no key where there is no section."""
    answer = told("[Influx]\naddress: x\n[Log]\naddress: y")
    assert answer
    assert answer[2] == "  line 4: remove the line, because there is no such key here"


def test_the_answer_lists_the_lines_and_ends_with_one_command() -> None:
    """Comments are among the lines; a path with spaces is quoted for the shell."""
    text = "; mine\n[Battery]\naddress: a\n; and\n[Influx]\ndb: b"
    assert told(text, "/home/me/my battery.ini") == [
        "/home/me/my battery.ini, line 3: this is a file of the original script"
        " (bat2influx.py of venusos2influx), with key: value; bat2influx reads key = value. Change",
        "  line 1: begin the comment with #",
        "  line 3: write address = a",
        "  line 4: begin the comment with #",
        "  line 6: write db = b",
        r"or all at once:  sed -i 's/^ *\([A-Za-z_]*\) *: */\1 = /; s/^ *;/#/'"
        " '/home/me/my battery.ini'",
        "Put a secret that holds # or a comma in quotes, and write %% in it as %.",
    ]


@pytest.mark.parametrize(
    ("rest", "hint"),
    [
        ("", True),
        ("db: house", False),
        ("DB: house", False),
        ("[Battery]\ndb: house", True),  # which is no setting of it
    ],
)
def test_the_other_default_database_is_named_unless_the_file_has_one(rest: str, hint: bool) -> None:
    """Without `db` the old data would not be found."""
    answer = told(f"[Influx]\naddress: a\nuser: b\n{rest}")
    assert answer
    assert ("write db = bat in [Influx]" in answer[-1]) is hint
