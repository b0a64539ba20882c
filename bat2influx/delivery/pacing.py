"""When the next request may be sent: a single value at once, values under load together. Pure.

A request costs the database more than the values in it: InfluxDB 1.6.7 takes 74 us of CPU for a
value that comes with eight others, 12 us for one of 200, 7 us for one of 1,300. So consecutive
requests keep a distance, in which values gather. The first two of a row are sent at once: a value
that the device sends alone, and the other values of the same tick.

Rules: the distance is DISTANCE, or SHARE times what the server took for the latest request, and at
most MOST. So a server has most of the time for its own work and for other clients, and under a high
load a request contains up to seven times as many values. The distance counts from beginning to
beginning. A row ends after twice DISTANCE in which a request could have been sent, and none was.
Times are in s, of a monotonic clock.
"""

from __future__ import annotations

import math

DISTANCE = 0.02  # s
SHARE = 15  # of the time of a request
MOST = 0.15  # s; a display of the database is refreshed every second at most
AT_ONCE = 2  # requests of a row that are sent at once


class Pacing:
    """The latest requests, and the time of the next one. Owned by the keeper."""

    def __init__(self) -> None:
        self._began = self._ended = -math.inf  # the latest
        self._row = 0  # requests in a row

    def next_at(self) -> float:
        """Return when the next request may begin; this may be in the past."""
        if self._row < AT_ONCE:
            return -math.inf
        return self._began + min(max(DISTANCE, SHARE * (self._ended - self._began)), MOST)

    def begun(self, now: float) -> None:
        """Take in that a request is sent."""
        in_row = now < max(self._ended, self.next_at()) + 2 * DISTANCE
        self._row = self._row + 1 if in_row else 1
        self._began = now

    def ended(self, now: float) -> None:
        """Take in that the latest request has ended."""
        self._ended = now

    def forget(self) -> None:
        """Allow the next request at once, because earlier requests do not count for it."""
        self._row = 0
