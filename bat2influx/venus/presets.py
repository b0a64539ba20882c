"""The presets of [Fields]: groups of fields named battery, grid, solar, system, phases and so on.

Rules: a name begins with what is measured and ends with the full name of the quantity. It is
unique, whichever presets are combined with each other and with the nine default fields. A device
seldom has all fields of a preset: fields that it does not have are left out (Field.optional). If it
has several instances of a service, `instances` decides, or the instance after the preset:
`battery/512`.

Paths and units are those of units.py. All of these values are numbers; an enumeration is stored as
its number, whose meanings are in Victron's register list.
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


_RS = {key: quantity for key, quantity in _VEBUS.items() if key != "S"}


class Chosen(NamedTuple):
    """A preset as the file names it: `instance` is None if it names none."""

    preset: str
    instance: int | None

    def __str__(self) -> str:
        return self.preset if self.instance is None else f"{self.preset}/{self.instance}"


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
    """Chargers on the battery side, inverters on the mains side."""
    yield _preset("SolarPower", "solarcharger", "Yield/Power")
    yield _preset("SolarYield", "solarcharger", "Yield/User")
    yield _preset("SolarVoltage", "solarcharger", "Pv/V")
    yield _preset("SolarState", "solarcharger", "State")
    yield _preset("PvInverterPower", "pvinverter", "Ac/Power")
    for phase in PHASES:
        yield _preset(f"PvInverter{phase}Power", "pvinverter", f"Ac/{phase}/Power")
    yield _preset("PvInverterEnergy", "pvinverter", "Ac/Energy/Forward")


def _system() -> Iterator[Preset]:
    """What the GX device computes from all the others; grid: + from the mains."""
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


def _rs(name: str, service: str) -> Iterator[Preset]:
    """The AC side of RS inverters: at the inputs + from the mains, at the output + to the loads."""
    for phase in PHASES:
        for key, quantity in _RS.items():
            yield _preset(f"{name}Input1{phase}{quantity}", service, f"Ac/In/1/{phase}/{key}")
    for phase in PHASES:
        yield _preset(f"{name}Input2{phase}Power", service, f"Ac/In/2/{phase}/P")
    for phase in PHASES:
        for key, quantity in _VEBUS.items():
            if (path := f"Ac/Out/{phase}/{key}") in PATHS[service]:
                yield _preset(f"{name}Output{phase}{quantity}", service, path)
    for side, path in (("Input1", "Ac/In/1"), ("Input2", "Ac/In/2"), ("Output", "Ac/Out")):
        if f"{path}/P" in PATHS[service]:
            yield _preset(f"{name}{side}Power", service, f"{path}/P")
    yield _preset(f"{name}ActiveInput", service, "Ac/ActiveIn/ActiveInput")
    yield _preset(f"{name}State", service, "State")
    yield _preset(f"{name}Mode", service, "Mode")


def _inverter() -> Iterator[Preset]:
    """RS inverter/chargers, the system they form, and plain inverters such as a Phoenix."""
    for quantity in (*DC, "Temperature"):
        yield _preset(f"MultiBattery{quantity}", "multi", f"Dc/0/{quantity}")
    yield _preset("MultiSoc", "multi", "Soc")
    yield _preset("MultiSolarPower", "multi", "Yield/Power")
    yield _preset("MultiSolarYield", "multi", "Yield/User")
    yield from _rs("Multi", "multi")
    yield _preset("MultiError", "multi", "ErrorCode")
    yield from _rs("AcSystem", "acsystem")
    for quantity in DC:
        yield _preset(f"PhoenixBattery{quantity}", "inverter", f"Dc/0/{quantity}")
    yield _preset("PhoenixSoc", "inverter", "Soc")
    yield _preset("PhoenixSolarPower", "inverter", "Yield/Power")
    yield _preset("PhoenixSolarYield", "inverter", "Yield/User")
    for key, quantity in _VEBUS.items():
        yield _preset(f"PhoenixOutput{quantity}", "inverter", f"Ac/Out/L1/{key}")
    yield _preset("PhoenixState", "inverter", "State")
    yield _preset("PhoenixMode", "inverter", "Mode")


def _metered(name: str, service: str) -> Iterator[Preset]:
    """The values of an AC meter, in total and per phase; energies count up."""
    yield _preset(f"{name}Power", service, "Ac/Power")
    for phase in PHASES:
        for quantity in DC:
            if (path := f"Ac/{phase}/{quantity}") in PATHS[service]:
                yield _preset(f"{name}{phase}{quantity}", service, path)
    yield _preset(f"{name}Energy", service, "Ac/Energy/Forward")


def _loads() -> Iterator[Preset]:
    """Other consumers, and engines that generate power: + to a load, + from an engine."""
    yield from _metered("AcLoad", "acload")
    for quantity in DC:
        yield _preset(f"DcLoad{quantity}", "dcload", f"Dc/0/{quantity}")
    yield _preset("DcLoadEnergy", "dcload", "History/EnergyIn")
    yield from _metered("Genset", "genset")
    yield _preset("GensetFrequency", "genset", "Ac/Frequency")
    for quantity in DC:
        yield _preset(f"GensetDc{quantity}", "genset", f"Dc/0/{quantity}")
    yield _preset("GensetEngineLoad", "genset", "Engine/Load")
    yield _preset("GensetCoolantTemperature", "genset", "Engine/CoolantTemperature")
    yield _preset("GensetStarterVoltage", "genset", "StarterVoltage")
    yield _preset("GensetStatus", "genset", "StatusCode")
    yield _preset("GensetError", "genset", "ErrorCode")
    for quantity in (*DC, "Temperature"):
        yield _preset(f"Alternator{quantity}", "alternator", f"Dc/0/{quantity}")
    yield _preset("AlternatorEnergy", "alternator", "History/EnergyOut")
    yield _preset("AlternatorState", "alternator", "State")
    yield _preset("AlternatorError", "alternator", "ErrorCode")
    yield from _metered("EvCharger", "evcharger")
    yield _preset("EvChargerCurrent", "evcharger", "Current")
    yield _preset("EvChargerStatus", "evcharger", "Status")
    yield _preset("EvChargerMode", "evcharger", "Mode")


def _tanks() -> Iterator[Preset]:
    """Tanks and temperature sensors."""
    for quantity in ("Level", "Remaining", "Capacity", "Status"):
        yield _preset(f"Tank{quantity}", "tank", quantity)
    for quantity in ("Temperature", "Humidity", "Status"):
        yield _preset(f"Sensor{quantity}", "temperature", quantity)


PRESETS: Mapping[str, tuple[Preset, ...]] = {
    "battery": tuple(_battery()),
    "grid": tuple(_grid()),
    "solar": tuple(_solar()),
    "system": tuple(_system()),
    "phases": tuple(_phases()),
    "inverter": tuple(_inverter()),
    "loads": tuple(_loads()),
    "tanks": tuple(_tanks()),
}


def chosen(text: str) -> Chosen:
    """Read `preset` or `preset/instance`, which settings.load has validated."""
    preset, _, instance = text.partition("/")
    return Chosen(preset, int(instance) if instance else None)


def services_of(preset: str) -> tuple[str, ...]:
    """Return the services of a preset. Raises KeyError for an unknown name."""
    return tuple(dict.fromkeys(each.service for each in PRESETS[preset]))


def fields_of(names: Iterable[str]) -> tuple[Field, ...]:
    """Return the fields of the presets in `names`, each once; `battery/512` is only that instance.

    Two instances of one preset have the same names. Raises KeyError for an unknown name.
    """
    return tuple(
        Field(each.name, each.service, instance, each.path, optional=True)
        for preset, instance in dict.fromkeys(map(chosen, names))
        for each in PRESETS[preset]
    )


def preset_of(name: str) -> str | None:
    """Return the preset that has a field of this name, or None."""
    return next((key for key, own in PRESETS.items() if name in {p.name for p in own}), None)
