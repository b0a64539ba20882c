"""Which fields are downsampled, under which names, and which of them by their last value alone."""

from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import (
    ClashError,
    as_stored,
    columns,
    last_alone,
    named_by_instance,
)
from bat2influx.config.settings import Battery, Settings, load
from bat2influx.device.plan import Plan
from bat2influx.venus.presets import PRESETS, fields_of
from bat2influx.venus.protocol import Field, parse_field

NAMED = "instances = name\npresets = solar, system\nState = vebus/State\nOld = grid/30/Ac/Power\n"


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("vebus/State", True),
        ("vebus/275/State", True),
        ("vebus/Mode", True),
        ("vebus/VebusError", True),
        ("solarcharger/288/State", True),
        ("grid/Ac/Energy/Forward", True),
        ("tank/1/State", True),
        ("vebus/Ac/ActiveIn/ActiveInput", True),
        ("evcharger/Status", True),
        ("genset/ErrorCode", True),
        ("tank/1/Level", False),
        ("vebus/Soc", False),
        ("solarcharger/Pv/V", False),
        ("system/Dc/Battery/TimeToGo", False),
    ],
)
def test_a_code_is_its_last_value(path: str, last: bool) -> None:
    """Whatever its name is; so is what counts up, and nothing else."""
    field = parse_field("Whatever", path)
    assert last_alone(field) is last
    functions = [column.function for column in columns([field])]
    assert functions == (["last"] if last else ["mean", "min", "max"])


def test_of_presets_the_states_and_the_energies_are_last_values() -> None:
    """All else is measured, and has a mean."""
    last = {field.name for field in fields_of(PRESETS) if last_alone(field)}
    units = {each.name: each.unit for own in PRESETS.values() for each in own}
    assert last == {name for name, unit in units.items() if unit in ("", "kWh")}


def _settings(directory: Path, text: str) -> Settings:
    path = directory / "bat2influx.ini"
    path.write_text(text)
    return load(path)


def _battery(directory: Path, fields: str, battery: str = "") -> Battery:
    text = f"[Battery]\n{battery}\n[Fields]\ndefaults = no\n{fields}"
    return _settings(directory, text).batteries[0]


def _labels(battery: Battery, found: dict[str, tuple[int, ...]]) -> set[str]:
    """Return the names under which the daemon stores values of what a device has."""
    present = [
        f"{f.service}/{n}/{f.path}" for f in battery.fields for n in found.get(f.service, (0,))
    ]
    how = battery.instances_of
    made = Plan("c0619ab1c2d3", battery.fields, found, instances_of=how, present=present)
    return {series.field for series in made.series.values()}


def test_names_are_those_that_the_daemon_stores(tmp_path: Path) -> None:
    """With the instance behind them, but for the system and for what the file names."""
    battery = _battery(tmp_path, NAMED)
    stored = _labels(battery, {"vebus": (275, 289), "solarcharger": (288,), "pvinverter": (20,)})
    assert {"State_275", "State_289", "SolarPower_288", "SystemSolarPower", "Old"} < stored
    made = as_stored(battery, {*stored, "Voltage_1", "State", "_7", "SolarPower_x", "Old_3"})
    assert {field.name for field in made} == stored
    assert all(field.instance is not None for field in made if field.service != "system")


def test_an_instance_in_the_file_is_the_only_one(tmp_path: Path) -> None:
    """It is known before anything is stored; others are of earlier times or of other devices."""
    battery = _battery(tmp_path, "instances = name\nState = vebus/State\n", "instance = 275")
    for stored in ((), ("State_275", "State_289")):
        assert [str(field) for field in as_stored(battery, stored)] == ["vebus/275/State"]


def test_where_one_kind_alone_is_told_apart_by_name_the_others_keep_theirs(tmp_path: Path) -> None:
    """The nine among them; a preset that names its instance is known before it is stored."""
    text = "instances = tag, battery/name\npresets = solar, battery/512\nState = vebus/State\n"
    battery = _battery(tmp_path, text)
    assert named_by_instance(battery) == ()
    names = {field.name for field in as_stored(battery, ["State_275", "BatterySoc_513"])}
    assert {"State", "SolarPower", "BatterySoc_512"} < names
    assert not {"State_275", "BatterySoc", "BatterySoc_513"} & names
    places = {"vebus": (275,), "solarcharger": (288,), "pvinverter": (20,)}
    places["battery"] = (512, 513)
    assert names >= _labels(battery, places)


@pytest.mark.parametrize("instances", ["one", "tag"])
def test_otherwise_a_name_is_that_of_the_file(tmp_path: Path, instances: str) -> None:
    """Whatever is stored besides."""
    battery = _battery(tmp_path, f"instances = {instances}\nState = vebus/State\n")
    assert named_by_instance(battery) == ()
    assert as_stored(battery, ["State_275"]) == battery.fields


def test_a_name_that_two_devices_give_to_unlike_values_is_an_error() -> None:
    """There is one column of a name; two that are alike share it."""
    unlike = [Field("E", "grid", 30, "Ac/Energy/Forward"), Field("E", "grid", 30, "Ac/Power")]
    with pytest.raises(ClashError, match="E is grid/30/Ac/Energy/Forward of one device and grid/"):
        columns(unlike)
    alike = [Field("E", "grid", 30, "Ac/Power"), Field("E", "system", 0, "Ac/Grid/L1/Power")]
    assert [column.name for column in columns(alike)] == ["E", "E_min", "E_max"]
