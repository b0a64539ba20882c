"""The presets of [Fields]: what people mean by battery, grid, solar, system and phases.

Rules: a name begins with what is measured and ends with the quantity in full, and is there once,
whichever presets are taken together and with the nine. A device seldom has all of a preset: what it
has not got is left out (Field.optional). Where it has several of a service, `instances` decides.

Paths, units and signs are those of Victron's register list (dbus_modbustcp, attributes.csv) and of
the page "dbus" in the wiki of venus, which has the totals over the phases too. All of these values
are numbers; an enumeration is stored as its number, and its meanings stand there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bat2influx.venus import Field

PHASES = ("L1", "L2", "L3")


class Preset(NamedTuple):
    """A field of a preset; `unit` is '' where the value is an enumeration's number."""

    name: str
    service: str
    path: str
    unit: str


_DC = {"Voltage": "V", "Current": "A", "Power": "W"}  # currents and powers: + charging
_VEBUS = {  # VE.Bus abbreviates what the other services write in full
    "V": ("Voltage", "V"),
    "I": ("Current", "A"),
    "P": ("Power", "W"),
    "S": ("ApparentPower", "VA"),
    "F": ("Frequency", "Hz"),
}


def _battery() -> Iterator[Preset]:
    for quantity, unit in {**_DC, "Temperature": "°C"}.items():
        yield Preset(f"Battery{quantity}", "battery", f"Dc/0/{quantity}", unit)
    for quantity in ("Soc", "Soh"):
        yield Preset(f"Battery{quantity}", "battery", quantity, "%")
    for quantity in ("MinCellVoltage", "MaxCellVoltage"):
        yield Preset(f"Battery{quantity}", "battery", f"System/{quantity}", "V")
    for quantity in ("MaxChargeCurrent", "MaxDischargeCurrent"):
        yield Preset(f"Battery{quantity}", "battery", f"Info/{quantity}", "A")


def _grid() -> Iterator[Preset]:
    """Powers: + from the mains, − fed in; energies: Forward from the mains, Reverse fed in."""
    yield Preset("GridPower", "grid", "Ac/Power", "W")
    for phase in PHASES:
        for quantity, unit in _DC.items():
            yield Preset(f"Grid{phase}{quantity}", "grid", f"Ac/{phase}/{quantity}", unit)
    for direction in ("Forward", "Reverse"):
        yield Preset(f"GridEnergy{direction}", "grid", f"Ac/Energy/{direction}", "kWh")


def _solar() -> Iterator[Preset]:
    """Chargers on the battery's side, inverters on the mains' side."""
    yield Preset("SolarPower", "solarcharger", "Yield/Power", "W")
    yield Preset("SolarYield", "solarcharger", "Yield/User", "kWh")
    yield Preset("SolarVoltage", "solarcharger", "Pv/V", "V")
    yield Preset("SolarState", "solarcharger", "State", "")
    yield Preset("PvInverterPower", "pvinverter", "Ac/Power", "W")
    for phase in PHASES:
        yield Preset(f"PvInverter{phase}Power", "pvinverter", f"Ac/{phase}/Power", "W")
    yield Preset("PvInverterEnergy", "pvinverter", "Ac/Energy/Forward", "kWh")


def _system() -> Iterator[Preset]:
    """What the GX device makes of all the others; its grid is + from the mains."""
    battery = {**_DC, "Soc": "%", "TimeToGo": "s", "ConsumedAmphours": "Ah"}
    for quantity, unit in battery.items():
        yield Preset(f"SystemBattery{quantity}", "system", f"Dc/Battery/{quantity}", unit)
    yield Preset("SystemSolarPower", "system", "Dc/Pv/Power", "W")
    for what in ("Grid", "Consumption"):
        for phase in PHASES:
            yield Preset(f"System{what}{phase}Power", "system", f"Ac/{what}/{phase}/Power", "W")


def _phases() -> Iterator[Preset]:
    """The inverter: at its input + from the mains, at its output + to the loads."""
    for what, root in (("Input", "Ac/ActiveIn"), ("Output", "Ac/Out")):
        for phase in PHASES:
            for key, (quantity, unit) in _VEBUS.items():
                yield Preset(f"{what}{phase}{quantity}", "vebus", f"{root}/{phase}/{key}", unit)
        for key in ("P", "S"):
            quantity, unit = _VEBUS[key]
            yield Preset(f"{what}{quantity}", "vebus", f"{root}/{key}", unit)
    yield Preset("InverterState", "vebus", "State", "")
    yield Preset("InverterMode", "vebus", "Mode", "")
    yield Preset("InverterError", "vebus", "VebusError", "")


PRESETS: Mapping[str, tuple[Preset, ...]] = {
    "battery": tuple(_battery()),
    "grid": tuple(_grid()),
    "solar": tuple(_solar()),
    "system": tuple(_system()),
    "phases": tuple(_phases()),
}
UNITS: Mapping[tuple[str, str], str] = {
    (each.service, each.path): each.unit for preset in PRESETS.values() for each in preset
}


def fields_of(names: Iterable[str]) -> tuple[Field, ...]:
    """Return the fields of the presets in `names`, each once. Raises KeyError for another name."""
    presets = (each for name in dict.fromkeys(names) for each in PRESETS[name])
    return tuple(Field(p.name, p.service, None, p.path, optional=True) for p in presets)


def preset_of(name: str) -> str | None:
    """Return the preset that has a field of this name, None when there is none."""
    return next((key for key, own in PRESETS.items() if name in {p.name for p in own}), None)
