"""The queue in memory, bounded by bytes.

At the bound the oldest lines are dropped and counted. A line_queue.LineQueue; spool.py combines it
with the queue on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from bat2influx.influx.lineprotocol import moved
from bat2influx.influx.outcome import RejectedLine

OVERHEAD = 48  # bytes that a short line takes in memory in addition to its length
REJECTED_KEPT = 1000  # rows


class Batch(NamedTuple):
    """Lines to send together; `first` is the running number of the oldest."""

    first: int
    lines: tuple[bytes, ...]

    @property
    def generation(self) -> int:
        """Always 0: numbers of lines in memory are valid while the process runs."""
        return 0

    @property
    def end(self) -> int:
        """The running number after the last line."""
        return self.first + len(self.lines)


class MemoryQueue:
    """A queue of lines, of at most `max_size` bytes."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.size = 0  # bytes
        self.dropped = 0  # queued lines dropped at the bound, since the start
        self.rejected_dropped = 0  # rejected lines dropped at their bound, since the start
        self.rejected: deque[RejectedLine] = deque(maxlen=REJECTED_KEPT)
        self._lines: deque[bytes] = deque()
        self._first = 0  # running number of the oldest line
        self._sending = 0  # lines before this number are being sent

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def rejected_count(self) -> int:
        """Number of quarantined lines."""
        return len(self.rejected)

    @property
    def first(self) -> int:
        """The running number of the oldest line."""
        return self._first

    @property
    def end(self) -> int:
        """The running number of the next line, which is the number of lines ever appended."""
        return self._first + len(self._lines)

    def oldest(self, end: int) -> tuple[bytes, ...]:
        """Return the lines before the number `end`."""
        return tuple(islice(self._lines, max(0, end - self._first)))

    def forget(self, end: int) -> None:
        """Remove the lines before the number `end`, which are now elsewhere."""
        while self._lines and self._first < end:
            self._pop()

    def append(self, lines: Sequence[bytes]) -> None:
        """Append `lines` as the newest."""
        self._lines.extend(lines)
        self.size += sum(map(len, lines)) + OVERHEAD * len(lines)
        self._keep_within_bound()

    def shift(self, generation: int, first: int, end: int, step_ns: int) -> int:
        """Move the timestamps of the lines from number `first` on, before `end`; return how many.

        The `generation` is that of a Batch.
        """
        if generation != 0:
            return 0
        lines = list(self._lines)
        chosen = range(max(0, first - self._first), min(len(lines), end - self._first))
        for at in chosen:
            before = len(lines[at])
            lines[at] = moved(lines[at], step_ns)
            self.size += len(lines[at]) - before
        self._lines = deque(lines)
        self._keep_within_bound()  # because a timestamp may have become longer
        return len(chosen)

    def next_batch(self, max_lines: int) -> Batch | None:
        """Return the oldest lines, at most `max_lines`; None without any."""
        if not self._lines:
            return None
        batch = Batch(self._first, tuple(islice(self._lines, max_lines)))
        self._sending = self._first + len(batch.lines)
        return batch

    def settle(
        self, batch: Batch, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]
    ) -> None:
        """End the transaction: of `batch` only the `undecided` lines stay queued, in order."""
        gone = [self._lines.popleft() for _ in range(self._sending - self._first)]
        self.size -= sum(map(len, gone)) + OVERHEAD * len(gone)
        self._first += len(gone)
        self._sending = 0
        self._lines.extendleft(reversed(undecided))
        self._first -= len(undecided)
        self.size += sum(map(len, undecided)) + OVERHEAD * len(undecided)
        self.reject(rejected)
        self._keep_within_bound()

    def reject(self, rejected: Sequence[RejectedLine]) -> None:
        """Quarantine lines; above REJECTED_KEPT the oldest are dropped and counted."""
        self.rejected_dropped += max(0, len(self.rejected) + len(rejected) - REJECTED_KEPT)
        self.rejected.extend(rejected)

    def _keep_within_bound(self) -> None:
        while self.size > self.max_size:
            self._pop()
            if self._first > self._sending:  # a line that is being sent may still be stored
                self.dropped += 1

    def _pop(self) -> None:
        self.size -= len(self._lines.popleft()) + OVERHEAD
        self._first += 1
