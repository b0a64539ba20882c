"""The presets of [Fields]: what people mean by battery, grid, solar, system and phases.

Rules: a name begins with what is measured and ends with the quantity in full, and is there once,
whichever presets are taken together and with the nine. A device seldom has all of a preset: what it
has not got is left out (Field.optional). Where it has several of a service, `instances` decides.

Paths and units are those of units.py. All of these values are numbers; an enumeration is stored as
its number, whose meanings stand in Victron's register list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DC, PATHS, PHASES


class Preset(NamedTuple):
    """A field of a preset; `unit` is '' where the value is an enumeration's number."""

    name: str
    service: str
    path: str
    unit: str


_VEBUS = {  # VE.Bus abbreviates what the other services write in full
    "V": "Voltage",
    "I": "Current",
    "P": "Power",
    "S": "ApparentPower",
    "F": "Frequency",
}


def _preset(name: str, service: str, path: str) -> Preset:
    return Preset(name, service, path, PATHS[service][path])


def _battery() -> Iterator[Preset]:
    for quantity in (*DC, "Temperature"):
        yield _preset(f"Battery{quantity}", "battery", f"Dc/0/{quantity}")
    for quantity in ("Soc", "Soh"):
        yield _preset(f"Battery{quantity}", "battery", quantity)
    for quantity in ("MinCellVoltage", "MaxCellVoltage"):
        yield _preset(f"Battery{quantity}", "battery", f"System/{quantity}")
    for quantity in ("MaxChargeCurrent", "MaxDischargeCurrent"):
        yield _preset(f"Battery{quantity}", "battery", f"Info/{quantity}")


def _grid() -> Iterator[Preset]:
    """Powers: + from the mains, − fed in; energies: Forward from the mains, Reverse fed in."""
    yield _preset("GridPower", "grid", "Ac/Power")
    for phase in PHASES:
        for quantity in DC:
            yield _preset(f"Grid{phase}{quantity}", "grid", f"Ac/{phase}/{quantity}")
    for direction in ("Forward", "Reverse"):
        yield _preset(f"GridEnergy{direction}", "grid", f"Ac/Energy/{direction}")


def _solar() -> Iterator[Preset]:
    """Chargers on the battery's side, inverters on the mains' side."""
    yield _preset("SolarPower", "solarcharger", "Yield/Power")
    yield _preset("SolarYield", "solarcharger", "Yield/User")
    yield _preset("SolarVoltage", "solarcharger", "Pv/V")
    yield _preset("SolarState", "solarcharger", "State")
    yield _preset("PvInverterPower", "pvinverter", "Ac/Power")
    for phase in PHASES:
        yield _preset(f"PvInverter{phase}Power", "pvinverter", f"Ac/{phase}/Power")
    yield _preset("PvInverterEnergy", "pvinverter", "Ac/Energy/Forward")


def _system() -> Iterator[Preset]:
    """What the GX device makes of all the others; its grid is + from the mains."""
    for quantity in (*DC, "Soc", "TimeToGo", "ConsumedAmphours"):
        yield _preset(f"SystemBattery{quantity}", "system", f"Dc/Battery/{quantity}")
    yield _preset("SystemSolarPower", "system", "Dc/Pv/Power")
    for what in ("Grid", "Consumption"):
        for phase in PHASES:
            yield _preset(f"System{what}{phase}Power", "system", f"Ac/{what}/{phase}/Power")


def _phases() -> Iterator[Preset]:
    """The inverter: at its input + from the mains, at its output + to the loads."""
    for what, root in (("Input", "Ac/ActiveIn"), ("Output", "Ac/Out")):
        for phase in PHASES:
            for key, quantity in _VEBUS.items():
                yield _preset(f"{what}{phase}{quantity}", "vebus", f"{root}/{phase}/{key}")
        for key in ("P", "S"):
            yield _preset(f"{what}{_VEBUS[key]}", "vebus", f"{root}/{key}")
    yield _preset("InverterState", "vebus", "State")
    yield _preset("InverterMode", "vebus", "Mode")
    yield _preset("InverterError", "vebus", "VebusError")


PRESETS: Mapping[str, tuple[Preset, ...]] = {
    "battery": tuple(_battery()),
    "grid": tuple(_grid()),
    "solar": tuple(_solar()),
    "system": tuple(_system()),
    "phases": tuple(_phases()),
}


def fields_of(names: Iterable[str]) -> tuple[Field, ...]:
    """Return the fields of the presets in `names`, each once. Raises KeyError for another name."""
    presets = (each for name in dict.fromkeys(names) for each in PRESETS[name])
    return tuple(Field(p.name, p.service, None, p.path, optional=True) for p in presets)


def preset_of(name: str) -> str | None:
    """Return the preset that has a field of this name, None when there is none."""
    return next((key for key, own in PRESETS.items() if name in {p.name for p in own}), None)
