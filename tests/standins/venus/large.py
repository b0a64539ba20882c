"""A large system for the Venus stand-in: two inverters of three phases each, and other services.

The phases differ in voltage and in load. The PV inverter is on the side of the mains, so at each
phase the meter shows the inverters' input minus the solar power; all loads are at the inverters'
outputs. As with real devices, some paths that other devices have do not exist (`ABSENT`), and some
never have a value (`NULL`).

Rules: those of values.py. Totals are the sums of their phases, except for `counted` numbers.
"""

from collections.abc import Callable
from typing import Any

from tests.standins.venus.device import Device
from tests.standins.venus.values import (
    Ac,
    Dc,
    Paths,
    Snapshot,
    Source,
    ac,
    battery,
    dc,
    phase,
    solarcharger,
    system,
    vebus,
)

# The USB port gives the second inverter its instance; one of another service may have the same.
INVERTERS = {"vebus/275": 0.6, "vebus/289": 0.4}  # and each one's share of the whole
LINES = (1, 2, 3)
_PARTS = {1: 0.5, 2: 0.3, 3: 0.2}
_OFFSETS = {1: 0.0, 2: 0.8, 3: -0.6}  # V

ABSENT = ("battery/Soh", "solarcharger/Pv/V")
NULL = (
    "vebus/289/Dc/0/Temperature",  # no sensor there
    "battery/512/Info/MaxDischargeCurrent",
    "system/0/Dc/Battery/ConsumedAmphours",
)


def large(portal_id: str = "c0619ab1c2d3", *, counted: bool = False, **options: Any) -> Device:
    """Return the device of such a system; `options` are those of `Device`."""
    return Device(portal_id, services(portal_id), counted=counted, **options)


def services(portal_id: str) -> dict[str, Paths]:
    """Return the services, by name and instance, and the D-Bus paths of each."""
    made: dict[str, dict[str, Source]] = {
        **{name: _inverter(part) for name, part in INVERTERS.items()},
        "battery/512": _bms(),
        "grid/30": _meter(),
        "solarcharger/288": _charger(),
        "pvinverter/20": _pv_inverter(),
        "system/0": _system(portal_id),
    }
    for name, paths in made.items():
        for place in ABSENT:
            service, _, path = place.partition("/")
            if name.startswith(f"{service}/"):
                del paths[f"/{path}"]
        paths.update({p.removeprefix(name): None for p in NULL if p.startswith(f"{name}/")})
    return dict(made)


def _inverter(part: float) -> dict[str, Source]:
    def direct(now: Snapshot) -> Dc:
        return dc(now.multi.voltage, part * now.multi.power)

    paths: dict[str, Source] = {
        **vebus(),
        "/Dc/0/Voltage": lambda now: direct(now).voltage,
        "/Dc/0/Current": lambda now: direct(now).current,
        "/Dc/0/Power": lambda now: direct(now).power,
        "/Ac/NumberOfPhases": 3,
        "/Ac/ActiveIn/ActiveInput": 0,
        "/Ac/ActiveIn/Connected": 1,
        "/Energy/AcIn1ToInverter": _energy(812.0, part),
        "/Energy/InverterToAcOut": _energy(640.0, part),
        "/ProductId": 9818,
        "/ProductName": "Quattro-II 48/5000/70-50",
        "/CustomName": "",
    }
    for root, whole in (("/Ac/ActiveIn", _mains), ("/Ac/Out", _loads)):
        each = [_line(whole, line, part) for line in LINES]
        for line, one in zip(LINES, each, strict=True):
            paths.update(phase(f"{root}/L{line}", one))
        paths[f"{root}/P"] = _sum([lambda now, one=one: one(now).power for one in each])
        paths[f"{root}/S"] = _sum([lambda now, one=one: one(now).apparent for one in each])
    return paths


def _bms() -> dict[str, Source]:
    return {
        **battery(),
        "/Capacity": lambda now: round(now.soc * 6.0, 1),
        "/InstalledCapacity": 600.0,
        "/ConsumedAmphours": lambda now: round((now.soc - 100.0) * 6.0, 1),
        "/System/MinCellTemperature": lambda now: now.temperature - 0.5,
        "/System/MaxCellTemperature": lambda now: now.temperature + 0.5,
        "/System/NrOfModulesOnline": 6,
        "/Info/MaxChargeVoltage": 53.2,
        "/Io/AllowToCharge": 1,
        "/Io/AllowToDischarge": 1,
        "/Alarms/LowVoltage": 0,
    }


def _meter() -> dict[str, Source]:
    return {
        **_lines(lambda line: lambda now: _at_the_meter(now, line)),
        "/Ac/Frequency": lambda now: round(now.mains.frequency, 2),
        "/Ac/Energy/Forward": _energy(4711.0),
        "/Ac/Energy/Reverse": _energy(815.0, 0.1),
        **{f"/Ac/L{line}/Energy/Forward": _energy(2000.0, _PARTS[line]) for line in LINES},
        **{f"/Ac/L{line}/Energy/Reverse": _energy(300.0, 0.1 * _PARTS[line]) for line in LINES},
        "/ProductId": 45079,
        "/ProductName": "Carlo Gavazzi EM24 Energy Meter",
        "/Connected": 1,
    }


