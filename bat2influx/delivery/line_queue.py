"""What a queue of lines does, in memory (memory_queue.py) and on disk (disk_queue.py) alike.

Delivery is a transaction: `next_batch` shows the oldest lines and removes nothing, `settle` ends it
with what the database has decided on. Of a batch, what is undecided goes on waiting in its place,
what is rejected is kept with its reason, and all else is accepted.

Rules. Lines have running numbers, which mean something within one generation, and keep their order.
Both kinds of lines are bounded: at a bound the oldest go. A waiting line counts in `dropped`, once;
one that is under way then counts if it comes back undecided. A rejected line counts in
`rejected_dropped`. So each line that came is waiting, accepted, rejected, or in one of the two.
One conformance suite tests both: tests/unit/delivery/test_line_queue.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bat2influx.influx.outcome import RejectedLine


class LineBatch(Protocol):
    """Lines to be sent together."""

    @property
    def generation(self) -> int:
        """Within which the numbers mean something."""

    @property
    def first(self) -> int:
        """The number of the oldest line."""

    @property
    def end(self) -> int:
        """The number of the line that comes after."""

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The lines, oldest first."""


B = TypeVar("B", bound=LineBatch)


class LineQueue(Protocol[B]):
    """A queue of lines; that on disk raises DiskError where the disk does not do its part."""

    @property
    def max_size(self) -> int:
        """Bytes at most."""

    @property
    def size(self) -> int:
        """Bytes at present."""

    @property
    def dropped(self) -> int:
        """Waiting lines that were lost, since the start."""

    @property
    def rejected_count(self) -> int:
        """Lines that are kept as rejected."""

    @property
    def rejected_dropped(self) -> int:
        """Lines that were kept as rejected and were lost, since the start."""

    def __len__(self) -> int:
        """Return how many lines wait, those under way included."""

    def append(self, lines: Sequence[bytes]) -> object:
        """Take `lines` in as the newest."""

    def next_batch(self, max_lines: int) -> B | None:
        """Return the oldest lines, at most `max_lines`; None without any."""

    def settle(
        self, batch: B, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]
    ) -> None:
        """End the transaction: of `batch` only the `undecided` go on waiting, in their place."""

    def reject(self, rejected: Sequence[RejectedLine]) -> None:
        """Keep lines as rejected that are not in the queue."""

    def shift(self, generation: int, first: int, end: int, step_ns: int) -> int:
        """Move the stamps of waiting lines, from number `first` to the one before `end`.

        Return how many those are; none if they are of another generation.
        """
