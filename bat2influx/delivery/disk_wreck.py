"""What can still be read of a damaged file: its pages, and the rows in them.

Each page of the file and of its WAL is read for itself (disk_pages.py, disk_wal.py), and a row
counts if its checksum is right. A page may be there in several versions, and one that is free still
has its old rows. So rows are

    live    in a page's newest version; all are taken, what is there twice but once
    older   in the version before, where the newest is a damaged frame of the WAL
    past    in free pages and all other versions

Of the older and the past those are taken that fill a gap in the running numbers of the live: past
ones only from the oldest line on that waits, which stands at the left edge of the table's tree, if
the pages that are not free agree. If they do not, lines that were settled before may come along; to
store them again makes no second row.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import Self

from bat2influx.delivery import disk_pages
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_format import ROOTS, companion
from bat2influx.delivery.disk_pages import SIZE, WAITING_COLUMNS, Read, Record
from bat2influx.delivery.disk_rows import ROW_LINES, DiskRow, unpack
from bat2influx.delivery.disk_wal import read_wal

_MOST_SUSPECTS = 10_000  # rows without their checksum whose numbers are remembered


class Rank(IntEnum):
    """How new the version of a page is."""

    LIVE = 0
    OLDER = 1
    PAST = 2


class Pages:
    """The pages of the file at `path`, in all versions. What cannot be read of them is zeros.

    An `image` is a version: of the page of that number in the file, or a frame of the WAL.
    """

    def __init__(self, path: Path) -> None:
        """Open the files, to which this process has no connection. Raises OSError."""
        self._file = _open(path)
        self._wal: int | None = None
        self._wal_size = 0
        try:
            if (wal := companion(path, "-wal")).exists():
                self._wal = _open(wal)
                self._wal_size = os.fstat(self._wal).st_size
            self._count = -(-os.fstat(self._file).st_size // SIZE)
            self._frames = read_wal(self._read_wal).usable if self._wal is not None else ()
        except BaseException:
            self.close()
            raise
        self._versions: dict[int, list[int]] = {}  # indexes of frames, oldest first
        for index, frame in enumerate(self._frames):
            self._versions.setdefault(frame.number, []).append(index)
        self.readers: tuple[Read, ...] = (self.newest,)
        if not all(frame.good for frame in self._frames):
            self.readers += (self.good,)
        header, count = self.newest(1)[:100], max(self._count, *self._versions, 0)
        self._free = disk_pages.free_pages(header, count, self.newest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        os.close(self._file)
        if self._wal is not None:
            os.close(self._wal)

    def images(self) -> Iterator[tuple[Rank, int]]:
        """Yield all versions of all pages."""
        for number in range(1, self._count + 1):
            if number not in self._versions:
                yield Rank.PAST if number in self._free else Rank.LIVE, number
        for number, indexes in self._versions.items():
            rank = Rank.PAST if number in self._free else Rank.LIVE
            for index in reversed(indexes):
                yield rank, self._count + 1 + index
                rank = Rank.PAST if self._frames[index].good else max(rank, Rank.OLDER)
            if 1 <= number <= self._count:
                yield rank, number

    def image(self, image: int) -> bytes:
        """Return a version."""
        if image > self._count:
            return self._read_wal(self._frames[image - self._count - 1].offset, SIZE)
        return _read(self._file, (image - 1) * SIZE, SIZE).ljust(SIZE, b"\0")

    def newest(self, number: int) -> bytes:
        """Return the newest version of a page."""
        versions = self._versions.get(number)
        return self._version(number, versions[-1] if versions else None)

    def good(self, number: int) -> bytes:
        """Return the newest version of a page that is no damaged frame."""
        versions = reversed(self._versions.get(number, ()))
        return self._version(number, next((i for i in versions if self._frames[i].good), None))

    def _version(self, number: int, index: int | None) -> bytes:
        if index is not None:
            return self.image(self._count + 1 + index)
        return self.image(number) if 1 <= number <= self._count else bytes(SIZE)

    def _read_wal(self, at: int, length: int) -> bytes:
        assert self._wal is not None
        return _read(self._wal, at, max(0, min(length, self._wal_size - at)))


class Wreck:
    """The rows of both tables that are in `pages`."""

    def __init__(self, pages: Pages) -> None:
        """Look for none yet."""
        self._pages = pages
        self.waiting = Table(pages, ROOTS["waiting"])
        self.rejected = Table(pages, ROOTS["rejected"])

    def search(self) -> Iterator[None]:
        """Find all rows, a page at each step."""
        for rank, image in self._pages.images():
            page = self._pages.image(image)
            for reader, read in enumerate(self._pages.readers):
                for record in disk_pages.records(page, read):
                    waits = len(record.columns) == WAITING_COLUMNS
                    (self.waiting if waits else self.rejected).note(rank, image, reader, record)
            yield


class Table:
    """The rows of a table: where they are, and those to be taken."""

    def __init__(self, pages: Pages, root: int) -> None:
        """Know no row; `root` is the page at which the table's tree begins."""
        self.lost = 0  # lines that are missing among those that were taken, and next to them
        self._pages, self._root = pages, root
        # By rank: keys of number, image, place in that and reader. Each is one number, because
        # there may be half a million.
        self._found: tuple[list[int], ...] = tuple([] for _ in Rank)
        self._starts: dict[int, int] = {}  # of rows without their checksum, by their ends
        self._ends: dict[int, int] = {}  # the same by their starts

    def note(self, rank: Rank, image: int, reader: int, record: Record) -> None:
        """Remember where a row is, if its checksum is right."""
        try:
            row = _row(record)
        except DamagedError:
            lines = record.columns[2]
            if rank is Rank.LIVE and isinstance(lines, bytes) and len(self._ends) < _MOST_SUSPECTS:
                end = record.number + lines.count(b"\n") + 1
                self._starts[end], self._ends[record.number] = record.number, end
            return
        self._found[rank].append(row.number << 64 | image << 20 | record.at << 4 | reader)

    def rows(self) -> Iterator[DiskRow]:
        """Yield the rows to be taken, in order; then `lost` is right."""
        live, older, past = self._found
        live.sort()
        first = self._first_waiting(live)
        spare = sorted([*older, *(key for key in past if _number(key) >= first)])
        begin = end = _number(live[0]) if live else None
        for row in merged(live, spare, self._load):
            if end is not None and row.number >= end:
                self.lost += row.number - end
            if end is not None and row.end > end:
                end = row.end
            if begin is not None and row.end <= begin:  # it comes before all that are live
                begin = None
            yield row
        if end is None:
            self.lost = sum(end - start for start, end in self._ends.items())
        while end in self._ends:
            self.lost, end = self.lost + self._ends[end] - end, self._ends[end]
        while begin in self._starts:
            self.lost, begin = self.lost + begin - self._starts[begin], self._starts[begin]

    def _first_waiting(self, live: list[int]) -> float:
        """Return the number before which no row waits, as far as that is certain."""
        found = disk_pages.oldest(self._root, self._pages.newest)
        if found is None:
            return -math.inf
        number, leaf = found
        if disk_pages.is_empty(leaf):
            return math.inf if number == self._root and not live else -math.inf
        for record in disk_pages.records(leaf, self._pages.newest):
            with suppress(DamagedError):
                row, known = _row(record), record.at
                if not live or _number(live[0]) != row.number:
                    return -math.inf
                begin = row.number
                while known and begin in self._starts:  # of altered rows before it
                    begin, known = self._starts[begin], known - 1
                return begin - ROW_LINES * known
        return -math.inf

    def _load(self, key: int) -> DiskRow:
        page = self._pages.image(key >> 20 & (1 << 44) - 1)
        record = disk_pages.record(page, key >> 4 & 0xFFFF, self._pages.readers[key & 0xF])
        if record is None:
            raise DamagedError("a row cannot be read a second time")
        return _row(record)


