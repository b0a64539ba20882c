"""The wall clock: whether it has been set, and by how much it was set just now.

A machine without a real-time clock boots with the time of its last shutdown, or an older one, until
it has the time from the network. Stamps from before are wrong by the amount that the clock is then
set.

Rules: arrivals use CLOCK_BOOTTIME, which is never set and runs while the machine sleeps, and the
wall clock is read as its distance from that clock. If the distance changes by more than STEP
between two looks, at most about a second apart, the clock was set; a slower change is a slewed
clock, and sleep changes nothing.

Stamps may follow another clock for a while, by its distance (`follow`). Then the wall clock of each
look is that clock; starting or ending that is a step, and in the meantime this machine's own clock
may be set without one.
"""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from bat2influx.reading import NS

STEP = NS // 2
EARLIEST = 1_767_225_600 * NS  # 2026-01-01: a clock that shows less has not been set
HOLD_TIMEOUT = 120.0  # s, the longest time that values are held until the first synchronisation
# systemd-timesyncd creates it, in its RuntimeDirectory, when it has set the clock after the boot.
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_AT_ONCE = NS // 100  # within which three clocks are read
_LOOK_EACH = 0.25  # s between two looks at the file


class Hold(Enum):
    """Whether values are held until the clock is set, and why."""

    NO = "no"
    UNSYNCHRONISED = "the clock is not synchronised yet"
    UNSET = "the clock has not been set"


class Clock:
    """Both clocks together; owned by the main thread."""

    def __init__(self, synchronised: Path = SYNCHRONISED) -> None:
        self.hold = Hold.NO
        self.synchronised = False  # as far as known: since the boot, by timesyncd, if it runs
        self._file = synchronised
        self._awaited = True  # whether the synchronisation is outstanding, or not checked yet
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
        """Use another clock's time from the next look on: `distance` + ns since the boot.

        None is this machine's own clock. `hold` is always about this machine's clock.
        """
        self._followed = distance

    def take_step(self) -> int:
        """Return by how many ns the clock was set since the last call; 0 if it was not."""
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
    """Read all clocks at nearly the same time."""
    for _ in range(4):
        before = boot_ns()
        wall, mono = time.time_ns(), time.monotonic()
        after = boot_ns()
        if after - before < _AT_ONCE:
            break
    return Now(wall, mono, (before + after) // 2)


def boot_ns() -> int:
    """Return the ns since the boot, including sleep."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Now(NamedTuple):
    """One look at the clocks: wall clock in ns since 1970, monotonic in s, and ns since the boot.

    The last of them runs while the machine sleeps. `offset_ns` is by how much `wall_ns` is ahead of
    this machine's own clock, if it is another clock's.
    """

    wall_ns: int
    mono: float
    boot_ns: int
    offset_ns: int = 0

    @property
    def distance(self) -> int:
        """The wall clock minus the ns since the boot."""
        return self.wall_ns - self.boot_ns

    @property
    def own_distance(self) -> int:
        """This machine's own clock minus the ns since the boot."""
        return self.distance - self.offset_ns

    def by(self, distance: int) -> Now:
        """Return this look by another clock."""
        offset_ns = distance - self.own_distance
        return Now(self.boot_ns + distance, self.mono, self.boot_ns, offset_ns)
