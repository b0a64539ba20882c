"""The rows of the file in which lines wait on disk (disk_format.py says what is in them).

Lines in, rows out, and back. What is called here runs in its caller's transaction, and raises
sqlite3.Error, of which DamagedError is one.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

from bat2influx.delivery.disk_errors import DamagedError, LineError
from bat2influx.influx.lineprotocol import stamp_of

ROW_LINES = 200
WAITING = "SELECT number, crc, lines, x'', 0 FROM waiting"
AROUND = f"WHERE number > ? - {ROW_LINES} AND number < ? ORDER BY number"  # first and end
REJECTED = "SELECT number, crc, lines, reason, time FROM rejected"


class DiskRow(NamedTuple):
    """Lines that came together, the first of them being the `number`-th; `time` in ns."""

    number: int
    lines: list[bytes]
    reason: bytes
    time: int

    @property
    def end(self) -> int:
        """The number of the line that comes after."""
        return self.number + len(self.lines)


class Figures(NamedTuple):
    """Numbers of the oldest waiting line and of the next to come; how many rejected lines there
    are; the stamp of the oldest waiting line in ns.
    """

    first: int
    end: int
    rejected: int
    oldest: int | None


def pack(number: int, lines: Sequence[bytes], reason: bytes = b"") -> tuple[int, int, bytes]:
    """Return a row's first columns. Raises LineError for a line with a newline, or without text."""
    blob = b"\n".join(lines)
    if blob.count(b"\n") != len(lines) - 1:
        raise LineError("a line ends in the middle")
    if not blob:
        raise LineError("a line is empty")
    return number, _crc(number, reason, blob), blob


def unpack(record: tuple[object, object, object, object, object]) -> DiskRow:
    """Return a row as it was written. Raises DamagedError.

    A row without a text is none: with a number of 0 it would have its checksum, as a row of zeros.
    """
    number, crc, blob, reason, time = record
    if (
        not (isinstance(number, int) and isinstance(blob, bytes))
        or not (isinstance(reason, bytes) and isinstance(time, int))
        or not blob
        or crc != _crc(number, reason, blob)
    ):
        raise DamagedError(f"a row does not have its checksum: {number}")
    return DiskRow(number, blob.split(b"\n"), reason, time)


def _crc(number: int, reason: bytes, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(reason, number & 0xFFFFFFFF))


def rows(
    db: sqlite3.Connection, what: str, rest: str = "", given: tuple[int, ...] = ()
) -> Generator[DiskRow, None, None]:
    """Yield rows; `what` is WAITING or REJECTED and `rest` goes on from there, by default in order.

    Nothing is locked any more once the iterator is closed or has come to its end. In a damaged file
    SQLite may go round in circles, so that numbers which do not rise raise DamagedError.
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
    """Return what a file has; `empty` is the number of the next line when none waits."""
    first, last = row(db, WAITING), row(db, WAITING, "ORDER BY number DESC")
    first_rejected, last_rejected = row(db, REJECTED), row(db, REJECTED, "ORDER BY number DESC")
    return Figures(
        first.number if first else empty,
        last.end if last else empty,
        last_rejected.end - first_rejected.number if last_rejected and first_rejected else 0,
        stamp_of(first.lines[0]) if first else None,
    )


def insert(db: sqlite3.Connection, number: int, lines: Sequence[bytes]) -> int:
    """Put waiting lines in, from `number` on; return the number that comes after."""
    parts = range(0, len(lines), ROW_LINES)
    packed = (pack(number + at, lines[at : at + ROW_LINES]) for at in parts)
    db.executemany("INSERT INTO waiting (number, crc, lines) VALUES (?, ?, ?)", packed)
    return number + len(lines)


def replace_row(db: sqlite3.Connection, number: int, lines: Sequence[bytes]) -> None:
    """Put waiting lines in the place of as many, which are a row."""
    number, crc, blob = pack(number, lines)
    db.execute("UPDATE waiting SET crc = ?, lines = ? WHERE number = ?", (crc, blob, number))


def insert_rejected(
    db: sqlite3.Connection, lines: Sequence[bytes], reason: bytes, time: int
) -> None:
    """Put rejected lines in, as the newest; `time` in ns."""
    last = row(db, REJECTED, "ORDER BY number DESC")
    number = last.end if last else 1
    before = _rejected_bytes_ever(db)
    for at in range(0, len(lines), ROW_LINES):
        part = lines[at : at + ROW_LINES]
        packed = pack(number + at, part, reason)
        db.execute(
            "INSERT INTO rejected (number, crc, lines, reason, time, before)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*packed, reason, time, before),
        )
        before += len(packed[2]) + len(reason)


def drop_rejected(db: sqlite3.Connection, most: int) -> None:
    """Have the oldest rejected lines go until the rest has at most so many bytes.

    `before` has no checksum: a sum that no file of this size can have come to is damage.
    """
    ever = _rejected_bytes_ever(db)
    first = db.execute("SELECT before FROM rejected ORDER BY number LIMIT 1").fetchall()
    begun = first[0][0] if first else ever
    size = scalar(db, "PRAGMA page_count") * scalar(db, "PRAGMA page_size")
    if not isinstance(begun, int) or not 0 <= ever - begun <= size:
        raise DamagedError("the sizes of the refused rows are not what they were")
    beyond = ever - most
    kept = db.execute(
        "SELECT number FROM rejected WHERE before >= ? ORDER BY number LIMIT 1", (beyond,)
    ).fetchall()
    if kept:
        db.execute("DELETE FROM rejected WHERE number < ?", kept[0])
    else:
        db.execute("DELETE FROM rejected")


def make_room(db: sqlite3.Connection, most: int, lines: Sequence[bytes] = ()) -> None:
    """Have the oldest waiting lines go until all pages, with `lines`, take at most `most` bytes."""
    page = scalar(db, "PRAGMA page_size")
    while True:
        used = scalar(db, "PRAGMA page_count") - scalar(db, "PRAGMA freelist_count")
        over = (used + _pages_for(lines)) * page - most
        if over <= 0:
            return
        last: DiskRow | None = None
        with closing(rows(db, WAITING)) as found:
            for last in found:
                over -= sum(map(len, last.lines))
                if over <= 0:
                    break
        if last is None:
            return
        db.execute("DELETE FROM waiting WHERE number <= ?", (last.number,))


def _pages_for(lines: Sequence[bytes]) -> int:
    """Return how many pages of 4096 bytes `lines` take, at most."""
    pages = 5 if lines else 0  # for the tree above the rows, and what has been begun
    for at in range(0, len(lines), ROW_LINES):
        size = sum(map(len, lines[at : at + ROW_LINES])) + ROW_LINES
        pages += size // 4000 + 2
    return pages


def newest(lines: Sequence[bytes], most: int) -> Sequence[bytes]:
    """Return the newest of `lines`, as many as have at most `most` bytes together."""
    total, number = sum(map(len, lines)) + len(lines), 0
    while total > most:
        total -= len(lines[number]) + 1
        number += 1
    return lines[number:]


def _rejected_bytes_ever(db: sqlite3.Connection) -> int:
    found = db.execute(
        "SELECT before + length(lines) + length(reason) FROM rejected ORDER BY number DESC LIMIT 1"
    ).fetchall() or [(0,)]
    return _whole(found)


def scalar(db: sqlite3.Connection, question: str) -> int:
    """Return the number that a question is answered with."""
    return _whole(db.execute(question).fetchall())


def _whole(found: list[tuple[object]]) -> int:
    if not found or not isinstance(found[0][0], int):
        raise DamagedError(f"a number is none: {found[:1]}")
    return found[0][0]
