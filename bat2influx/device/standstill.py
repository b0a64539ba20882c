"""Detects that this machine, or the connection, stood still: old messages come first then.

The main loop sees a wait that took too long. A process can be stopped anywhere, though: between two
waits, or after it has looked at the clock.

Pure: times are monotonic seconds.
"""

from __future__ import annotations

import math

PAUSE = 2.0  # s, from one step to the next: the main loop waits for 1 s at the most
GAP = 3.5  # s, without a message; a heartbeat comes each 3 s, unless something stands still


class Standstill:
    """What a device sees of it, from step to step."""

    def __init__(self, *, heartbeat: bool) -> None:
        """`heartbeat` is whether the device is kept publishing, so that a silence is a gap."""
        self._heartbeat = heartbeat
        self._stepped = math.inf  # when it was stepped last

    def before(self, now: float, heard: float | None) -> bool:
        """Return whether there was one before this step; `heard` is when a message came last."""
        paused = now > self._stepped + PAUSE
        self._stepped = now
        return paused or (self._heartbeat and heard is not None and now > heard + GAP)

    def within(self, now: float, arrival: float) -> bool:
        """Return whether a message shows one since this step looked at the clock, at `now`."""
        return arrival > self.latest(now)

    def latest(self, now: float) -> float:
        """Return until when a message may come that shows none."""
        return now + PAUSE
