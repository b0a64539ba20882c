"""9,000 values per second from 1,000 devices behind one broker, for each contender.

The cost depends on how the devices bunch, so there are two shapes: messages due within 5 ms are
published at once (45 values), or each device publishes its nine alone, one device per millisecond.
Processor time is measured in a window without queries; delays in a later window, in which one
device after the other is watched until its next value can be queried. A value is lost if it was
published and is not stored at the end.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.standins.venus.fleet import portal_of
from tests.support import long_run
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.resources import memory
from tests.tools.bench.clock import processor
from tests.tools.bench.contenders import Contender, Schema, stop
from tests.tools.bench.delay import Database, at
from tests.tools.bench.table import Figure
from tests.tools.bench.targets import BUNCHED, EVEN
from tests.tools.fleet import FIRST, Devices, Published

SHAPES = {BUNCHED: 5.0, EVEN: 0.0}  # ms
CALM = 3.0  # s until a start is over
QUIET = 3.0  # s without newly stored values, plus the contender's own delay
SETTLED_WITHIN = 120.0  # s
AHEAD = 0.02  # s from one watched device to the next
LOOK = 0.001  # s between two queries
MB = 1e6


@dataclass(frozen=True)
class Window:
    """The times used in a window, in s: monotonic, or of the processor."""

    begun: float
    ended: float
    ours: float
    database: float


@dataclass(frozen=True)
class Leg:
    """The results of one contender in one shape; memory in bytes, delays in s."""

    window: Window
    values: int  # published in the window
    said: int  # published in all
    lost: int
    rest: int
    peak: int
    delays: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Values published per second of the window."""
        return self.values / (self.window.ended - self.window.begun)


def together(legs: Sequence[Leg]) -> Leg:
    """Return several of one contender as one that begins at 0: sums, and the largest memory."""
    span = sum(leg.window.ended - leg.window.begun for leg in legs)
    return Leg(
        window=Window(
            0.0,
            span,
            sum(leg.window.ours for leg in legs),
            sum(leg.window.database for leg in legs),
        ),
        values=sum(leg.values for leg in legs),
        said=sum(leg.said for leg in legs),
        lost=sum(leg.lost for leg in legs),
        rest=max(leg.rest for leg in legs),
        peak=max(leg.peak for leg in legs),
        delays=tuple(delay for leg in legs for delay in leg.delays),
    )


class Runs:
    """The runs, and their figures."""

    def __init__(self, setting: Setting, devices: int, seconds: float, watched: float) -> None:
        self._setting, self._devices = setting, devices
        self._seconds, self._watched = seconds, watched
        self._legs: dict[str, dict[str, list[Leg]]] = {}
        self._number = 0

    def turn(self, shape: str, contender: Contender) -> None:
        """Run one contender in one shape."""
        long_run.progress(f"{shape}: {contender.name}")
        self._number += 1
        leg = self._leg(f"fleet_{self._number}", SHAPES[shape], contender)
        self._legs.setdefault(shape, {}).setdefault(contender.name, []).append(leg)

    def figures(self, ours: str) -> list[Figure]:
        """Return the figures of all of them, those of `ours` compared with every other."""
        made: list[Figure] = []
        for shape, legs in self._legs.items():
            made += figures(shape, ours, {name: together(each) for name, each in legs.items()})
        return made

    @property
    def peaks(self) -> dict[str, int]:
        """The largest memory of each contender."""
        made: dict[str, int] = {}
        for legs in self._legs.values():
            for name, each in legs.items():
                made[name] = max([made.get(name, 0), *(leg.peak for leg in each)])
        return made

    def _leg(self, db: str, bunch: float, contender: Contender) -> Leg:
        setting, schema = self._setting, contender.schema
        setting.influxdb.query(f"CREATE DATABASE {db}")
        process = contender.start(setting, db, "+")
        more = [str(bunch), "telemetry" if contender.telemetry else "values"]
        devices = Devices(
            setting.mosquitto.port,
            self._devices,
            setting.directory / f"{db}.json",
            "tests.tools.bench.devices",
            [*more, "1" if contender.asks_nothing else "0"],
        )
        try:
            series = self._devices * len(NINE) // len(schema.fields)
            first = schema.distinct()[0]
            wait(
                "all devices",
                lambda: len(setting.influxdb.query(first, db, timeout=60.0)) >= series,
                300.0,
            )
            time.sleep(min(CALM, self._seconds) + contender.flush)
            database = setting.influxdb
            before = processor(process.pid), processor(database.pid)
            begun = time.monotonic()
            time.sleep(self._seconds)
            after = processor(process.pid), processor(database.pid)
            ours, theirs = (late - early for late, early in zip(after, before, strict=True))
            window = Window(begun, time.monotonic(), ours, theirs)
            looks = self._watch(schema, db, max(self._watched, 3 * contender.flush))
            told = devices.end()
            settle(lambda: stored(setting, schema, db), told.values, QUIET + contender.flush)
            lost = told.values - sum(
                different(setting.influxdb.query(each, db, timeout=120.0))
                for each in schema.distinct()
            )
            time.sleep(min(CALM, self._seconds))
            rest, peak = memory(process.pid), memory(process.pid, peak=True)
            stop(process)
        finally:
            devices.kill()
            process.kill()
        setting.influxdb.query(f"DROP DATABASE {db}", timeout=60.0)
        delays = [each for portal, seen in looks for each in late(told.said[portal], seen)]
        return Leg(window, in_window(told, window), told.values, lost, rest, peak, tuple(delays))

    def _watch(
        self, schema: Schema, db: str, seconds: float
    ) -> list[tuple[str, list[tuple[float, int]]]]:
        """Watch one device after the other; return (time, n-th value stored) of each query."""
        database = Database(self._setting.influxdb.port)
        looks: list[tuple[str, list[tuple[float, int]]]] = []
        number, phase, ends = 0, math.inf, time.monotonic() + seconds
        try:
            while time.monotonic() < ends:
                portal = portal_of(number)
                seen: list[tuple[float, int]] = []
                while time.monotonic() < ends and not (seen and seen[0][1] != seen[-1][1]):
                    value = database.value(db, schema.latest(portal))
                    seen.append((time.monotonic(), int(value) - FIRST))
                    time.sleep(LOOK)
                looks.append((portal, seen))
                now = seen[-1][0]
                phase = min(phase, (now - number / self._devices) % 1.0)
                number = math.ceil((now + AHEAD - phase) % 1.0 * self._devices) % self._devices
        finally:
            database.close()
        return looks


