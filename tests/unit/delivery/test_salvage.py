"""A damaged file: what of it can be saved, where the rest is, and what is not taken for damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.delivery import disk_format, disk_rows, salvage
from bat2influx.delivery.disk_errors import DiskFault
from bat2influx.delivery.disk_rows import REJECTED, WAITING
from tests.unit.delivery.test_disk_queue import all_of, batch_of, fault_of, lines, queue_in

Record = tuple[int, int, bytes, bytes, int]


class Broken:
    """A file with rows of one line, in which some numbers are in pages that cannot be read."""

    def __init__(self, rows: Sequence[int], bad: Container[int]) -> None:
        self._rows, self._bad = rows, bad

    def execute(self, statement: str, given: tuple[int]) -> Found:
        """Return the rows from a number on."""
        assert statement.startswith(f"{WAITING} WHERE number >= ? ORDER BY number")
        return Found(self._read(given[0]))

    def _read(self, first: int) -> Iterator[Record]:
        for number in (first, *(each for each in self._rows if each > first)):
            if number in self._bad:
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            if number in self._rows:
                yield (*disk_rows.pack(number, [b"x"]), b"", 0)


class Found:
    """Rows that are read as they are asked for."""

    def __init__(self, rows: Iterator[Record]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Record]:
        return self._rows

    def fetchall(self) -> list[Record]:
        """Return the first of them, which is all that is asked for."""
        return [*islice(self._rows, 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool of five rows, of ten lines each, and what was rejected in two."""
    path = tmp_path / "spool.sqlite"
    with closing(disk_format.create(path)) as db:
        for number in range(0, 50, 10):
            disk_rows.insert(db, 101 + number, lines(number, number + 10))
        disk_rows.insert_rejected(db, lines(50, 52), b"first", 7)
        disk_rows.insert_rejected(db, lines(52, 53), b"second", 8)
    return path


def spoil(path: Path, table: str, number: int) -> None:
    """Have a row be another than was written."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"UPDATE {table} SET crc = crc + 1 WHERE number = ?", (number,))


def numbers(path: Path) -> list[int]:
    """Return the numbers of the rows that wait."""
    with closing(sqlite3.connect(path)) as db:
        return [row.number for row in disk_rows.rows(db, WAITING)]


def test_good_rows_are_saved_and_numbered_anew(path: Path) -> None:
    """In their order, without a gap; reasons and times of the rejected go with them."""
    spoil(path, "waiting", 121)
    spoil(path, "rejected", 1)
    before = path.read_bytes()
    aside, saved, rejected = salvage.replace_damaged(path)
    assert (saved, rejected, aside.read_bytes()) == (40, 1, before)
    assert numbers(path) == [1, 11, 21, 31]
    with closing(sqlite3.connect(path)) as db:
        waiting = [line for row in disk_rows.rows(db, WAITING) for line in row.lines]
        assert waiting == [*lines(0, 20), *lines(30, 50)]
        (row,) = disk_rows.rows(db, REJECTED)
    assert (row.number, row.lines, row.reason, row.time) == (1, lines(52, 53), b"second", 8)
    assert {each.name for each in path.parent.iterdir()} == {path.name, aside.name}


@pytest.mark.parametrize(
    ("bad", "saved"),
    [
        (range(0), [*range(1, 40)]),
        (range(1, 2), [*range(2, 40)]),
        (range(20, 23), [*range(1, 20), *range(23, 40)]),
        (range(3, 39), [1, 2, 39]),
        (range(39, 40), [*range(1, 39)]),
        (range(1, 2**62), []),
        ({5, 6, 17, 30}, [n for n in range(1, 40) if n not in {5, 6, 17, 30}]),
    ],
)
def test_places_that_cannot_be_read_are_passed_over(bad: Container[int], saved: list[int]) -> None:
    """However wide they are, what is behind them is found."""
    db: Any = Broken(range(1, 40), bad)
    found = salvage._readable(db, WAITING, Path("/var/lib/spool.sqlite"))
    assert [row.number for row in found] == saved


class ReadAhead(Broken):
    """As Python reads: with each row the next one, so that a bad one takes the good one along."""

    asked = 0

    def execute(self, statement: str, given: tuple[int]) -> Found:
        """Return the rows from a number on, unless only the first is asked for, a row late."""
        self.asked += 1
        rows = self._read(given[0])
        return Found(rows if statement.endswith("LIMIT 1") else self._late(rows))

    @staticmethod
    def _late(rows: Iterator[Record]) -> Iterator[Record]:
        before = next(rows, None)
        for row in rows:
            assert before
            yield before
            before = row
        if before:
            yield before


def test_found_a_row_before_a_bad_place_was_lost_and_each_number_before_it_tried() -> None:
    """Numbers only ever rise: after years the first that waits may be a thousand million."""
    first = 10**9
    db: Any = ReadAhead([first, first + 1, first + 2, first + 9], {first + 1})
    found = salvage._readable(db, WAITING, Path("/var/lib/spool.sqlite"))
    assert [row.number for row in found] == [first, first + 2, first + 9]
    assert db.asked < 100


class Altered(ReadAhead):
    """A file in which some rows have come to say something else."""

    def __init__(self, rows: Sequence[int], bad: Container[int], altered: Container[int]) -> None:
        super().__init__(rows, bad)
        self._altered = altered

    def _read(self, first: int) -> Iterator[Record]:
        for number, crc, *rest in super()._read(first):
            yield (number, crc + (number in self._altered), *rest)  # type: ignore[misc]


def test_a_row_that_was_altered_before_a_bad_place_takes_no_good_one_along() -> None:
    """However far from the beginning it is, what is right behind the place is found."""
    first = 10**9
    rows = [first, first + 1, first + 2, first + 9]
    db: Any = Altered(rows, {first + 1}, {first})
    found = salvage._readable(db, WAITING, Path("/var/lib/spool.sqlite"))
    assert [row.number for row in found] == [first + 2, first + 9]
    assert db.asked < 100


class Backwards(Broken):
    """A file whose every search ends at the same early row, before a bad place."""

    asked = 0

    def __init__(self) -> None:
        super().__init__([0], ())

    def execute(self, statement: str, given: tuple[int]) -> Found:
        """Return that row alone, if it alone is asked for."""
        self.asked += 1
        if statement.endswith("LIMIT 1"):
            return Found(self._read(0))
        return Found(Broken([], {given[0]})._read(given[0]))


def test_pages_that_lead_back_for_ever_have_an_end() -> None:
    """Where nothing further comes, ever larger steps are tried, up to the largest number."""
    db: Any = Backwards()
    assert [*salvage._readable(db, WAITING, Path("/var/lib/spool.sqlite"))] == []
    assert db.asked < 300


def test_a_page_that_is_not_where_it_belongs_brings_no_line_back() -> None:
    """Rows come with rising numbers, or not at all: one would be there twice."""
    db: Any = Broken([1, 2, 30, 3, 31, 31, 2, 32], range(0))
    found = salvage._readable(db, WAITING, Path("/var/lib/spool.sqlite"))
    assert [row.number for row in found] == [1, 2, 30, 31, 32]


def test_a_lock_of_another_program_is_no_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is moved, what was begun beside it goes, and the keeper does not wait for it."""
    patience: list[float] = []

    def connect(path: Path, *, timeout: float, isolation_level: None) -> sqlite3.Connection:
        patience.append(timeout)
        return sqlite3.connect(path, timeout=timeout, isolation_level=isolation_level)

    monkeypatch.setattr(salvage, "sqlite3", SimpleNamespace(connect=connect))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            salvage.replace_damaged(path)
    assert patience == [0.0]
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert numbers(path) == [101, 111, 121, 131, 141]


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([], []),
        (["spool.sqlite"], ["spool.sqlite"]),
        (["spool.salvage"], ["spool.sqlite"]),
        (["spool.salvage", "spool.sqlite"], ["spool.sqlite"]),
        (["spool.salvage", "spool.salvage-journal", "spool.sqlite"], ["spool.sqlite"]),
    ],
)
def test_the_last_step_is_taken_where_it_is_all_that_is_missing(
    tmp_path: Path, names: list[str], left: list[str]
) -> None:
    """A new file beside the old one is not whole; alone it is."""
    for name in names:
        (tmp_path / name).write_text(name)
    salvage.finish(tmp_path / "spool.sqlite")
    assert [each.name for each in tmp_path.iterdir()] == left
    content = "spool.sqlite" if "spool.sqlite" in names else "spool.salvage"
    assert [each.read_text() for each in tmp_path.iterdir()] == [content] * len(left)


