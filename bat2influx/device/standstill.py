"""Detects that this machine, or the connection, stood still: queued messages arrive first then.

The main loop detects a wait that took too long. However, a process can be stopped anywhere: between
two waits, or after it has read the clock.

Pure: times are monotonic seconds.
"""

from __future__ import annotations

import math

PAUSE = 2.0  # s, from one step to the next: the main loop waits for 1 s at most
GAP = 3.5  # s, without a message; a heartbeat comes every 3 s, unless something stands still


class Standstill:
    """What a device detects of a standstill, from step to step."""

    def __init__(self, *, heartbeat: bool) -> None:
        """`heartbeat` is whether the device is kept publishing, so that a pause shows one.

        It counts from the first heartbeat on: firmware before Venus OS 3.20 sends none.
        """
        self._awaited = heartbeat
        self._beats = False  # whether there was one on this connection
        self._stepped = math.inf  # when it was stepped last

    def before(self, now: float, received_at: float | None) -> bool:
        """Return whether there was one before this step.

        `received_at` is when the latest message came, None if there was none.
        """
        paused = now > self._stepped + PAUSE
        self._stepped = now
        return paused or (self._beats and received_at is not None and now > received_at + GAP)

    def begin(self) -> None:
        """The connection is new."""
        self._beats = False

    def heartbeat(self) -> None:
        """A heartbeat has arrived."""
        self._beats = self._awaited

    def within(self, now: float, arrival: float) -> bool:
        """Return whether a message shows a standstill since this step read the clock, at `now`."""
        return arrival > self.latest(now)

    def latest(self, now: float) -> float:
        """Return until when a message may arrive without showing a standstill."""
        return now + PAUSE
