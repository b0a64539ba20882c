"""Pages read without SQLite: each kind of cell and column, free pages, headers, and any bytes."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_format, disk_pages
from bat2influx.delivery.disk_pages import (
    LARGEST,
    SIZE,
    Read,
    Record,
    Value,
    free_pages,
    header_fault,
    is_empty,
    oldest,
    record,
    records,
)

LENGTHS = [0, 1, 100, 4050, 4056, 4057, 4100, 5000, 8600, 50_000]  # of blobs, around the page's end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool without rows."""
    path = tmp_path / "spool.sqlite"
    disk_format.create(path).close()
    return path


def pages(content: bytes) -> Read:
    """Return a function that reads the pages of a file."""

    def read(number: int) -> bytes:
        return content[(number - 1) * SIZE : number * SIZE].ljust(SIZE, b"\0")

    return read


def put(path: Path, *rows: Sequence[object]) -> bytes:
    """Insert rows into a table, which has as many columns, and return the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        table = "waiting" if len(rows[0]) == 3 else "rejected"
        marks = ", ".join("?" * len(rows[0]))
        db.execute("BEGIN")
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        db.execute("COMMIT")
    return path.read_bytes()


def found(content: bytes, root: int) -> list[Record]:
    """Return the records of a table's root, which is its only page."""
    read = pages(content)
    return [*records(read(root), read)]


def cell(page: bytes) -> tuple[Value, ...] | None:
    """Return the columns of the first record of a page, if it is readable."""
    got = record(page, 0, lambda _: bytes(SIZE))
    return got.columns if got else None


def leaf(payload: bytes, size: int | None = None) -> bytes:
    """Return a leaf with one cell whose header has `size` bytes."""
    given = len(payload) if size is None else size
    length = bytes([0x80 | given >> 21 & 0x7F, 0x80 | given >> 14 & 0x7F])
    length += bytes([0x80 | given >> 7 & 0x7F, given & 0x7F])
    head = b"\x0d\0\0\0\x01\0\x20\0\0\x20"
    return (head.ljust(32, b"\0") + length + b"\x07" + payload).ljust(SIZE, b"\0")


# Rows


@pytest.mark.parametrize("length", LENGTHS)
def test_a_row_is_read_however_long_it_is(path: Path, length: int) -> None:
    """In one page, or with overflow pages."""
    blob = random.Random(length).randbytes(length)
    (got,) = found(put(path, (7, 123_456, blob)), 2)
    assert got == (0, 7, (None, 123_456, blob))


@pytest.mark.parametrize("number", [1, 127, 128, 2**14, 2**21, 2**32, 2**55, 2**56, 2**63 - 1, -1])
def test_a_number_is_read_however_large_it_is(path: Path, number: int) -> None:
    """It is a row id, of one to nine bytes."""
    assert [each.number for each in found(put(path, (number, 0, b"x")), 2)] == [number]


@pytest.mark.parametrize(
    "crc", [0, 1, 2, 127, -128, 2**15 - 1, 2**23 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**47, -(2**63)]
)
def test_a_checksum_is_read_however_large_it_is(path: Path, crc: int) -> None:
    """An integer takes none to eight bytes."""
    assert [each.columns for each in found(put(path, (1, crc, b"x")), 2)] == [(None, crc, b"x")]


def test_a_rejected_row_has_twice_the_columns(path: Path) -> None:
    """With reason, time and the bytes before."""
    content = put(path, (3, 4, b"lines", b"reason", 17 * 10**17, 0))
    assert found(content, 3) == [(0, 3, (None, 4, b"lines", b"reason", 17 * 10**17, 0))]
    assert found(content, 2) == []


def test_rows_come_in_the_order_of_the_page_and_by_their_places(path: Path) -> None:
    """The place is that of the pointer, and does not change."""
    content = put(path, *((number, number, b"x" * number) for number in (5, 1, 3)))
    read = pages(content)
    assert [each.number for each in found(content, 2)] == [1, 3, 5]
    assert [record(read(2), at, read) for at in range(3)] == found(content, 2)


