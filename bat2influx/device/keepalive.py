"""When a device is asked to tell of its changes, and when it may be asked to tell everything.

VENUS: a keepalive lasts 60 s; one sort has the device publish all its values at once, which is
hundreds of messages, the other brings changes only. Firmware before Venus OS 3.20 (dbus-mqtt) does
not know the second sort, or none by that name; a read of its serial number keeps it alive, and it
publishes everything when it had not been. It never says that it has, and has no heartbeat.

Pure: times are monotonic seconds, and spans are fractions of the watchdog interval W.
"""

from __future__ import annotations

import math
from enum import Enum


class KeepaliveKind(Enum):
    """What to send."""

    FULL = "full"  # of a fleet's devices, which one cannot read with a wildcard
    CHANGES = "changes"
    OLD = "old"  # the keepalive of old firmware


class Republish:
    """One device's full republishes: one each W/2 (a minute) at the most, whatever wants them."""

    def __init__(self, watchdog: float) -> None:
        self._apart = watchdog / 2
        self._last = -math.inf

    def may(self, now: float) -> bool:
        """Return whether one may be asked for now."""
        return now >= self._last + self._apart

    def asked(self, now: float) -> None:
        """One has been asked for."""
        self._last = now


class KeepAlive:
    """The keepalives of a device that is not polled.

    One for the changes each W/4 (30 s): a full one would bring values from the device's cache, so
    that what has not changed is read. A device that goes quiet for W/24 (5 s; a heartbeat comes
    each 3 s) may not know the way in which it was asked: it is then asked the other way, until it
    is clear which one it knows.
    """

    def __init__(self, watchdog: float, republish: Republish) -> None:
        self._every = watchdog / 4
        self._quiet = watchdog / 24
        self._republish = republish
        self._sent: float | None = None  # on this connection
        self._look = math.inf  # when to see whether it knows the way
        self._old = False
        self._clear = False  # that it knows this way
        self._tried = False  # the other way, in this quiet

    @property
    def first(self) -> bool:
        """Whether none has been sent on this connection."""
        return self._sent is None

    def begin(self) -> None:
        """A connection is ready to carry what it brings."""
        self._sent = None
        self._tried = False

    def message(self, now: float) -> None:
        """The device has said something."""
        self._look = now + self._quiet
        if self._tried:
            self._clear, self._tried = self._old, False

    def is_new(self) -> None:
        """A full republish has ended, or the heart has beaten, as old firmware never says."""
        self._clear, self._old = True, False

    def is_old(self) -> None:
        """It has turned out that the device knows the old way only."""
        self._clear = self._old = True

    @property
    def knows(self) -> KeepaliveKind | None:
        """OLD or CHANGES where it is clear which of them the device knows, else None."""
        if not self._clear:
            return None
        return KeepaliveKind.OLD if self._old else KeepaliveKind.CHANGES

    def due(self) -> float:
        """Return when the next one is due, if nothing is heard until then."""
        if self._sent is None:
            return -math.inf
        regular = self._sent + self._every
        return regular if self._clear or self._tried else min(regular, self._look)

    def next(self, now: float) -> KeepaliveKind | None:
        """Return what is to be sent now; to be sent at once."""
        if now < self.due():
            return None
        first, regular = self._sent is None, self._sent is None or now >= self._sent + self._every
        if not regular and not self._clear:
            if not (self._old or self._republish.may(now)):
                self._look = now + self._quiet  # it is too early to try
                return None
            self._old, self._tried = not self._old, True
        self._sent, self._look = now, now + self._quiet
        if not self._old:
            return KeepaliveKind.CHANGES
        if first or self._tried:  # which is a full republish where the other way is known
            self._republish.asked(now)
        return KeepaliveKind.OLD
