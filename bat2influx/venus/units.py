"""The D-Bus paths that are known by name: their units, the nine fields, and what is offered.

One table, from Victron's register list (dbus_modbustcp, attributes.csv), dbus-systemcalc and the
page "dbus" in the wiki of venus; VENUS, "Values a battery owner wants", has the signs.
"""

from __future__ import annotations

from collections.abc import Mapping

from bat2influx.venus.protocol import parse_field

PHASES = ("L1", "L2", "L3")
DC = {"Voltage": "V", "Current": "A", "Power": "W"}
_AC = {"V": "V", "I": "A", "P": "W", "S": "VA", "F": "Hz"}  # as VE.Bus abbreviates them
_POWER = {"Power": "W"}
_TOTALS = {"P": "W", "S": "VA"}  # over the phases


def _below(root: str, units: Mapping[str, str]) -> dict[str, str]:
    return {f"{root}/{name}": unit for name, unit in units.items()}


def _phases(root: str, units: Mapping[str, str]) -> dict[str, str]:
    return {path: unit for n in PHASES for path, unit in _below(f"{root}/{n}", units).items()}


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
        **dict.fromkeys(("State", "Mode", "VebusError"), ""),
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
    "solarcharger": {"Yield/Power": "W", "Yield/User": "kWh", "Pv/V": "V", "State": ""},
}
# What a preset has and `discover` does not offer by itself: totals of what is offered by phases,
# and what counts up or names a state beside the powers.
_IN_PRESETS_ALONE = frozenset(
    {
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
}
ENUMERATIONS = frozenset(
    (service, path) for service, paths in PATHS.items() for path, unit in paths.items() if not unit
)
# The last part of any other path; these are the same in the whole of Victron's register list.
_UNITS = {**DC, "Temperature": "°C", "Frequency": "Hz"}

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
    """Return the unit of a path, '' where it has none or it is not known."""
    known = PATHS.get(service, {}).get(path)
    return _UNITS.get(path.rpartition("/")[2], "") if known is None else known
