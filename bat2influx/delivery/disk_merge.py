"""Merges rows of a second each into a row of minutes, which takes a quarter of their space.

Appended lines must be on disk at once, and so become a small row. When the small rows at the end
would exceed one row, all but the newest are replaced by one, in the transaction that appends the
newest: so a merge needs no additional sync, and each line is written twice, the second time at a
third of the size. A merge is bounded by the maximum of a row, and by MOST.

Owned by the disk queue. Small rows of an earlier start, and those of a failed merge, stay as they
are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bat2influx.delivery import disk_rows
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_lines import ROW_LINES
from bat2influx.delivery.disk_rows import QUEUED, Packed

LARGE = ROW_LINES // 4  # lines from which on a row is not merged
MOST = 64 * 1024  # bytes of small rows


class Merger:
    """Knows which of the newest rows are small, within one generation of the file."""

    def __init__(self) -> None:
        self.size = 0  # bytes of the small rows
        self._generation = -1
        self._first = self._rows = 0  # the number of their first line, and the number of rows

    def append(
        self, db: sqlite3.Connection, generation: int, end: int, packed: Sequence[Packed]
    ) -> None:
        """Merge small rows if necessary, before `packed` is inserted from `end` on.

        Raises sqlite3.Error, including DamagedError; then this merge is not tried again.
        """
        count, size = sum(each.length for each in packed), sum(len(each.stored) for each in packed)
        if generation != self._generation:
            self._begin(end)
            self._generation = generation
        first, rows, large = self._first, self._rows, count >= LARGE
        if large or end + count - first > ROW_LINES or self.size + size > MOST:
            self._begin(end + count if large else end)
            if rows > 1:
                merge(db, first, end)
        if not large:
            self._rows += len(packed)
            self.size += size

    def _begin(self, number: int) -> None:
        self._first, self._rows, self.size = number, 0, 0


def merge(db: sqlite3.Connection, first: int, end: int) -> None:
    """Replace all rows that begin at number `first` or later by as few as possible.

    They end before `end`, the number of the next line. Raises as `disk_rows.rows` does.
    """
    rows = list(disk_rows.rows(db, QUEUED, "WHERE number >= ? ORDER BY number", (first,)))
    if len(rows) < 2:
        return
    lines = [line for row in rows for line in row.lines]
    number = rows[0].number
    if number + len(lines) != end:
        raise DamagedError("a row is missing among the newest")
    disk_rows.delete(db, "waiting", "WHERE number >= ?", (number,))
    disk_rows.insert(db, number, lines)