def _charger() -> dict[str, Source]:
    return {
        **solarcharger(),
        "/Pv/0/V": lambda now: 96.0 if now.solar and now.solar.power else 0.3,
        "/Yield/System": _energy(1300.0),
        "/MppOperationMode": lambda now: 2 if now.solar and now.solar.power else 0,
        "/ErrorCode": 0,
    }


def _pv_inverter() -> dict[str, Source]:
    return {
        **_lines(lambda line: lambda now: _from_the_sun(now, line)),
        "/Ac/Energy/Forward": _energy(9000.0, 0.8),
        **{f"/Ac/L{line}/Energy/Forward": _energy(3000.0, 0.8 / 3.0) for line in LINES},
        "/StatusCode": 7,  # running
        "/Position": 0,  # at the mains
        "/ProductId": 41282,
        "/ProductName": "Fronius Symo 5.0-3-M",
        "/Connected": 1,
    }


def _system(portal_id: str) -> dict[str, Source]:
    paths = system(portal_id)
    for line in LINES:
        used = _line(_loads, line)
        paths[f"/Ac/Grid/L{line}/Power"] = lambda now, line=line: _at_the_meter(now, line).power
        paths[f"/Ac/Consumption/L{line}/Power"] = lambda now, used=used: used(now).power
        paths[f"/Ac/ConsumptionOnOutput/L{line}/Power"] = lambda now, used=used: used(now).power
        paths[f"/Ac/ConsumptionOnInput/L{line}/Power"] = 0
        paths[f"/Ac/PvOnGrid/L{line}/Power"] = lambda now, line=line: _from_the_sun(now, line).power
        paths[f"/Ac/PvOnOutput/L{line}/Power"] = None
    paths["/Ac/Grid/NumberOfPhases"] = paths["/Ac/Consumption/NumberOfPhases"] = 3
    paths["/Ac/ActiveIn/Source"] = 1  # the grid
    paths["/Dc/Battery/State"] = lambda now: 1 if now.battery.power > 0 else 2
    paths["/Dc/Battery/Temperature"] = lambda now: now.temperature
    paths["/Dc/Pv/Current"] = lambda now: now.solar.current if now.solar else None
    paths["/Dc/System/Power"] = None
    paths["/Dc/Vebus/Current"] = lambda now: now.multi.current
    paths["/Dc/Vebus/Power"] = lambda now: now.multi.power
    paths["/SystemState/State"] = lambda now: 3 if now.multi.power > 0 else 9
    return paths


def _lines(measured: Callable[[int], Callable[[Snapshot], Ac]]) -> dict[str, Source]:
    """Return the paths of a meter of three phases, and their total."""
    paths: dict[str, Source] = {}
    for line in LINES:
        one = measured(line)
        paths[f"/Ac/L{line}/Voltage"] = lambda now, one=one: one(now).voltage
        paths[f"/Ac/L{line}/Current"] = lambda now, one=one: one(now).current
        paths[f"/Ac/L{line}/Power"] = lambda now, one=one: one(now).power
    powers = [lambda now, line=line: measured(line)(now).power for line in LINES]
    paths["/Ac/Power"] = _sum(powers)
    return paths


def _mains(now: Snapshot) -> Ac:
    return now.mains


def _loads(now: Snapshot) -> Ac:
    return now.loads


def _line(
    whole: Callable[[Snapshot], Ac], line: int, part: float = 1.0
) -> Callable[[Snapshot], Ac]:
    """Return the values of one phase, for a share of the whole."""

    def one(now: Snapshot) -> Ac:
        all_ = whole(now)
        power = part * _PARTS[line] * all_.power
        return ac(all_.voltage + _OFFSETS[line], power, all_.frequency)

    return one


def _from_the_sun(now: Snapshot, line: int) -> Ac:
    power = 0.4 * now.solar.power if now.solar else 0.0  # each phase the same
    return ac(now.mains.voltage + _OFFSETS[line], power, now.mains.frequency)


def _at_the_meter(now: Snapshot, line: int) -> Ac:
    inverters = sum(_line(_mains, line, part)(now).power for part in INVERTERS.values())
    power = inverters - _from_the_sun(now, line).power
    return ac(now.mains.voltage + _OFFSETS[line], power, now.mains.frequency)


def _sum(parts: list[Callable[[Snapshot], int]]) -> Source:
    return lambda now: sum(part(now) for part in parts)


def _energy(start: float, rate: float = 1.0) -> Source:
    """Return kWh that never decrease; `rate` is in multiples of 400 W."""
    return lambda now: round(start + rate * (now.time % 10**8) / 9000.0, 2)
