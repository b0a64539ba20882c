"""Merging of small rows: when, which, and which rows stay."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_merge, disk_rows
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_format import TABLES
from bat2influx.delivery.disk_lines import ROW_LINES
from bat2influx.delivery.disk_merge import LARGE, MOST, Merger, merge
from bat2influx.delivery.disk_rows import QUEUED
from tests.unit.delivery.test_disk_lines import nine_values
from tests.unit.delivery.test_disk_queue import all_of, lines, queue_in


class Table:
    """The table of a file in memory, with lines appended as by the queue."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.merger = Merger()
        self.end = 1
        self.generation = 0

    def append(self, *counts: int, length: int = 0) -> None:
        """Append so many lines at a time."""
        for count in counts:
            packed = disk_rows.pack(lines(self.end, self.end + count, length))
            self.merger.append(self.db, self.generation, self.end, packed)
            self.end = disk_rows.insert_packed(self.db, self.end, packed)

    def rows(self) -> list[int]:
        """Return the number of lines in each row; all lines are present."""
        found = list(disk_rows.rows(self.db, QUEUED))
        assert not found or found[-1].end == self.end
        return [len(row.lines) for row in found]


@pytest.fixture
def table() -> Iterator[Table]:
    """An empty table."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for statement in TABLES:
            db.execute(statement)
        yield Table(db)


def test_rows_of_seconds_become_one_of_minutes(table: Table) -> None:
    """As soon as the next lines would exceed one row."""
    table.append(*[9] * 200)
    assert table.rows() == [9] * 200
    table.append(9)
    assert table.rows() == [ROW_LINES, 9]
    table.append(*[9] * 400)
    assert table.rows() == [ROW_LINES] * 3 + [9]
    found = [line for row in disk_rows.rows(table.db, QUEUED) for line in row.lines]
    assert found == lines(1, table.end)


def test_large_rows_are_not_merged(table: Table) -> None:
    """The small rows before them are merged."""
    table.append(9, 9, LARGE, LARGE, 9, ROW_LINES + 100, 9)
    assert table.rows() == [18, LARGE, LARGE, 9, ROW_LINES, 100, 9]


def test_long_lines_are_merged_earlier(table: Table) -> None:
    """So that a change is bounded in bytes, too."""
    table.append(*[9] * 100, length=400)
    counts = table.rows()
    assert sum(counts) == 900
    assert 9 < counts[0] < 300
    sizes = table.db.execute("SELECT max(length(packed)) FROM waiting").fetchall()
    assert sizes[0][0] <= MOST
    assert table.merger.size <= MOST


def test_rows_sent_in_the_meantime_are_no_damage(table: Table) -> None:
    """A merge begins at the first remaining line, within a row or not."""
    table.append(*[9] * 200)
    table.db.execute("DELETE FROM waiting WHERE number < 100")
    disk_rows.replace_row(table.db, 100, lines(100, 109))
    table.append(9)
    assert table.rows() == [ROW_LINES - 99, 9]
    table.db.execute("DELETE FROM waiting")
    table.append(*[9] * 201)
    assert sum(table.rows()) == 9 * 201


def test_rows_of_an_earlier_start_or_file_stay(table: Table) -> None:
    """Numbers are valid within one generation."""
    table.append(*[9] * 150)
    table.merger = Merger()
    table.append(*[9] * 150)
    assert table.rows() == [9] * 300
    table.generation = 1
    table.append(*[9] * 201)
    assert table.rows() == [*[9] * 300, ROW_LINES, 9]


def test_a_missing_row_is_damage(table: Table) -> None:
    """And the rest is not merged."""
    table.append(*[9] * 10)
    table.db.execute("DELETE FROM waiting WHERE number = 37")
    before = table.rows()
    with pytest.raises(DamagedError, match="missing among the newest"):
        merge(table.db, 1, table.end)
    table.db.execute("DELETE FROM waiting WHERE number = 82")
    with pytest.raises(DamagedError, match="missing among the newest"):
        merge(table.db, 46, table.end)
    assert before == [9] * 9


def test_a_failed_merge_is_not_tried_again(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with space for a small row accepts it all the same."""
    table.append(*[9] * 200)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(disk_merge, "merge", full)
    with pytest.raises(sqlite3.OperationalError):
        table.append(9)
    table.append(*[9] * 200)
    assert table.rows() == [9] * 400


def test_a_backlog_takes_eight_bytes_a_value_at_most() -> None:
    """On disk while it grows, with all its pages and unmerged rows; and closed.

    The WAL has half a megabyte in addition, however long the outage is.
    """
    memory = Path("/dev/shm")  # because of the syncs
    values = nine_values(3600)
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as top:
        state = Path(top)
        queue = queue_in(state, 10**8)
        for at in range(0, len(values), 9):
            queue.append(values[at : at + 9])
        wal = (state / "spool.sqlite-wal").stat().st_size
        assert wal < 600_000
        assert (queue.size - wal - 32_768) / len(values) < 8
        queue.close()
        assert queue_in(state).size / len(values) < 7
        assert all_of(queue_in(state)) == values
