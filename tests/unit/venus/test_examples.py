"""The services that are named if there is no inverter, and the lines that read them."""

from __future__ import annotations

import pytest

from bat2influx.config import checks
from bat2influx.venus.examples import (
    BACKGROUND_SERVICES,
    EXAMPLES,
    MAX_KINDS,
    MAX_LINES,
    example_lines,
    named,
)
from bat2influx.venus.protocol import parse_field

SHUNT = [("system", 0), ("solarcharger", 289), ("battery", 512), ("solarcharger", 288)]


@pytest.mark.parametrize(
    ("places", "text"),
    [
        (SHUNT, "battery 512, solarcharger 288 and 289"),
        ([("multi", 0), ("acsystem", 0)], "multi 0, acsystem 0"),
        ([("tank", n) for n in (3, 1, 2)], "tank 1, 2 and 3"),
        ([("tank", n) for n in range(9)], "tank 0, 1, 2, 3 and others"),
        ([("evcharger", 40), ("grid", 30)], "grid 30, evcharger 40"),
        ([(service, 0) for service in BACKGROUND_SERVICES], ""),
        ([], ""),
    ],
)
def test_what_measures_something_is_named_with_its_instances(
    places: list[tuple[str, int]], text: str
) -> None:
    """In one order, whatever the order of discovery; background services are left out."""
    assert named(places) == text


def test_a_large_system_is_named_in_part() -> None:
    """The length of a log line is limited."""
    assert named([(f"kind{n}", 0) for n in range(50)]).count(",") == MAX_KINDS
    assert named([(f"kind{n}", 0) for n in range(50)]).endswith(", …")


def test_the_lines_are_lines_of_the_file() -> None:
    """One per kind, three at most, and none of an unknown kind."""
    assert example_lines(SHUNT) == ["Soc = battery/512/Soc", "Pv = solarcharger/288/Yield/Power"]
    assert example_lines([("evcharger", 40)]) == []
    assert len(example_lines((kind, 1) for kind in EXAMPLES)) == MAX_LINES
    for kind in EXAMPLES:
        (line,) = example_lines([(kind, 1)])
        name, _, path = line.partition(" = ")
        assert checks.is_key(name)
        assert str(parse_field(name, path)) == path


def test_names_of_different_kinds_differ() -> None:
    """Otherwise a second line would be a mistake in the file."""
    assert len({name for name, _ in EXAMPLES.values()}) == len(EXAMPLES)
