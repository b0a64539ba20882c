"""The values of the Venus stand-in: a small power system as a pure function of time.

Rules: no clock and no random numbers; the same seed and second always give the same values.
Signs are Victron's: + charges the battery, + comes from the mains, + goes to the loads. A
measured float goes through float32 on its way to the payload, so 87.6 becomes 87.5999984741211.
A phase that is not wired, and solar power without a solar charger, are None (JSON null).
"""

import json
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_FLOAT32 = struct.Struct("f")

Value = bool | int | float | str | list[Any] | None


@dataclass(frozen=True, slots=True)
class Ranged:
    """A setting: its value, and the limits that Venus OS publishes along with it."""

    value: Value
    min: Value
    max: Value


@dataclass(frozen=True, slots=True)
class Dc:
    """The battery side: V, A and W; power is the integer part of voltage times current."""

    voltage: float
    current: float
    power: int


@dataclass(frozen=True, slots=True)
class Ac:
    """One phase: V, A, W, VA and Hz."""

    voltage: float
    current: float
    power: int
    apparent: int
    frequency: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is measured in one second."""

    time: int
    battery: Dc
    multi: Dc
    solar: Dc | None
    mains: Ac
    loads: Ac
    soc: float
    temperature: float


Source = Value | Ranged | Callable[[Snapshot], Value]
Paths = Mapping[str, Source]


def float32(value: float) -> float:
    """Return the nearest number that a 32-bit float can hold."""
    return float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])


def encode(value: Value | Ranged) -> bytes:
    """Return the payload: compact JSON, keys in alphabetical order, null for what is invalid."""
    if isinstance(value, Ranged):
        limits = f'"max":{_json(value.max)},"min":{_json(value.min)},'
        return f'{{{limits}"value":{_json(value.value)}}}'.encode()
    return f'{{"value":{_json(value)}}}'.encode()


def _json(value: Value) -> str:
    if isinstance(value, float):
        return repr(float32(value)) if math.isfinite(value) else "null"
    if value == []:
        return "null"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class World:
    """The house: a battery that is full in the evening and empty in the morning."""

    def __init__(self, *, seed: int, day: float, solar: bool) -> None:
        self._seed = seed
        self._day = day
        self._solar = solar

    def at(self, time: int) -> Snapshot:
        """Return the measured values in second `time` (Unix time); a day lasts `day` seconds."""
        hour = time / self._day % 1.0 * 24.0
        swing = 2.0 * math.pi * (hour - 12.0) / 24.0
        soc = 60.0 + 30.0 * math.sin(swing)
        charge = 2400.0 * math.cos(swing) + 25.0 * self._noise("charge", time)
        sun = max(0.0, math.cos(swing)) * (3800.0 + 400.0 * self._noise("cloud", time // 7))
        load = 420.0 + 40.0 * self._noise("load", time)
        load += 600.0 * _bump(hour - 7.5) + 1100.0 * _bump(hour - 19.0)

        voltage = 51.0 + 0.05 * (soc - 60.0) + 0.0003 * charge + 0.02 * self._noise("dc", time)
        conversion = charge - sun if self._solar else charge
        drawn = load + conversion * (1.06 if conversion > 0.0 else 0.94)
        mains_voltage = 230.5 + 1.5 * self._noise("mains", time)
        frequency = 50.0 + 0.03 * self._noise("frequency", time)
        return Snapshot(
            time=time,
            battery=dc(voltage, charge),
            multi=dc(voltage, conversion),
            solar=dc(voltage, sun) if self._solar else None,
            mains=ac(mains_voltage, drawn, frequency),
            loads=ac(mains_voltage, load, frequency),
            soc=round(soc, 1),
            temperature=round(21.0 + 4.0 * math.sin(swing - 0.8), 1),
        )

    def _noise(self, name: str, time: int) -> float:
        number = zlib.crc32(f"{self._seed} {name} {time}".encode())
        return number / 2**31 - 1.0


def _bump(hours: float) -> float:
    return math.exp(-hours * hours / 2.0)


def dc(voltage: float, power: float) -> Dc:
    """Return the measured values of a battery, or of its charger, at a power in W."""
    voltage, current = float32(voltage), float32(round(power / voltage, 1))
    return Dc(voltage, current, int(voltage * current))


def ac(voltage: float, power: float, frequency: float) -> Ac:
    """Return the measured values of a phase at a power in W."""
    voltage = float32(round(voltage, 2))
    current = float32(round(power / voltage / 0.95, 2))
    apparent = voltage * current
    return Ac(voltage, current, int(0.95 * apparent), int(apparent), frequency)


def vebus() -> dict[str, Source]:
    """Return the D-Bus paths of a MultiPlus-II on one phase."""
    return {
        "/Dc/0/Voltage": lambda now: now.multi.voltage,
        "/Dc/0/Current": lambda now: now.multi.current,
        "/Dc/0/Power": lambda now: now.multi.power,
        "/Dc/0/Temperature": lambda now: now.temperature,
        "/Dc/0/MaxChargeCurrent": 70.0,
        "/Soc": lambda now: now.soc,
        **phase("/Ac/ActiveIn/L1", lambda now: now.mains),
        **phase("/Ac/ActiveIn/L2", None),
        **phase("/Ac/ActiveIn/L3", None),
        **phase("/Ac/Out/L1", lambda now: now.loads),
        **phase("/Ac/Out/L2", None),
        **phase("/Ac/Out/L3", None),
        "/Ac/In/1/CurrentLimit": Ranged(32.0, 0.0, 50.0),
        "/State": lambda now: 3 if now.multi.power > 0 else 9,  # bulk charge, inverting
        "/Mode": Ranged(3, 1, 4),  # on
        "/VebusError": 0,
        "/ProductId": 9763,
        "/ProductName": "MultiPlus-II 48/3000/35-32",
        "/CustomName": "Cellar №1",
        "/Connected": 1,
    }


def phase(root: str, measured: Callable[[Snapshot], Ac] | None) -> dict[str, Source]:
    """Return the five paths of a phase of an inverter; without `measured` it is not wired."""
    if measured is None:
        return {f"{root}/{name}": None for name in "VIPSF"}
    return {
        f"{root}/V": lambda now: measured(now).voltage,
        f"{root}/I": lambda now: measured(now).current,
        f"{root}/P": lambda now: measured(now).power,
        f"{root}/S": lambda now: measured(now).apparent,
        f"{root}/F": lambda now: measured(now).frequency,
    }


def system(portal_id: str) -> dict[str, Source]:
    """Return the D-Bus paths of the GX device's sums over all connected devices."""
    return {
        "/Serial": portal_id,
        "/Dc/Battery/Voltage": lambda now: now.battery.voltage,
        "/Dc/Battery/Current": lambda now: now.battery.current,
        "/Dc/Battery/Power": lambda now: now.battery.power,
        "/Dc/Battery/Soc": lambda now: now.soc,
        "/Dc/Battery/TimeToGo": _time_to_go,
        "/Dc/Battery/ConsumedAmphours": lambda now: (now.soc - 100.0) * 6.0,
        "/Dc/Pv/Power": lambda now: now.solar.power if now.solar else None,
        "/Ac/Grid/L1/Power": lambda now: now.mains.power,
        "/Ac/Grid/L2/Power": None,
        "/Ac/Grid/L3/Power": None,
        "/Ac/Consumption/L1/Power": lambda now: now.loads.power,
        "/Relay/0/State": Ranged(0, 0, 1),
    }


