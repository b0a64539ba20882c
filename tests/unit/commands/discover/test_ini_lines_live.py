"""Only the lines that a device without an inverter needs."""

from __future__ import annotations

from bat2influx.commands.discover.ini_lines import live_fields
from tests.standins.venus.device import Device
from tests.unit.commands.discover.test_survey import surveyed, told


def test_the_lines_are_the_active_ones() -> None:
    """With the one that leaves out the nine, and without comments."""
    lines = live_fields(surveyed(Device("c0619ab1c2d3", ("battery/512", "solarcharger"))))
    assert lines[:2] == ["[Fields]", "defaults = no"]
    assert any(" = battery/512/Soc " in line for line in lines)
    assert any(" = solarcharger/288/Yield/Power " in line for line in lines)
    assert not any(line.startswith("#") or not line for line in lines)


def test_without_wanted_values_there_are_no_lines() -> None:
    """Commented lines would be read once a second, which a person has to choose."""
    assert live_fields(told(("evcharger/40/Odd", 1))) == []
    assert live_fields(told()) == []
