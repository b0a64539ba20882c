"""From the main loop to the database: the keeper and the sender.

The keeper owns the spool, on disk too: it alone puts lines in and takes them out. The sender does
HTTP and nothing else: it takes a batch and returns an outcome. So a request that hangs holds up
neither the reading of the device nor the keeping of its values, and a disk that does neither of
the others. What is sent together is what waits: a lone value goes at once, a flood becomes large
batches by itself; what comes from disk goes as fast as the database takes it half of the time.

Both note when they last finished something; a failed request that has been classified counts. A
thread that dies leaves its exception in `failure` and wakes the main loop.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bat2influx.clock import Hold
from bat2influx.delivery.disk_queue import StoredBatch
from bat2influx.delivery.memory_queue import Batch
from bat2influx.delivery.reports import Reports
from bat2influx.delivery.spool import Spool
from bat2influx.failure import Trouble, delay
from bat2influx.influx.lineprotocol import stamp_of
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.writer import Writer
from bat2influx.reading import NS

MAX_BATCH = 5000  # lines in a request
RETRY = 1.0  # s between two looks at a disk that does not work
GENTLY = 2.0  # s at most between two batches from disk
DISK_TIMEOUT = 1.5  # s, at the end, for what is to be put on disk
INBOX_LINES = 100_000  # lines that may wait for the keeper itself


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was set by so many ns."""

    ns: int


