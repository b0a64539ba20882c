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


class Liveness:
    """The silence of one device, from its latest message to its next one.

    After W/12 one suppressed keepalive; after W/8 one reconnection, and from then on the device
    counts as not responding. It is then sent one keepalive at each new connection and every W/2,
    and nothing else: a device logs an error for every request that it cannot answer.
    """

    def __init__(self, watchdog: float) -> None:
        self._keepalive_after = watchdog / 12
        self._reconnect_after = watchdog / 8
        self._retry_after = watchdog / 2
        self.not_responding = False
        self.since: float | None = None  # when the latest message arrived; None: not connected yet
        self.keepalives = 0  # keepalives in this silence
        self._keepalive_at: float | None = None  # when the latest of them was sent

    def connected(self, now: float) -> None:
        """A connection is ready to carry answers."""
        self._keepalive_at = None
        if not self.not_responding:
            self.since = now

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`: messages of that time are yet to arrive."""
        if self.since is not None:
            self.since += seconds
        if self._keepalive_at is not None:
            self._keepalive_at += seconds

    def message(self, now: float) -> bool:
        """The device has sent a message; return whether this ends its silence."""
        ended = self.not_responding
        self.not_responding, self.since, self._keepalive_at, self.keepalives = False, now, None, 0
        return ended

    def remedy(self, now: float) -> Remedy | None:
        """Return what to do now; the caller must carry it out at once."""
        if self.since is None or now < self.due():
            return None
        if self.not_responding or self._keepalive_at is None:
            self._keepalive_at = now
            self.keepalives += 1
            return Remedy.KEEPALIVE
        self.not_responding = True
        return Remedy.RECONNECT

    def due(self) -> float:
        """Return when the next remedy is due if no message arrives until then."""
        if self.since is None:
            return math.inf
        if self.not_responding:
            return (
                self.since if self._keepalive_at is None else self._keepalive_at + self._retry_after
            )
        return self.since + (
            self._keepalive_after if self._keepalive_at is None else self._reconnect_after
        )
