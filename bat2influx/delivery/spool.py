"""What waits for the database: in memory while it is fresh, on disk when it has waited a second.

In an outage that is known of it is half a second, and then all goes that there is in memory: one
sync for each round of a device that is read once a second, where each group of its answers had its
own, and two a second at the most. So half a second costs an SD card no more than the whole one did.

Delivery is a transaction: `next_batch` shows lines and removes nothing, `settle` ends it with what
the database has decided on. One owner, the keeper; nobody else calls anything here.

Rules: a healthy system never touches the disk. Where the disk does not take what has waited, it
stays in memory, bounded by bytes; at that bound the oldest lines go, counted. Fresh lines and those
on disk take turns, so that after an outage the present is stored first. A line may be sent twice,
which makes no second row; it is never forgotten before the database has accepted or rejected it.
While the clock is not right, fresh lines stay in memory; when it is set, stamps are moved with it,
but those of lines that may be stored already (own_lines.py).
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
FRESH = 1.0  # s that a line may be in memory alone
AWAY = 0.5  # times that, while the database is known to be away
MOVED_AT_ONCE = 20_000  # lines on disk
AGAIN = 2.0  # s between two attempts at a disk that does not take it


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
        self.away = False  # whether it is known that the database is
        self.fault: DiskError | None = None  # why the disk does not take what waits
        self._memory = memory
        self._disk = disk_queue
        self._fresh = fresh
        self._clock = clock
        self._again_at = -math.inf
        self._ages: deque[tuple[int, float]] = deque()  # number after each group, and its time
        self._live: Batch | None = None  # under way, from memory
        self._copy: StoredBatch | None = None  # the same on disk, when it has waited too long
        self._shown: StoredBatch | None = None  # under way, from disk
        self._unsettled: tuple[StoredBatch, Sequence[bytes], Sequence[RejectedLine]] | None = None
        self._stores_turn = False
        self._disk_used = False
        self._seen = True  # whether it is known what waits from before
        self.hold = Hold.NO  # whether fresh lines wait for the clock
        self._in_doubt = 0  # lines in memory before this number may be stored already
        self._own = OwnLines()  # lines on disk that go with the clock
        self._owed = 0  # ns by which the batch under way has to be moved, if nobody has it
        self._to_move: deque[tuple[int, int, int, int]] = deque()  # as DiskQueue.shift takes it

    def __len__(self) -> int:
        return len(self._memory) + len(self._disk)

    @property
    def on_disk(self) -> int:
        """Lines that outlive the process."""
        return len(self._disk)

    @property
    def in_memory(self) -> int:
        """Lines that do not."""
        return len(self._memory)

    @property
    def sendable(self) -> bool:
        """Whether there is something that does not wait for the clock."""
        return self.on_disk > 0 or (self.in_memory > 0 and self.hold is Hold.NO)

    @property
    def fullness(self) -> float:
        """How much of the room for what waits is taken, 0 to 1: of the disk's, or the memory's."""
        full = self._memory.size / self._memory.max_size
        if self.on_disk and not self.fault:
            with_disk = self._read(lambda: self._disk.size / self._disk.max_size)
            full = max(full, with_disk or 0.0)
        return full

    @property
    def dropped(self) -> int:
        """Lines that went at a bound, or with a damaged file, since the start."""
        return self._memory.dropped + self._disk.dropped

    @property
    def lost(self) -> int:
        """Those of them that went with a damaged file, of which `fault` has told."""
        return self._disk.lost

    @property
    def taken_in(self) -> int:
        """Lines that were ever appended."""
        return self._memory.end

    @property
    def rejected_count(self) -> int:
        """Lines that the database will not take, and that are kept aside."""
        return self._disk.rejected_count + self._memory.rejected_count

    @property
    def rejected_on_disk(self) -> int:
        """Those of them that outlive the process."""
        return self._disk.rejected_count

    @property
    def rejected_dropped(self) -> int:
        """Lines that were kept aside and went, since the start: at a bound, or with a file."""
        return self._memory.rejected_dropped + self._disk.rejected_dropped

    @property
    def rejected_lost(self) -> int:
        """Those of them that went with a damaged file, of which `fault` has told."""
        return self._disk.rejected_lost

    def in_memory_of(self, batch: Batch | StoredBatch) -> int:
        """Return how many lines of `batch` are in memory, and not on disk."""
        if isinstance(batch, StoredBatch):
            return 0
        return max(0, min(batch.end, self._memory.end) - max(batch.first, self._memory.first))

    def open(self) -> None:
        """See what waits from before."""
        self._seen = self._do(self._disk.open)
        self._disk_used = self.on_disk > 0

    def close(self) -> None:
        """Have everything on disk, if it takes it."""
        self._again_at = -math.inf
        self.keep(everything=True)
        self._disk.close()

    def append(self, lines: Sequence[bytes]) -> None:
        """Take `lines` in as the newest."""
        self._memory.append(lines)
        self._ages.append((self._memory.end, self._clock()))

    def due(self) -> float:
        """Return the seconds after which `keep` has something to do."""
        while self._ages and self._ages[0][0] <= self._memory.first:
            self._ages.popleft()
        if not self._ages or self.hold is not Hold.NO:
            return math.inf
        at = self._ages[0][1] + self._most_fresh
        return max(0.0, (max(at, self._again_at) if self.fault else at) - self._clock())

    def keep(self, *, everything: bool = False) -> None:
        """Put on disk what has waited long enough, or `everything`."""
        self._settled()
        if (
            self.fault
            and self._seen
            and not (len(self) or self._unsettled or self._memory.rejected)
        ):
            self.fault = None  # nothing needs the disk any more
        if everything:
            end = self._memory.end if self.hold is not Hold.UNSET else 0  # never in 1970
        elif self.due() > 0.0:
            return
        elif self.away:
            end = self._memory.end  # for one commit
        else:
            limit = self._clock() - self._fresh
            end = max((number for number, since in self._ages if since <= limit), default=0)
        live = self._live
        if live and end > live.first:
            end = max(end, live.end)
        lines = self._memory.oldest(end)
        if not lines:
            return
        before = self._memory.first
        kept = self._write(lambda: self._disk.append(lines))
        if kept is not None:
            self._memory.forget(end)
            if live and live.first < end and self._copy is None:
                gone = max(0, before - live.first)  # had to go at the bound
                self._copy = kept.part(max(0, live.first - before), live.lines[gone:])
            certain = kept.first + max(0, self._in_doubt - before)
            self._own.add(kept.generation, certain, kept.end)
            self._own.remove(*self._disk.gone)

    @property
    def _most_fresh(self) -> float:
        return self._fresh * AWAY if self.away else self._fresh

    def next_batch(self, max_lines: int) -> Batch | StoredBatch | None:
        """Return lines to send, at most `max_lines`; None when there are none to be had."""
        stored = self._settled() and len(self._disk) > 0
        fresh = len(self._memory) and self.hold is Hold.NO
        if fresh and not (stored and self._stores_turn):
            self._stores_turn = True
            self._live, self._copy = self._memory.next_batch(max_lines), None
            return self._live
        self._stores_turn = False
        emptied = self._disk_used and not len(self._disk)  # by asking, it comes to be removed
        if stored or emptied:
            self._shown = self._read(lambda: self._disk.next_batch(max_lines))
        return self._shown

    def settle(
        self,
        batch: Batch | StoredBatch,
        undecided: Sequence[bytes],
        rejected: Sequence[RejectedLine],
        *,
        in_doubt: bool = False,
    ) -> None:
        """End the transaction: of `batch` only the `undecided` lines go on waiting, in order.

        With `in_doubt` they may be stored already, and keep their stamps whatever the clock does.
        """
        live, copy = self._live, self._copy
        owed, self._owed = self._owed, 0
        self._live = self._shown = self._copy = None
        if isinstance(batch, StoredBatch):
            copy = batch
        elif copy is None:
            self._memory.settle(batch, undecided, rejected)
            if self._ages:  # the rest is as old as it was
                self._ages.appendleft((batch.end, self._ages[0][1]))
            if in_doubt:
                self._in_doubt = batch.end
            elif owed:
                self._memory.shift(batch.generation, batch.end - len(undecided), batch.end, owed)
            return
        gone = {*batch.lines[: len(batch.lines) - len(copy.lines)]}  # had to, at the bound
        left = [line for line in undecided if line not in gone]
        self._memory.dropped += len(undecided) - len(left)
        if live is None or (self._settled() and self._disk.is_oldest(copy)):
            self._unsettled = copy, left, rejected
        else:  # others are before it on disk, and it is sent again when its turn has come
            in_doubt = in_doubt or len(undecided) < len(batch.lines)
            self._memory.reject([each for each in rejected if each.line in gone])
        if in_doubt:
            self._own.remove(copy.generation, copy.first, copy.end)
        elif owed:
            self._to_move.append((copy.generation, copy.first, copy.end, owed))
        self._settled()

    def shift(self, step_ns: int) -> int:
        """Move stamps by so many ns, for the clock was set; return how many lines that are.

        The batch under way follows when it comes back, unless it is in doubt then.
        """
        live, on_disk = self._live, self._copy or self._shown
        if live or on_disk:
            self._owed += step_ns
        start = max(self._in_doubt, live.end if live and not on_disk else 0)
        count = self._memory.shift(0, start, self._memory.end, step_ns)
        for first, end in self._own.but(on_disk):
            self._to_move.append((self._own.generation, first, end, step_ns))
            count += end - first
        self._settled()
        return count

    def take_request(self) -> int:
        """Do what another process may have asked for; return how many rows wait again for that."""
        if not self._disk.rejected_count:
            return 0
        if not self._disk.asked or (self.fault and self._clock() < self._again_at):
            return 0
        again = self._write(self._disk.retry_rejected)
        if again is not None:  # and not before, or a disk that fails now would forget it
            self._read(self._disk.take_request)
        return again or 0

    def _settled(self) -> bool:
        """Return whether the disk queue knows what became of its latest batch; tell it if not."""
        if self.fault and self._clock() < self._again_at:
            return self._unsettled is None and not self._to_move
        if not self._seen:
            self.open()
        rejected = list(self._memory.rejected)
        if rejected and self._do(lambda: self._disk.reject(rejected)):
            self._memory.rejected.clear()
        if self._unsettled is not None:
            done = self._unsettled
            if self._do(lambda: self._disk.settle(*done)):
                self._unsettled = None
        while self._unsettled is None and self._to_move:
            generation, first, end, step_ns = self._to_move[0]
            part = generation, first, min(end, first + MOVED_AT_ONCE), step_ns
            if not self._do(lambda part=part: self._disk.shift(*part)):  # type: ignore[misc]
                break
            self._to_move.popleft()
            if part[2] < end:
                self._to_move.appendleft((generation, part[2], end, step_ns))
        return self._unsettled is None and not self._to_move

    def _do(self, call: Callable[[], object]) -> bool:
        """Change the disk queue; return whether that was possible."""

        def done() -> bool:
            call()
            return True

        return self._write(done) is not None

    def _write(self, call: Callable[[], T]) -> T | None:
        """Change the disk queue; what it cannot do is noted, and can be done later."""
        result = self._read(call)
        if result is not None:
            self.fault, self._disk_used = None, True
        return result

    def _read(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except DiskError as error:
            self.fault, self._again_at = error, self._clock() + AGAIN
            return None
