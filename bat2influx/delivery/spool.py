"""The queue for the database: in memory while lines are fresh, on disk after a second.

During a known outage lines are written to disk after half a second, and then all lines in memory at
once: one sync for each round of a device that is read every second, and at most two syncs a second.
So half a second costs an SD card no more than a whole one, with which each group of answers would
have its own sync.

Delivery is a transaction: `next_batch` shows lines and removes nothing, `settle` ends it with the
outcome. The keeper owns the spool; no other thread calls it.

Rules: a healthy system never touches the disk. If the disk does not work, lines stay in memory,
bounded by bytes; at that bound the oldest are dropped and counted. Fresh lines and those on disk
are sent alternately, so that present values are stored soon after an outage. A line may be sent
twice, which the database stores once; it is never removed before the database has accepted or
rejected it. While the clock is not right, fresh lines stay in memory; when it is set, timestamps
are corrected, except those of lines that may be stored already (own_lines.py).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from bat2influx.clock import Hold
from bat2influx.delivery.disk_errors import DiskError
from bat2influx.delivery.disk_queue import DiskQueue, StoredBatch
from bat2influx.delivery.memory_queue import Batch, MemoryQueue
from bat2influx.delivery.own_lines import OwnLines
from bat2influx.influx.outcome import RejectedLine

T = TypeVar("T")
FRESH = 1.0  # s that a line may be in memory only
UNREACHABLE_FACTOR = 0.5  # factor for FRESH while the database is known to be unreachable
SHIFTED_AT_ONCE = 20_000  # lines on disk whose timestamps one call corrects
DISK_RETRY = 2.0  # s between two attempts with a disk that does not work


class Spool:
    """The two halves together: the queue in `memory`, and the `disk_queue`."""

    def __init__(
        self,
        memory: MemoryQueue,
        disk_queue: DiskQueue,
        *,
        fresh: float = FRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fresh` is in s, as is `clock`. Nothing on disk is touched before `open`."""
        self.database_unreachable = False  # whether the database is known to be unreachable
        self.fault: DiskError | None = None  # why lines cannot be written to disk
        self._memory = memory
        self._disk = disk_queue
        self._fresh = fresh
        self._clock = clock
        self._again_at = -math.inf
        self._ages: deque[tuple[int, float]] = deque()  # number after each group, and its time
        self._memory_batch: Batch | None = None  # being sent, from memory
        self._disk_copy: StoredBatch | None = None  # the same lines on disk, after FRESH
        self._sending: StoredBatch | None = None  # being sent, from disk
        # The arguments of a `settle` that has failed so far.
        self._pending_settle: tuple[StoredBatch, Sequence[bytes], Sequence[RejectedLine]] | None
        self._pending_settle = None
        self._disk_turn = False
        self._disk_used = False
        self._opened = True  # whether the disk queue was opened
        self.hold = Hold.NO  # whether fresh lines wait for the clock
        self._uncertain_end = 0  # lines in memory before this number may be stored already
        self._own = OwnLines()  # lines on disk to correct when the clock is set
        self._batch_shift = 0  # ns by which to move the batch being sent, unless it may be stored
        self._disk_shifts: deque[tuple[int, int, int, int]] = deque()  # as DiskQueue.shift takes it

    def __len__(self) -> int:
        return len(self._memory) + len(self._disk)

    @property
    def on_disk(self) -> int:
        """Lines that outlive the process."""
        return len(self._disk)

    @property
    def in_memory(self) -> int:
        """Lines that do not outlive the process."""
        return len(self._memory)

    @property
    def sendable(self) -> bool:
        """Whether there are lines that do not wait for the clock."""
        return self.on_disk > 0 or (self.in_memory > 0 and self.hold is Hold.NO)

    @property
    def fullness(self) -> float:
        """Used part of the queue's space, 0 to 1: the larger of memory and disk."""
        full = self._memory.size / self._memory.max_size
        if self.on_disk and not self.fault:
            with_disk = self._read(lambda: self._disk.size / self._disk.max_size)
            full = max(full, with_disk or 0.0)
        return full

    @property
    def dropped(self) -> int:
        """Queued lines dropped since the start: at a bound, or with a damaged file."""
        return self._memory.dropped + self._disk.dropped

    @property
    def lost(self) -> int:
        """Number of these that were lost with a damaged file, which `fault` has reported."""
        return self._disk.lost

    @property
    def appended(self) -> int:
        """Lines that were ever appended."""
        return self._memory.end

    @property
    def rejected_count(self) -> int:
        """Rejected lines, which are quarantined."""
        return self._disk.rejected_count + self._memory.rejected_count

    @property
    def rejected_on_disk(self) -> int:
        """Number of these that outlive the process."""
        return self._disk.rejected_count

    @property
    def rejected_dropped(self) -> int:
        """Quarantined lines dropped since the start: at a bound, or with a damaged file."""
        return self._memory.rejected_dropped + self._disk.rejected_dropped

    @property
    def rejected_lost(self) -> int:
        """Number of these that were lost with a damaged file, which `fault` has reported."""
        return self._disk.rejected_lost

    def in_memory_of(self, batch: Batch | StoredBatch) -> int:
        """Return how many lines of `batch` are in memory, and not on disk."""
        if isinstance(batch, StoredBatch):
            return 0
        return max(0, min(batch.end, self._memory.end) - max(batch.first, self._memory.first))

    def open(self) -> None:
        """Open the queue of an earlier process."""
        self._opened = self._do(self._disk.open)
        self._disk_used = self.on_disk > 0

    def close(self) -> None:
        """Write all lines to disk, if it works, and close the file."""
        self._again_at = -math.inf
        self.flush(everything=True)
        self._disk.close()

    def append(self, lines: Sequence[bytes]) -> None:
        """Append `lines` as the newest."""
        self._memory.append(lines)
        self._ages.append((self._memory.end, self._clock()))

    def due(self) -> float:
        """Return the seconds after which `flush` has something to do."""
        while self._ages and self._ages[0][0] <= self._memory.first:
            self._ages.popleft()
        if not self._ages or self.hold is not Hold.NO:
            return math.inf
        at = self._ages[0][1] + self._most_fresh
        return max(0.0, (max(at, self._again_at) if self.fault else at) - self._clock())

    def flush(self, *, everything: bool = False) -> None:
        """Write lines to disk that are no longer fresh, or `everything`."""
        self._settle_pending()
        if (
            self.fault
            and self._opened
            and not (len(self) or self._pending_settle or self._memory.rejected)
        ):
            self.fault = None  # nothing needs the disk any more
        if everything:
            end = self._memory.end if self.hold is not Hold.UNSET else 0  # no timestamps of 1970
        elif self.due() > 0.0:
            return
        elif self.database_unreachable:
            end = self._memory.end  # for one commit
        else:
            limit = self._clock() - self._fresh
            end = max((number for number, since in self._ages if since <= limit), default=0)
        live = self._memory_batch
        if live and end > live.first:
            end = max(end, live.end)
        lines = self._memory.oldest(end)
        if not lines:
            return
        before = self._memory.first
        kept = self._write(lambda: self._disk.append(lines))
        if kept is not None:
            self._memory.forget(end)
            if live and live.first < end and self._disk_copy is None:
                gone = max(0, before - live.first)  # dropped at the bound
                self._disk_copy = kept.part(max(0, live.first - before), live.lines[gone:])
            certain = kept.first + max(0, self._uncertain_end - before)
            self._own.add(kept.generation, certain, kept.end)
            self._own.remove(*self._disk.removed)

    @property
    def _most_fresh(self) -> float:
        return self._fresh * UNREACHABLE_FACTOR if self.database_unreachable else self._fresh

    def next_batch(self, max_lines: int) -> Batch | StoredBatch | None:
        """Return lines to send, at most `max_lines`; None if there are none to send."""
        stored = self._settle_pending() and len(self._disk) > 0
        fresh = len(self._memory) and self.hold is Hold.NO
        if fresh and not (stored and self._disk_turn):
            self._disk_turn = True
            self._memory_batch, self._disk_copy = self._memory.next_batch(max_lines), None
            return self._memory_batch
        self._disk_turn = False
        emptied = self._disk_used and not len(self._disk)  # the call removes an empty file
        if stored or emptied:
            self._sending = self._read(lambda: self._disk.next_batch(max_lines))
        return self._sending

    def settle(
        self,
        batch: Batch | StoredBatch,
        undecided: Sequence[bytes],
        rejected: Sequence[RejectedLine],
        *,
        uncertain: bool = False,
    ) -> None:
        """End the transaction: of `batch` only the `undecided` lines stay queued, in order.

        With `uncertain` they may be stored already, and keep their timestamps if the clock is set.
        """
        live, copy = self._memory_batch, self._disk_copy
        batch_shift, self._batch_shift = self._batch_shift, 0
        self._memory_batch = self._sending = self._disk_copy = None
        if isinstance(batch, StoredBatch):
            copy = batch
        elif copy is None:
            self._memory.settle(batch, undecided, rejected)
            if self._ages:  # the rest is as old as it was
                self._ages.appendleft((batch.end, self._ages[0][1]))
            if uncertain:
                self._uncertain_end = batch.end
            elif batch_shift:
                self._memory.shift(
                    batch.generation, batch.end - len(undecided), batch.end, batch_shift
                )
            return
        gone = {*batch.lines[: len(batch.lines) - len(copy.lines)]}  # dropped at the bound
        left = [line for line in undecided if line not in gone]
        self._memory.dropped += len(undecided) - len(left)
        if live is None or (self._settle_pending() and self._disk.is_oldest(copy)):
            self._pending_settle = copy, left, rejected
        else:  # older lines are on disk, and this batch is sent again after them
            uncertain = uncertain or len(undecided) < len(batch.lines)
            self._memory.reject([each for each in rejected if each.line in gone])
        if uncertain:
            self._own.remove(copy.generation, copy.first, copy.end)
        elif batch_shift:
            self._disk_shifts.append((copy.generation, copy.first, copy.end, batch_shift))
        self._settle_pending()

    def shift(self, step_ns: int) -> int:
        """Move timestamps by `step_ns`, because the clock was set; return the number of lines.

        The batch being sent is corrected when it comes back, unless it may be stored then.
        """
        live, on_disk = self._memory_batch, self._disk_copy or self._sending
        if live or on_disk:
            self._batch_shift += step_ns
        start = max(self._uncertain_end, live.end if live and not on_disk else 0)
        count = self._memory.shift(0, start, self._memory.end, step_ns)
        for first, end in self._own.excluding(on_disk):
            self._disk_shifts.append((self._own.generation, first, end, step_ns))
            count += end - first
        self._settle_pending()
        return count

    def pop_request(self) -> int:
        """Carry out another process's request to retry; return how many lines are queued again."""
        if not self._disk.rejected_count:
            return 0
        if not self._disk.retry_requested or (self.fault and self._clock() < self._again_at):
            return 0
        again = self._write(self._disk.retry_rejected)
        if again is not None:  # not before: a failing disk would lose the request
            self._read(self._disk.pop_request)
        return again or 0

    def _settle_pending(self) -> bool:
        """Settle pending changes on disk; return whether none are left."""
        if self.fault and self._clock() < self._again_at:
            return self._pending_settle is None and not self._disk_shifts
        if not self._opened:
            self.open()
        rejected = list(self._memory.rejected)
        if rejected and self._do(lambda: self._disk.reject(rejected)):
            self._memory.rejected.clear()
        if self._pending_settle is not None:
            done = self._pending_settle
            if self._do(lambda: self._disk.settle(*done)):
                self._pending_settle = None
        while self._pending_settle is None and self._disk_shifts:
            generation, first, end, step_ns = self._disk_shifts[0]
            part = generation, first, min(end, first + SHIFTED_AT_ONCE), step_ns
            if not self._do(lambda part=part: self._disk.shift(*part)):  # type: ignore[misc]
                break
            self._disk_shifts.popleft()
            if part[2] < end:
                self._disk_shifts.appendleft((generation, part[2], end, step_ns))
        return self._pending_settle is None and not self._disk_shifts

    def _do(self, call: Callable[[], object]) -> bool:
        """Change the disk queue; return whether that succeeded."""

        def done() -> bool:
            call()
            return True

        return self._write(done) is not None

    def _write(self, call: Callable[[], T]) -> T | None:
        """Change the disk queue; return None after a failure, which is noted in `fault`."""
        result = self._read(call)
        if result is not None:
            self.fault, self._disk_used = None, True
        return result

    def _read(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except DiskError as error:
            self.fault, self._again_at = error, self._clock() + DISK_RETRY
            return None
