"""Log entries of the delivery: database and disk, rejected lines, and the bound of the queue.

Rules: no clock and no queue; times (monotonic, s) and numbers are handed in. A lasting state is an
Episode: one line at its start, one every hour, one at its end. Database and disk may work and fail
alternately: their episodes are damped. The keeper owns the Reports, and no other thread reads them.
The main thread owns the InboxReport, and logs what the inbox drops while the keeper hangs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bat2influx.delivery.disk_errors import DiskError
from bat2influx.failure import Trouble
from bat2influx.influx.outcome import RejectedLine
from bat2influx.reading import NS
from bat2influx.service.journal import DampedEpisode, Episode, event

log = logging.getLogger(__name__)

MAX_REASONS = 100  # of rejected lines, each logged once


class Reports:
    """The journal entries of the keeper, and the present troubles."""

    def __init__(self, where: str) -> None:
        """`where` is the address of the database."""
        self._database = DampedEpisode(log, {"PEER": where}, counted="failed attempt")
        self._recovery_text = ""  # the text for a database that works again, '' while it fails
        self._disk = DampedEpisode(log)
        self._growing = Episode(log)
        self._overflow = Episode(log)
        self._quarantine = Episode(log)
        self._reasons: set[str] = set()  # of rejected lines
        self._dropped = self._rejected_dropped = 0  # lines, at the latest warning

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """The troubles of the database, of the disk, and of the space for rejected values."""
        found = [each.trouble for each in (self._database, self._disk, self._quarantine)]
        return tuple(trouble for trouble in found if trouble)

    def use_database(self, where: str) -> None:
        """Name another database in the entries from now on."""
        self._database.is_about(PEER=where)
        self._recovery_text = ""

    def failed(self, trouble: Trouble, now: float) -> None:
        """Take in that the database did not accept a batch."""
        self._recovery_text = ""
        self._database.failed(trouble, now)

    def delivered(self, peer: str, now: float) -> None:
        """Take in that the database accepted a batch."""
        self._recovery_text = f"{peer} is reachable again"
        self.report_recovery(now)

    def report_recovery(self, now: float) -> None:
        """Log the recovery of the database once it has lasted."""
        if self._recovery_text:
            self._database.recovered(self._recovery_text, now)

    def rejected(self, lines: Iterable[RejectedLine]) -> None:
        """Log the first line of each reason."""
        for row in lines:
            cause = row.reason
            if cause not in self._reasons and len(self._reasons) < MAX_REASONS:
                self._reasons.add(cause)
                text = "value rejected by the database and quarantined (%s): %s%s"
                line = row.line.decode("utf-8", "replace")
                extra = event("row refused")
                log.error(text, cause, line, row.advice and f"; {row.advice}", extra=extra)

    def retried(self, count: int) -> None:
        """Log that rejected lines are queued again; their reasons count as new."""
        text, extra = "%d quarantined values are queued again, as requested", event("retried")
        log.info(text, count, extra=extra)
        self._reasons.clear()

    def found_on_disk(self, count: int) -> None:
        """Log the number of lines on disk from an earlier start."""
        text = "%d values are queued on disk, from an earlier start"
        log.info(text, count, extra=event("waiting on disk"))

    def clock_set(self, step_ns: int, count: int, *, switched: bool = False) -> None:
        """Log that the clock was set, and the timestamps of so many queued lines corrected.

        With `switched` timestamps follow another clock from now on.
        """
        direction, extra = "forward" if step_ns > 0 else "back", event("clock set")
        if switched:
            text = "timestamps move %s by %.1f s, also those of %d queued values"
        else:
            text = "the clock was set %s by %.1f s; timestamps of %d queued values are corrected"
        log.info(text, direction, abs(step_ns) / NS, count, extra=extra)

    def disk(self, fault: DiskError | None, now: float) -> None:
        """Take in whether the disk works."""
        if fault:
            why = Trouble(
                f"disk {fault.fault.value}", str(fault), effect="values are queued in memory"
            )
            self._disk.failed(why, now)
        else:
            self._disk.recovered("queued values are safe on disk again", now)

    def growing(self, fullness: float, queued: int, now: float) -> None:
        """Warn when more than half of the queue's space is used, while there is time to act."""
        if fullness > 0.5:
            text = f"{queued} values are queued, and half the space for them is used"
            self._growing.failed(Trouble("growing", text), now)
        elif not queued:
            self._growing.recovered("the queue is empty again", now)

    def dropped(self, count: int, queued: int, now: float) -> None:
        """Warn when `count`, the number of lines dropped at the bound so far, has grown."""
        if count > self._dropped:
            self._dropped = count
            text = f"the queue is full: the oldest values are dropped, {count} so far"
            self._overflow.failed(Trouble("overflow", text), now)
        elif self._overflow.trouble and not queued:
            self._overflow.recovered(f"the queue is empty again; {count} values were dropped", now)

    def rejected_dropped(self, count: int, quarantined: int, now: float) -> None:
        """Warn when `count`, the number of rejected lines dropped so far, has grown.

        `quarantined` is how many are still quarantined.
        """
        if count > self._rejected_dropped:
            self._rejected_dropped = count
            text = (
                f"too many values are rejected: the oldest quarantined ones are dropped, {count} so"
                f" far, {quarantined} are quarantined; `bat2influx spool` lists them with the"
                " reasons: correct these, then send the values again with --retry-rejected"
            )
            self._quarantine.failed(Trouble("refused dropped", text), now)
        elif self._quarantine.trouble and not quarantined:
            text = f"no rejected value is quarantined any more; {count} were dropped"
            self._quarantine.recovered(text, now)


class InboxReport:
    """The journal entries about lines that the keeper does not take from the inbox."""

    def __init__(self) -> None:
        self._overflow = Episode(log)
        self._lost = 0  # lines, at the latest warning

    @property
    def trouble(self) -> Trouble | None:
        """The present trouble, None without one."""
        return self._overflow.trouble

    def lines(self, lost: int, *, taken: bool, now: float) -> None:
        """Take in the lines dropped so far; `taken` is whether the keeper has emptied the inbox."""
        if lost > self._lost:
            self._lost = lost
            text = (
                "values cannot be queued: the oldest are dropped,"
                f" {lost} so far; the disk may hang, see `dmesg`"
            )
            self._overflow.failed(Trouble("inbox overflow", text), now)
        elif taken:
            self._overflow.recovered(f"values are queued again; {lost} were dropped", now)
