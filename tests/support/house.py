"""Simulated days of the nine values of a house with a MultiPlus and solar power.

Rules: this module reads no clock; the same seed gives the same days. A database's size and speed
depend on how often values change, and by how much. So voltage has steps of 0.01 V, current of 0.1 A
and power of 1 W. The values of an idle battery stay the same for hours; an AC voltage hardly ever
does.

Answers have the timing of a real device: the leaves of a sub-tree follow each other by a tenth of a
millisecond, the two sub-trees come some ms after their requests, and now and then one comes much
later. About one round per hour is missing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

from bat2influx.device.schedule import Schedule
from bat2influx.reading import NS

DC = ("Voltage", "Current", "Power")
AC = ("I", "V", "P", "S", "F")
HOUR = 3600.0
CAPACITY = 14_300.0 * HOUR  # Ws
MISSING = 1.0 / HOUR  # of rounds, at one per second
LATE = 1.0 / 500.0  # of sub-trees
SOLAR, STRONGEST = 4_500.0, 2_400.0  # W: of the panels, and of the Multi
FREQUENCY_STEP = 0.025  # Hz


class Answer(NamedTuple):
    """A value of a field, and when it arrived, in ns since 1970."""

    arrival_ns: int
    field: str
    value: float


class Round(NamedTuple):
    """The values of a tick; `start_ns` is the tick's moment, in ns since 1970."""

    start_ns: int
    answers: list[Answer]


def rounds(
    first: int, seconds: float, *, interval: float, soc_interval: float = 10.0, seed: int = 1
) -> Iterator[Round]:
    """Yield the rounds from `first`, in s since 1970, to `seconds` later."""
    house = House(seed)
    chance = random.Random(seed)
    schedule = Schedule(interval, soc_interval)
    now_ns, end_ns = first * NS + schedule.interval // 2, first * NS + round(seconds * NS)
    while now_ns < end_ns:
        house.advance(now_ns / NS, interval)
        tick = schedule.due(now_ns, now_ns / NS)
        assert tick is not None
        if chance.random() > MISSING:
            asked = now_ns + round(chance.random() * 0.003 * NS)  # the loop wakes up
            groups = [(DC, house.dc()), (AC, house.ac())]
            if tick.slow:
                groups.append((("Soc",), (house.soc(),)))
            answers = [
                answer
                for names, values in groups
                for answer in _answers(chance, asked, names, values)
            ]
            yield Round(tick.start_ns, answers)
        now_ns += schedule.interval


def _answers(
    chance: random.Random, asked_ns: int, names: tuple[str, ...], values: tuple[float, ...]
) -> Iterator[Answer]:
    delay = 0.0012 + chance.expovariate(1 / 0.008)  # s: the device, and the network
    if chance.random() < LATE:
        delay += chance.uniform(0.05, 0.4)
    arrival_ns = asked_ns + round(delay * NS)
    for name, value in zip(names, values, strict=True):
        yield Answer(arrival_ns, name, value)
        arrival_ns += 30_000 + int(chance.random() * 120_000)


class House:
    """Loads, sun, mains, and a battery that takes the surplus and supplies the deficit."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed + 1)
        self._charge = 0.4  # of the battery's capacity
        self._power = 0.0  # W into the battery
        self._mains = 0.0  # W from the mains
        self._cloud = self._wander = self._volts = self._hertz = 0.0
        self._running: list[tuple[float, float]] = []  # of appliances: until when, and W

    def advance(self, now: float, seconds: float) -> None:
        """Advance the house by so many seconds, up to `now` in s since 1970."""
        self._cloud = self._drift(self._cloud, 180.0, seconds)
        self._wander = self._drift(self._wander, 40.0, seconds)
        self._volts = self._drift(self._volts, 600.0, seconds)
        self._hertz = self._drift(self._hertz, 60.0, seconds)
        hour = now / HOUR % 24.0
        height = math.sin(math.pi * (hour - 6.0) / 13.0) if 6.0 < hour < 19.0 else 0.0
        sun = SOLAR * height**1.3 * min(1.0, max(0.1, 0.7 + 0.3 * self._cloud))
        load = self._load(now, seconds)
        wanted = max(-STRONGEST, min(STRONGEST, sun - load))
        if (self._charge > 0.98 and wanted > 0.0) or (self._charge < 0.15 and wanted < 0.0):
            wanted = 0.0
        self._power += (wanted - self._power) * min(1.0, seconds / 3.0)
        self._charge += self._power * seconds / CAPACITY
        losses = 14.0 + 0.05 * abs(self._power)
        self._mains = load - sun + self._power + losses + self._chance.gauss(0.0, 4.0)

    def dc(self) -> tuple[float, float, float]:
        """Return the values of DC: V, A and W."""
        rests = abs(self._power) < 15.0
        power = 0.0 if rests else self._power + self._chance.gauss(0.0, 6.0)
        full = math.exp((self._charge - 1.0) * 60.0)  # the end of the charge is steep
        idle = 51.4 + 2.2 * self._charge + 1.5 * full
        noise = 0.0 if rests else self._chance.gauss(0.0, 0.008)
        voltage = round(idle + 0.00012 * power + noise, 2)
        current = round(power / voltage, 1) + 0.0  # no -0.0
        return voltage, current, float(int(voltage * current))

    def ac(self) -> tuple[float, float, float, float, float]:
        """Return the values of AC: A, V, W, VA and Hz."""
        voltage = round(231.0 + 1.5 * self._volts + self._chance.gauss(0.0, 0.12), 2)
        apparent = math.hypot(self._mains, 130.0 + self._chance.gauss(0.0, 3.0))
        current = round(math.copysign(apparent, self._mains) / voltage, 2)
        frequency = round((50.0 + 0.02 * self._hertz) / FREQUENCY_STEP) * FREQUENCY_STEP
        return current, voltage, float(int(self._mains)), float(int(apparent)), round(frequency, 3)

    def soc(self) -> float:
        """Return the state of charge in %."""
        return int(self._charge * 200.0) / 2.0

    def _load(self, now: float, seconds: float) -> float:
        if self._chance.random() < seconds * 2.5 / HOUR and 6.0 < now / HOUR % 24.0 < 23.0:
            until = now + self._chance.uniform(120.0, 2_400.0)
            self._running.append(
                (until, self._chance.choice((60.0, 150.0, 400.0, 1_100.0, 2_000.0)))
            )
        self._running = [(until, watts) for until, watts in self._running if until > now]
        fridge = 90.0 if now % 2_700.0 < 900.0 else 0.0
        return 190.0 + fridge + 8.0 * self._wander + sum(watts for _, watts in self._running)

    def _drift(self, value: float, lasting: float, seconds: float) -> float:
        """Return the next value of noise around 0, with a deviation of 1, that lasts so many s."""
        kept = math.exp(-seconds / lasting)
        return value * kept + self._chance.gauss(0.0, math.sqrt(1.0 - kept * kept))
