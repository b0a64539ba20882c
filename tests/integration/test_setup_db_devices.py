"""`setup-db` with several devices, instances and enumerations, against a real InfluxDB."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx.influx.influxql import DAY, tokens
from tests.standins.databases.influxdb import InfluxDB
from tests.support.setup_command import Point, Setup, Values

NS = 10**9
TAGGED = """\
[Battery house]
[Battery boat]
[Fields]
defaults = no
Voltage = vebus/Dc/0/Voltage
My = vebus/State
presets = solar
instances = tag
"""
NAMED = """\
[Fields]
defaults = no
Voltage = vebus/Dc/0/Voltage
State = vebus/State
Soc = system/Dc/Battery/Soc
presets = solar
instances = name
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One for all tests; each has a separate database."""
    with InfluxDB(tmp_path_factory.mktemp("setup") / "influxdb") as running:
        yield running


Make = Callable[[str, str], Setup]


@pytest.fixture
def make(tmp_path: Path, server: InfluxDB, capsys: pytest.CaptureFixture[str]) -> Make:
    """Return a function that makes the command for a database, by a file with some sections."""
    return lambda db, text: Setup(tmp_path, server, capsys, db, text)


def _start() -> int:
    """Return the beginning of a minute some days ago, in s."""
    return int(time.time()) // DAY * DAY - 5 * DAY


def _minute(tags: str, start: int, field: str, values: list[float]) -> list[Point]:
    """Return a value every second, from `start`."""
    return [(tags, field, value, (start + n) * NS) for n, value in enumerate(values)]


def _averaged(tags: str, start: int, field: str, values: list[float]) -> Values:
    made = {field: sum(values) / len(values)}
    made |= {f"{field}_min": min(values), f"{field}_max": max(values)}
    return {(tags, start * NS, name): value for name, value in made.items()}


def test_series_with_different_tags_stay_separate(make: Make) -> None:
    """Site, portal id, service and instance are those of the raw values; of a state, the last."""
    setup = make("tagged", TAGGED)
    setup.ask("CREATE DATABASE tagged")
    start, expected = _start(), Values()
    series = itertools.product(("house", "boat"), ("a1", "b2"), ("275", "289"))
    for number, (site, portal, instance) in enumerate(series):
        tags = f"instance={instance},portal={portal},service=vebus,site={site}"
        voltages = [number + 0.5, number + 1.5, number + 4.0]
        setup.write(_minute(tags, start, "Voltage", voltages))
        setup.write(_minute(tags, start, "My", [9.0, 3.0, 5.0 + number]))
        expected |= _averaged(tags, start, "Voltage", voltages)
        expected[tags, start * NS, "My"] = 5.0 + number
    chargers = "instance=275,portal=a1,service=solarcharger,site=boat"
    setup.write(_minute(chargers, start, "SolarState", [0.0, 3.0, 252.0]))
    expected[chargers, start * NS, "SolarState"] = 252.0
    setup()
    assert setup.values("minutes") == expected
    assert {key[::2] for key in setup.values("hours")} == {key[::2] for key in expected}
    assert all(("last", "My") in query for query in _computed(setup))


def test_names_with_an_instance_are_those_of_stored_values(make: Make) -> None:
    """They exist after the first values; before that the command reports that none is known."""
    setup = make("named", NAMED)
    said = setup()
    assert "note  instances     none is stored yet, so none is downsampled; once" in said
    soc = {(function, "Soc") for function in ("mean", "min", "max")}
    assert all(query - {("time", "60s"), ("time", "3600s")} == soc for query in _computed(setup))
    start, expected = _start(), Values()
    for instance in (275, 289):
        setup.write(_minute("", start, f"Voltage_{instance}", [50.0, 51.0, 52.0 + instance]))
        setup.write(_minute("", start, f"State_{instance}", [9.0, 3.0]))
        expected |= _averaged("", start, f"Voltage_{instance}", [50.0, 51.0, 52.0 + instance])
        expected["", start * NS, f"State_{instance}"] = 3.0
    setup.write(_minute("", start, "SolarState_288", [5.0]))
    setup.write([("", "Voltage_1", True, start * NS)])  # of another program, and no number
    expected["", start * NS, "SolarState_288"] = 5.0
    kept = setup()
    assert kept.count("it lacks SolarState_288, ") == 4
    assert "Voltage_275, Voltage_275_min, Voltage_275_max, Voltage_289" in kept
    assert "Voltage_1" not in kept
    said = setup(change=True)
    assert (
        "ok    instances     the known ones are downsampled, solarcharger 288,"
        " vebus 275 and 289; when there is another one, run this again with --change" in said
    )
    assert setup.values("minutes") == expected
    assert " created" not in setup()


def test_without_known_fields_there_is_no_query(make: Make) -> None:
    """InfluxDB rejects a query without fields; all else is created, the queries by a later run."""
    only = "[Fields]\ndefaults = no\npresets = solar\ninstances = name\n"
    setup = make("unknown", only)
    said = setup()
    assert "policy 'hours' created" in said
    assert "none is stored yet" in said
    assert setup.state()["queries"] == []
    setup.write(_minute("", _start(), "SolarPower_288", [100.0]))
    assert setup().count("query 'bat2influx_dc_") == 6
    assert set(setup.values("hours").values()) == {100.0, 100 / 60_000, 0.0}
    assert " created" not in setup()


def test_an_instance_in_the_file_is_known(make: Make) -> None:
    """Without stored values of it."""
    setup = make("given", "[Battery]\ninstance = 276\n[Fields]\ninstances = name\n")
    said = setup()
    assert "the known ones are downsampled, vebus 276" in said
    assert all(("mean", "Soc_276") in query for query in _computed(setup))


def _computed(setup: Setup) -> list[set[tuple[str, str]]]:
    """Return the functions and their fields of each continuous query of minutes and of hours."""
    found = []
    for row in setup.state()["queries"]:
        parts = tokens(row["query"])
        if "sum" in parts:  # of energies
            continue
        triples = zip(parts, parts[1:], parts[2:], strict=False)
        found.append({(one, field) for one, bracket, field in triples if bracket == "("})
    return found
