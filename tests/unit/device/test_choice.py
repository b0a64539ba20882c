"""Choices that only a user can make, as lines to copy into the configuration."""

from __future__ import annotations

import pytest

from bat2influx.device.choice import Choice, UndecidedError
from bat2influx.venus.presets import fields_of
from bat2influx.venus.protocol import Field, parse_field

P, FILE = "c0619ab1c2d3", "/etc/bat2influx/bat2influx.ini"
PV, PANEL = (
    parse_field("Pv", "solarcharger/Yield/Power"),
    parse_field("Panel", "solarcharger/Pv/V"),
)
ALL_OF_THEM = "instances = tag"


def lines_of(error: UndecidedError) -> tuple[str, list[str]]:
    """Return the first line of the text, and the others."""
    first, *others = str(error).split("\n")
    return first, others


@pytest.mark.parametrize(("name", "section"), [("", "[Battery]"), ("attic", "[Battery attic]")])
def test_of_several_devices_each_is_a_line(name: str, section: str) -> None:
    """In the given order, with the section and the file that the line belongs to."""
    first, others = lines_of(Choice(FILE, name).of_devices("venus.local", ["b", "a"]))
    assert f"several devices at venus.local: put one of these lines under {section} in {FILE}" in (
        first
    )
    assert others == ["serial = b", "serial = a"]


@pytest.mark.parametrize(
    ("name", "battery", "fields"),
    [("", "[Battery]", "[Fields]"), ("attic", "[Battery attic]", "[Fields] or [Fields attic]")],
)
def test_of_several_inverters_each_is_a_line_of_the_battery(
    name: str, battery: str, fields: str
) -> None:
    """One line selects the inverter for all nine fields; a line of [Fields] reads all inverters."""
    soc = parse_field("Soc", "vebus/Soc")
    first, others = lines_of(Choice(FILE, name).of_instances(P, [275, 276], [soc]))
    assert first == (
        f"device {P} has several instances of vebus (275 and 276):"
        f" put one of these lines under {battery} in {FILE}"
    )
    assert others[:2] == ["instance = 275", "instance = 276"]
    assert fields in others[2]
    assert others[3:] == [ALL_OF_THEM]


def test_of_another_service_each_name_has_its_choices() -> None:
    """They are lines of [Fields], name by name; fields with an instance are not among them."""
    given = parse_field("Sun", "solarcharger/288/Yield/User")
    optional = Field("State", "solarcharger", None, "State", optional=True)
    choice = Choice(FILE, "").of_instances(P, [288, 289], [PV, given, optional, PANEL])
    first, others = lines_of(choice)
    assert f"choose one of these lines for each name under [Fields] in {FILE}" in first
    assert others[:4] == [
        "Pv = solarcharger/288/Yield/Power",
        "Pv = solarcharger/289/Yield/Power",
        "Panel = solarcharger/288/Pv/V",
        "Panel = solarcharger/289/Pv/V",
    ]
    assert others[-1] == ALL_OF_THEM


def test_of_a_preset_all_instances_are_read() -> None:
    """Its fields have no lines; the choice is how to distinguish the instances."""
    optional = Field("State", "solarcharger", None, "State", optional=True)
    first, others = lines_of(Choice(FILE, "").of_instances(P, [288, 289], [optional]))
    assert first.endswith(f"put one of these lines under [Fields] in {FILE}")
    assert others == ["instances = tag", "instances = name"]


def test_of_a_preset_one_instance_can_be_named_behind_it() -> None:
    """For a field of a preset, an example line names the preset with an instance."""
    _, others = lines_of(Choice(FILE, "").of_instances(P, [288, 289], fields_of(["solar"])[:2]))
    assert others == [
        "instances = tag",
        "instances = name",
        "or, to read one, write its instance after the preset, as in",
        "presets = solar/288",
    ]


def test_three_are_listed_as_three() -> None:
    """Each has a line."""
    first, others = lines_of(Choice(FILE, "").of_instances(P, [1, 2, 30], [PV]))
    assert "(1 and 2 and 30)" in first
    assert [line for line in others if line.startswith("Pv = ")] == [
        f"Pv = solarcharger/{number}/Yield/Power" for number in (1, 2, 30)
    ]


def test_of_a_thousand_the_first_are_listed_with_the_number_of_the_others() -> None:
    """They may be invented, and the text goes into the log and the status line."""
    many = [f"made-up-{number}" for number in range(1000)]
    first, others = lines_of(Choice(FILE, "").of_devices("venus.local", many))
    assert others == [*(f"serial = {each}" for each in many[:20]), "# and 980 others"]
    first, others = lines_of(Choice(FILE, "").of_instances(P, [*range(1000)], [PV]))
    assert "18 and 19 and 980 others):" in first
    assert len(others) == 22
