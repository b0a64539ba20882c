"""Whether to send the watchdog ping: only after a message from a device.

Nor is there a ping if a thread has finished nothing within its deadline.

Pure: all time limits are fractions of the watchdog interval W, all times monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

DEFAULT_WATCHDOG = 120.0  # s, W without a watchdog


class Watchdog:
    """Decides on pings to the service manager, and on the interval while no device responds.

    A device that is off must not cause a restart every W: without a message within W/12 after the
    start, the interval becomes 7.5 W until the first message. A restart resets the interval.
    """

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._start = now
        self.alive: float | None = None  # when a ping was last deserved, whether it was due or not
        self._pinged = now
        self._pending = False  # a message since the latest call of `ping` that accepted it
        self._message = False  # one since the last ping
        self._ever_received = False
        self._extended = False

    def message(self) -> None:
        """Count a message of a device."""
        self._pending = self._message = self._ever_received = True

    def interval_wanted(self, now: float) -> float | None:
        """Return the interval to request from the service manager, None if it stays."""
        if self._ever_received and self._extended:
            self._extended = False
            return self.interval
        if self._ever_received or self._extended:
            return None
        if now >= self._start + self.interval / 12:
            self._extended = True
            return 7.5 * self.interval
        return None

    def ping(self, now: float, threads: Iterable[float]) -> bool:
        """Return whether to ping now; `threads` has the times when each last finished something.

        Pings are at least W/8 apart; a thread may take up to W/2.
        """
        if not self._message or any(now - finished > self.interval / 2 for finished in threads):
            return False
        if self._pending:
            self.alive, self._pending = now, False
        if now < self._pinged + self.interval / 8:
            return False
        self._pinged, self._message = now, False
        return True
