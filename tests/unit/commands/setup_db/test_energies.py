"""Which fields have energies, what these are called, and by which statements they are computed."""

import re

import pytest

from bat2influx.commands.setup_db import energies
from bat2influx.commands.setup_db.downsampling import (
    HOURS,
    LEAST_DOWNSAMPLED,
    MINUTES,
    ClashError,
    RawMeasurement,
    difference,
)
from bat2influx.commands.setup_db.energies import Energy, continuous_query, fill
from bat2influx.influx.influxql import DAY, HOUR
from bat2influx.venus.presets import PRESETS, fields_of
from bat2influx.venus.protocol import Field, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

SOURCE = RawMeasurement("battery", "raw", "dc")
POWER = Energy("Power")
NINE = energies.energies(DEFAULT_FIELDS)


def test_of_the_nine_fields_two_are_powers() -> None:
    """That of the battery and that of the mains; apparent power is no energy."""
    assert [energy.field for energy in NINE] == ["Power", "P"]
    assert NINE[1].names == ("P_plus_kWh", "P_minus_kWh")


def test_of_presets_everything_in_watts_has_an_energy() -> None:
    """And nothing else: a counter in kWh is one already."""
    units = {each.name: each.unit for own in PRESETS.values() for each in own}
    found = {energy.field for energy in energies.energies(fields_of(PRESETS))}
    assert found == {name for name, unit in units.items() if unit == "W"}
    assert {"GridPower", "SolarPower", "SystemConsumptionL3Power", "AcSystemOutputPower"} < found


@pytest.mark.parametrize(
    ("path", "power"),
    [
        ("vebus/275/Ac/ActiveIn/L2/P", True),
        ("solarcharger/288/Yield/Power", True),
        ("solarcharger/288/Pv/0/P", True),
        ("heatpump/40/Ac/Power", True),
        ("heatpump/40/Ac/Energy/Forward", False),
        ("solarcharger/288/History/Daily/0/MaxPower", False),
        ("vebus/275/State", False),
        ("vebus/275/Ac/Out/L1/S", False),
    ],
)
def test_a_power_is_known_by_its_unit(path: str, power: bool) -> None:
    """Whatever the file calls it."""
    assert bool(energies.energies([parse_field("Whatever", path)])) is power


def test_a_name_that_is_a_power_of_one_device_alone_has_no_energy() -> None:
    """A sum over all sites would add per cent to watts; in whichever order they come."""
    fields = [
        Field("X", "system", 0, "Dc/Battery/Power"),
        Field("X", "system", 0, "Dc/Battery/Soc"),
    ]
    for given in (fields, fields[::-1]):
        assert energies.energies(given) == ()
    assert energies.energies(fields[:1] * 2) == (Energy("X"),)


@pytest.mark.parametrize("name", POWER.names)
def test_a_name_that_is_taken_is_an_error(name: str) -> None:
    """By a field or by a tag."""
    own = parse_field(name, "vebus/Soc")
    with pytest.raises(
        ClashError, match=rf"\[Fields\]: {name} is also the name of the energy of Power"
    ):
        energies.energies([own, *DEFAULT_FIELDS])
    with pytest.raises(ClashError, match=rf"\[Influx\] tags: {name} "):
        energies.energies(DEFAULT_FIELDS, [name])
    assert energies.energies([own]) == ()


def test_a_query_reads_minutes_and_writes_hours() -> None:
    """A sub-query for each field, which keeps its tags; a kWh is 60,000 W for a minute."""
    name, query = continuous_query(energies.RUNS[0], SOURCE, NINE)
    assert name == "bat2influx_dc_energies"
    assert query.shown == (
        'CREATE CONTINUOUS QUERY "bat2influx_dc_energies" ON "battery" RESAMPLE EVERY 1h FOR 3h'
        ' BEGIN SELECT sum("Power_plus_kWh") AS "Power_plus_kWh",'
        ' sum("Power_minus_kWh") AS "Power_minus_kWh", sum("P_plus_kWh") AS "P_plus_kWh",'
        ' sum("P_minus_kWh") AS "P_minus_kWh" INTO "battery"."hours"."dc"'
        ' FROM (SELECT ("Power" + abs("Power")) / 120000 AS "Power_plus_kWh",'
        ' (abs("Power") - "Power") / 120000 AS "Power_minus_kWh"'
        ' FROM "battery"."minutes"."dc" GROUP BY *),'
        ' (SELECT ("P" + abs("P")) / 120000 AS "P_plus_kWh",'
        ' (abs("P") - "P") / 120000 AS "P_minus_kWh"'
        ' FROM "battery"."minutes"."dc" GROUP BY *)'
        " GROUP BY time(1h), * END"
    )
    late, _ = continuous_query(energies.RUNS[1], SOURCE, NINE)
    assert late == "bat2influx_dc_energies_late"


def test_a_run_has_what_the_minutes_write_only_then() -> None:
    """It looks back further than theirs, or what they add would be in no energy."""
    for own, minutes in zip(energies.RUNS, MINUTES.runs, strict=True):
        assert own.suffix == minutes.suffix
        assert own.back >= minutes.back + own.every
        assert own.back < LEAST_DOWNSAMPLED
        assert own.every % HOURS.seconds == 0, "an hour under way would be written in part"


@pytest.mark.parametrize(
    ("first", "end", "edges"),
    [
        (90, HOUR - 1, []),
        (90, HOUR, [("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z")]),
        (
            *(HOUR + 1, 8 * DAY + 90),
            [
                ("1970-01-01T01:00:00Z", "1970-01-08T00:00:00Z"),
                ("1970-01-08T00:00:00Z", "1970-01-09T00:00:00Z"),
            ],
        ),
    ],
)
def test_whole_hours_are_filled_in_by_weeks(
    first: int, end: int, edges: list[tuple[str, str]]
) -> None:
    """From that of the first minute to before the one under way."""
    made = [statement.text for statement in fill(SOURCE, [POWER], first, end)]
    assert [tuple(re.findall(r"'([0-9TZ:-]+)'", text)) for text in made] == edges
    assert energies.SPAN % DAY == 0
    assert all(") WHERE time >= " in text and ") GROUP BY *" not in text for text in made)


def test_names_are_quoted() -> None:
    """What looks like another statement is a name."""
    (text,) = (each.text for each in fill(SOURCE, [Energy('V "x"; --')], 0, HOUR))
    assert r'abs("V \"x\"; --")' in text
    assert r'AS "V \"x\"; --_minus_kWh"' in text


def test_what_a_query_lacks_is_named_once() -> None:
    """Although each name is in it twice."""
    _, there = continuous_query(energies.RUNS[0], SOURCE, NINE[:1])
    _, wanted = continuous_query(energies.RUNS[0], SOURCE, NINE)
    assert difference(there.text, wanted.text) == "lacks P_plus_kWh, P_minus_kWh"
    assert difference(wanted.text, there.text) == "has P_plus_kWh, P_minus_kWh too"
