"""The wall clock: whether it has been set, and by how much it was set just now.

A machine without a clock of its own boots with the time at which it was switched off, or with one
that is older still, until it has asked the network. Whatever has waited for that has stamps that
are wrong by as much as the clock is then set.

Rules: arrivals are noted by the clock that nobody sets and that goes on while the machine sleeps
(CLOCK_BOOTTIME), and the wall clock is looked at as its distance from that one. A distance that
changes by more than STEP between two looks, at most a second or so apart, is a clock that was set;
what changes more slowly is one that is slewed, and a machine that slept has changed nothing.

Stamps may follow another clock for a while, as a distance of its own (`follow`). Then the wall
clock of each look is that one; to begin or to end with it is a step, and this machine's own clock
may be set meanwhile without one.
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
        self.synchronised = False  # as far as is known: since the boot, by timesyncd, where it runs
        self._file = synchronised
        self._awaited = True  # whether it has to be awaited, or has not been looked yet
        self._followed: int | None = None  # the distance of another clock
        self._step = 0
        now = _look()
        self._distance = now.distance
        self._until: float | None = now.mono + HOLD_TIMEOUT
        self._looked = now.mono - _LOOK_EACH

    def look(self) -> Now:
        """Look at the clocks, and keep `hold` up to date."""
        own = _look()
        now = own if self._followed is None else own.by(self._followed)
        change = now.distance - self._distance
        self._distance = now.distance
        if abs(change) > STEP:
            self._step += change
        self._keep_hold(own)
        return now

    def follow(self, distance: int | None) -> None:
        """Show another clock's time from the next look on: `distance` + ns since the boot.

        None is this machine's own clock. `hold` is about that one all the same.
        """
        self._followed = distance

    def take_step(self) -> int:
        """Return by how many ns the clock was set since this was last asked; 0 if it was not."""
        step, self._step = self._step, 0
        return step

    def timeout(self) -> float:
        """Return the seconds after which to look again at the latest."""
        return 1.0 if self.hold is Hold.NO else _LOOK_EACH

    def _keep_hold(self, own: Now) -> None:
        if own.wall_ns < EARLIEST:
            self.hold, self.synchronised = Hold.UNSET, False
            return
        if self._awaited and own.mono >= self._looked + _LOOK_EACH:
            self._looked = own.mono
            self._awaited = self._is_awaited()
        self.synchronised = not self._awaited
        if self._until is not None and (self.synchronised or own.mono >= self._until):
            self._until = None
        self.hold = Hold.NO if self._until is None else Hold.UNSYNCHRONISED

    def _is_awaited(self) -> bool:
        """Return whether timesyncd runs and has not yet set the clock."""
        return self._file.parent.is_dir() and not self._file.exists()


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

    The last of them goes on while the machine sleeps. `offset_ns` is by how much `wall_ns` is ahead
    of this machine's own clock, because it is another one's.
    """

    wall_ns: int
    mono: float
    boot_ns: int
    offset_ns: int = 0

    @property
    def distance(self) -> int:
        """What to add to ns since the boot to have the wall clock."""
        return self.wall_ns - self.boot_ns

    @property
    def own_distance(self) -> int:
        """What to add to ns since the boot to have this machine's own clock."""
        return self.distance - self.offset_ns

    def by(self, distance: int) -> Now:
        """Return this look by another clock."""
        offset_ns = distance - self.own_distance
        return Now(self.boot_ns + distance, self.mono, self.boot_ns, offset_ns)
