"""The clock of a device, as its heartbeats show it.

A heartbeat contains the device's Unix time in whole seconds, every 3 s while a keepalive is in
force (VENUS, "Keepalive"). It may arrive late: after a freeze several arrive in one burst. So a
time counts only when BEATS heartbeats, over SPAN at least, agree on the distance between the
device's clock and the clock that nobody sets (CLOCK_BOOTTIME). A clock that stands still, jumps
back and forth, or shows a year before this program or after 2099 agrees with nothing. The known
distance stays valid when heartbeats stop or show no time: both clocks run at the same rate.

    state       fits what is known   new            one more of them   enough of them   no time
    UNKNOWN     -                    FOUND, begin   -                  -                UNKNOWN
    FOUND       -                    FOUND, begin   FOUND, count       KNOWN, take      UNKNOWN
    KNOWN       KNOWN, slew          SUSPECT, begin -                  -                KNOWN
    SUSPECT     KNOWN, slew          SUSPECT, begin SUSPECT, count     KNOWN, take      KNOWN

Pure: no clock and no socket. A distance is what to add to ns since boot to get the device's time
in ns since 1970.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from bat2influx.clock import EARLIEST, Now
from bat2influx.device.transitions import follows
from bat2influx.reading import NS
from bat2influx.venus.protocol import NoValue, decode

LATEST = 4_102_444_800 * NS  # 2100-01-01: a clock that shows a later time is wrong
TOLERANCE = 2 * NS  # for whole seconds and a busy broker
HEARTBEATS = 3
SPAN = 4 * NS  # three heartbeats take 6 s, so a burst does not count
SLEW = NS // 1000  # for each heartbeat, 333 ppm: a quartz clock is off by 100 ppm at most
CURRENT = 900 * NS  # an older difference is not reported


class State(Enum):
    """What is known of the device's clock."""

    UNKNOWN = "not known"
    FOUND = "shown for the first time"
    KNOWN = "known"
    SUSPECT = "known, but the latest heartbeat differs"


class Event(Enum):
    """What a heartbeat shows."""

    NO_TIME = "no plausible time"
    FITS = "the known time"
    NEW = "another time"
    MORE = "the new time again"
    ENOUGH = "the new time often enough"


class Action(Enum):
    """What to do with the time of a heartbeat."""

    NOTHING = "nothing"
    BEGIN = "begin to count"
    COUNT = "count"
    TAKE = "use it as the device's clock"
    SLEW = "follow it slowly"


TABLE = {
    (State.UNKNOWN, Event.NO_TIME): (State.UNKNOWN, Action.NOTHING),
    (State.UNKNOWN, Event.NEW): (State.FOUND, Action.BEGIN),
    (State.FOUND, Event.NO_TIME): (State.UNKNOWN, Action.NOTHING),
    (State.FOUND, Event.NEW): (State.FOUND, Action.BEGIN),
    (State.FOUND, Event.MORE): (State.FOUND, Action.COUNT),
    (State.FOUND, Event.ENOUGH): (State.KNOWN, Action.TAKE),
    (State.KNOWN, Event.NO_TIME): (State.KNOWN, Action.NOTHING),
    (State.KNOWN, Event.FITS): (State.KNOWN, Action.SLEW),
    (State.KNOWN, Event.NEW): (State.SUSPECT, Action.BEGIN),
    (State.SUSPECT, Event.NO_TIME): (State.KNOWN, Action.NOTHING),
    (State.SUSPECT, Event.FITS): (State.KNOWN, Action.SLEW),
    (State.SUSPECT, Event.NEW): (State.SUSPECT, Action.BEGIN),
    (State.SUSPECT, Event.MORE): (State.SUSPECT, Action.COUNT),
    (State.SUSPECT, Event.ENOUGH): (State.KNOWN, Action.TAKE),
}


class _New(NamedTuple):
    """A distance that heartbeats agree on: since when (ns since boot), and how many."""

    distance: int
    since: int
    beats: int


class DeviceClock:
    """The clock of one device; `distance` is None until it is known."""

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self.distance: int | None = None
        self._new = _New(0, 0, 0)
        self._fitted = 0  # when the latest heartbeat with the known time arrived, ns since boot

    def heartbeat(self, payload: bytes, arrival: int) -> None:
        """Process the payload of a heartbeat that arrived at `arrival` (ns since boot)."""
        distance = distance_of(payload, arrival)
        event = self._event(distance, arrival)
        self.state, action = follows(TABLE, self.state, event, "a device's clock")
        if distance is None or action is Action.NOTHING:
            return
        if action is Action.BEGIN:
            self._new = _New(distance, arrival, 1)
            return
        if action is Action.SLEW:
            self._slew(distance)
        else:  # the heartbeat with the least delay is the right one
            new = self._new
            best = max(distance, new.distance)
            self._new = _New(best, new.since, new.beats + 1)
            if action is Action.COUNT:
                return
            self.distance = best
        self._fitted = arrival

    def difference(self, now: Now) -> int | None:
        """Return by how many ns this machine's own clock is ahead of the device's.

        None while that is not known, or if the last heartbeat is older than CURRENT.
        """
        if self.distance is None or not self.is_recent(now, CURRENT):
            return None
        return now.own_distance - self.distance

    def is_recent(self, now: Now, within: int) -> bool:
        """Return whether a heartbeat has shown the known time within the last `within` ns."""
        return self.distance is not None and now.boot_ns <= self._fitted + within

    def _event(self, distance: int | None, arrival: int) -> Event:
        if distance is None:
            return Event.NO_TIME
        if self.distance is not None and abs(distance - self.distance) <= TOLERANCE:
            return Event.FITS
        counts = self.state in (State.FOUND, State.SUSPECT)
        if not counts or abs(distance - self._new.distance) > TOLERANCE:
            return Event.NEW
        enough = self._new.beats + 1 >= HEARTBEATS and arrival >= self._new.since + SPAN
        return Event.ENOUGH if enough else Event.MORE

    def _slew(self, distance: int) -> None:
        """Follow a clock that is slewed or runs at another rate; it fits within half a second."""
        assert self.distance is not None
        if distance > self.distance + NS // 2:
            self.distance += SLEW
        elif distance < self.distance - NS // 2:
            self.distance -= SLEW


def distance_of(payload: bytes, arrival: int) -> int | None:
    """Return the distance that a heartbeat shows; None if it shows no plausible time.

    A time in whole seconds stands for the middle of that second.
    """
    value = decode(payload)
    if isinstance(value, NoValue) or not EARLIEST <= value * NS < LATEST:
        return None
    time_ns = round(value * 1000) * (NS // 1000)  # ms: a float has no ns
    return time_ns + (NS // 2 if value.is_integer() else 0) - arrival
