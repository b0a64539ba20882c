"""Which lines on disk get their timestamps corrected when the clock is set.

Corrected are lines that this process has queued and that the database cannot have stored. A line
that may be in the database, because the answer to a request was lost, keeps its timestamp:
otherwise the database would store it twice. So does a line of an earlier process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bat2influx.delivery.disk_queue import StoredBatch


class OwnLines:
    """The numbers of the lines on disk to correct, all of one generation of the file.

    They are stored as ranges, from the first number to the one after the last.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.ranges: list[tuple[int, int]] = []

    def add(self, generation: int, first: int, end: int) -> None:
        """Add lines that were written to disk."""
        self._use_generation(generation)
        if first >= end:
            return
        if self.ranges and self.ranges[-1][1] == first:
            first = self.ranges.pop()[0]
        self.ranges.append((first, end))

    def remove(self, generation: int, first: int, end: int) -> None:
        """Remove lines that were settled, dropped, or may be in the database."""
        self._use_generation(generation)
        kept = []
        for start, stop in self.ranges:
            kept += [(start, min(stop, first)), (max(start, end), stop)]
        self.ranges = [each for each in kept if each[0] < each[1]]

    def excluding(self, batch: StoredBatch | None) -> list[tuple[int, int]]:
        """Return the ranges without the batch that is being sent."""
        chosen = OwnLines()
        chosen.generation, chosen.ranges = self.generation, self.ranges
        if batch and batch.generation == self.generation:
            chosen.remove(batch.generation, batch.first, batch.end)
        return chosen.ranges

    def _use_generation(self, generation: int) -> None:
        if generation != self.generation:  # the file was replaced, with other numbers
            self.generation, self.ranges = generation, []