def merged(live: list[int], spare: list[int], load: Callable[[int], DiskRow]) -> Iterator[DiskRow]:
    """Yield the rows of all live keys, in order, and of the spare ones what fits in between.

    Of equal live rows one is yielded. A row that `load` cannot read any more, is not.
    """
    end, at = -math.inf, 0
    equal: list[DiskRow] = []  # those of the number at hand
    for key in chain(live, (None,)):
        number = math.inf if key is None else _number(key)
        while at < len(spare) and _number(spare[at]) < number:
            with suppress(DamagedError):
                if _number(spare[at]) >= end and (row := load(spare[at])).end <= number:
                    end = row.end
                    yield row
            at += 1
        if key is None:
            return
        if equal and equal[0].number != number:
            equal.clear()
        with suppress(DamagedError):
            if (row := load(key)) not in equal:
                equal.append(row)
                end = max(end, row.end)
                yield row


def _number(key: int) -> int:
    return key >> 64


def _row(record: Record) -> DiskRow:
    """Return a row with the right checksum. Raises DamagedError."""
    crc, lines = record.columns[1:3]
    reason, when = (*record.columns[3:5], b"", 0)[:2]
    return unpack((record.number, crc, lines, reason, when))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _read(file: int, at: int, length: int) -> bytes:
    try:
        return os.pread(file, length, at)
    except OSError:  # a sector that cannot be read any more; what is around it can
        return bytes(length)