class Delivery:
    """Takes lines, and sees to it that the database gets them."""

    def __init__(
        self, spool: Spool, writer: Writer, *, idle: float, wake: Callable[[], None]
    ) -> None:
        """`idle` is the longest time in s that a thread is without a sign of life."""
        self.failure: BaseException | None = None
        self.accepted = 0  # lines stored, ever
        self.fullness = 0.0  # of the room for what waits, 0 to 1
        self._slowest: float | None = None  # s, from stamp to stored, since this was last asked
        self._tried = False  # whether there was an answer, or none, at all
        self._spool = spool
        self._writer = writer
        self._idle = idle
        self._wake = wake
        self._changed = threading.Condition()
        self._inbox: deque[Sequence[bytes] | ClockStep] = deque()
        self._inbox_lines = self._inbox_lost = 0
        self._outcome: Outcome | None = None
        self._stop_at: float | None = None  # s, monotonic: stop() has been called
        self._afresh = False  # what failed before is no reason to wait
        self._hold = Hold.NO
        self._in_flight: tuple[Writer, Batch | StoredBatch] | None = None
        self._batches: queue.SimpleQueue[tuple[Writer, Batch | StoredBatch]] = queue.SimpleQueue()
        self._not_before = 0.0
        self._attempts = 0
        self._reports = Reports(writer.where)
        self._handed_out = 0.0
        now = time.monotonic()
        self._finished = {"keeper": now, "sender": now}
        self._keeper = self._thread("keeper", self._keep)
        self._sender = self._thread("sender", self._send)

    def start(self) -> None:
        """Start both threads."""
        self._keeper.start()
        self._sender.start()

    def put(self, lines: Sequence[bytes]) -> None:
        """Hand over lines, in order; never waits for the database."""
        with self._changed:
            self._inbox.append(lines)
            self._inbox_lines += len(lines)
            self._bound_inbox()
            self._changed.notify_all()

    def _bound_inbox(self) -> None:
        """Drop the oldest lines past the bound, which the inbox meets only if the keeper is stuck.

        A step of the clock stays: it is also about what the keeper has already.
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
        """The wall clock was set by so many ns after all that was handed over so far."""
        with self._changed:
            self._inbox.append(ClockStep(step_ns))
            self._changed.notify_all()

    def hold(self, hold: Hold) -> None:
        """Have fresh values wait for the clock, or no longer."""
        with self._changed:
            self._hold, self._afresh = hold, True
            self._changed.notify_all()

    def use(self, writer: Writer) -> None:
        """Write through another writer from the next batch on."""
        with self._changed:
            self._writer, self._afresh = writer, True
            self._reports.use_database(writer.where)
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Lines that the database does not have yet."""
        return self._inbox_lines + len(self._spool)

    @property
    def rejected(self) -> int:
        """Lines that the database will not take, ever."""
        return self._spool.rejected_count

    @property
    def dropped(self) -> int:
        """Lines that went at a bound, or with a damaged file, since the start."""
        return self._spool.dropped + self._inbox_lost

    @property
    def database_up(self) -> bool | None:
        """Whether the database took the latest batch; None before the first was tried."""
        return self._reports.database_trouble is None if self._tried else None

    def take_delay(self) -> float | None:
        """Return the longest time in s from a stamp to its being stored, since this was asked.

        None when nothing was stored.
        """
        with self._changed:
            slowest, self._slowest = self._slowest, None
        return slowest

    @property
    def troubles(self) -> list[Trouble]:
        """What is wrong with the database, and with the disk."""
        return self._reports.troubles

    @property
    def finished(self) -> dict[str, float]:
        """When keeper and sender last finished something (monotonic, s)."""
        return dict(self._finished)

    def stop(self, timeout: float) -> tuple[int, int]:
        """Deliver what waits, within `timeout` s, or put it on disk.

        Return how many lines are there, and how many are nowhere.
        """
        with self._changed:
            self._stop_at, self._afresh = time.monotonic() + timeout, True
            self._changed.notify_all()
        self._keeper.join(0.0 if self.failure else timeout + DISK_TIMEOUT)
        self._writer.cut()
        return self._spool.on_disk, self._inbox_lines + self._spool.in_memory

    # The keeper

    def _keep(self) -> None:
        self._spool.open()
        self._reports.disk(self._spool.fault, time.monotonic())
        if self._spool.on_disk:
            self._reports.found_on_disk(self._spool.on_disk)
        while not self._done():
            with self._changed:
                self._changed.wait_for(self._has_work, self._until_next())
                inbox, outcome, afresh = list(self._inbox), self._outcome, self._afresh
                self._inbox.clear()
                self._inbox_lines = 0
                self._outcome, self._afresh = None, False
                self._spool.hold = self._hold
            for each in inbox:
                if isinstance(each, ClockStep):
                    self._reports.clock_set(each.ns, self._spool.shift(each.ns))
                else:
                    self._spool.append(each)
            if outcome is not None:
                self._settle(outcome)
            self._spool.keep(everything=self._stop_at is not None and not self._may_be_sent())
            if again := self._spool.take_request():
                self._reports.retried(again)
            if afresh:
                self._not_before, self._attempts = 0.0, 0
            self._hand_out()
            self._report_spool()
            self._finished["keeper"] = time.monotonic()
        self._spool.close()

    def _done(self) -> bool:
        """Whether to end: nothing is to be sent any more, or the time for that is over."""
        if self._stop_at is None or self._inbox:
            return False
        if time.monotonic() >= self._stop_at:
            return True
        if self._in_flight or self._afresh:
            return False
        if not len(self._spool) or self._not_before >= self._stop_at:
            return True
        if self._spool.in_memory:
            return self._spool.hold is Hold.UNSET  # which not even the disk gets
        # All is on disk: a long queue, and a database that fails, are for the next start.
        return self._spool.on_disk > MAX_BATCH or self._reports.database_trouble is not None

    def _may_be_sent(self) -> bool:
        """Whether what is fresh has yet to be tried, and is to be."""
        return not self._attempts and self._spool.hold is Hold.NO

    def _has_work(self) -> bool:
        return bool(self._inbox or self._outcome or self._afresh) or self._done()

    def _until_next(self) -> float:
        now = time.monotonic()
        waits = [self._idle, self._spool.due()]
        if self._stop_at is not None:
            waits.append(self._stop_at - now)
        if self._in_flight is None and self._spool.sendable:
            waits.append(max(self._not_before - now, RETRY if self._spool.fault else 0.0))
        return max(0.0, min(waits))

    def _hand_out(self) -> None:
        now = time.monotonic()
        if self._in_flight is not None or now < self._not_before:
            return
        batch = self._spool.next_batch(MAX_BATCH)
        if batch is not None:
            self._in_flight, self._handed_out = (self._writer, batch), now
            self._batches.put(self._in_flight)

    def _settle(self, outcome: Outcome) -> None:
        now = time.monotonic()
        assert self._in_flight is not None
        writer, batch = self._in_flight
        self._in_flight = None
        self._spool.settle(batch, outcome.undecided, outcome.rejected, in_doubt=outcome.in_doubt)
        self.accepted += outcome.accepted
        self._tried = True
        self._note_delay(batch.lines, outcome)
        self._reports.rejected(outcome.rejected)
        if writer is not self._writer:  # what it met with is settled by a reload
            return
        if outcome.trouble is None:
            self._attempts = 0
            if isinstance(batch, StoredBatch):  # gently: others may want the database, too
                self._not_before = now + min(now - self._handed_out, GENTLY)
            self._reports.delivered(self._writer.peer, now)
            return
        self._attempts += 1
        self._reports.failed(outcome.trouble, now)
        wait = delay(outcome.trouble.backoff, self._attempts, random.random())
        self._not_before = now + max(wait, outcome.retry_after or 0.0)

    def _note_delay(self, lines: Sequence[bytes], outcome: Outcome) -> None:
        if not outcome.accepted:
            return
        others = {*outcome.undecided, *(row.line for row in outcome.rejected)}
        stamps = (stamp_of(line) for line in lines if line not in others)
        oldest = min((each for each in stamps if each is not None), default=None)
        if oldest is not None:
            took = max(0.0, (time.time_ns() - oldest) / NS)
            with self._changed:
                self._slowest = max(took, self._slowest or 0.0)

    def _report_spool(self) -> None:
        self._reports.disk(self._spool.fault, time.monotonic())
        self.fullness = self._spool.fullness
        queued, now = len(self._spool), time.monotonic()
        self._reports.growing(self.fullness, queued, now)
        at_bound = self._spool.dropped - self._spool.lost + self._inbox_lost
        self._reports.dropped(at_bound, queued, now)

    # The sender

    def _send(self) -> None:
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
                self.failure = error
                self._wake()

        return threading.Thread(target=run, name=name, daemon=True)