def figures(shape: str, ours: str, legs: Mapping[str, Leg]) -> list[Figure]:
    """Return the figures of a shape: of `ours`, and compared with every other."""
    one, made = legs[ours], []

    def add(what: str, unit: str, figure: Callable[[Leg], float]) -> None:
        made.append(Figure(f"{shape}, {what}", figure(one), unit))
        for name, other in legs.items():
            if name != ours and (len(other.delays) > 1 or unit != "ms"):
                made.append(Figure(f"{shape}, {what}", figure(one), unit, figure(other), name))

    whole = one.window.ended - one.window.begun
    made.append(Figure(f"{shape}, published", one.rate, "values/s"))
    add("lost", "values", lambda leg: leg.lost)
    add("processor", "µs/value", lambda leg: 1e6 * leg.window.ours / leg.values)
    made.append(Figure(f"{shape}, of a core", 100 * one.window.ours / whole, "%"))
    add("processor of InfluxDB", "µs/value", lambda leg: 1e6 * leg.window.database / leg.values)
    if len(one.delays) > 1:
        add("delay, median", "ms", lambda leg: at(leg.delays, 0.5))
        add("delay, p99", "ms", lambda leg: at(leg.delays, 0.99))
    add("memory afterwards", "MB", lambda leg: leg.rest / MB)
    add("memory at most", "MB", lambda leg: leg.peak / MB)
    return made


def late(said: Sequence[float], seen: Sequence[tuple[float, int]]) -> list[float]:
    """Return the delays, in s, of a device's values between its first query and the last.

    `said` has the time of its n-th publish, and `seen` the latest n at each query.
    """
    made, after = [], max(seen[0][1], -1)
    for when, latest in seen[1:]:
        made += [when - said[n] for n in range(after + 1, latest + 1) if said[n] >= seen[0][0]]
        after = max(after, latest)
    return made


def in_window(told: Published, window: Window) -> int:
    """Return how many values were published in a window."""
    times = (
        bisect_left(each, window.ended) - bisect_left(each, window.begun)
        for each in told.said.values()
    )
    return len(NINE) * sum(times)


def different(rows: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of different values of all series, from an answer to `Schema.distinct`."""
    return sum(int(row["count"]) for row in rows)


def stored(setting: Setting, schema: Schema, db: str, since_ns: int = 0) -> int:
    """Return how many values are stored, repeated ones included."""
    rows = setting.influxdb.query(schema.count(since_ns), db, timeout=120.0)
    return sum(count or 0 for name, count in rows[0].items() if name != "time") if rows else 0


def settle(count: Callable[[], int], wanted: int, quiet: float) -> float:
    """Wait until so many are stored, or no more for `quiet` s; return the time of the last."""
    deadline, before, since = time.monotonic() + SETTLED_WITHIN, -1, time.monotonic()
    while (now := count()) < wanted and time.monotonic() < deadline:
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() > since + quiet:
            return since
        time.sleep(0.02)
    return time.monotonic()
