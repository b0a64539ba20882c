"""Detects that this machine, or the connection, stood still: queued messages arrive first then.

The main loop detects a wait that took too long. However, a process can be stopped anywhere: between
two waits, or after it has read the clock.

Pure: times are monotonic seconds.
"""

from __future__ import annotations

import math
from enum import Enum

PAUSE = 2.0  # s, from one step to the next: the main loop waits for 1 s at most
GAP = 3.5  # s, without a message; a heartbeat comes every 3 s, unless something stands still


class Heartbeats(Enum):
    """Whether a silence shows a gap.

    state    HEARTBEAT  NEW CONNECTION  a silence of GAP
    NONE     -          -               nothing: polled, a device publishes only answers
    AWAITED  REGULAR    -               nothing: firmware before Venus OS 3.20 sends none
    REGULAR  -          AWAITED         a gap
    """

    NONE = "the device is not kept publishing"
    AWAITED = "none has come on this connection"
    REGULAR = "one comes every 3 s"


class Standstill:
    """What a device detects of a standstill, from step to step."""

    def __init__(self, *, kept_alive: bool) -> None:
        """`kept_alive` is whether the device is kept publishing."""
        self._heartbeats = Heartbeats.AWAITED if kept_alive else Heartbeats.NONE
        self._stepped = math.inf  # when it was stepped last

    def begin(self) -> None:
        """The connection is new."""
        if self._heartbeats is Heartbeats.REGULAR:
            self._heartbeats = Heartbeats.AWAITED

    def heartbeat(self) -> None:
        """A heartbeat has arrived."""
        if self._heartbeats is Heartbeats.AWAITED:
            self._heartbeats = Heartbeats.REGULAR

    def before(self, now: float, received_at: float | None) -> bool:
        """Return whether there was one before this step.

        `received_at` is when the latest message came, None if there was none.
        """
        paused = now > self._stepped + PAUSE
        self._stepped = now
        regular = self._heartbeats is Heartbeats.REGULAR
        return paused or (regular and received_at is not None and now > received_at + GAP)

    def within(self, now: float, arrival: float) -> bool:
        """Return whether a message shows a standstill since this step read the clock, at `now`."""
        return arrival > self.latest(now)

    def latest(self, now: float) -> float:
        """Return until when a message may arrive without showing a standstill."""
        return now + PAUSE
