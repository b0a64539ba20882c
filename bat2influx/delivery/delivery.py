"""From the main loop to the database: the keeper and the sender.

The keeper owns the spool, in memory and on disk: only it adds and removes lines. The sender only
does HTTP: it takes a batch and returns an outcome. So a request that hangs delays neither the
reading of devices nor the queueing of values; a disk that hangs delays neither reading nor sending.
A request contains all queued lines up to its maximum: a single value is sent at once, values under
load gather between two requests (pacing.py), and many values become large batches. Lines from disk
are sent with pauses, so that the database is free half of the time.

To wake a thread costs as much as to take in ten values. So new lines wake the keeper only if it
waits for them (`_wakes`): while a request is pending, or the next may not be sent yet, the keeper
checks the inbox itself, at the latest after LOOK. Everything else wakes it at once.

Both threads note when they last finished something; a failed request with an outcome counts. A
thread that fails leaves its exception in `failure` and wakes the main loop.

The main thread reads the state of the queues from `figures`: the keeper publishes it at the end of
each turn, as a whole. No other thread reads the spool while the keeper runs. Lines in the inbox, or
taken by the keeper but not queued yet, are those that came less those that the queues were given.
"""

from __future__ import annotations

import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bat2influx.clock import Hold
from bat2influx.delivery.disk_queue import StoredBatch
from bat2influx.delivery.figures import Figures
from bat2influx.delivery.memory_queue import Batch
from bat2influx.delivery.pacing import Pacing
from bat2influx.delivery.reports import InboxReport, Reports
from bat2influx.delivery.spool import Spool
from bat2influx.failure import delay
from bat2influx.influx.lineprotocol import oldest_stamp
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.writer import LINES_AT_ONCE, Writer
from bat2influx.reading import NS

MAX_BATCH = LINES_AT_ONCE  # lines on disk that are still sent at the end
RETRY = 1.0  # s between two attempts with a disk that does not work
MAX_DISK_PAUSE = 2.0  # s at most between two batches from disk
DISK_TIMEOUT = 1.5  # s at the end to write lines to disk
INBOX_LINES = 100_000  # lines at most that the keeper has not taken yet
INBOX_CHECK = 1 / 16  # s at most that lines are in the inbox, in addition to their time in memory


class ClockStep(NamedTuple):
    """The clock was set by `ns`; with `switched`, timestamps follow another clock from now on."""

    ns: int
    switched: bool = False


