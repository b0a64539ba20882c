"""When the next request may leave: a lone value at once, those of a load together. Pure.

To a database a request costs more than the values in it: InfluxDB 1.6.7 takes 74 us of CPU for a
value that comes with eight others, 9 us for one of 180. So requests that follow one another keep a
distance, in which values gather. The first two of a row leave at once: a value that is told by
itself, and what else there is of the same tick.

Rules: the distance is DISTANCE, or twice what the server took for the latest request, so that it
has half of the time for others, and MOST at the most. It counts from beginning to beginning. A row
ends where twice DISTANCE went by in which a request could have left, and none did. Times are in s,
of a monotonic clock.
"""

from __future__ import annotations

import math

DISTANCE = 0.02  # s
MOST = 0.1  # s; who waits for it is no longer in time for a display
AT_ONCE = 2  # requests of a row that leave at once


class Pacing:
    """The requests of late, and what follows of them for the next. Owned by the keeper."""

    def __init__(self) -> None:
        self._began = self._ended = -math.inf  # the latest
        self._row = 0  # requests in a row

    def next_at(self) -> float:
        """Return when the next request may begin; it may be long ago."""
        if self._row < AT_ONCE:
            return -math.inf
        return self._began + min(max(DISTANCE, 2 * (self._ended - self._began)), MOST)

    def begun(self, now: float) -> None:
        """Take in that a request leaves."""
        in_row = now < max(self._ended, self.next_at()) + 2 * DISTANCE
        self._row = self._row + 1 if in_row else 1
        self._began = now

    def ended(self, now: float) -> None:
        """Take in that the latest request has ended."""
        self._ended = now

    def forget(self) -> None:
        """Let the next request leave at once, as what came before is no measure for it."""
        self._row = 0
