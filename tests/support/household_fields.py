"""The values that a house's devices publish: the nine default fields and those of the presets.

Rules: names, signs and units are those of bat2influx/venus. A value that a device does not have at
a moment is left out (JSON null), such as that of a phase without mains. Steps are those
of the devices: W in whole numbers, A to a tenth at the battery. The numbers of states are Victron's
(register list, dbus_modbustcp). Everything is a function of the house at a moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from tests.support.household import EMPTY, Household, Moment, Site
from tests.support.household_weather import DAY, HOUR, noise, outside

Values = dict[str, float]

# VE.Bus, Multi RS and chargers
OFF, LOW_POWER, BULK, ABSORPTION, FLOAT, PASSTHRU, INVERTING = 0, 1, 3, 4, 5, 8, 9
EXTERNAL_CONTROL = 252
ON, INVERTER_ON = 3, 2  # Mode of a Multi, of an inverter
NO_INPUT = 240
GENSET_RUNNING = 8
CHARGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9, 0.97, 1.0)  # of a battery, for the next line
CELL = (2.9, 3.17, 3.22, 3.26, 3.29, 3.315, 3.33, 3.36, 3.46)  # V of a cell that rests
MOUNTED_AH = 51.2  # V, by which kWh become Ah


def values(house: Household, time: float) -> Values:
    """Return the values of a house at `time`, with all presets, by field."""
    now, site = house.at(time), house.site
    return dict(chain(*(each(site, now) for each in (_RS if site.rs else _VEBUS))))


def nine(house: Household, time: float) -> Values:
    """Return the nine default fields alone."""
    now, site = house.at(time), house.site
    return dict(_nine(site, now))


def powers(house: Household, time: float) -> Values:
    """Return the nine and the powers for energies, in a third of the time that all take."""
    now, site = house.at(time), house.site
    return dict(chain(_nine(site, now), _powers(site, now)))


def _powers(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    """Yield those of these fields that `values` has."""
    for each in (_solar(site, now), _system(site, now)):
        yield from (pair for pair in each if pair[0].endswith("Power"))
    battery = float(round(now.battery))
    wanted: dict[str, float | None] = {
        "BatteryPower": battery,
        "GridPower": None if site.harbour else sum(now.grid),
        "InputPower": sum(now.input),
        "OutputPower": sum(now.output),
        "AcLoadPower": now.heat_pump if site.heat_pump else None,
        "DcLoadPower": now.dc_load if site.dc_load else None,
        "GensetPower": now.generator if site.generator else None,
        "AlternatorPower": now.alternator if site.alternator else None,
        "EvChargerPower": now.car if site.car else None,
    }
    if not site.harbour:
        wanted |= {f"GridL{number}Power": watts for number, watts in enumerate(now.grid, 1)}
    for name, watts in wanted.items():
        if watts is not None:
            yield name, float(round(watts))


def _nine(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    yield from _direct("", _voltage(site, now), now.direct)
    yield "Soc", _soc(now)
    yield from _line(site, now, 0, now.input[0]).items()


def _phases(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    for number in range(site.phases):
        for side, watts in (("Input", now.input), ("Output", now.output)):
            supplied = side == "Output" or now.mains or now.running
            line = _line(site, now, number, watts[number], supplied=supplied)
            for key, name in _LONG.items():
                if key in line:
                    yield f"{side}L{number + 1}{name}", line[key]
    for side, watts in (("Input", now.input), ("Output", now.output)):
        yield f"{side}Power", float(round(sum(watts)))
        supplied = side == "Output" or now.mains or now.running
        yield f"{side}ApparentPower", float(sum(_apparent(each) for each in watts) * supplied)
    yield "InverterState", float(_inverter_state(now))
    yield "InverterMode", float(ON)
    yield "InverterError", 0.0


def _battery(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    volts = _voltage(site, now)
    yield from _direct("Battery", volts, now.battery)
    yield "BatteryTemperature", _temperature(site, now)
    yield "BatterySoc", round(100.0 * now.charge, 1)
    yield "BatterySoh", 97.0
    edge = max(0.0, abs(now.charge - 0.5) - 0.38) / 0.12  # cells differ when full or empty
    spread = 0.004 + 0.026 * edge + 0.002 * noise(f"{site.name} cells", now.time, 900.0)
    yield "BatteryMinCellVoltage", round(volts / site.cells - 0.45 * spread, 3)
    yield "BatteryMaxCellVoltage", round(volts / site.cells + 0.55 * spread, 3)
    ampere = 1_000.0 * site.capacity / MOUNTED_AH
    yield "BatteryMaxChargeCurrent", round(0.5 * ampere * min(1.0, (1.0 - now.charge) / 0.08), 1)
    yield "BatteryMaxDischargeCurrent", round(0.6 * ampere, 1)


def _grid(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    if site.harbour:  # no meter on board
        return
    yield "GridPower", float(round(sum(now.grid)))
    for number, watts in enumerate(now.grid):
        line = _line(site, now, number, watts, supplied=now.mains)
        yield f"GridL{number + 1}Voltage", line["V"]
        yield f"GridL{number + 1}Current", line["I"]
        yield f"GridL{number + 1}Power", line["P"]
    yield "GridEnergyForward", round(4_711.0 + now.meters.grid_in, 2)
    yield "GridEnergyReverse", round(6_815.0 + now.meters.grid_out, 2)


def _solar(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    if site.panels_dc:
        yield "SolarPower", float(round(now.panels_dc))
        yield "SolarYield", round(9_030.0 + now.meters.panels_dc, 2)
        light = now.possible_dc / site.panels_dc
        bias = 60.0 + 36.0 * math.tanh(6.0 * light) - 0.4 * outside(site.name, now.time)
        yield "SolarVoltage", round(bias if light > 0.004 else 60.0 * light / 0.004 + 0.3, 2)
        yield "SolarState", float(_charging(now) if light > 0.004 else OFF)
    if site.panels_ac:
        yield "PvInverterPower", float(round(now.panels_ac))
        for number in range(site.phases):
            yield f"PvInverterL{number + 1}Power", float(round(now.panels_ac / site.phases))
        yield "PvInverterEnergy", round(21_480.0 + now.meters.panels_ac, 2)


def _system(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    yield from _direct("SystemBattery", _voltage(site, now), now.battery)
    yield "SystemBatterySoc", round(100.0 * now.charge, 1)
    if now.battery < -20.0:
        left = max(0.0, now.charge - EMPTY / 100.0) * site.capacity * 1_000.0
        yield "SystemBatteryTimeToGo", float(round(min(10 * DAY, left / -now.battery * HOUR), -1))
    ampere_hours = 1_000.0 * site.capacity / MOUNTED_AH
    yield "SystemBatteryConsumedAmphours", round((now.charge - 1.0) * ampere_hours, 1)
    if site.panels_dc:
        yield "SystemSolarPower", float(round(now.panels_dc))
    for number in range(site.phases):
        yield f"SystemGridL{number + 1}Power", float(round(now.grid[number]))
        yield f"SystemConsumptionL{number + 1}Power", float(round(now.consumption[number]))


def _loads(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    if site.heat_pump:
        yield from _metered("AcLoad", site, now, now.heat_pump)
        yield "AcLoadEnergy", round(3_207.0 + now.meters.heat_pump, 2)
    if site.dc_load:
        yield from _direct("DcLoad", _voltage(site, now), now.dc_load)
        yield "DcLoadEnergy", round(88.0 + now.meters.dc_load, 2)
    if site.generator:
        yield from _genset(site, now)
    if site.alternator:
        yield from _direct("Alternator", _voltage(site, now) + 0.02, now.alternator)
        heat = 45.0 * now.under_way + 4.0 * noise(f"{site.name} motor", now.time, HOUR)
        yield "AlternatorTemperature", round(outside(site.name, now.time) + 6.0 + heat, 1)
        yield "AlternatorEnergy", round(412.0 + now.meters.alternator, 2)
        yield "AlternatorState", float(_charging(now) if now.under_way else OFF)
        yield "AlternatorError", 0.0
    if site.car:
        for name, value in _metered("EvCharger", site, now, now.car):
            if not name.endswith(("Voltage", "Current")):
                yield name, value
        yield "EvChargerEnergy", round(2_750.0 + now.meters.car, 2)
        yield "EvChargerCurrent", round(now.car / site.phases / 230.0, 1)
        yield "EvChargerStatus", float(now.car_status)
        yield "EvChargerMode", 1.0  # automatic


def _metered(
    name: str, site: Site, now: Moment, watts: float, *, supplied: bool = True
) -> Iterator[tuple[str, float]]:
    """Yield the values of an AC meter with the same load on all phases."""
    yield f"{name}Power", float(round(watts))
    for number in range(site.phases):
        line = _line(site, now, number, watts / site.phases, supplied=supplied)
        yield f"{name}L{number + 1}Voltage", line["V"]
        yield f"{name}L{number + 1}Current", line["I"]
        yield f"{name}L{number + 1}Power", line["P"]


def _genset(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    runs = now.running
    yield from _metered("Genset", site, now, now.generator, supplied=runs)
    yield "GensetEnergy", round(640.0 + now.meters.generator, 2)
    hertz = 50.1 + 0.25 * noise(f"{site.name} motor hertz", now.time, 6.0)
    yield "GensetFrequency", round(hertz, 2) if runs else 0.0
    # A device that charges a battery directly has these; this one does not.
    yield from (("GensetDcVoltage", 0.0), ("GensetDcCurrent", 0.0), ("GensetDcPower", 0.0))
    yield "GensetEngineLoad", float(round(100.0 * now.generator / site.generator))
    warm = 62.0 + 4.0 * noise(f"{site.name} coolant", now.time, 1_800.0) if runs else 0.0
    yield "GensetCoolantTemperature", round(outside(site.name, now.time) + 4.0 + warm, 1)
    yield "GensetStarterVoltage", 13.9 if runs else 12.7
    yield "GensetStatus", float(GENSET_RUNNING if runs else OFF)
    yield "GensetError", 0.0


def _tanks(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    capacity = 0.3  # m³
    level = 92.0 - 88.0 * (now.time / (8.3 * DAY) % 1.0)  # used up, and filled
    yield "TankLevel", round(level, 1)
    yield "TankRemaining", round(capacity * level / 100.0, 4)
    yield "TankCapacity", capacity
    yield "TankStatus", 0.0
    warm = outside(site.name, now.time)
    yield "SensorTemperature", round(warm, 1)
    damp = 62.0 - 1.4 * (warm - 10.0) + 12.0 * noise(f"{site.name} damp", now.time, 0.8 * DAY)
    yield "SensorHumidity", round(min(99.0, max(20.0, damp)), 1)
    yield "SensorStatus", 0.0


def _rs(site: Site, now: Moment) -> Iterator[tuple[str, float]]:
    """RS units with their own panels, the system of them, and a small Phoenix inverter."""
    volts, state = _voltage(site, now), float(_inverter_state(now))
    yield from _direct("MultiBattery", volts, now.battery)
    yield "MultiBatteryTemperature", _temperature(site, now)
    yield "MultiSoc", _soc(now)
    yield "MultiSolarPower", float(round(now.panels_dc))
    yield "MultiSolarYield", round(5_120.0 + now.meters.panels_dc, 2)
    for number in range(site.phases):
        for name in ("Multi", "AcSystem"):
            into = _line(site, now, number, now.input[number], supplied=now.mains)
            out = _line(site, now, number, now.loads[number], supplied=True)
            for key, quantity in _LONG.items():
                if key != "S" and key in into:
                    yield f"{name}Input1L{number + 1}{quantity}", into[key]
                if key != "S" or name == "Multi":
                    yield f"{name}OutputL{number + 1}{quantity}", out[key]
            yield f"{name}Input2L{number + 1}Power", 0.0
    yield "AcSystemInput1Power", float(round(sum(now.input)))
    yield "AcSystemInput2Power", 0.0
    yield "AcSystemOutputPower", float(round(sum(now.loads)))
    for name, its in (("Multi", state), ("AcSystem", float(EXTERNAL_CONTROL))):
        yield f"{name}ActiveInput", 0.0 if now.mains else float(NO_INPUT)
        yield f"{name}State", its
        yield f"{name}Mode", float(ON)
    yield "MultiError", 0.0
    fridge = 38.0 + 3.0 * noise(f"{site.name} phoenix", now.time, 30.0)
    yield from _direct("PhoenixBattery", volts, -fridge / 0.88)
    yield "PhoenixSoc", _soc(now)
    yield from (("PhoenixSolarPower", 0.0), ("PhoenixSolarYield", 0.0))
    out = {**_line(site, now, 1, fridge, supplied=True), "V": 230.0, "F": 50.0}
    for key, quantity in _LONG.items():
        yield f"PhoenixOutput{quantity}", out[key]
    yield from (("PhoenixState", float(INVERTING)), ("PhoenixMode", float(INVERTER_ON)))


_VEBUS = (_nine, _phases, _battery, _grid, _solar, _system, _loads, _tanks)
_RS = (_rs, _battery, _grid, _system, _tanks)
_LONG = {"V": "Voltage", "I": "Current", "P": "Power", "S": "ApparentPower", "F": "Frequency"}


def _soc(now: Moment) -> float:
    return math.floor(200.0 * now.charge) / 2.0


def _voltage(site: Site, now: Moment) -> float:
    """Return V of the battery: that of its cells at rest, plus the drop at its resistance."""
    at = next(
        n for n in range(1, len(CHARGES)) if now.charge <= CHARGES[n] or n == len(CHARGES) - 1
    )
    part = (now.charge - CHARGES[at - 1]) / (CHARGES[at] - CHARGES[at - 1])
    rest = site.cells * (CELL[at - 1] + (CELL[at] - CELL[at - 1]) * part)
    return rest + 0.012 * now.battery / rest + 0.004 * noise(f"{site.name} volts", now.time, 5.0)


def _direct(name: str, volts: float, watts: float) -> Iterator[tuple[str, float]]:
    volts = round(volts, 2)
    current = round(watts / volts, 1)
    yield f"{name}Voltage", volts
    yield f"{name}Current", current
    yield f"{name}Power", float(round(watts))


def _apparent(watts: float) -> int:
    return round(math.hypot(watts, 92.0))  # filters and motors take some current for nothing


def _line(
    site: Site, now: Moment, number: int, watts: float, *, supplied: bool | None = None
) -> Values:
    """Return the values of one phase; without mains 0 V, and no frequency."""
    if supplied is None:
        supplied = now.mains or now.running
    if not supplied:
        return {"I": 0.0, "V": 0.0, "P": 0.0, "S": 0.0}
    volts = round(_rest(site.name, now.time, number) - 0.0004 * watts, 2)
    apparent = _apparent(watts)
    return {
        "I": round(math.copysign(apparent, watts) / volts, 2),
        "V": volts,
        "P": float(round(watts)),
        "S": float(apparent),
        "F": _hertz(now.time),
    }


@lru_cache(maxsize=16)
def _rest(name: str, time: float, number: int) -> float:
    """Return V of a phase without load."""
    swing = 1.9 * noise(f"{name} volts L{number}", time, 1_100.0)
    return 231.2 + 0.7 * number + swing + 0.15 * noise(f"{name} L{number}", time, 4.0)


@lru_cache(maxsize=16)
def _hertz(time: float) -> float:
    return round(50.0 + 0.022 * noise("hertz", time, 90.0) + 0.008 * noise("hertz", time, 7.0), 3)


def _temperature(site: Site, now: Moment) -> float:
    warm = 17.0 + 0.25 * outside(site.name, now.time) + 0.0006 * abs(now.battery)
    return round(warm + 0.6 * noise(f"{site.name} cellar", now.time, 3.0 * HOUR), 1)


def _charging(now: Moment) -> int:
    if now.charge > 0.985:
        return FLOAT
    return ABSORPTION if now.charge > 0.9 else BULK


def _inverter_state(now: Moment) -> int:
    if now.direct > 25.0:
        return _charging(now)
    if now.direct < -75.0 or not (now.mains or now.running):
        return INVERTING
    return PASSTHRU
