"""Rows of a second each that are merged into one of minutes, which takes a quarter of their room.

What is appended has to be on disk at once, and so comes as a small row. When those at the end would
become more than a row can hold, all but the newest are replaced by one, in the transaction that
appends that newest one: so it costs no sync of its own, and each line is written twice, the second
time at a third of the size. A change is bounded by what a row holds, and by MOST.

Owned by the disk queue. Small rows of an earlier start, and those with which a merge could not be
done, stay as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bat2influx.delivery import disk_rows
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_lines import ROW_LINES
from bat2influx.delivery.disk_rows import WAITING, Packed

LARGE = ROW_LINES // 4  # lines that are worth a row of their own
MOST = 64 * 1024  # bytes of small rows


class Merger:
    """Knows which of the newest rows are small; they mean something within one generation."""

    def __init__(self) -> None:
        self.size = 0  # bytes of the small rows
        self._generation = -1
        self._first = self._rows = 0  # the number of their first line, and how many there are

    def append(
        self, db: sqlite3.Connection, generation: int, end: int, packed: Sequence[Packed]
    ) -> None:
        """Merge what is small, if it is time to; `packed` is about to come in, from `end` on.

        Raises sqlite3.Error, and DamagedError, which is one; then this is not tried again.
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
    """Put as few rows as can be in the place of all that begin from number `first` on.

    They end before `end`, where the next line will come. Raises as `disk_rows.rows` does.
    """
    rows = list(disk_rows.rows(db, WAITING, "WHERE number >= ? ORDER BY number", (first,)))
    if len(rows) < 2:
        return
    lines = [line for row in rows for line in row.lines]
    number = rows[0].number
    if number + len(lines) != end:
        raise DamagedError("a row is missing among the newest")
    db.execute("DELETE FROM waiting WHERE number >= ?", (number,))
    disk_rows.insert(db, number, lines)