def test_a_file_that_is_set_aside_takes_along_what_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name has the moment, in UTC to the microsecond; the index of the WAL is not kept."""
    now = 1_700_000_000_000_007_999
    clock = SimpleNamespace(time_ns=lambda: now, strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr(salvage, "time", clock)
    for name in ("spool.sqlite", "spool.sqlite-wal", "spool.sqlite-shm", "devices.json"):
        (tmp_path / name).write_text(name)
    aside = salvage.set_aside(tmp_path / "spool.sqlite", "damaged")
    assert aside == tmp_path / "spool.damaged-20231114T221320.000007Z"
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        aside.name: "spool.sqlite",
        f"{aside.name}-wal": "spool.sqlite-wal",
        "devices.json": "devices.json",
    }


def test_of_what_was_set_aside_only_damaged_files_go(path: Path) -> None:
    """One of a later version is a person's to decide on, however old it is."""
    old = [f"spool.damaged-2020010{day}T000000.000000Z" for day in range(1, 5)]
    for name in (*old, f"{old[0]}-wal", f"{old[3]}-wal", "spool.format-7-20200101T000000.000000Z"):
        (path.parent / name).touch()
    aside, *_ = salvage.replace_damaged(path)
    assert {each.name for each in path.parent.iterdir()} == {
        path.name,
        aside.name,
        old[2],
        old[3],
        f"{old[3]}-wal",
        "spool.format-7-20200101T000000.000000Z",
    }


def test_three_damaged_files_are_kept(tmp_path: Path) -> None:
    """Of many the latest three stay, with what belongs to them."""
    queue = queue_in(tmp_path)
    for _ in range(5):
        (tmp_path / "spool.sqlite").write_bytes(b"x" * 5000)
        (tmp_path / "spool.sqlite-wal").write_bytes(b"y" * 5000)
        assert fault_of(queue.open).fault is DiskFault.DAMAGED
        queue.append(lines(0, 1))
        queue.settle(batch_of(queue), [], [])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in names if not name.endswith("-wal")]) == salvage.KEPT
    assert len(names) <= 2 * salvage.KEPT


@pytest.mark.parametrize("aside", [True, False])
def test_a_salvage_that_was_broken_off_is_finished(tmp_path: Path, aside: bool) -> None:
    """A new file that was all there takes its place; one that may not have been, goes."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 5))
    queue.close()
    path, fresh = tmp_path / "spool.sqlite", tmp_path / "spool.salvage"
    if aside:
        path.rename(fresh)
    else:
        shutil.copy(path, fresh)
        os.truncate(fresh, 3000)
    assert all_of(queue_in(tmp_path)) == lines(0, 5)
    assert not fresh.exists()
