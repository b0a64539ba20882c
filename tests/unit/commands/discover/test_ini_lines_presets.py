"""The few lines that `discover` offers instead of many."""

from __future__ import annotations

import re

import pytest

from bat2influx.commands.discover import ini_lines
from bat2influx.venus.presets import fields_of
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.device import Device
from tests.standins.venus.large import large
from tests.unit.commands.discover.test_ini_lines import AT, live, pasted
from tests.unit.commands.discover.test_survey import surveyed, told


def offered(lines: list[str]) -> list[str]:
    """Return the lines that are offered in the place of others, as settings."""
    return [line[2:] for line in lines if re.match("# (presets|instances) = ", line)]


def in_few_lines(lines: list[str]) -> list[str]:
    """Return a block after what its comments say has been done with it."""
    end = next(number for number, line in enumerate(lines) if re.match("# [a-z]+/[0-9]+", line))
    head = [line for line in lines[:end] if not line.startswith("instance =")]
    return [line[2:] if line[2:] in offered(lines) else line for line in head]


def test_a_large_system_in_two_lines() -> None:
    """With these instead of the others, all of its presets are stored, of both inverters."""
    lines = ini_lines.block(surveyed(large()), AT)
    presets = ("battery", "grid", "solar", "system", "phases")
    assert offered(lines) == [f"presets = {', '.join(presets)}", "instances = tag"]
    assert (
        "# several of vebus: this stores all, with the tag instance; remove instance = 275 above"
        in lines
    )
    few = in_few_lines(lines)
    assert len(live(few)) < 10
    made = pasted(few)
    (battery,) = made.batteries
    assert battery.fields == (*DEFAULT_FIELDS, *fields_of(presets))
    assert (battery.instance, battery.instances) == (None, "tag")
    assert made.influx.device_tags == ("instance",)


def test_these_lines_are_comments() -> None:
    """Each value has its own line below."""
    (battery,) = pasted(ini_lines.block(surveyed(large()), AT)).batteries
    assert (battery.instance, battery.instances) == (275, "one")
    assert not any(field.optional for field in battery.fields)


@pytest.mark.parametrize(
    ("leaves", "lines"),
    [
        (["grid/30/Ac/Power"], ["presets = grid"]),
        (["pvinverter/20/Ac/L2/Power", "vebus/275/State"], ["presets = solar, phases"]),
        (
            ["solarcharger/288/Yield/Power", "solarcharger/289/Pv/V"],
            ["presets = solar", "instances = tag"],
        ),
        (["vebus/275/Soc", "vebus/276/Soc"], ["instances = tag"]),
        (["vebus/275/Soc"], []),
        (["multi/0/Soc", "acsystem/1/Mode"], ["presets = inverter"]),
        (["evcharger/40/Status", "tank/1/Level"], ["presets = loads, tanks"]),
        (["tank/1/Level", "tank/2/Level"], ["presets = tanks", "instances = tag"]),
        (["tank/1/RawValue", "tank/2/RawValue", "grid/30/Odd"], []),
        (["settings/0/State", "settings/1/State"], []),
    ],
)
def test_only_what_the_device_has_is_offered(leaves: list[str], lines: list[str]) -> None:
    """A preset by one of its values; all instances if a person would have to choose."""
    block = ini_lines.block(told(*((leaf, 1) for leaf in leaves)), AT)
    assert offered(block) == lines
    pasted(block)
    if lines:
        pasted(in_few_lines(block))


def test_a_device_of_one_inverter_is_offered_no_instances() -> None:
    """There is nothing to distinguish."""
    lines = ini_lines.block(surveyed(Device()), AT)
    assert offered(lines) == ["presets = system, phases"]
    assert "there are several" not in "\n".join(lines)


def test_rs_inverters_are_active_lines_with_their_units() -> None:
    """A device without vebus is stored as pasted: the nine are not, its inverters are."""
    leaves = {
        "multi/0/Dc/0/Voltage": 52.8,
        "multi/0/Ac/In/1/L1/P": 310,
        "multi/0/Yield/Power": 1200,
        "multi/0/State": 3,
        "multi/0/Energy/SolarToBattery": 512.5,
        "acsystem/1/Ac/Out/L1/P": 280,
        "inverter/289/Ac/Out/L1/V": 230.1,
        "tank/20/Level": 55,
    }
    block = ini_lines.block(told(*leaves.items()), AT)
    assert "defaults = no" in live(block)
    (battery,) = pasted(block).batteries
    stored = {str(field) for field in battery.fields}
    assert stored == {*leaves} - {"multi/0/Energy/SolarToBattery", "tank/20/Level"}
    text = "\n".join(block)
    for shown in ("# 52.8 V\n", "# 310 W\n", "# 3\n", "# 512.5 kWh\n", "# 230.1 V\n"):
        assert shown in text
    assert "# TankLevel = tank/20/Level  # 55 %" in text
