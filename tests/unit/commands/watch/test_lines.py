"""`bat2influx watch` without a terminal: lines."""

from __future__ import annotations

from dataclasses import replace

from bat2influx.commands.watch.lines import Troubles, lines
from bat2influx.commands.watch.model import Fact, Level, Part
from bat2influx.commands.watch.text import ASCII
from tests.unit.commands.watch.test_layout import DEVICE, DOWN, FACTS, TROUBLE, row, view

TIME = "2026-07-14T14:03:12+00:00"


def test_a_line_has_time_names_values_and_units() -> None:
    """All significant digits of a value, and its age if the value is stale."""
    rows = (
        row("Voltage", 52.6134),
        row("Current", -0.0, unit="A"),
        row("Power", 652.0, unit="W", age=8.0),
        row("State", 9.0, unit=""),
        row("L2", 230.0, instead="null"),
        row("L3"),
    )
    assert [*lines(view(*rows))] == [
        f"{TIME} Voltage 52.6134 V, Current 0 A, Power 652 W (8 s old), State 9, L2 null"
    ]


def test_a_line_without_values_has_the_state_of_the_device() -> None:
    """So that there is one from the beginning on."""
    assert [*lines(view())] == [f"{TIME} {DEVICE.text}"]


def test_each_of_several_devices_has_its_line() -> None:
    """With its name in front; in ASCII if the locale has nothing else."""
    rows = (row("Temperature", 21.5, unit="°C"),)
    parts = Part("home", (DEVICE,), rows), Part("boat", (DEVICE,), rows)
    assert [*lines(replace(view(), parts=parts), ASCII)] == [
        f"{TIME} home: Temperature 21.5 degC",
        f"{TIME} boat: Temperature 21.5 degC",
    ]


def test_a_trouble_has_a_line_when_it_begins_and_one_when_it_ends() -> None:
    """However long it lasts, and however its text counts on."""
    troubles = Troubles()
    silent = Fact("device", "nothing for 6 s", Level.WRONG, "silence")
    assert not [*troubles.lines(view())]
    assert [*troubles.lines(view(facts=(*DOWN, silent)))] == [
        f"{TIME} problem: database: {TROUBLE}",
        f"{TIME} problem: device: nothing for 6 s",
    ]
    assert not [*troubles.lines(view(facts=(*DOWN, silent._replace(text="nothing for 7 s"))))]
    assert [*troubles.lines(view(facts=DOWN))] == [f"{TIME} resolved: device: nothing for 7 s"]
    assert [*troubles.lines(view(facts=FACTS))] == [f"{TIME} resolved: database: {TROUBLE}"]
