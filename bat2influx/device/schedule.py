"""When a device is read: ticks in phase with the wall clock.

Tick k falls at wall clock (k + 1/2) * interval, in the middle of the second it stands for, so that
neither a late loop nor a late answer carries a value over the second's edge. The wall clock is read
again each time, so that a slewed or stepped clock is followed at once; the monotonic clock only
keeps two ticks apart, whatever the wall clock does. A tick that is late by half an interval or more
is skipped and not made up for. The daemon's first tick may be early, anywhere in the first half of
its second: the first value is stored up to half an interval sooner, and each second still has one.

Wall clock is in integer nanoseconds since 1970, so that tick numbers are exact; the monotonic clock
and all durations are in seconds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bat2influx.reading import NS


class Tick(NamedTuple):
    """A moment to send requests for the wall clock `start_ns`; `slow`: also of slow paths."""

    start_ns: int
    slow: bool


class Schedule:
    """The ticks of one device, every `interval` s, with the slow paths every `soc_interval` s."""

    def __init__(self, interval: float, soc_interval: float, *, at_once: bool = False) -> None:
        """With `at_once` the first tick may be early."""
        self.interval = round(interval * NS)
        self.soc_interval = round(soc_interval * NS)
        self._apart = interval / 2
        self._last: int | None = None  # number of the latest tick
        self._last_mono = -math.inf
        self._last_slow: int | None = None
        self._at_once = at_once

    def due(self, wall_ns: int, mono: float) -> Tick | None:
        """Return the tick to carry out now, if there is one."""
        number, late = self._latest(wall_ns)
        if self._at_once and 2 * late >= self.interval:
            number, late = number + 1, 0
        self._at_once = False
        if not self._wanted(number, late) or mono < self._last_mono + self._apart:
            return None
        self._last, self._last_mono = number, mono
        slow = (2 * self._middle(number) - self.soc_interval) // (2 * self.soc_interval)
        is_slow, self._last_slow = slow != self._last_slow, slow
        return Tick(number * self.interval, is_slow)

    def wait(self, wall_ns: int, mono: float) -> float:
        """Return the seconds to the next moment at which a tick may be due."""
        if self._at_once:
            return 0.0
        number, late = self._latest(wall_ns)
        if self._wanted(number, late):  # now, unless the clock was set
            return max(0.0, self._last_mono + self._apart - mono)
        return (self._middle(number + 1) - wall_ns) / NS

    def restart(self) -> None:
        """Make the next tick request the slow paths too: the connection is new."""
        self._last_slow = None

    def _wanted(self, number: int, late: int) -> bool:
        return number != self._last and 2 * late < self.interval

    def _middle(self, number: int) -> int:
        return number * self.interval + self.interval // 2

    def _latest(self, wall_ns: int) -> tuple[int, int]:
        """Return the number of the latest tick and by how many ns it is past."""
        number = (wall_ns - self.interval // 2) // self.interval
        return number, wall_ns - self._middle(number)
