"""The table of docs/what-is-lost.md: a line for each scenario, in its own words."""

from __future__ import annotations

import importlib
import pkgutil

from tests import TOP, faults
from tests.faults.scenario import Scenario

PAGE = TOP / "docs/what-is-lost.md"
BEGIN = "<!-- written by tests/faults -->\n"
END = "<!-- up to here: faults -->\n"
GROUPS = {  # each with the first words of its scenarios' ids
    "database": ("database", "field"),
    "daemon": ("daemon", "machine"),
    "disk": ("disk", "spool"),
    "clock": ("clock",),
    "device, and the network to it": ("device", "broker", "names"),
}


def scenarios() -> dict[str, Scenario]:
    """Return the scenarios of all files, by id and in the order of their ids."""
    found: dict[str, Scenario] = {}
    for name in (each.name for each in pkgutil.iter_modules(faults.__path__)):
        if not name.startswith(("test_", "_")):
            module = importlib.import_module(f"tests.faults.{name}")
            more: dict[str, Scenario] = getattr(module, "SCENARIOS", {})
            assert not found.keys() & more.keys(), f"in two files: {found.keys() & more.keys()}"
            found |= more
    return dict(sorted(found.items()))


def text() -> str:
    """Return the table."""
    lines = ["", "| fault | what happens | what is lost |", "|---|---|---|"]
    everything = scenarios()
    for group, prefixes in GROUPS.items():
        lines.append(f"| **The {group}** | | |")
        for name in [name for name in everything if name.split("_")[0] in prefixes]:
            made = everything.pop(name)
            lines.append(f"| {made.fault} | {made.happens} | {made.lost} |")
    assert not everything, f"in no group: {sorted(everything)}"
    return "\n".join([*lines, "", ""])


def shown() -> str:
    """Return what the page has."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + text() + END + rest.partition(END)[2])
