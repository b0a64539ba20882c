"""The lines alone that a device without an inverter needs."""

from __future__ import annotations

from bat2influx.commands.discover.ini_lines import live_fields
from tests.standins.venus.device import Device
from tests.unit.commands.discover.test_survey import surveyed, told


def test_the_lines_are_those_that_are_read() -> None:
    """With the one that leaves out the nine, and without comments of their own."""
    lines = live_fields(surveyed(Device("c0619ab1c2d3", ("battery/512", "solarcharger"))))
    assert lines[:2] == ["[Fields]", "defaults = no"]
    assert any(" = battery/512/Soc " in line for line in lines)
    assert any(" = solarcharger/288/Yield/Power " in line for line in lines)
    assert not any(line.startswith("#") or not line for line in lines)


def test_where_there_is_nothing_to_read_there_are_none() -> None:
    """What is commented out would be read once a second, and nobody has asked for it."""
    assert live_fields(told(("evcharger/40/Odd", 1))) == []
    assert live_fields(told()) == []
