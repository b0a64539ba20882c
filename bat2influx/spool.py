"""What waits for the database: in memory while it is fresh, on disk when it has waited a second.

Delivery is a transaction: `next_batch` shows lines and removes nothing, `settle` ends it with what
the database has decided on. One owner, the keeper; nobody else calls anything here.

Rules: a healthy system never touches the disk. Where the disk does not take what has waited, it
stays in memory, bounded by bytes; at that bound the oldest lines go, counted. Fresh lines and those
on disk take turns, so that after an outage the present is stored first. A line may be sent twice,
which makes no second row; it is never forgotten before the database has accepted or refused it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from bat2influx.storeerror import StoreError

if TYPE_CHECKING:
    from bat2influx.store import Store, StoredBatch

T = TypeVar("T")
FRESH = 1.0  # s that a line may be in memory alone
AGAIN = 2.0  # s between two attempts at a disk that does not take it
OVERHEAD = 48  # bytes that a short line takes in memory beside its own length
REFUSED_KEPT = 1000  # rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines to be sent together; `first` is the running number of the oldest."""

    first: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that the database will not take, and its reason in the database's words."""

    line: bytes
    reason: str


class MemorySpool:
    """A queue of lines, of at most `max_size` bytes."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.size = 0  # bytes
        self.dropped = 0  # lines that went at the bound, ever
        self.refused: deque[Refused] = deque(maxlen=REFUSED_KEPT)
        self.refused_count = 0
        self._lines: deque[bytes] = deque()
        self._first = 0  # running number of the oldest line
        self._shown = 0  # lines before this number are in the batch under way

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def first(self) -> int:
        """The running number of the oldest line."""
        return self._first

    @property
    def end(self) -> int:
        """The running number that the next line will have."""
        return self._first + len(self._lines)

    def oldest(self, end: int) -> tuple[bytes, ...]:
        """Return the lines before the number `end`."""
        return tuple(islice(self._lines, max(0, end - self._first)))

    def forget(self, end: int) -> None:
        """Let the lines before the number `end` go, for somebody else has them."""
        while self._lines and self._first < end:
            self._pop()

    def append(self, lines: Sequence[bytes]) -> None:
        """Take `lines` in as the newest."""
        self._lines.extend(lines)
        self.size += sum(map(len, lines)) + OVERHEAD * len(lines)
        self._keep_within_bound()

    def next_batch(self, max_lines: int) -> Batch | None:
        """Return the oldest lines, at most `max_lines`; None when there are none."""
        if not self._lines:
            return None
        batch = Batch(self._first, tuple(islice(self._lines, max_lines)))
        self._shown = self._first + len(batch.lines)
        return batch

    def settle(self, batch: Batch, undecided: Sequence[bytes], refused: Sequence[Refused]) -> None:
        """End the transaction: of `batch` only the `undecided` lines go on waiting, in order."""
        while self._first < self._shown:
            self._pop()
        self._shown = 0
        self._lines.extendleft(reversed(undecided))
        self._first -= len(undecided)
        self.size += sum(map(len, undecided)) + OVERHEAD * len(undecided)
        self.refused.extend(refused)
        self.refused_count += len(refused)
        self._keep_within_bound()

    def _keep_within_bound(self) -> None:
        while self.size > self.max_size:
            self._pop()
            if self._first > self._shown:  # what is under way may still be stored
                self.dropped += 1

    def _pop(self) -> None:
        self.size -= len(self._lines.popleft()) + OVERHEAD
        self._first += 1


class Spool:
    """The two halves together: `memory`, and the `store` on disk."""

    def __init__(
        self,
        memory: MemorySpool,
        store: Store,
        *,
        fresh: float = FRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fresh` is in s, as is `clock`. Nothing on disk is touched before `open`."""
        self.fault: StoreError | None = None  # why the disk does not take what waits
        self._memory = memory
        self._store = store
        self._fresh = fresh
        self._clock = clock
        self._again_at = -math.inf
        self._ages: deque[tuple[int, float]] = deque()  # number after each group, and its time
        self._live: Batch | None = None  # under way, from memory
        self._copy: StoredBatch | None = None  # the same on disk, when it has waited too long
        self._unsettled: tuple[StoredBatch, Sequence[bytes], Sequence[Refused]] | None = None
        self._stores_turn = False
        self._disk_used = False

    def __len__(self) -> int:
        return len(self._memory) + len(self._store)

    @property
    def on_disk(self) -> int:
        """Lines that outlive the process."""
        return len(self._store)

    @property
    def in_memory(self) -> int:
        """Lines that do not."""
        return len(self._memory)

    @property
    def fullness(self) -> float:
        """How much of the room for what waits is taken, 0 to 1: of the disk's, or the memory's."""
        full = self._memory.size / self._memory.max_size
        if self.on_disk and not self.fault:
            with_disk = self._read(lambda: self._store.size / self._store.max_size)
            full = max(full, with_disk or 0.0)
        return full

    @property
    def dropped(self) -> int:
        """Lines that went at a bound, or with a damaged file, since the start."""
        return self._memory.dropped + self._store.dropped

    @property
    def refused_count(self) -> int:
        """Lines that the database will not take, and that are kept aside."""
        return self._store.rejected_count + len(self._memory.refused)

    def open(self) -> None:
        """See what waits from before."""
        self._read(self._store.open)
        self._disk_used = self.on_disk > 0

    def close(self) -> None:
        """Have everything on disk, if it takes it."""
        self.keep(everything=True)
        self._store.close()

    def append(self, lines: Sequence[bytes]) -> None:
        """Take `lines` in as the newest."""
        self._memory.append(lines)
        self._ages.append((self._memory.end, self._clock()))

    def due(self) -> float:
        """Return the seconds after which `keep` has something to do."""
        while self._ages and self._ages[0][0] <= self._memory.first:
            self._ages.popleft()
        if not self._ages:
            return math.inf
        at = self._ages[0][1] + self._fresh
        return max(0.0, (max(at, self._again_at) if self.fault else at) - self._clock())

    def keep(self, *, everything: bool = False) -> None:
        """Put on disk what has waited a second, or `everything`."""
        if self.fault and not (len(self) or self._unsettled or self._memory.refused):
            self.fault = None  # nothing needs the disk any more
        if everything:
            end = self._memory.end
        elif self.due() > 0.0:
            return
        else:
            limit = self._clock() - self._fresh
            end = max((number for number, since in self._ages if since <= limit), default=0)
        live = self._live
        if live and end > live.first:
            end = max(end, live.first + len(live.lines))
        lines = self._memory.oldest(end)
        if not lines:
            return
        kept = self._write(lambda: self._store.append(lines))
        if kept is not None:
            if live and self._memory.first <= live.first < end:
                self._copy = kept.part(live.first - self._memory.first, live.lines)
            self._memory.forget(end)

    def next_batch(self, max_lines: int) -> Batch | StoredBatch | None:
        """Return lines to send, at most `max_lines`; None when there are none to be had."""
        stored = self._settled() and len(self._store) > 0
        if len(self._memory) and not (stored and self._stores_turn):
            self._stores_turn = True
            self._live, self._copy = self._memory.next_batch(max_lines), None
            return self._live
        self._stores_turn = False
        emptied = self._disk_used and not len(self._store)  # by asking, it comes to be removed
        return self._read(lambda: self._store.next_batch(max_lines)) if stored or emptied else None

    def settle(
        self, batch: Batch | StoredBatch, undecided: Sequence[bytes], refused: Sequence[Refused]
    ) -> None:
        """End the transaction: of `batch` only the `undecided` lines go on waiting, in order."""
        if not isinstance(batch, Batch):
            self._unsettled = batch, undecided, refused
            self._settled()
            return
        copy, self._live, self._copy = self._copy, None, None
        if copy is None:
            self._memory.settle(batch, undecided, refused)
        elif self._read(lambda: self._store.is_oldest(copy)):
            self._unsettled = copy, undecided, refused
            self._settled()
        # Else others are before it on disk, and it is sent again when its turn has come.

    def take_request(self) -> int:
        """Do what another process may have asked for; return how many rows wait again for that."""
        if not self._store.rejected_count:
            return 0
        try:
            asked = self._store.take_request()
        except StoreError:  # what keeps us from seeing it will be met with where it counts
            return 0
        return (self._write(self._store.retry_rejected) or 0) if asked else 0

    def _settled(self) -> bool:
        """Return whether the store knows what became of its latest batch; tell it if not."""
        if self.fault and self._clock() < self._again_at:
            return self._unsettled is None
        refused = list(self._memory.refused)
        if refused and self._do(lambda: self._store.reject(refused)):
            self._memory.refused.clear()
        if self._unsettled is not None:
            done = self._unsettled
            if self._do(lambda: self._store.settle(*done)):
                self._unsettled = None
        return self._unsettled is None

    def _do(self, call: Callable[[], None]) -> bool:
        """Change the store; return whether that was possible."""

        def done() -> bool:
            call()
            return True

        return self._write(done) is not None

    def _write(self, call: Callable[[], T]) -> T | None:
        """Change the store; what it cannot do is noted, and can be done later."""
        result = self._read(call)
        if result is not None:
            self.fault, self._disk_used = None, True
        return result

    def _read(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except StoreError as error:
            self.fault, self._again_at = error, self._clock() + AGAIN
            return None
