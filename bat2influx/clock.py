"""The wall clock: whether it has been set, and by how much it was set just now.

A machine without a clock of its own boots with the time at which it was switched off, or with one
that is older still, until it has asked the network. Whatever has waited for that has stamps that
are wrong by as much as the clock is then set.

Rules: arrivals are noted by the clock that nobody sets and that goes on while the machine sleeps
(CLOCK_BOOTTIME), and the wall clock is looked at as its distance from that one. A distance that
changes by more than STEP between two looks, at most a second or so apart, is a clock that was set;
what changes more slowly is one that is slewed, and a machine that slept has changed nothing.
"""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from bat2influx.reading import NS

STEP = NS // 2
EARLIEST = 1_767_225_600 * NS  # 2026-01-01: a clock that shows less has not been set
HOLD_TIMEOUT = 120.0  # s, that values are held for the first synchronisation
# Made by systemd-timesyncd, in its RuntimeDirectory, when it has set the clock since the boot.
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_AT_ONCE = NS // 100  # of three looks
_LOOK_EACH = 0.25  # s, at the file


class Hold(Enum):
    """Whether values wait for the clock."""

    NO = "no"
    UNSYNCHRONISED = "the clock is not synchronised yet"
    UNSET = "the clock has not been set"


class Clock:
    """Both clocks together; owned by the main thread."""

    def __init__(self, synchronised: Path = SYNCHRONISED) -> None:
        self.hold = Hold.NO
        self._synchronised = synchronised
        self._step = 0
        now = _look()
        self._distance = now.distance
        self._until: float | None = now.mono + HOLD_TIMEOUT
        self._looked = now.mono - _LOOK_EACH

    def look(self) -> Now:
        """Look at the clocks, and keep `hold` up to date."""
        now = _look()
        change = now.distance - self._distance
        self._distance = now.distance
        if abs(change) > STEP:
            self._step += change
        self._keep_hold(now)
        return now

    def take_step(self) -> int:
        """Return by how many ns the clock was set since this was last asked; 0 if it was not."""
        step, self._step = self._step, 0
        return step

    def timeout(self) -> float:
        """Return the seconds after which to look again at the latest."""
        return 1.0 if self.hold is Hold.NO else _LOOK_EACH

    def _keep_hold(self, now: Now) -> None:
        if now.wall_ns < EARLIEST:
            self.hold = Hold.UNSET
            return
        if self._until is not None and now.mono >= self._looked + _LOOK_EACH:
            self._looked = now.mono
            waits = now.mono < self._until and self._is_awaited()
            self._until = self._until if waits else None
        self.hold = Hold.NO if self._until is None else Hold.UNSYNCHRONISED

    def _is_awaited(self) -> bool:
        """Return whether timesyncd runs and has not yet set the clock."""
        return self._synchronised.parent.is_dir() and not self._synchronised.exists()


def _look() -> Now:
    """Look at all of them at one moment, as far as the machine lets us."""
    for _ in range(4):
        before = boot_ns()
        wall, mono = time.time_ns(), time.monotonic()
        after = boot_ns()
        if after - before < _AT_ONCE:
            break
    return Now(wall, mono, (before + after) // 2)


def boot_ns() -> int:
    """Return the ns since the boot, those in which the machine slept included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Now(NamedTuple):
    """One look at the clocks: wall clock in ns since 1970, monotonic in s, and ns since the boot.

    The last of them goes on while the machine sleeps.
    """

    wall_ns: int
    mono: float
    boot_ns: int

    @property
    def distance(self) -> int:
        """What to add to ns since the boot to have the wall clock."""
        return self.wall_ns - self.boot_ns
