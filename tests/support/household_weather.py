"""Sun, clouds, temperature and the loads of a household, each a pure function of the time.

Rules: this module reads no clock and no random numbers: noise is a hash of a name and the time, so
that a moment always has the same values. Times are s since 1970; days are those of Central
Europe's winter time, all year round, so that no day has 23 hours.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache

MINUTE, HOUR, DAY = 60, 3600, 86_400
ZONE = HOUR  # s, the house's offset from UTC
LONGITUDE = 10.0  # degrees east
YEAR = 365.2425  # days
TILT = 35.0  # degrees from the horizontal, of panels that face south


@lru_cache(maxsize=64)
def _key(name: str) -> int:
    return zlib.crc32(name.encode()) * 0x9E3779B1


@lru_cache(maxsize=65_536)
def _hash(name: str, number: int) -> float:
    mixed = (_key(name) ^ number * 0x85EBCA77) & 0xFFFFFFFF
    for factor in (0x2C1B3C6D, 0x297A2D39):
        mixed = (mixed ^ mixed >> 15) * factor & 0xFFFFFFFF
    return (mixed ^ mixed >> 16) / 2**32


def share(name: str, number: int) -> float:
    """Return a number from 0 to 1 that belongs to a name and a whole number."""
    return _hash(name, number)


def noise(name: str, time: float, lasting: float) -> float:
    """Return noise from -1 to 1 that changes within so many s, without a step."""
    at = time / lasting
    number = math.floor(at)
    part = at - number
    part *= part * (3.0 - 2.0 * part)
    before, after = _hash(name, number), _hash(name, number + 1)
    return 2.0 * (before + (after - before) * part) - 1.0


def local_hour(time: float) -> float:
    """Return the hour of the day in the house, 0 to 24."""
    return (time + ZONE) % DAY / HOUR


def local_day(time: float) -> int:
    """Return the number of the day in the house."""
    return int((time + ZONE) // DAY)


def season(time: float) -> float:
    """Return -1 in the middle of January, 1 in that of July."""
    return -math.cos(2.0 * math.pi * (time / DAY % YEAR - 15.0) / YEAR)


def clouds(name: str, time: float) -> float:
    """Return the share of the light that passes the clouds, 0.08 to 1."""
    cover = 0.5 + 0.62 * noise(f"{name} weather", time, 1.7 * DAY)
    cover += 0.2 * noise(f"{name} front", time, 3.0 * HOUR) - 0.12 * season(time)
    cover = min(1.0, max(0.0, cover))
    broken = 4.0 * cover * (1.0 - cover)  # only a partly cloudy sky changes quickly
    passing = noise(f"{name} cloud", time, 420.0) + 0.5 * noise(f"{name} wisp", time, 75.0)
    return min(1.0, max(0.08, 1.0 - 0.84 * cover + 0.28 * broken * passing))


def sunshine(name: str, time: float, latitude: float) -> float:
    """Return the power of panels, 0 to 1 of their peak, at a latitude in degrees north."""
    day = time / DAY % YEAR
    declination = math.radians(-23.44) * math.cos(2.0 * math.pi * (day + 10.0) / YEAR)
    turned = 2.0 * math.pi * (time % DAY / DAY + LONGITUDE / 360.0 - 0.5)
    height = _sine(math.radians(latitude), declination, turned)
    if height <= 0.0:
        return 0.0
    facing = max(0.06, _sine(math.radians(latitude - TILT), declination, turned))
    air = math.exp(-0.16 / max(height, 0.02))
    return min(1.0, 1.16 * facing * air * clouds(name, time))


def _sine(latitude: float, declination: float, turned: float) -> float:
    return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(turned)


def outside(name: str, time: float) -> float:
    """Return the temperature outside in °C."""
    daily = math.cos(2.0 * math.pi * (local_hour(time) - 15.0) / 24.0)
    return 9.5 + 9.0 * season(time) + 4.0 * daily + 3.5 * noise(f"{name} air", time, 2.2 * DAY)


def kitchen(name: str, time: float) -> float:
    """Return W of kettle, stove and oven, of people who are at home in the morning and evening."""
    hour, day = local_hour(time), local_day(time)
    watts = 0.0
    arguments = _bump(hour, 7.0, 0.9) + 0.5 * _bump(hour, 12.6, 0.7) + 0.7 * _bump(hour, 18.8, 1.4)
    slot = int(time // 180)
    if share(f"{name} kettle", slot) < 0.3 * arguments:
        watts += 2_000.0
    begin = 18.1 + 0.9 * share(f"{name} supper", day)
    if begin < hour < begin + 0.75:
        watts += 900.0 + (1_800.0 if time % 97.0 < 52.0 else 0.0)  # a thermostat
    if day % 7 in (2, 3) and 12.0 < hour < 12.8:  # Saturday and Sunday: 1970 began with a Thursday
        watts += 700.0 + (2_000.0 if time % 131.0 < 70.0 else 0.0)
    return watts


def washing(name: str, time: float) -> float:
    """Return W of a washing machine that runs on nearly every second day."""
    hour, day = local_hour(time), local_day(time)
    since = (hour - 9.5 - 3.0 * share(f"{name} begins", day)) * HOUR
    if not 0.0 <= since < 1.6 * HOUR or share(f"{name} washes", day) > 0.45:
        return 0.0
    if since < 0.35 * HOUR:
        return 2_050.0
    return 480.0 if since > 1.4 * HOUR else 120.0 + 130.0 * (time % 19.0 < 11.0)


def lights(time: float) -> float:
    """Return W of lights and screens, which depends on the hour."""
    hour = local_hour(time)
    dark = 0.5 - 0.5 * season(time)
    evening = _bump(hour, 20.6, 2.1)
    return 40.0 + 230.0 * evening + 130.0 * dark * (_bump(hour, 7.0, 1.0) + _bump(hour, 17.5, 1.5))


def fridge(time: float) -> float:
    """Return W of a compressor that goes on and off."""
    return 95.0 if time % 2_580.0 < 870.0 else 3.0


def heating(name: str, time: float, most: float) -> float:
    """Return W of a heat pump; `most` is what it takes on the coldest day."""
    if most <= 0.0:
        return 0.0
    cold = min(1.0, max(0.0, (16.5 - outside(name, time)) / 27.0))
    water = 0.75 if 13.0 < local_hour(time) < 14.0 else 0.0
    level = max(cold, water)
    if level <= 0.0 or (level < 0.35 and time % 3_600.0 > level / 0.35 * 3_600.0):
        return 9.0
    return most * max(0.35, level) * (1.0 + 0.02 * noise(f"{name} pump", time, 25.0))


def car(name: str, time: float, most: float) -> tuple[float, int]:
    """Return W of a car's charger, and Victron's status: 0 no car, 1 connected, 2, 3 charged.

    It comes home on some evenings, begins to charge after supper and leaves at half past seven.
    """
    hour = local_hour(time)
    day = local_day(time) - (hour < 12.0)  # of the evening before
    if most <= 0.0 or share(f"{name} car", day) > 0.4:
        return 0.0, 0
    since = (hour - 17.6) % 24.0
    if since > 13.9:
        return 0.0, 0
    begins, lasts = 2.2, 1.2 + 2.6 * share(f"{name} empty", day)
    if since < begins:
        return 0.0, 1
    if since < begins + lasts:
        return most * (1.0 + 0.004 * noise(f"{name} charger", time, 8.0)), 2
    return 0.0, 3


def _bump(hour: float, middle: float, width: float) -> float:
    return math.exp(-(((hour - middle) / width) ** 2))
