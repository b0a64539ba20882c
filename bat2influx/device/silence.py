"""Detects that a device does not respond: messages and a clock in, remedies out.

A message is any non-retained PUBLISH below `N/<portal id>/`, including heartbeats and nulls,
because a device that sends anything is present; fields.py has its single paths.

Pure: all spans are fractions of the watchdog interval W, all times are monotonic seconds.
"""

from __future__ import annotations

import math
from enum import Enum


class Remedy(Enum):
    """What to do about a device that does not respond."""

    KEEPALIVE = "keepalive"
    RECONNECT = "reconnect"


class Silence:
    """The silence of one device, from its latest message to its next one.

    After W/12 one suppressed keepalive; after W/8 one reconnection, and from then on the device
    counts as not responding. It is then sent one keepalive at each new connection and every W/2,
    and nothing else: a device logs an error for every request that it cannot answer.
    """

    def __init__(self, watchdog: float) -> None:
        self._ask_after = watchdog / 12
        self._silent_after = watchdog / 8
        self._again_after = watchdog / 2
        self.silent = False
        self.since: float | None = None  # when the latest message arrived; None: not connected yet
        self.times = 0  # keepalives in this silence
        self._asked: float | None = None  # when the latest of them was sent

    def connected(self, now: float) -> None:
        """A connection is ready to carry answers."""
        self._asked = None
        if not self.silent:
            self.since = now

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`: messages of that time are yet to arrive."""
        if self.since is not None:
            self.since += seconds
        if self._asked is not None:
            self._asked += seconds

    def message(self, now: float) -> bool:
        """The device has sent a message; return whether this ends its silence."""
        ended = self.silent
        self.silent, self.since, self._asked, self.times = False, now, None, 0
        return ended

    def remedy(self, now: float) -> Remedy | None:
        """Return what to do now; the caller must carry it out at once."""
        if self.since is None or now < self.due():
            return None
        if self.silent or self._asked is None:
            self._asked = now
            self.times += 1
            return Remedy.KEEPALIVE
        self.silent = True
        return Remedy.RECONNECT

    def due(self) -> float:
        """Return when the next remedy is due if no message arrives until then."""
        if self.since is None:
            return math.inf
        if self.silent:
            return self.since if self._asked is None else self._asked + self._again_after
        return self.since + (self._ask_after if self._asked is None else self._silent_after)
