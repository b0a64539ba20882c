"""The table of known paths: their units, and which are offered."""

from __future__ import annotations

import pytest

from bat2influx.venus.protocol import parse_field
from bat2influx.venus.units import DEFAULT_FIELDS, PATHS, PHASES, WANTED, is_code, unit_of


@pytest.mark.parametrize(
    ("service", "path", "unit"),
    [
        ("vebus", "Dc/0/Voltage", "V"),
        ("vebus", "Soc", "%"),
        ("vebus", "Ac/ActiveIn/L1/F", "Hz"),
        ("vebus", "Ac/Out/L3/S", "VA"),
        ("vebus", "Ac/Out/P", "W"),
        ("vebus", "Dc/0/MaxChargeCurrent", "A"),
        ("vebus", "State", ""),
        ("system", "Dc/Battery/TimeToGo", "s"),
        ("system", "Dc/Battery/ConsumedAmphours", "Ah"),
        ("battery", "Dc/0/Temperature", "°C"),
        ("grid", "Ac/L2/Current", "A"),
        ("pvinverter", "Ac/Energy/Forward", "kWh"),
        ("solarcharger", "Pv/V", "V"),
        ("multi", "Ac/In/1/L1/P", "W"),
        ("multi", "Yield/User", "kWh"),
        ("multi", "Ac/ActiveIn/ActiveInput", ""),
        ("acsystem", "Ac/Out/L3/F", "Hz"),
        ("inverter", "Ac/Out/L1/S", "VA"),
        ("dcload", "History/EnergyIn", "kWh"),
        ("genset", "Engine/Load", "%"),
        ("evcharger", "Current", "A"),
        ("tank", "Level", "%"),
        ("tank", "Remaining", "m³"),
        ("tank", "Capacity", "m³"),
        ("temperature", "Humidity", "%"),
        # by the last part alone, of a path or a service that is not in the table
        ("vebus", "Dc/1/Voltage", "V"),
        ("meteo", "CellTemperature", ""),
        ("meteo", "Cell/Temperature", "°C"),
        ("genset", "Ac/Frequency", "Hz"),
        ("genset", "Power", "W"),
        ("multi", "Ac/In/2/L1/V", "V"),
        ("multi", "Pv/1/P", "W"),
        ("multi", "Energy/SolarToBattery", "kWh"),
        ("acload", "Ac/L1/Energy/Forward", "kWh"),
        ("battery", "Level", ""),
        ("vebus", "Ac/ActiveIn/L4/V", ""),
    ],
)
def test_the_unit_of_a_path(service: str, path: str, unit: str) -> None:
    """From the table, or by the meaning of the last part in all of Victron's services."""
    assert unit_of(service, path) == unit


def test_the_nine_fields() -> None:
    """Their names and paths are in existing databases."""
    assert {field.name: f"{field.service}/{field.path}" for field in DEFAULT_FIELDS} == {
        "Voltage": "vebus/Dc/0/Voltage",
        "Current": "vebus/Dc/0/Current",
        "Power": "vebus/Dc/0/Power",
        "Soc": "vebus/Soc",
        "I": "vebus/Ac/ActiveIn/L1/I",
        "V": "vebus/Ac/ActiveIn/L1/V",
        "P": "vebus/Ac/ActiveIn/L1/P",
        "S": "vebus/Ac/ActiveIn/L1/S",
        "F": "vebus/Ac/ActiveIn/L1/F",
    }
    assert all(field.instance is None and not field.optional for field in DEFAULT_FIELDS)


def test_a_path_of_one_phase_is_there_for_each_with_the_same_unit() -> None:
    """Everything offered of L1 exists for L2 and L3, except for inverters of one phase."""
    for service, paths in PATHS.items():
        if service == "inverter":
            continue
        of_phases = {path: unit for path, unit in paths.items() if "/L1/" in path}
        for phase in PHASES:
            for path, unit in of_phases.items():
                assert paths[path.replace("/L1/", f"/{phase}/")] == unit, service
        count = sum(any(f"/{phase}/" in path for phase in PHASES) for path in paths)
        assert count == 3 * len(of_phases)


def test_every_path_can_be_a_field() -> None:
    """Each path of the table is valid in [Fields]."""
    for service, paths in PATHS.items():
        for path in paths:
            field = parse_field("X", f"{service}/{path}")
            assert (field.service, field.instance, field.path) == (service, None, path)


def test_what_has_no_unit_is_a_code() -> None:
    """Its number names a state, of which no average is made; nothing else does."""
    for service, paths in PATHS.items():
        for path, unit in paths.items():
            assert is_code(service, path) is (not unit), (service, path)


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("vebus", "Ac/ActiveIn/ActiveInput"),  # 240 where no input is active
        ("system", "Ac/ActiveIn/Source"),
        ("system", "SystemState/State"),
        ("system", "Relay/0/State"),
        ("battery", "ErrorCode"),
        ("battery", "Diagnostics/LastErrors/1/Error"),
        ("charger", "Mode"),
        ("solarcharger", "MppOperationMode"),
        ("genset", "StatusCode"),
        ("meteo", "Status"),
        ("tank", "FluidType"),
        ("unheardof", "State"),
    ],
)
def test_a_code_of_any_service_is_known_by_the_last_part_of_its_path(
    service: str, path: str
) -> None:
    """As Victron calls states, errors and modes everywhere, in the table or not."""
    assert is_code(service, path)


@pytest.mark.parametrize(
    "path", ["Soc", "Ac/ActiveIn/CurrentLimit", "State/Voltage", "Errors", "Alarms/LowVoltage"]
)
def test_what_is_called_otherwise_is_no_code(path: str) -> None:
    """Nor is an alarm: its maximum per minute shows whether there was one."""
    assert not is_code("vebus", path)


def test_what_is_offered_is_the_table_without_totals_and_counters() -> None:
    """`discover` offers phases, not their sums beside them, and keeps the order of the table."""
    left_out = {
        (service, path)
        for service, paths in PATHS.items()
        for path in paths
        if service in WANTED and path not in WANTED[service]
    }
    assert left_out == {
        *(("vebus", f"Ac/{side}/{what}") for side in ("ActiveIn", "Out") for what in "PS"),
        ("grid", "Ac/Power"),
        ("pvinverter", "Ac/Power"),
        ("pvinverter", "Ac/Energy/Forward"),
        ("solarcharger", "State"),
        *(("acsystem", f"Ac/{side}/P") for side in ("In/1", "In/2", "Out")),
    }
    for service, paths in WANTED.items():
        assert [path for path in PATHS[service] if path in paths] == [*paths]


def test_rs_inverters_are_offered_and_loads_and_tanks_are_not() -> None:
    """Each offered value is read every second: those of battery, solar and mains."""
    assert {"multi", "acsystem", "inverter"} <= WANTED.keys()
    beside = {"acload", "dcload", "genset", "alternator", "evcharger", "tank", "temperature"}
    assert PATHS.keys() - WANTED.keys() == beside
