"""Known D-Bus paths: their units, the nine default fields, and the fields that are offered.

One table, from Victron's register list (dbus_modbustcp, attributes.csv), dbus-systemcalc,
dbus-acsystem and the page "dbus" in the wiki of venus; VENUS, "Values a battery owner wants", has
the signs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bat2influx.venus.protocol import parse_field

PHASES = ("L1", "L2", "L3")
DC = {"Voltage": "V", "Current": "A", "Power": "W"}
_AC = {"V": "V", "I": "A", "P": "W", "S": "VA", "F": "Hz"}  # as VE.Bus abbreviates them
_POWER = {"Power": "W"}
_TOTALS = {"P": "W", "S": "VA"}  # over the phases
_ENERGY = {"Ac/Energy/Forward": "kWh"}


def _below(root: str, units: Mapping[str, str]) -> dict[str, str]:
    return {f"{root}/{name}": unit for name, unit in units.items()}


def _phases(root: str, units: Mapping[str, str]) -> dict[str, str]:
    return {path: unit for n in PHASES for path, unit in _below(f"{root}/{n}", units).items()}


def _codes(*paths: str) -> dict[str, str]:
    return dict.fromkeys(paths, "")


def _without(units: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: unit for name, unit in units.items() if name != key}


# The paths of a service with their units, '' where the value is an enumeration's number, in the
# order in which they are shown.
PATHS: Mapping[str, Mapping[str, str]] = {
    "vebus": {
        **_below("Dc/0", DC),
        "Soc": "%",
        **_phases("Ac/ActiveIn", _AC),
        "Dc/0/Temperature": "°C",
        "Dc/0/MaxChargeCurrent": "A",
        **_phases("Ac/Out", _AC),
        **_codes("State", "Mode", "VebusError"),
        **_below("Ac/ActiveIn", _TOTALS),
        **_below("Ac/Out", _TOTALS),
    },
    "system": {
        **_below("Dc/Battery", DC),
        "Dc/Battery/Soc": "%",
        "Dc/Battery/TimeToGo": "s",
        "Dc/Battery/ConsumedAmphours": "Ah",
        "Dc/Pv/Power": "W",
        **_phases("Ac/Grid", _POWER),
        **_phases("Ac/Consumption", _POWER),
    },
    "battery": {
        **_below("Dc/0", DC),
        "Dc/0/Temperature": "°C",
        "Soc": "%",
        "Soh": "%",
        "System/MinCellVoltage": "V",
        "System/MaxCellVoltage": "V",
        "Info/MaxChargeCurrent": "A",
        "Info/MaxDischargeCurrent": "A",
    },
    "grid": {
        **_phases("Ac", DC),
        "Ac/Energy/Forward": "kWh",
        "Ac/Energy/Reverse": "kWh",
        **_below("Ac", _POWER),
    },
    "pvinverter": {
        **_phases("Ac", _POWER),
        **_below("Ac", _POWER),
        "Ac/Energy/Forward": "kWh",
    },
    "solarcharger": {"Yield/Power": "W", "Yield/User": "kWh", "Pv/V": "V", **_codes("State")},
    "multi": {  # an RS inverter/charger; its inputs have no apparent power
        **_below("Dc/0", DC),
        "Dc/0/Temperature": "°C",
        "Soc": "%",
        "Yield/Power": "W",
        "Yield/User": "kWh",
        **_phases("Ac/In/1", _without(_AC, "S")),
        **_phases("Ac/In/2", {"P": "W"}),
        **_phases("Ac/Out", _AC),
        **_codes("Ac/ActiveIn/ActiveInput", "State", "Mode", "ErrorCode"),
    },
    "acsystem": {  # the totals of a system's RS units, by dbus-acsystem
        **_phases("Ac/In/1", _without(_AC, "S")),
        **_phases("Ac/In/2", {"P": "W"}),
        **_phases("Ac/Out", _without(_AC, "S")),
        **_codes("Ac/ActiveIn/ActiveInput", "State", "Mode"),
        **_below("Ac/In/1", {"P": "W"}),
        **_below("Ac/In/2", {"P": "W"}),
        **_below("Ac/Out", {"P": "W"}),
    },
    "inverter": {  # of one phase: a Phoenix, or an Inverter RS, which alone has Soc and Yield
        **_below("Dc/0", DC),
        "Soc": "%",
        "Yield/Power": "W",
        "Yield/User": "kWh",
        **_below("Ac/Out/L1", _AC),
        **_codes("State", "Mode"),
    },
    "acload": {**_phases("Ac", DC), **_below("Ac", _POWER), **_ENERGY},
    "dcload": {**_below("Dc/0", DC), "History/EnergyIn": "kWh"},
    "genset": {
        **_phases("Ac", DC),
        **_below("Ac", {"Power": "W", "Frequency": "Hz"}),
        **_ENERGY,
        **_below("Dc/0", DC),
        "Engine/Load": "%",
        "Engine/CoolantTemperature": "°C",
        "StarterVoltage": "V",
        **_codes("StatusCode", "ErrorCode"),
    },
    "alternator": {
        **_below("Dc/0", DC),
        "Dc/0/Temperature": "°C",
        "History/EnergyOut": "kWh",
        **_codes("State", "ErrorCode"),
    },
    "evcharger": {
        **_phases("Ac", _POWER),
        **_below("Ac", _POWER),
        "Current": "A",
        **_ENERGY,
        **_codes("Status", "Mode"),
    },
    "tank": {"Level": "%", "Remaining": "m³", "Capacity": "m³", **_codes("Status")},
    "temperature": {"Temperature": "°C", "Humidity": "%", **_codes("Status")},
}
# In presets, but not offered by `discover`: totals of values that are offered per phase, counters
# and states beside the powers, and everything except battery, solar and mains.
_BESIDE = ("acload", "dcload", "genset", "alternator", "evcharger", "tank", "temperature")
_IN_PRESETS_ALONE = frozenset(
    {
        *((service, path) for service in _BESIDE for path in PATHS[service]),
        *(("acsystem", f"Ac/{side}/P") for side in ("In/1", "In/2", "Out")),
        *(("vebus", path) for root in ("Ac/ActiveIn", "Ac/Out") for path in _below(root, _TOTALS)),
        ("grid", "Ac/Power"),
        ("pvinverter", "Ac/Power"),
        ("pvinverter", "Ac/Energy/Forward"),
        ("solarcharger", "State"),
    }
)
# VENUS, "Values a battery owner wants".
WANTED: Mapping[str, tuple[str, ...]] = {
    service: tuple(path for path in paths if (service, path) not in _IN_PRESETS_ALONE)
    for service, paths in PATHS.items()
    if service not in _BESIDE
}
# The last part of any other path; these are the same in the whole of Victron's register list.
_UNITS = {**DC, "Temperature": "°C", "Frequency": "Hz"}
_ABBREVIATED = re.compile(r"(?:Ac/(?:ActiveIn|In/[0-9]|Out)/L[123]|Pv/[0-9])/([VIPSF])")
_ENERGIES = re.compile(r"(?:.*/)?Energy/[^/]+")
# Of any service: vebus/Ac/ActiveIn/ActiveInput is 240 where no input is active.
_CODE = re.compile(
    r"(?:.*/)?(?:\w*(?:State|Status|StatusCode|Mode|Error|ErrorCode)|ActiveInput|FluidType"
    r"|TemperatureType|DeviceOffReason|RunningByConditionCode)|Ac/ActiveIn/Source"
)

DEFAULT_FIELDS = tuple(
    parse_field(name, path)
    for name, path in (
        ("Voltage", "vebus/Dc/0/Voltage"),
        ("Current", "vebus/Dc/0/Current"),  # + charging
        ("Power", "vebus/Dc/0/Power"),  # + charging
        ("Soc", "vebus/Soc"),
        ("I", "vebus/Ac/ActiveIn/L1/I"),
        ("V", "vebus/Ac/ActiveIn/L1/V"),
        ("P", "vebus/Ac/ActiveIn/L1/P"),  # + from the mains
        ("S", "vebus/Ac/ActiveIn/L1/S"),
        ("F", "vebus/Ac/ActiveIn/L1/F"),
    )
)


def unit_of(service: str, path: str) -> str:
    """Return the unit of a path, '' if it has none or the unit is not known."""
    known = PATHS.get(service, {}).get(path)
    if known is not None:
        return known
    if short := _ABBREVIATED.fullmatch(path):
        return _AC[short[1]]
    return "kWh" if _ENERGIES.fullmatch(path) else _UNITS.get(path.rpartition("/")[2], "")


def is_code(service: str, path: str) -> bool:
    """Return whether the number of a path stands for a state, so that a mean makes no sense.

    That is the case if the table has no unit, and for any service by the last part of the path.
    """
    return not PATHS.get(service, {}).get(path, "?") or _CODE.fullmatch(path) is not None