class Delivery:
    """Takes lines, and delivers them to the database."""

    def __init__(
        self, spool: Spool, writer: Writer, *, idle: float, wake: Callable[[], None]
    ) -> None:
        """`idle` is the longest time in s after which each thread notes that it runs."""
        self.failure: BaseException | None = None  # of the thread that failed first
        self.offset_ns = 0  # of timestamps from this machine's clock; set by the main thread
        self._failed_thread = ""
        self._published = Figures()  # the keeper's, at the end of its latest turn
        self._accepted = 0  # lines stored, ever
        self._database_up: bool | None = None
        self._fullness = 0.0  # used part of the queue's space, 0 to 1
        self._slowest: float | None = None  # s from timestamp to storage, since `pop_delay`
        self._spool = spool
        self._writer = writer
        self._idle = idle
        self._wake = wake
        self._changed = threading.Condition()
        self._inbox: deque[Sequence[bytes] | ClockStep] = deque()
        self._inbox_lines = 0
        self._wakes = True  # whether lines wake the keeper; a step of the clock always does
        self._stepped = False  # whether the inbox contains a ClockStep
        self._received = self._inbox_lost = 0  # lines since the start
        self._inbox_report = InboxReport()  # the main thread's
        self._outcome: Outcome | None = None
        self._stop_at: float | None = None  # s, monotonic: the deadline of stop()
        self._retry_now = False  # whether to retry at once, whatever failed before
        self._hold = Hold.NO
        self._in_flight: tuple[Writer, Batch | StoredBatch] | None = None
        self._settling: tuple[Batch | StoredBatch, Outcome] | None = None
        self._batches: queue.SimpleQueue[tuple[Writer, Batch | StoredBatch]] = queue.SimpleQueue()
        self._not_before = 0.0
        self._attempts = 0
        self._pacing = Pacing()
        self._reports, self._reported = Reports(writer.where), writer
        self._sent_at = 0.0
        now = time.monotonic()
        self._finished = {"keeper": now, "sender": now}
        self._keeper = self._thread("keeper", self._run_keeper)
        self._sender = self._thread("sender", self._run_sender)

    def start(self) -> None:
        """Start both threads."""
        self._keeper.start()
        self._sender.start()

    def put(self, lines: Sequence[bytes]) -> None:
        """Hand over lines, in order; never waits for the database or the disk."""
        with self._changed:
            taken = not self._inbox
            self._received += len(lines)
            self._inbox.append(lines)
            self._inbox_lines += len(lines)
            self._bound_inbox()
            lost = self._inbox_lost
            if self._wakes:
                self._changed.notify_all()
        self._inbox_report.lines(lost, taken=taken, now=time.monotonic())

    def _bound_inbox(self) -> None:
        """Drop the oldest lines above the bound, which the inbox reaches only if the keeper hangs.

        Steps of the clock stay, because they also apply to lines that the keeper has already.
        """
        steps = []
        while self._inbox_lines > INBOX_LINES:
            oldest = self._inbox.popleft()
            if isinstance(oldest, ClockStep):
                steps.append(oldest)
                continue
            self._inbox_lines -= len(oldest)
            self._inbox_lost += len(oldest)
        self._inbox.extendleft(reversed(steps))

    def clock_set(self, step_ns: int) -> None:
        """Take in that the wall clock was set by so many ns after all lines handed over so far."""
        self._step(ClockStep(step_ns))

    def clock_switched(self, step_ns: int) -> None:
        """The same, because timestamps follow another clock from now on."""
        self._step(ClockStep(step_ns, switched=True))

    def _step(self, step: ClockStep) -> None:
        with self._changed:
            self._inbox.append(step)
            self._stepped = True
            self._changed.notify_all()

    def hold(self, hold: Hold) -> None:
        """Set whether fresh values are held back until the clock is right."""
        with self._changed:
            self._hold, self._retry_now = hold, True
            self._changed.notify_all()

    def use(self, writer: Writer) -> None:
        """Use another writer from the next batch on."""
        with self._changed:
            self._writer, self._retry_now = writer, True
            self._changed.notify_all()

    @property
    def failed_thread(self) -> str:
        """Name of the thread that failed first, '' while none has; set together with `failure`."""
        return self._failed_thread

    @property
    def figures(self) -> Figures:
        """The present numbers; for the main thread."""
        trouble = self._inbox_report.trouble
        with self._changed:
            return self._published.with_inbox(self._received, self._inbox_lost, trouble)

    def pop_delay(self) -> float | None:
        """Return the longest time in s from a timestamp to its storage, since the latest call.

        None if nothing was stored.
        """
        with self._changed:
            slowest, self._slowest = self._slowest, None
        return slowest

    @property
    def finished(self) -> dict[str, float]:
        """When keeper and sender last finished something (monotonic, s)."""
        return dict(self._finished)

    def stop(self, timeout: float) -> tuple[int, int]:
        """Deliver queued lines within `timeout` s, or write them to disk.

        Return how many lines are on disk, and how many are lost. After a failure of a thread no
        more lines are delivered.
        """
        if self.failure:
            timeout = 0.0
        with self._changed:
            self._stop_at, self._retry_now = time.monotonic() + timeout, True
            self._changed.notify_all()
        self._keeper.join(timeout + DISK_TIMEOUT)
        self._writer.abort()
        if not self._keeper.is_alive():  # it may have failed in the middle of a turn
            if self._in_flight and self._outcome:
                self._begin_to_settle(self._in_flight[1], self._outcome)
            self._publish()
        figures = self.figures
        return figures.on_disk, figures.queued - figures.on_disk

    # The keeper

    def _run_keeper(self) -> None:
        self._spool.open()
        self._reports.disk(self._spool.fault, time.monotonic())
        if self._spool.on_disk:
            self._reports.found_on_disk(self._spool.on_disk)
        had_lines = False  # lines, in the turn before
        while not self._done():
            with self._changed:
                self._wakes, longest = self._wake_on_lines(had_lines=had_lines)
                self._changed.wait_for(self._has_work, min(longest, self._until_next()))
                inbox, outcome, retry_now = list(self._inbox), self._outcome, self._retry_now
                self._inbox.clear()
                self._inbox_lines = 0
                self._retry_now = self._stepped = False
                self._spool.hold, writer = self._hold, self._writer
            if writer is not self._reported:
                self._reported = writer
                self._reports.use_database(writer.where)
            had_lines = bool(inbox)
            for each in inbox:
                if isinstance(each, ClockStep):
                    moved = self._spool.shift(each.ns)
                    self._reports.clock_set(each.ns, moved, switched=each.switched)
                else:
                    self._spool.append(each)
            if outcome is not None:
                self._settle(outcome)
            self._spool.database_unreachable = self._database_up is False
            self._spool.flush(everything=self._stop_at is not None and not self._may_be_sent())
            if again := self._spool.pop_request():
                self._reports.retried(again)
            if retry_now:
                self._not_before, self._attempts = 0.0, 0
                self._pacing.forget()
            self._send_next()
            self._report_spool()
            self._publish()
            self._finished["keeper"] = time.monotonic()
        self._spool.close()
        self._publish()

    def _done(self) -> bool:
        """Whether to end: there is nothing more to send, or the time for that is over."""
        if self._stop_at is None or self._inbox:
            return False
        if time.monotonic() >= self._stop_at:
            return True
        if self._in_flight or self._retry_now:
            return False
        if not len(self._spool) or self._not_before >= self._stop_at:
            return True
        if self._spool.in_memory:
            return self._spool.hold is Hold.UNSET  # such lines are not written to disk either
        # All lines are on disk: a long queue, or a failing database, is left to the next start.
        return self._spool.on_disk > MAX_BATCH or self._database_up is False

    def _may_be_sent(self) -> bool:
        """Whether fresh lines may be sent now, because no attempt has failed."""
        return not self._attempts and self._spool.hold is Hold.NO

    def _has_work(self) -> bool:
        lines = self._stepped or (self._wakes and bool(self._inbox))
        return bool(lines or self._outcome or self._retry_now) or self._done()

    def _wake_on_lines(self, *, had_lines: bool) -> tuple[bool, float]:
        """Return whether new lines wake the keeper, and after how many s it checks the inbox.

        While no request may be sent, they wake it only if the latest turn had none.
        """
        now, at = time.monotonic(), self._next_at()
        held = self._in_flight is not None or now < self._not_before
        if not held and now < at:
            return False, at - now
        if held and had_lines and self._stop_at is None:
            return False, INBOX_CHECK
        return True, math.inf

    def _next_at(self) -> float:
        """Return when pacing allows the next request.

        A full batch, lines from disk, and the last lines at the end are not delayed.
        """
        full = self._spool.in_memory >= self._writer.lines_at_once
        if full or self._spool.on_disk or self._stop_at is not None:
            return -math.inf
        return self._pacing.next_at()

    def _until_next(self) -> float:
        now = time.monotonic()
        waits = [self._idle, self._spool.due()]
        if self._stop_at is not None:
            waits.append(self._stop_at - now)
        if self._in_flight is None and self._spool.sendable:
            at = max(self._not_before, self._next_at())
            waits.append(max(at - now, RETRY if self._spool.fault else 0.0))
        return max(0.0, min(waits))

    def _send_next(self) -> None:
        now = time.monotonic()
        if self._in_flight is not None or now < max(self._not_before, self._next_at()):
            return
        batch = self._spool.next_batch(self._writer.lines_at_once)
        if batch is not None:
            self._in_flight, self._sent_at = (self._writer, batch), now
            self._pacing.begun(now)
            self._batches.put(self._in_flight)

    def _settle(self, outcome: Outcome) -> None:
        now = time.monotonic()
        assert self._in_flight is not None
        writer, batch = self._in_flight
        self._pacing.ended(now)
        self._begin_to_settle(batch, outcome)
        self._spool.settle(batch, outcome.undecided, outcome.rejected, uncertain=outcome.uncertain)
        self._settling = None
        self._note_delay(batch.lines, outcome)
        self._reports.rejected(outcome.rejected)
        if writer is not self._writer:  # a reload has replaced it, and its failures do not count
            return
        if not outcome.passing:
            self._database_up = outcome.trouble is None
        if outcome.trouble is None:
            self._attempts = 0
            if isinstance(batch, StoredBatch):  # leave time for other users of the database
                self._not_before = now + min(now - self._sent_at, MAX_DISK_PAUSE)
            self._reports.delivered(self._writer.peer, now)
            return
        self._attempts += 1
        if not outcome.passing:
            self._reports.failed(outcome.trouble, now)
        wait = delay(outcome.trouble.backoff, self._attempts, random.random())
        self._not_before = now + max(wait, outcome.retry_after or 0.0)

    def _begin_to_settle(self, batch: Batch | StoredBatch, outcome: Outcome) -> None:
        """Count the lines that the database has stored, even if the queue fails afterwards."""
        self._in_flight = self._outcome = None
        self._settling = batch, outcome
        self._accepted += outcome.accepted

    def _note_delay(self, lines: Sequence[bytes], outcome: Outcome) -> None:
        if not outcome.accepted:
            return
        if outcome.undecided or outcome.rejected:
            others = {*outcome.undecided, *(row.line for row in outcome.rejected)}
            lines = [line for line in lines if line not in others]
        oldest = oldest_stamp(lines)
        if oldest is not None:
            took = max(0.0, (time.time_ns() + self.offset_ns - oldest) / NS)
            with self._changed:
                self._slowest = max(took, self._slowest or 0.0)

    def _report_spool(self) -> None:
        queued, now = len(self._spool), time.monotonic()
        self._reports.disk(self._spool.fault, now)
        self._reports.report_recovery(now)
        self._fullness = self._spool.fullness
        self._reports.growing(self._fullness, queued, now)
        self._reports.dropped(self._spool.dropped - self._spool.lost, queued, now)
        rejected = self._spool.rejected_dropped - self._spool.rejected_lost
        self._reports.rejected_dropped(rejected, self._spool.rejected_count, now)

    def _publish(self) -> None:
        """Publish the figures of the queues for the main thread."""
        spool = self._spool
        stored = 0  # lines still in memory because the keeper failed before it removed them
        if self._settling:
            batch, outcome = self._settling
            undone = len(outcome.undecided) + len(outcome.rejected)
            stored = max(0, spool.in_memory_of(batch) - undone)
        figures = Figures(
            accepted=self._accepted,
            queued=len(spool) - stored,
            on_disk=spool.on_disk,
            rejected=spool.rejected_count,
            rejected_on_disk=spool.rejected_on_disk,
            dropped=spool.dropped,
            rejected_dropped=spool.rejected_dropped,
            fullness=self._fullness,
            database_up=self._database_up,
            troubles=self._reports.troubles,
            failed_thread=self._failed_thread,
            appended=spool.appended,
        )
        with self._changed:
            self._published = figures

    # The sender

    def _run_sender(self) -> None:
        while True:
            try:
                writer, batch = self._batches.get(timeout=self._idle)
            except queue.Empty:
                self._mark_sender()
                continue
            outcome = writer.write(batch.lines, self._mark_sender)
            self._mark_sender()
            with self._changed:
                self._outcome = outcome
                self._changed.notify_all()

    def _mark_sender(self) -> None:
        self._finished["sender"] = time.monotonic()

    # Both

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - the main loop ends the daemon with it
                with self._changed:
                    if self.failure is None:
                        self.failure, self._failed_thread = error, name
                self._wake()

        return threading.Thread(target=run, name=name, daemon=True)