def _time_to_go(now: Snapshot) -> int | None:
    if now.battery.current >= 0.0:
        return None  # Victron has no value while the battery is charged
    return int(now.soc * 6.0 / -now.battery.current * 3600.0)


def battery() -> dict[str, Source]:
    """Return the D-Bus paths of a battery with a BMS."""
    return {
        "/Dc/0/Voltage": lambda now: now.battery.voltage,
        "/Dc/0/Current": lambda now: now.battery.current,
        "/Dc/0/Power": lambda now: now.battery.power,
        "/Dc/0/Temperature": lambda now: now.temperature,
        "/Soc": lambda now: now.soc,
        "/Soh": 98.0,
        "/System/MinCellVoltage": lambda now: round(now.battery.voltage / 16.0 - 0.004, 3),
        "/System/MaxCellVoltage": lambda now: round(now.battery.voltage / 16.0 + 0.005, 3),
        "/Info/MaxChargeCurrent": 120.0,
        "/Info/MaxDischargeCurrent": 160.0,
        "/ProductId": 45065,
        "/ProductName": "Pylontech battery",
        "/Serial": "HPTBH02231A00017",
        "/Connected": 1,
    }


def grid() -> dict[str, Source]:
    """Return the D-Bus paths of an energy meter at the mains, with one phase wired."""
    return {
        "/Ac/Power": lambda now: now.mains.power,
        "/Ac/L1/Voltage": lambda now: now.mains.voltage,
        "/Ac/L1/Current": lambda now: now.mains.current,
        "/Ac/L1/Power": lambda now: now.mains.power,
        **{f"/Ac/L{n}/{name}": None for n in (2, 3) for name in ("Voltage", "Current", "Power")},
        "/Ac/Energy/Forward": lambda now: round(4711.0 + now.time % 10**8 / 9000.0, 2),
        "/Ac/Energy/Reverse": lambda now: round(815.0 + now.time % 10**8 / 90000.0, 2),
        "/ProductId": 45079,
        "/ProductName": "Carlo Gavazzi EM24 Energy Meter",
        "/Connected": 1,
    }


def solarcharger() -> dict[str, Source]:
    """Return the D-Bus paths of a SmartSolar charger; in a World with `solar`."""
    return {
        "/Yield/Power": lambda now: float(now.solar.power) if now.solar else None,
        "/Yield/User": lambda now: round(1200.0 + now.time % 10**8 / 8000.0, 2),
        "/Pv/V": lambda now: 96.0 if now.solar and now.solar.power else 0.3,
        "/Dc/0/Voltage": lambda now: now.solar.voltage if now.solar else None,
        "/Dc/0/Current": lambda now: now.solar.current if now.solar else None,
        "/State": lambda now: 3 if now.solar and now.solar.power else 0,  # bulk, off
        "/ProductId": 41056,
        "/ProductName": "SmartSolar Charger MPPT 150/70",
        "/Connected": 1,
    }


# A system without vebus, as on many boats: a service for each, with its device instance.
OFF_GRID = (
    "solarcharger/288",
    "solarcharger/289",
    "solarcharger/290",
    "battery/512",
    "battery/513",
    "system/0",
)
INSTANCES = {"vebus": 275, "system": 0, "battery": 512, "grid": 30, "solarcharger": 288}


def paths_of(service: str, portal_id: str) -> dict[str, Source]:
    """Return a service's D-Bus paths. Raises ValueError when it is none of INSTANCES."""
    match service:
        case "vebus":
            return vebus()
        case "system":
            return system(portal_id)
        case "battery":
            return battery()
        case "grid":
            return grid()
        case "solarcharger":
            return solarcharger()
    raise ValueError(f"no service {service!r}: choose from {', '.join(INSTANCES)}")
