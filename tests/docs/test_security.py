"""SECURITY.md, held against the program and the unit."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests import TOP

PAGE = (TOP / "SECURITY.md").read_text()
BOUNDS = re.findall(r"(?m)^\| ([^|*]+) \| ([^|]+) \| `(\S+)\.py` `(\w+)` \|$", PAGE)
LAST_LINE = re.findall(r"(?m)^\| `(\w+)=` \| (\w+) \|", PAGE)
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "s": 1, "characters": 1}


@pytest.mark.parametrize(
    ("what", "figure", "module", "name"), BOUNDS, ids=[f"{row[2]}.{row[3]}" for row in BOUNDS]
)
def test_a_bound_is_that_of_the_code(what: str, figure: str, module: str, name: str) -> None:
    """A reader trusts the figure."""
    number, _, unit = figure.partition(" ")
    bound = getattr(import_module(f"bat2influx.{module.replace('/', '.')}"), name)
    assert bound == int(number.replace(",", "")) * UNITS[unit], what


def test_every_row_of_the_table_was_read() -> None:
    """One that is written in another way would be held against nothing."""
    table = PAGE.partition("## The bounds")[2].partition("\n\nThe memory for")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "| |" not in line]
    assert len(rows) - 1 == len(BOUNDS) > 20


def test_the_last_line_is_the_units() -> None:
    """All of it, and with these figures."""
    unit = (TOP / "systemd/bat2influx.service").read_text()
    assert re.findall(r"(?m)^((?:Memory|Tasks)\w+)=(\d+M?)$", unit) == LAST_LINE


def test_what_it_names_is_there() -> None:
    """A file that moves takes its place on the page along."""
    for name in re.findall(r"`((?:tests|bat2influx)/[\w/.]+\.py)`", PAGE):
        assert (TOP / name).exists()


@pytest.mark.parametrize(
    "file", ["README.md", "debian/man/bat2influx.8", "debian/man/bat2influx.ini.5", "debian/docs"]
)
def test_a_reader_finds_it(file: str) -> None:
    """From the first page, from the manual, and beside the package's other documents."""
    assert "SECURITY.md" in Path(TOP, file).read_text()
