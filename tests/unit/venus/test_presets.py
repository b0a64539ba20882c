"""The presets: their fields, unique names, and units."""

from __future__ import annotations

import pytest

from bat2influx.commands.setup_db.downsampling import columns, counts_up
from bat2influx.config.checks import is_key
from bat2influx.config.inifile import could_be_field
from bat2influx.venus.presets import PRESETS, chosen, fields_of, preset_of, services_of
from bat2influx.venus.protocol import Field, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS, PATHS, WANTED, unit_of

PHASES = ("L1", "L2", "L3")
ALL = fields_of(PRESETS)
BY_NAME = {field.name: f"{field.service}/{field.path}" for field in ALL}


def test_no_name_is_there_twice() -> None:
    """All presets and the nine default fields can be stored together, also downsampled."""
    names = [field.name for field in (*DEFAULT_FIELDS, *ALL)]
    assert len(names) == len(set(names))
    assert columns((*DEFAULT_FIELDS, *ALL))


def test_no_path_is_there_twice() -> None:
    """A value with two names would be stored twice."""
    assert len({*BY_NAME.values()}) == len(ALL)


def test_names_begin_with_what_is_measured() -> None:
    """They are names for the file, in the letters and digits that a query takes without quotes."""
    for field in ALL:
        assert field.name.isascii()
        assert field.name.isalnum()
        assert field.name[0].isupper()
        assert is_key(field.name)
        assert could_be_field(field.name, field.path)


def test_fields_of_a_preset_may_be_missing_and_name_no_instance() -> None:
    """Apart from that they equal what parse_field makes of their path."""
    for field in ALL:
        plain = parse_field(field.name, str(field))
        assert field == Field(field.name, plain.service, None, plain.path, optional=True)


def test_presets_are_put_together_in_the_order_given_and_each_once() -> None:
    """A name that is no preset is a KeyError: the configuration has checked it."""
    grid, solar = fields_of(["grid"]), fields_of(["solar"])
    assert fields_of(["solar", "grid", "solar"]) == (*solar, *grid)
    assert fields_of([]) == ()
    with pytest.raises(KeyError):
        fields_of(["gird"])


def test_an_instance_behind_a_preset_is_that_of_all_its_fields() -> None:
    """Of each of its services, with the same names; absent ones are no fault."""
    of_288 = fields_of(["solar/288"])
    assert {field.service for field in of_288} == {"solarcharger", "pvinverter"}
    assert {field.instance for field in of_288} == {288}
    assert all(field.optional for field in of_288)
    assert [field.name for field in of_288] == [field.name for field in fields_of(["solar"])]
    both = fields_of(["battery/512", "battery/513", "battery/512"])
    assert len(both) == 2 * len(fields_of(["battery"]))


