"""Whether the daemon earns the service manager's ping: no message, no ping.

Nor is there one when a thread has finished nothing within its deadline.

Pure: all spans are fractions of the watchdog interval W, all times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

DEFAULT_WATCHDOG = 120.0  # s, W when nobody watches


class Watchdog:
    """Earns the pings to the service manager, and sets the interval of a start without a device.

    A device that is off must not cost a restart every W: a start that has heard nothing within
    W/12 asks for 7.5 W until the first message. The service manager forgets that at a restart.
    """

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._start = now
        self.alive: float | None = None  # when a ping was last earned, whether it was due or not
        self._pinged = now
        self._news = False  # a message since this was last looked at
        self._message = False  # one since the last ping
        self._heard = False
        self._extended = False

    def message(self) -> None:
        """A device has said something."""
        self._news = self._message = self._heard = True

    def interval_wanted(self, now: float) -> float | None:
        """Return the interval to ask the service manager for, where it has to change."""
        if self._heard and self._extended:
            self._extended = False
            return self.interval
        if not self._heard and not self._extended and now >= self._start + self.interval / 12:
            self._extended = True
            return 7.5 * self.interval
        return None

    def ping(self, now: float, threads: Iterable[float]) -> bool:
        """Return whether a ping is earned now; `threads` has when each last finished something.

        Pings are W/8 apart at least; a thread may take up to W/2.
        """
        if not self._message or any(now - finished > self.interval / 2 for finished in threads):
            return False
        if self._news:
            self.alive, self._news = now, False
        if now < self._pinged + self.interval / 8:
            return False
        self._pinged, self._message = now, False
        return True
