"""The interface of a queue of lines, in memory (memory_queue.py) and on disk (disk_queue.py).

Delivery is a transaction: `next_batch` shows the oldest lines and removes nothing, `settle` ends it
with the outcome. Undecided lines of the batch stay queued in their place, rejected ones are
quarantined with their reasons, and all others are accepted.

Rules. Lines have running numbers, which are valid within one generation, and keep their order.
Queued and rejected lines are bounded: at a bound the oldest are dropped. A dropped queued line
counts in `dropped`, once; if it is being sent, it counts when it comes back undecided. A dropped
rejected line counts in `rejected_dropped`. So each line is queued, accepted, rejected, or in one of
the two counters. One conformance suite tests both: tests/unit/delivery/test_line_queue.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bat2influx.influx.outcome import RejectedLine


class LineBatch(Protocol):
    """Lines to send together."""

    @property
    def generation(self) -> int:
        """The generation in which the numbers are valid."""

    @property
    def first(self) -> int:
        """The number of the oldest line."""

    @property
    def end(self) -> int:
        """The number after the last line."""

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The lines, oldest first."""


B = TypeVar("B", bound=LineBatch)


class LineQueue(Protocol[B]):
    """A queue of lines; the one on disk raises DiskError if the disk fails."""

    @property
    def max_size(self) -> int:
        """Bytes at most."""

    @property
    def size(self) -> int:
        """Bytes at present."""

    @property
    def dropped(self) -> int:
        """Queued lines that were dropped since the start."""

    @property
    def rejected_count(self) -> int:
        """Number of quarantined lines."""

    @property
    def rejected_dropped(self) -> int:
        """Quarantined lines that were dropped since the start."""

    def __len__(self) -> int:
        """Return how many lines are queued, including those being sent."""

    def append(self, lines: Sequence[bytes]) -> object:
        """Append `lines` as the newest."""

    def next_batch(self, max_lines: int) -> B | None:
        """Return the oldest lines, at most `max_lines`; None without any."""

    def settle(
        self, batch: B, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]
    ) -> None:
        """End the transaction: of `batch` only `undecided` lines stay queued, in their place."""

    def reject(self, rejected: Sequence[RejectedLine]) -> None:
        """Quarantine lines that are not in the queue."""

    def shift(self, generation: int, first: int, end: int, step_ns: int) -> int:
        """Move the timestamps of queued lines, from number `first` to the one before `end`.

        Return how many lines; 0 if they are of another generation.
        """
