"""What is logged of the delivery: database and disk, rejected lines, and the bound of the queue.

Rules: no clock and no queue; times (monotonic, s) and numbers are handed in. What lasts is an
Episode: one line at its start, one each hour, one at its end. The keeper owns the reports; the main
thread reads their troubles, and names another database.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bat2influx.delivery.disk_errors import DiskError
from bat2influx.failure import Trouble
from bat2influx.influx.outcome import RejectedLine
from bat2influx.reading import NS
from bat2influx.service.journal import Episode, event

log = logging.getLogger(__name__)

MOST_REASONS = 100  # of rejected lines, each logged once


class Reports:
    """The entries in the journal, and what is wrong at present."""

    def __init__(self, where: str) -> None:
        """`where` is the address of the database."""
        self._database = Episode(log, {"PEER": where}, counted="failed attempt")
        self._disk = Episode(log)
        self._growing = Episode(log)
        self._overflow = Episode(log)
        self._reasons: set[str] = set()  # of rejected lines
        self._dropped = 0  # lines, at the latest warning

    @property
    def database_trouble(self) -> Trouble | None:
        """What is wrong with the database."""
        return self._database.trouble

    @property
    def troubles(self) -> list[Trouble]:
        """What is wrong with the database, and with the disk."""
        return [each.trouble for each in (self._database, self._disk) if each.trouble]

    def use_database(self, where: str) -> None:
        """Name another database in the entries from here on."""
        self._database.is_about(PEER=where)

    def failed(self, trouble: Trouble, now: float) -> None:
        """The database did not take a batch."""
        self._database.failed(trouble, now)

    def delivered(self, peer: str, now: float) -> None:
        """The database took a batch."""
        self._database.recovered(f"{peer} takes values again", now)

    def rejected(self, lines: Iterable[RejectedLine]) -> None:
        """Log the first line of each reason."""
        for row in lines:
            cause = row.reason
            if cause not in self._reasons and len(self._reasons) < MOST_REASONS:
                self._reasons.add(cause)
                text = "InfluxDB refuses a row, which is kept aside: %s: %s%s"
                line = row.line.decode("utf-8", "replace")
                typed = "field type conflict" in cause
                how = "; store to another measurement, or delete the field's old data"
                extra = event("row refused")
                log.error(text, cause, line, how if typed else "", extra=extra)

    def retried(self, count: int) -> None:
        """So many rejected lines are queued again, and their reasons count as new."""
        text, extra = "%d refused rows are tried again, as asked for", event("retried")
        log.info(text, count, extra=extra)
        self._reasons.clear()

    def found_on_disk(self, count: int) -> None:
        """So many lines are on disk from an earlier start."""
        text, extra = "%d values wait on disk, from before", event("waiting on disk")
        log.info(text, count, extra=extra)

    def clock_set(self, step_ns: int, count: int) -> None:
        """The clock was set, and the stamps of so many queued lines with it."""
        way, extra = "forward" if step_ns > 0 else "back", event("clock set")
        text = "the clock was set %s by %.1f s; so are the stamps of %d values that wait"
        log.info(text, way, abs(step_ns) / NS, count, extra=extra)

    def disk(self, fault: DiskError | None, now: float) -> None:
        """Whether the disk works."""
        if fault:
            why = Trouble(
                f"disk {fault.fault.value}", str(fault), meanwhile="values wait in memory"
            )
            self._disk.failed(why, now)
        else:
            self._disk.recovered("what waits is safe again", now)

    def growing(self, fullness: float, queued: int, now: float) -> None:
        """Warn while there is still time to act: more than half of the queue is in use."""
        if fullness > 0.5:
            text = f"{queued} values wait, and half the room for them is used"
            self._growing.failed(Trouble("growing", text), now)
        elif not queued:
            self._growing.recovered("no value waits any more", now)

    def dropped(self, count: int, queued: int, now: float) -> None:
        """Warn when `count`, of the lines dropped at the bound so far, has grown."""
        if count > self._dropped:
            self._dropped = count
            text = f"too many values wait: the oldest are dropped, {count} so far"
            self._overflow.failed(Trouble("overflow", text), now)
        elif self._overflow.trouble and not queued:
            self._overflow.recovered(f"{count} values were dropped in all", now)
