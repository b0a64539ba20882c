"""Rows of the file: their content, ranges of them, and which are dropped at a bound."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_lines, disk_rows
from bat2influx.delivery.disk_errors import DamagedError, LineError
from bat2influx.delivery.disk_format import ROOTS, TABLES, create
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_rows import AROUND, QUEUED, REJECTED, ROW_LINES, Figures
from tests.support import disk
from tests.support.spool_rows import children, padding, store_text

Record = tuple[int, int, bytes, bytes, int]


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty file, in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for table in TABLES:
            made.execute(table)
        yield made


def lines(first: int, last: int, length: int = 0) -> list[bytes]:
    """Return lines with the timestamps first to last - 1."""
    return [b"dc V=1.0%s %d" % (padding(n, length), n) for n in range(first, last)]


def waiting(db: sqlite3.Connection) -> dict[int, list[bytes]]:
    """Return the lines of each row, by its number."""
    return {row.number: row.lines for row in disk_rows.rows(db, QUEUED)}


def rejected(db: sqlite3.Connection) -> list[bytes]:
    """Return the rejected lines."""
    return [line for row in disk_rows.rows(db, REJECTED) for line in row.lines]


def record(number: int, content: list[bytes], reason: bytes = b"", time: int = 0) -> Record:
    """Return the result of a query for a row."""
    ((_, stored),) = disk_rows.pack(content)
    return number, disk_rows.crc_of(number, stored, reason), stored, reason, time


# One row


def test_the_checksum_covers_number_reason_and_stored_form() -> None:
    """As in the first format, whose rows may still exist."""
    assert disk_rows.crc_of(7, b"a 1\nb 2") == zlib.crc32(b"a 1\nb 2", 7)
    seed = zlib.crc32(b"why", 5)  # beyond 32 bits the number counts by its lowest
    assert disk_rows.crc_of(5 + 2**32, b"a", b"why") == zlib.crc32(b"a", seed)
    old = 7, zlib.crc32(b"a 1\nb 2", 7), b"a 1\nb 2", b"", 0
    assert disk_rows.unpack(old) == (7, [b"a 1", b"b 2"], b"", 0)


@pytest.mark.parametrize(
    ("number", "content", "reason", "time"),
    [
        (1, [b"a 1"], b"", 0),
        (2**40, lines(0, ROW_LINES), b"", 0),
        (3, [b"", b""], b"caf\xc3\xa9", 1_700_000_000_000_000_000),
    ],
)
def test_a_row_comes_back_unchanged(
    number: int, content: list[bytes], reason: bytes, time: int
) -> None:
    """With the number of the line after it, packed or not."""
    made = record(number, content, reason, time)
    row = disk_rows.unpack(made)
    assert row == (number, content, reason, time)
    assert row.end == disk_rows.checked(made).end == number + len(content)


@pytest.mark.parametrize("content", [[b"a\nb"], [b"a", b"b\n"], [b"a", b"\n", b"c"]])
def test_a_line_with_a_newline_is_an_error(content: list[bytes]) -> None:
    """It would make all later numbers wrong."""
    with pytest.raises(ValueError, match="contains a newline"):
        disk_rows.pack(content)


def test_an_empty_line_is_an_error() -> None:
    """A row without text would be equal to zeros."""
    with pytest.raises(LineError):
        disk_rows.pack([b""])


@pytest.mark.parametrize(
    "record",
    [(0, 0, b"", b"", 0), (7, 7, b"", b"", 0), (2**32, 0, b"", b"", 0), (5, 5, b"", b"", 9)],
)
def test_found_a_row_of_zeros_had_a_right_checksum(record: Record) -> None:
    """The CRC-32 of nothing is its seed: a row without text is damage, as is one of zero bytes."""
    with pytest.raises(DamagedError, match="checksum"):
        disk_rows.unpack(record)
    with pytest.raises(DamagedError, match="checksum"):
        disk_rows.unpack((record[0], record[1], bytes(9), *record[3:]))


@pytest.mark.parametrize(
    "changed",
    [
        {0: 8},
        {1: 0},
        {1: None},
        {2: b"a 1\nb 3"},
        {2: "a 1\nb 2"},
        {2: None},
        {3: b"Why"},
        {3: "why"},
        {4: "5"},
        {4: 5.5},
        {4: None},
    ],
)
def test_an_altered_row_is_damage(changed: dict[int, object]) -> None:
    """Another number, text, type or checksum, which SQLite does not detect."""
    good = list(record(7, [b"a 1", b"b 2"], b"why", 5))
    bad = [changed.get(at, each) for at, each in enumerate(good)]
    with pytest.raises(DamagedError, match="checksum"):
        disk_rows.unpack(tuple(bad))  # type: ignore[arg-type]


# Many rows


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (0, []),
        (1, [10]),
        (ROW_LINES, [10]),
        (ROW_LINES + 1, [10, 1810]),
        (3 * ROW_LINES, [10, 1810, 3610]),
    ],
)
def test_lines_that_come_together_are_rows_up_to_a_bound(
    db: sqlite3.Connection, count: int, numbers: list[int]
) -> None:
    """Each row continues where the previous one ends."""
    assert disk_rows.insert(db, 10, lines(0, count)) == 10 + count
    found = waiting(db)
    assert [*found] == numbers
    assert [line for row in found.values() for line in row] == lines(0, count)


def test_figures_are_those_of_the_first_and_the_last_row(db: sqlite3.Connection) -> None:
    """For an empty table the number of the next line is a parameter, by default 1."""
    assert disk_rows.figures(db) == Figures(1, 1, 0, None)
    assert disk_rows.figures(db, 77) == Figures(77, 77, 0, None)
    disk_rows.insert(db, 50, lines(900, 1200))
    disk_rows.insert_rejected(db, lines(0, 3), b"bad", 0)
    disk_rows.insert_rejected(db, lines(3, 5), b"bad", 0)
    assert disk_rows.figures(db, 77) == Figures(50, 350, 5, 900)
    disk_rows.insert(db, 40, [b"no stamp"])
    assert disk_rows.figures(db) == Figures(40, 350, 5, None)


def test_a_closed_iterator_locks_nothing(db: sqlite3.Connection) -> None:
    """The tables can be changed afterwards."""
    disk_rows.insert(db, 1, lines(0, 600))
    with closing(disk_rows.rows(db, QUEUED)) as rows:
        assert next(rows).number == 1
    db.execute("DROP TABLE waiting")


def test_row_returns_the_first_row(db: sqlite3.Connection) -> None:
    """None without any."""
    assert disk_rows.row(db, QUEUED) is None
    disk_rows.insert(db, 1, lines(0, 5400))
    first, last = disk_rows.row(db, QUEUED), disk_rows.row(db, QUEUED, "ORDER BY number DESC")
    before = disk_rows.row(db, QUEUED, "WHERE number < ? ORDER BY number DESC", (3601,))
    assert [each and each.number for each in (first, last, before)] == [1, 3601, 1801]


@pytest.mark.parametrize(
    ("first", "end", "numbers"),
    [
        (1, 5401, [1, 1801, 3601]),
        (1, 2, [1]),
        (1800, 1801, [1]),
        (1800, 1802, [1, 1801]),
        (1801, 3601, [1801]),
        (1802, 3602, [1801, 3601]),
        (5401, 5500, []),
    ],
)
def test_the_rows_around_a_range_contain_its_lines(
    db: sqlite3.Connection, first: int, end: int, numbers: list[int]
) -> None:
    """A short row may be returned in addition, before them."""
    disk_rows.insert(db, 1, lines(0, 5400))
    assert [row.number for row in disk_rows.rows(db, QUEUED, AROUND, (first, end))] == numbers


def test_a_row_is_replaced_in_its_place(db: sqlite3.Connection) -> None:
    """With a new checksum; the others stay."""
    disk_rows.insert(db, 1, lines(0, 3650))
    disk_rows.replace_row(db, 1801, lines(9200, 11_000))
    rows = [lines(0, 1800), lines(9200, 11_000), lines(3600, 3650)]
    assert [*waiting(db).values()] == rows


# The rejected


def test_rejected_lines_are_numbered_on_and_their_bytes_counted(db: sqlite3.Connection) -> None:
    """`before` has the bytes of all earlier rows, with their reasons."""
    disk_rows.insert_rejected(db, lines(0, 1850), b"first", 5)
    disk_rows.insert_rejected(db, lines(1850, 1852), "\xe9".encode(), 6)
    db.execute("DELETE FROM rejected WHERE number < 1851")
    disk_rows.insert_rejected(db, lines(1852, 1853), b"x", 7)
    found = db.execute("SELECT number, before, reason, time FROM rejected ORDER BY number")
    one = len(disk_lines.packed(lines(0, 1800))) + 5
    two = one + len(disk_lines.packed(lines(1800, 1850))) + 5
    three = two + len(disk_lines.packed(lines(1850, 1852))) + 2
    assert found.fetchall() == [(1851, two, b"\xc3\xa9", 6), (1853, three, b"x", 7)]
    assert disk_rows.figures(db).rejected == 3


@pytest.mark.parametrize(
    ("most", "left"),
    [(1000, 30), (300, 30), (299, 20), (200, 20), (199, 10), (100, 10), (99, 0), (0, 0)],
)
def test_the_oldest_rejected_are_dropped_in_rows(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, most: int, left: int
) -> None:
    """Until the rest has at most so many bytes, with reasons."""
    store_text(monkeypatch)
    for first in (0, 10, 20):
        made = [b"%09d" % number for number in range(first, first + 10)]
        disk_rows.insert_rejected(db, made, b"y", 0)  # 10 lines, 9 newlines and the reason: 100
    disk_rows.drop_rejected(db, most)
    assert rejected(db) == [b"%09d" % number for number in range(30 - left, 30)]
    disk_rows.drop_rejected(db, most)
    assert len(rejected(db)) == left


def test_without_rejected_rows_nothing_is_dropped(db: sqlite3.Connection) -> None:
    """An empty table has no bytes."""
    disk_rows.drop_rejected(db, 0)
    assert rejected(db) == []


# Room


def test_the_oldest_rows_are_dropped_and_hardly_more_than_necessary(
    db: sqlite3.Connection,
) -> None:
    """All used pages, and those for the new lines, must fit."""

    def used() -> int:
        pages, free, page = (
            disk_rows.scalar(db, f"PRAGMA {name}")
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page

    for at in range(0, 20_000, 200):
        disk_rows.insert(db, 1 + at, lines(at, at + 200, 80))
    total = used()
    disk_rows.make_room(db, total)
    assert len(waiting(db)) == 100
    for most in (total * 3 // 4, total // 2):
        disk_rows.make_room(db, most)
        left = [*waiting(db)]
        assert 0.9 * most < used() <= most
        assert left == [*range(left[0], 20_000, 200)]
    new = disk_rows.pack(lines(0, 800, 80))
    disk_rows.make_room(db, total // 2, new)
    disk_rows.insert_packed(db, 20_001, new)
    assert 0.8 * total // 2 < used() <= total // 2


def test_without_sufficient_space_all_rows_are_dropped(db: sqlite3.Connection) -> None:
    """The loop ends."""
    disk_rows.insert(db, 1, lines(0, 1000))
    disk_rows.make_room(db, 0)
    assert waiting(db) == {}
    disk_rows.make_room(db, 0)


@pytest.mark.parametrize(
    ("most", "kept"),
    [(100, "abc"), (12, "abc"), (11, "bc"), (8, "bc"), (7, "c"), (4, "c"), (3, ""), (0, "")],
)
def test_of_too_many_lines_at_once_the_newest_are_kept(most: int, kept: str) -> None:
    """Each takes its bytes and its newline."""
    made = [b"aaa", b"bbb", b"ccc"]
    assert [*disk_rows.newest(made, most)] == [3 * each.encode() for each in kept]
    assert [*disk_rows.newest([], most)] == []


@pytest.mark.parametrize(
    "record",
    [
        (None, 1, b"x", b"", 0),
        ("1", 1, b"x", b"", 0),
        (1.0, 1, b"x", b"", 0),
        (1, None, b"x", b"", 0),
        (1, "x", b"x", b"", 0),
        (1, 1, "x", b"", 0),
        (1, 1, None, b"", 0),
        (1, 1, b"x", None, 0),
        (1, 1, b"x", b"", None),
    ],
)
def test_a_column_of_another_type_is_damage(record: tuple[object, ...]) -> None:
    """A damaged schema can make a number NULL; that is not an error of this program."""
    with pytest.raises(DamagedError):
        disk_rows.unpack(record)  # type: ignore[arg-type]


def test_numbers_that_do_not_rise_are_damage(db: sqlite3.Connection) -> None:
    """Circular pages would have no end; a descending query may fall."""
    disk_rows.insert(db, 1, lines(0, 4000))
    both = "WHERE number > 0 UNION ALL SELECT number, crc, packed, x'', 0 FROM waiting"
    found = disk_rows.rows(db, QUEUED, both)
    assert [next(found).number for _ in range(3)] == [1, 1801, 3601]
    with pytest.raises(DamagedError, match="out of order: 1"):
        next(found)
    backwards = disk_rows.rows(db, QUEUED, "ORDER BY number DESC")
    assert [row.number for row in backwards] == [3601, 1801, 1]


def test_no_row_is_deleted_that_is_in_two_places(tmp_path: Path) -> None:
    """SQLite would free its overflow page twice, and use it for two rows afterwards."""
    path = tmp_path / "spool.sqlite"
    with closing(create(path)) as db:
        for number in range(1, 9):
            record = number, 0, bytes(6000)
            db.execute("INSERT INTO waiting (number, crc, packed) VALUES (?, ?, ?)", record)
    content = path.read_bytes()
    first, second = children(content, ROOTS["waiting"])[:2]
    disk.change(path, (second - 1) * SIZE, content[(first - 1) * SIZE : first * SIZE])
    damaged = path.read_bytes()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for where in ("", "WHERE number < 8", "WHERE number >= 1"):
            with pytest.raises(DamagedError, match="in two places: 1"):
                disk_rows.delete(db, "waiting", where)
        assert path.read_bytes() == damaged
        for table in ROOTS:
            disk_rows.delete(db, table, "WHERE number < ?", (1,))


@pytest.mark.parametrize("before", [-(10**6), 10**12, 1.5, 2**63 - 1])
def test_impossible_sums_are_damage(db: sqlite3.Connection, before: object) -> None:
    """They have no checksum, and decide which rows are dropped."""
    for number in range(3):
        disk_rows.insert_rejected(db, lines(number, number + 1), b"bad", 0)
    db.execute("UPDATE rejected SET before = ? WHERE number = 3", (before,))
    with pytest.raises(DamagedError):
        disk_rows.drop_rejected(db, 10)
    assert len(rejected(db)) == 3


def test_a_statement_without_a_number_as_result_is_damage(db: sqlite3.Connection) -> None:
    """Whether there is no row, or another type."""
    for question in ("SELECT 1 WHERE 0", "SELECT 'x'", "SELECT NULL", "SELECT 1.5"):
        with pytest.raises(DamagedError):
            disk_rows.scalar(db, question)
