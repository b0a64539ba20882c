"""The rows of the queue's file (disk_format.py describes their content).

Lines in, rows out, and back. Every function runs in its caller's transaction, and raises
sqlite3.Error, including DamagedError.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

from bat2influx.delivery import disk_lines
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_lines import ROW_LINES

QUEUED = "SELECT number, crc, packed, x'', 0 FROM waiting"
AROUND = f"WHERE number > ? - {ROW_LINES} AND number < ? ORDER BY number"  # first and end
REJECTED = "SELECT number, crc, packed, reason, time FROM rejected"


class DiskRow(NamedTuple):
    """Lines of one row; `number` is the running number of the first, `time` is in ns."""

    number: int
    lines: list[bytes]
    reason: bytes
    time: int

    @property
    def end(self) -> int:
        """The number of the line that comes after."""
        return self.number + len(self.lines)


class Figures(NamedTuple):
    """The number of the oldest queued line, the number of the next new line, the number of rejected
    lines, and the timestamp of the oldest queued line in ns.
    """

    first: int
    end: int
    rejected: int
    oldest: int | None


class Packed(NamedTuple):
    """The stored form of the lines of a row; `length` is the number of lines."""

    length: int
    stored: bytes


def pack(lines: Sequence[bytes]) -> list[Packed]:
    """Return rows for `lines`. Raises LineError for one with a newline, or without text."""
    return [Packed(len(part), disk_lines.packed(part)) for part in disk_lines.parts(lines)]


class Stored(NamedTuple):
    """A row as it is in the file, with the right checksum."""

    number: int
    stored: bytes
    reason: bytes
    time: int

    @property
    def end(self) -> int:
        """The number of the line that comes after."""
        return self.number + disk_lines.count(self.stored)


def unpack(record: tuple[object, ...]) -> DiskRow:
    """Return a row with its lines. Raises DamagedError."""
    number, stored, reason, time = checked(record)
    return DiskRow(number, disk_lines.unpacked(stored), reason, time)


def checked(record: tuple[object, ...]) -> Stored:
    """Return a row as WAITING and REJECTED select it. Raises DamagedError.

    A row without a text is damaged: with the number 0 its checksum would be right, as of zeros.
    """
    number, crc, stored, reason, time = record
    if (
        not (isinstance(number, int) and isinstance(stored, bytes))
        or not (isinstance(reason, bytes) and isinstance(time, int))
        or not stored
        or crc != crc_of(number, stored, reason)
    ):
        raise DamagedError(f"a row has a wrong checksum: {number}")
    return Stored(number, stored, reason, time)


def crc_of(number: int, stored: bytes, reason: bytes = b"") -> int:
    """Return the checksum of a row: of number, reason and stored form."""
    return zlib.crc32(stored, zlib.crc32(reason, number & 0xFFFFFFFF))


def rows(
    db: sqlite3.Connection, what: str, rest: str = "", given: tuple[int, ...] = ()
) -> Generator[DiskRow, None, None]:
    """Yield rows; `what` is WAITING or REJECTED, `rest` the end of the statement.

    The lock ends when the iterator is closed or exhausted. In a damaged file SQLite may loop, so
    that numbers which do not rise raise DamagedError.
    """
    rest = rest or "ORDER BY number"
    end = None
    cursor = db.execute(f"{what} {rest}", given)
    try:
        for row in map(unpack, cursor):
            if end is not None and row.number < end and not rest.endswith(" DESC"):
                raise DamagedError(f"a row is out of order: {row.number}")
            end = row.end
            yield row
    finally:
        cursor.close()


def row(
    db: sqlite3.Connection, what: str, rest: str = "ORDER BY number", given: tuple[int, ...] = ()
) -> DiskRow | None:
    """Return the first of such rows."""
    found = list(rows(db, what, f"{rest} LIMIT 1", given))
    return found[0] if found else None


def figures(db: sqlite3.Connection, empty: int = 1) -> Figures:
    """Return the figures of a file; `empty` is the number of the next line of an empty queue."""
    first, last = _end(db, QUEUED, "ASC"), _end(db, QUEUED, "DESC")
    first_rejected, last_rejected = _end(db, REJECTED, "ASC"), _end(db, REJECTED, "DESC")
    return Figures(
        first.number if first else empty,
        last.end if last else empty,
        last_rejected.end - first_rejected.number if last_rejected and first_rejected else 0,
        disk_lines.first_stamp(first.stored) if first else None,
    )


def _end(db: sqlite3.Connection, what: str, order: str) -> Stored | None:
    """Return the row at one end, without unpacking its lines, which would take as long again."""
    found = db.execute(f"{what} ORDER BY number {order} LIMIT 1").fetchall()
    return checked(found[0]) if found else None


def insert(db: sqlite3.Connection, number: int, lines: Sequence[bytes]) -> int:
    """Insert queued lines, from `number` on; return the number after the last."""
    return insert_packed(db, number, pack(lines))


def insert_packed(db: sqlite3.Connection, number: int, packed: Sequence[Packed]) -> int:
    """The same for packed lines."""
    for length, stored in packed:
        record = number, crc_of(number, stored), stored
        db.execute("INSERT INTO waiting (number, crc, packed) VALUES (?, ?, ?)", record)
        number += length
    return number


def replace_row(db: sqlite3.Connection, number: int, lines: Sequence[bytes]) -> None:
    """Replace the queued lines of a row by the same number of lines."""
    stored = disk_lines.packed(lines)
    record = crc_of(number, stored), stored, number
    db.execute("UPDATE waiting SET crc = ?, packed = ? WHERE number = ?", record)


def delete(
    db: sqlite3.Connection, table: str, where: str = "", given: tuple[object, ...] = ()
) -> None:
    """Delete the rows of `table` that match. Raises DamagedError if SQLite would find one twice.

    Then a page is written over another one, and a row is in two places. SQLite would free its
    overflow pages twice, and afterwards use each of them for two rows.
    """
    latest = -1
    with closing(db.execute(f"SELECT number FROM {table} {where} ORDER BY number", given)) as found:
        for (number,) in found:
            if not isinstance(number, int) or number <= latest:
                raise DamagedError(f"a row is in two places: {number}")
            latest = number
    db.execute(f"DELETE FROM {table} {where}", given)


def insert_rejected(
    db: sqlite3.Connection, lines: Sequence[bytes], reason: bytes, time: int
) -> None:
    """Insert rejected lines, as the newest; `time` is in ns."""
    last = row(db, REJECTED, "ORDER BY number DESC")
    number = last.end if last else 1
    before = _rejected_bytes_ever(db)
    for length, stored in pack(lines):
        db.execute(
            "INSERT INTO rejected (number, crc, packed, reason, time, before)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (number, crc_of(number, stored, reason), stored, reason, time, before),
        )
        number += length
        before += len(stored) + len(reason)


def drop_rejected(db: sqlite3.Connection, most: int) -> None:
    """Drop the oldest rejected lines until the rest has at most `most` bytes.

    `before` has no checksum: a sum that is impossible for a file of this size is damage.
    """
    ever = _rejected_bytes_ever(db)
    first = db.execute("SELECT before FROM rejected ORDER BY number LIMIT 1").fetchall()
    begun = first[0][0] if first else ever
    size = scalar(db, "PRAGMA page_count") * scalar(db, "PRAGMA page_size")
    if not isinstance(begun, int) or not 0 <= ever - begun <= size:
        raise DamagedError("the sizes of the rejected rows are inconsistent")
    beyond = ever - most
    kept = db.execute(
        "SELECT number FROM rejected WHERE before >= ? ORDER BY number LIMIT 1", (beyond,)
    ).fetchall()
    if kept:
        delete(db, "rejected", "WHERE number < ?", kept[0])
    else:
        delete(db, "rejected")


def make_room(db: sqlite3.Connection, most: int, packed: Sequence[Packed] = ()) -> None:
    """Drop the oldest queued rows until all pages, with `packed`, take at most `most` bytes."""
    page = scalar(db, "PRAGMA page_size")
    while True:
        used = scalar(db, "PRAGMA page_count") - scalar(db, "PRAGMA freelist_count")
        over = (used + _pages_for(packed)) * page - most
        if over <= 0:
            return
        dropped_until: list[object] = []
        sizes = "SELECT number, length(packed) FROM waiting ORDER BY number"
        with closing(db.execute(sizes)) as found:
            while over > 0 and (last := found.fetchone()):
                dropped_until = [last[0]]
                over -= _whole([last[1:]])
        if not dropped_until:
            return
        delete(db, "waiting", "WHERE number <= ?", (dropped_until[0],))


def _pages_for(packed: Sequence[Packed]) -> int:
    """Return how many pages of 4096 bytes rows take, at most."""
    pages = 5 if packed else 0  # for the tree above the rows, and partly filled pages
    return pages + sum(len(each.stored) // 4000 + 2 for each in packed)


def newest(lines: Sequence[bytes], most: int) -> Sequence[bytes]:
    """Return as many of the newest `lines` as have at most `most` bytes together."""
    total, number = sum(map(len, lines)) + len(lines), 0
    while total > most:
        total -= len(lines[number]) + 1
        number += 1
    return lines[number:]


def _rejected_bytes_ever(db: sqlite3.Connection) -> int:
    found = db.execute(
        "SELECT before + length(packed) + length(reason) FROM rejected ORDER BY number DESC LIMIT 1"
    ).fetchall() or [(0,)]
    return _whole(found)


def scalar(db: sqlite3.Connection, statement: str) -> int:
    """Return the number that a statement returns."""
    return _whole(db.execute(statement).fetchall())


def _whole(found: list[tuple[object]]) -> int:
    if not found or not isinstance(found[0][0], int):
        raise DamagedError(f"not a number: {found[:1]}")
    return found[0][0]
