"""When a device is sent keepalives, and when it may be asked for a full republish.

VENUS: a keepalive lasts 60 s. One kind makes the device publish all its values at once, which is
hundreds of messages; the other kind brings changes only. Firmware before Venus OS 3.20 (dbus-mqtt)
does not know the second kind, or not by that name: a read of its serial number keeps it alive, and
it publishes everything if it was not awake before. It never reports that it has done so, and has
no heartbeat.

Pure: times are monotonic seconds, and spans are fractions of the watchdog interval W.
"""

from __future__ import annotations

import math
from enum import Enum


class KeepaliveKind(Enum):
    """Which keepalive to send."""

    FULL = "full"  # for the devices of a fleet, because a wildcard cannot be read
    CHANGES = "changes"
    OLD = "old"  # the keepalive of old firmware


class Republish:
    """Limits the full republishes of one device to one every W/2 (a minute), whoever wants them."""

    def __init__(self, watchdog: float) -> None:
        self._interval = watchdog / 2
        self._last = -math.inf

    def allowed(self, now: float) -> bool:
        """Return whether a republish may be requested now."""
        return now >= self._last + self._interval

    def requested(self, now: float) -> None:
        """A republish was requested."""
        self._last = now


class KeepAlive:
    """The keepalives of a device that is not polled.

    One keepalive for changes every W/4 (30 s): a full one would bring values from the device's
    cache, so values that have not changed are read. A device that sends nothing for W/24 (5 s; a
    heartbeat comes every 3 s) may not understand the kind of keepalive that was sent. The other
    kind is then sent, until it is clear which one the device understands.
    """

    def __init__(self, watchdog: float, republish: Republish) -> None:
        self._every = watchdog / 4
        self._answer_timeout = watchdog / 24
        self._republish = republish
        self._sent: float | None = None  # on this connection
        self._check_at = math.inf  # when to check whether the device understands this kind
        self._old = False
        self._known = False  # whether the device is known to understand this kind
        self._tried = False  # whether the other kind was tried since the latest message

    @property
    def first(self) -> bool:
        """Whether none has been sent on this connection."""
        return self._sent is None

    def begin(self) -> None:
        """A connection is ready to carry the notifications."""
        self._sent = None
        self._tried = False

    def message(self, now: float) -> None:
        """The device has sent a message."""
        self._check_at = now + self._answer_timeout
        if self._tried:
            self._known, self._tried = self._old, False

    def is_new(self) -> None:
        """A republish has ended or a heartbeat has arrived: old firmware reports neither."""
        self._known, self._old = True, False

    def is_old(self) -> None:
        """The device has turned out to understand only the old keepalive."""
        self._known = self._old = True

    @property
    def understood(self) -> KeepaliveKind | None:
        """OLD or CHANGES if it is clear which one the device understands, else None."""
        if not self._known:
            return None
        return KeepaliveKind.OLD if self._old else KeepaliveKind.CHANGES

    def due(self) -> float:
        """Return when the next keepalive is due if no message arrives until then."""
        if self._sent is None:
            return -math.inf
        regular = self._sent + self._every
        return regular if self._known or self._tried else min(regular, self._check_at)

    def next(self, now: float) -> KeepaliveKind | None:
        """Return the keepalive to send now; the caller must send it at once."""
        if now < self.due():
            return None
        first, regular = self._sent is None, self._sent is None or now >= self._sent + self._every
        if not regular and not self._known:
            if not (self._old or self._republish.allowed(now)):
                self._check_at = now + self._answer_timeout  # too early to try
                return None
            self._old, self._tried = not self._old, True
        self._sent, self._check_at = now, now + self._answer_timeout
        if not self._old:
            return KeepaliveKind.CHANGES
        if first or self._tried:  # a full republish, if the device understands the new keepalive
            self._republish.requested(now)
        return KeepaliveKind.OLD