def test_a_preset_is_read_as_it_is_written() -> None:
    """With an instance or without one."""
    for text in ("battery/512", "battery/0", "battery"):
        assert str(chosen(text)) == text
    assert services_of("tanks") == ("tank", "temperature")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("BatteryVoltage", "battery/Dc/0/Voltage"),
        ("BatterySoc", "battery/Soc"),
        ("BatterySoh", "battery/Soh"),
        ("BatteryMinCellVoltage", "battery/System/MinCellVoltage"),
        ("BatteryMaxDischargeCurrent", "battery/Info/MaxDischargeCurrent"),
        ("GridPower", "grid/Ac/Power"),
        ("GridL3Current", "grid/Ac/L3/Current"),
        ("GridEnergyReverse", "grid/Ac/Energy/Reverse"),
        ("SolarPower", "solarcharger/Yield/Power"),
        ("SolarYield", "solarcharger/Yield/User"),
        ("SolarVoltage", "solarcharger/Pv/V"),
        ("SolarState", "solarcharger/State"),
        ("PvInverterPower", "pvinverter/Ac/Power"),
        ("PvInverterL2Power", "pvinverter/Ac/L2/Power"),
        ("PvInverterEnergy", "pvinverter/Ac/Energy/Forward"),
        ("SystemBatterySoc", "system/Dc/Battery/Soc"),
        ("SystemSolarPower", "system/Dc/Pv/Power"),
        ("SystemGridL1Power", "system/Ac/Grid/L1/Power"),
        ("SystemConsumptionL3Power", "system/Ac/Consumption/L3/Power"),
        ("InputL1Voltage", "vebus/Ac/ActiveIn/L1/V"),
        ("InputL2ApparentPower", "vebus/Ac/ActiveIn/L2/S"),
        ("OutputL3Frequency", "vebus/Ac/Out/L3/F"),
        ("InputPower", "vebus/Ac/ActiveIn/P"),
        ("OutputApparentPower", "vebus/Ac/Out/S"),
        ("InverterState", "vebus/State"),
        ("InverterMode", "vebus/Mode"),
        ("InverterError", "vebus/VebusError"),
        ("MultiBatteryCurrent", "multi/Dc/0/Current"),
        ("MultiSoc", "multi/Soc"),
        ("MultiSolarPower", "multi/Yield/Power"),
        ("MultiInput1L1Power", "multi/Ac/In/1/L1/P"),
        ("MultiInput2L3Power", "multi/Ac/In/2/L3/P"),
        ("MultiOutputL2ApparentPower", "multi/Ac/Out/L2/S"),
        ("MultiActiveInput", "multi/Ac/ActiveIn/ActiveInput"),
        ("MultiError", "multi/ErrorCode"),
        ("AcSystemInput1Power", "acsystem/Ac/In/1/P"),
        ("AcSystemOutputL3Current", "acsystem/Ac/Out/L3/I"),
        ("AcSystemState", "acsystem/State"),
        ("PhoenixBatteryVoltage", "inverter/Dc/0/Voltage"),
        ("PhoenixOutputVoltage", "inverter/Ac/Out/L1/V"),
        ("PhoenixMode", "inverter/Mode"),
        ("AcLoadL2Power", "acload/Ac/L2/Power"),
        ("AcLoadEnergy", "acload/Ac/Energy/Forward"),
        ("DcLoadCurrent", "dcload/Dc/0/Current"),
        ("DcLoadEnergy", "dcload/History/EnergyIn"),
        ("GensetPower", "genset/Ac/Power"),
        ("GensetDcVoltage", "genset/Dc/0/Voltage"),
        ("GensetStatus", "genset/StatusCode"),
        ("AlternatorTemperature", "alternator/Dc/0/Temperature"),
        ("AlternatorEnergy", "alternator/History/EnergyOut"),
        ("EvChargerPower", "evcharger/Ac/Power"),
        ("EvChargerCurrent", "evcharger/Current"),
        ("EvChargerStatus", "evcharger/Status"),
        ("TankLevel", "tank/Level"),
        ("TankRemaining", "tank/Remaining"),
        ("SensorTemperature", "temperature/Temperature"),
    ],
)
def test_names_stand_for_the_paths_that_are_documented(name: str, path: str) -> None:
    """The values stored under a name do not change with a version."""
    assert BY_NAME[name] == path


def test_three_phases_are_alike() -> None:
    """Every field of L1 exists for L2 and L3, by name and by path."""
    first = {name: path for name, path in BY_NAME.items() if "L1" in name}
    assert first
    for phase in PHASES:
        for name, path in first.items():
            assert BY_NAME[name.replace("L1", phase)] == path.replace("/L1/", f"/{phase}/")


def test_presets_have_all_that_a_battery_owner_wants() -> None:
    """Everything that `discover` proposes, except fields of the nine that are in no preset."""
    wanted = {f"{service}/{path}" for service, paths in WANTED.items() for path in paths}
    left_out = {f"vebus/Dc/0/{what}" for what in ("Temperature", "MaxChargeCurrent")}
    assert wanted - {*BY_NAME.values()} - left_out == {
        str(field) for field in DEFAULT_FIELDS if not field.path.startswith("Ac/")
    }


def test_units_are_known_and_agree_with_what_is_shown_elsewhere() -> None:
    """Only a code has none, and its name shows its kind."""
    assert all(field.path in PATHS[field.service] for field in (*ALL, *DEFAULT_FIELDS))
    codes = {field.name for field in ALL if not unit_of(field.service, field.path)}
    ends = ("State", "Mode", "Error", "Status", "ActiveInput")
    assert codes == {field.name for field in ALL if field.name.endswith(ends)}
    assert codes > {"SolarState", "InverterState", "InverterMode", "InverterError"}
    assert unit_of("vebus", "Ac/Out/S") == "VA"
    assert unit_of("pvinverter", "Ac/Energy/Forward") == "kWh"


def test_energies_are_counters_and_nothing_else_is() -> None:
    """Of counters, downsampling keeps the last value."""
    counters = {field.name for field in ALL if counts_up(field)}
    assert counters == {f.name for f in ALL if unit_of(f.service, f.path) == "kWh"}


def test_a_name_leads_to_its_preset() -> None:
    """A message can say which preset has a name."""
    for preset, fields in PRESETS.items():
        assert {preset_of(field.name) for field in fields} == {preset}
    assert preset_of("Voltage") is None