@pytest.mark.parametrize(
    "value", [1.5, "text", None], ids=["a float", "a text", "nothing, where a number was"]
)
def test_a_column_of_another_kind_is_no_row(path: Path, value: object) -> None:
    """Or fails its checksum: no column of the tables is a float or a text."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE waiting")
        db.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY, crc, lines)")
        db.execute("INSERT INTO waiting VALUES (1, ?, x'00')", (value,))
    got = [each for page in range(1, 4) for each in found(path.read_bytes(), page)]
    assert [each.columns for each in got] == ([(None, None, b"\0")] if value is None else [])


@pytest.mark.parametrize(
    ("payload", "columns"),
    [
        (b"\x04\0\x01\x0e\x05x", (None, 5, b"x")),
        (b"\x04\0\x09\x0ex", (None, 1, b"x")),
        (b"\x05\0\x01\x0e\x05x", None),  # the header ends in a column
        (b"\x03\0\x01\x0e\x05x", None),
        (b"\x04\0\x01\x10\x05x", None),  # a column goes on behind the end
        (b"\x04\0\x07\x0e\x05x", None),
        (b"\x04\0\x0a\x0e\x05x", None),
        (b"\x04\0\x0b\x0e\x05x", None),
        (b"\x04\0\x01\x0f\x05x", None),
        (b"\x7f" + b"\0" * 126, None),  # far too many columns
        (b"", None),
    ],
)
def test_an_inconsistent_record_is_left_out(
    payload: bytes, columns: tuple[Value, ...] | None
) -> None:
    """If header and content differ."""
    assert cell(leaf(payload)) == columns


@pytest.mark.parametrize("size", [LARGEST + 1, 2**28 - 1])
def test_a_record_above_the_limit_is_not_read(size: int) -> None:
    """However many pages there are."""

    def fail(number: int) -> bytes:
        raise AssertionError(number)

    assert record(leaf(b"\x04\0\x01\x0e\x05x" * 500, size), 0, fail) is None


@pytest.mark.parametrize("following", [0, 1, 9])
def test_broken_or_circular_overflow_chains_are_no_row(path: Path, following: int) -> None:
    """No page is read twice for one row; page 1 and page 0 are no overflow pages."""
    content = put(path, (1, 0, bytes(50_000)))
    asked: list[int] = []

    def read(number: int) -> bytes:
        asked.append(number)
        return following.to_bytes(4, "big").ljust(SIZE, b"x")

    assert [*records(pages(content)(2), read)] == []
    assert len(asked) <= 2


def test_an_overflow_page_belongs_to_one_row(path: Path) -> None:
    """Hundreds of cells with the same long chain are read once, and are no rows."""
    content = bytearray(put(path, (1, b"x" * 400_000, 7)))
    number = next(n for n in range(1, len(content) // SIZE + 1) if _is_leaf_with_row(content, n))
    start = (number - 1) * SIZE
    place = content[start + 8 : start + 10]
    content[start + 3 : start + 5] = (200).to_bytes(2, "big")
    content[start + 8 : start + 408] = place * 200
    reads: list[int] = []
    read = pages(bytes(content))

    def counted(page: int) -> bytes:
        reads.append(page)
        return read(page)

    assert len(list(records(read(number), counted))) == 1
    assert len(reads) < 300


def _is_leaf_with_row(content: bytes, number: int) -> bool:
    page = content[(number - 1) * SIZE : number * SIZE]
    return number > 1 and page[0] == 13 and page[3:5] == b"\0\1"


def test_no_bytes_raise_or_take_long() -> None:
    """Pages of random bytes, and a good leaf with random bytes in it."""
    chance = random.Random(1)
    good = leaf(b"\x04\0\x01\x0e\x05x")
    for _ in range(3000):
        page = bytearray(chance.choice((good, bytes(SIZE), chance.randbytes(SIZE))))
        page[0] = chance.choice((13, 5))
        for _ in range(chance.choice((1, 5, 50))):
            page[chance.choice((chance.randrange(60), chance.randrange(SIZE)))] = chance.choice(
                (0, 1, 13, 127, 128, 255, chance.randrange(256))
            )
        got = bytes(page)
        assert all(len(each.columns) in {3, 6} for each in records(got, lambda _, got=got: got))
        oldest(2, lambda _, got=got: got)
        free_pages(got, 40, lambda _, got=got: got)
        header_fault(got[:100], 40)


# The tree


def test_the_oldest_leaf_is_at_the_left_edge(path: Path) -> None:
    """The root itself, or a page below it."""
    assert oldest(2, pages(path.read_bytes())) == (2, pages(path.read_bytes())(2))
    assert is_empty(pages(path.read_bytes())(2))
    read = pages(put(path, *((number, 0, bytes(2500)) for number in range(10, 3000))))
    number, page = oldest(2, read) or (0, b"")
    assert number > 3
    assert not is_empty(page)
    assert [each.number for each in records(page, read)][:1] == [10]


@pytest.mark.parametrize("page", [b"\0", b"\x02", b"\x05\0\0\0\0\0\0\0\0\0\0\1"])
def test_an_edge_that_leads_to_no_leaf_has_none(page: bytes) -> None:
    """Nor does a circular one."""
    assert oldest(2, lambda _: page.ljust(SIZE, b"\0")) is None
    assert oldest(2, lambda _: b"\x05\0\0\0\0\0\0\0\0\0\0\2".ljust(SIZE, b"\0")) is None


# The free list


def emptied(path: Path, rows: int) -> bytes:
    """Return a file with so many rows removed, one per page, and the latest present."""
    put(path, *((number, 0, bytes(3000)) for number in range(rows + 1)))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("DELETE FROM waiting WHERE number < ?", (rows,))
        ((count,),) = db.execute("PRAGMA freelist_count").fetchall()
    assert count > rows - 20
    return path.read_bytes()


@pytest.mark.parametrize("rows", [30, 1500])
def test_free_pages_are_listed_on_trunk_pages(path: Path, rows: int) -> None:
    """Each lists up to a thousand, and is free itself."""
    content = emptied(path, rows)
    free = free_pages(content[:100], len(content) // SIZE, pages(content))
    assert len(free) == int.from_bytes(content[36:40], "big")
    last = [
        number
        for number in range(2, len(content) // SIZE + 1)
        if number not in free and rows in {each.number for each in found(content, number)}
    ]
    assert len(last) == 1


def test_without_a_list_no_page_is_free(path: Path) -> None:
    """As in a new file."""
    assert free_pages(path.read_bytes()[:100], 3, pages(path.read_bytes())) == frozenset()


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (4, 2),  # more on the page than in all
        (4, 2000),  # more than a page holds
        (8, 5),  # one of them twice
        (8, 1),
        (8, 99),  # behind the end
        (0, 4),  # it goes on with itself
        (0, 99),
    ],
)
def test_an_incomplete_free_list_does_not_count(at: int, value: int) -> None:
    """It may list a page with rows."""
    header = bytearray(100)
    header[32:40] = b"\0\0\0\4\0\0\0\3"
    trunk = bytearray(SIZE)
    trunk[:16] = b"\0\0\0\0\0\0\0\2\0\0\0\6\0\0\0\5"

    def read(_: int) -> bytes:
        return bytes(trunk)

    assert free_pages(bytes(header), 7, read) == {4, 5, 6}
    trunk[at : at + 4] = value.to_bytes(4, "big")
    if at == 4 and value == 2:
        header[39] = 2
    assert free_pages(bytes(header), 7, read) == frozenset()


# The header


def test_the_header_of_a_spool_is_right(path: Path) -> None:
    """Of a new one, and of one with free pages; in WAL mode, too."""
    content = emptied(path, 30)
    count = len(content) // SIZE
    assert header_fault(content[:100], count) == header_fault(content[:100], None) == ""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert header_fault(path.read_bytes()[:100], count) == ""


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (16, 0x20, "altered"),  # the size of a page
        (20, 1, "altered"),  # bytes reserved in a page
        (21, 65, "altered"),
        (52, 1, "altered"),  # auto_vacuum
        (59, 2, "altered"),  # UTF-16
        (18, 3, "an unknown journal mode"),
        (19, 0, "an unknown journal mode"),
        (31, 2, "it has 3 pages, but 2 by its header"),
        (30, 1, "it has 3 pages, but 259 by its header"),
        (39, 3, "more free pages than pages"),
    ],
)
def test_an_altered_header_is_named(path: Path, at: int, value: int, why: str) -> None:
    """If SQLite would trust it, and overwrite rows."""
    header = bytearray(path.read_bytes()[:100])
    header[at] = value
    assert why in header_fault(bytes(header), 3)


def test_a_size_that_sqlite_ignores_is_no_fault(path: Path) -> None:
    """If the two change counters differ, or if the size is unknown."""
    header = bytearray(path.read_bytes()[:100])
    header[31] = 2
    assert header_fault(bytes(header), None) == ""
    assert header_fault(bytes(header), 3.5) == "it has 3.5 pages, but 2 by its header"
    header[95] += 1
    assert header_fault(bytes(header), 3) == ""
    assert bytes(header[:16]) == disk_pages.MAGIC
