"""The README's table of faults: a line for each scenario, in its own words."""

from __future__ import annotations

import importlib
import pkgutil

from tests import TOP, faults
from tests.faults.scenario import Scenario

README = TOP / "README.md"
BEGIN = "<!-- written by tests/faults -->\n"
END = "<!-- up to here: faults -->\n"
GROUPS = {  # by what the scenarios' names begin with; the names of what they are about
    "database": ("database", "field"),
    "daemon": ("daemon", "machine"),
    "disk": ("disk", "spool"),
    "clock": ("clock",),
    "device, and the way to it": ("device", "broker", "names"),
}


def scenarios() -> dict[str, Scenario]:
    """Return all that there are, by the names of their modules, in order."""
    found = {}
    for name in sorted(each.name for each in pkgutil.iter_modules(faults.__path__)):
        if not name.startswith(("test_", "_")):
            made = getattr(importlib.import_module(f"tests.faults.{name}"), "SCENARIO", None)
            if made:
                found[name] = made
    return found


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
    """Return what the README has."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Put the table into the README."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + text() + END + rest.partition(END)[2])
