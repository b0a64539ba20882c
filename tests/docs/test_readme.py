"""README.md: short, and its tables are those of the program."""

from __future__ import annotations

import re

import pytest

from bat2influx import cli
from bat2influx.venus.units import DEFAULT_FIELDS, unit_of
from tests.docs import pages
from tests.docs.test_manual import _spec

README = pages.README.read_text()
MAX_LINES = 250  # what somebody reads who has never seen the project
MAX_BYTES = 14_000
TEN = re.findall(r"(?m)^\| `\[(\w+)\]` \| (`[^|]+`) \| ([^|]+) \|", README)


def section(title: str) -> str:
    """Return the text below a heading."""
    text = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert text, title
    return text


def test_it_can_be_read_in_a_few_minutes() -> None:
    """What is longer belongs to docs/."""
    assert len(README.splitlines()) <= MAX_LINES
    assert len(README.encode()) <= MAX_BYTES


def test_it_has_one_picture() -> None:
    """The others are on the pages that they belong to."""
    assert re.findall(r"!\[[^]]*\]\(([^)]*)\)", README) == ["docs/pictures/overview.png"]


def test_it_has_the_fields_that_are_stored_by_default() -> None:
    """With unit and path, in the program's order."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\S+) \| [^|]+ \| `(\S+)` \|$", section("The fields"))
    assert rows == [
        (field.name, unit_of(field.service, field.path), f"{field.service}/{field.path}")
        for field in DEFAULT_FIELDS
    ]


def test_it_has_every_command() -> None:
    """In the program's order."""
    rows = re.findall(r"(?m)^\| `bat2influx ([\w-]+)", section("The commands"))
    assert rows == [*cli.COMMANDS]


def test_it_has_the_ten_settings_that_most_people_need() -> None:
    """One or two keys a line, no more lines than that."""
    assert len(TEN) == 10


@pytest.mark.parametrize(("of", "keys", "default"), TEN, ids=[f"{row[0]} {row[1]}" for row in TEN])
def test_a_setting_is_there_and_has_this_default(of: str, keys: str, default: str) -> None:
    """As in config.spec; a dash is for none."""
    for key in re.findall(r"`(\w+)`", keys):
        found = re.search(r'default="?([^",)]*)', _spec()[of][key])
        assert found
        known = "" if found[1] in ("None", "list(") else found[1]
        assert default == (f"`{known}`" if known else "–")


def test_it_leads_to_every_page() -> None:
    """From the first page to any other is one step."""
    linked = {link.partition("#")[0] for link in pages.links(README)}
    assert {pages.name(page) for page in pages.FOLDER.glob("*.md")} <= linked
