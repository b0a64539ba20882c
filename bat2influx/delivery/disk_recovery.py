"""The readable rows of a damaged file.

Each page of the file and of its WAL is read separately (disk_pages.py, disk_wal.py), and a row
counts if its checksum is right. A page may exist in several versions, and a free page still has its
old rows. So rows are

    live    in a page's newest version; all are used, duplicates once
    older   in the version before, if the newest is a damaged frame of the WAL
    past    in free pages and all other versions

Older and past rows are used only to fill a gap in the running numbers of live rows; past rows only
from the oldest queued line on. That line is at the left edge of the table's tree, if the pages that
are not free agree with this. Otherwise lines that were settled before may be recovered, too; the
database stores them no second time.
"""

from __future__ import annotations

import heapq
import math
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import Self

from bat2influx.delivery import disk_pages
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_format import ROOTS, companion
from bat2influx.delivery.disk_keys import Keys
from bat2influx.delivery.disk_lines import ROW_LINES, count
from bat2influx.delivery.disk_pages import QUEUED_COLUMNS, SIZE, Read, Record
from bat2influx.delivery.disk_rows import DiskRow, unpack
from bat2influx.delivery.disk_wal import Frames, read_wal

_MAX_PAGES = 1 << 22  # of a file according to its WAL, 16 GiB
_MAX_SUSPECTS = 10_000  # rows with a wrong checksum whose numbers are remembered


class Rank(IntEnum):
    """How new the version of a page is."""

    LIVE = 0
    OLDER = 1
    PAST = 2


class Pages:
    """The pages of the file at `path`, in all versions. Unreadable bytes are zeros.

    An `image` is the number of a version: a page in the file, or a frame of the WAL.
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
        except BaseException:
            self.close()
            raise
        self._frames = Frames()
        self._usable = 0  # frames
        # For each page its newest frame, and for each frame the previous one of the same page; as
        # numbers from 1 on, 0 for none.
        self._newest, self._before = array("I"), array("I")
        self._free: frozenset[int] = frozenset()
        self.readers: tuple[Read, ...] = (self.newest,)

    def scan(self) -> Iterator[None]:
        """Find the versions, a frame of the WAL at each step; call this before anything else."""
        if self._wal is not None:
            wal = yield from read_wal(self._read_wal)
            self._frames, self._usable = wal.frames, wal.usable
        usable = range(self._usable)
        sizes = (self._frames[n].size for n in usable if self._frames[n].good)
        most = max(self._count + self._usable, min(max(sizes, default=0), _MAX_PAGES))
        numbers = (self._frames.numbers[n] for n in usable)
        last = max((number for number in numbers if number <= most), default=0)
        self._newest.frombytes(bytes(4 * (last + 1)))
        good = True
        for index in usable:
            frame = self._frames[index]
            good = good and frame.good
            known = frame.number < len(self._newest)
            self._before.append(self._newest[frame.number] if known else 0)
            if known:
                self._newest[frame.number] = index + 1
            yield
        if not good:
            self.readers = (self.newest, self.good)
        self._free = disk_pages.free_pages(self.newest(1)[:100], most, self.newest)

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
        for number in range(1, max(self._count + 1, len(self._newest))):
            rank = Rank.PAST if number in self._free else Rank.LIVE
            for index in self._versions(number):
                yield rank, self._count + 1 + index
                rank = Rank.PAST if self._frames[index].good else max(rank, Rank.OLDER)
            if number <= self._count:
                yield rank, number
        for index in range(self._usable):  # frames with an impossible page number
            if not 1 <= self._frames.numbers[index] < len(self._newest):
                yield Rank.LIVE, self._count + 1 + index

    def image(self, image: int) -> bytes:
        """Return the content of a version."""
        if image > self._count:
            return self._read_wal(self._frames[image - self._count - 1].offset, SIZE)
        return _read(self._file, (image - 1) * SIZE, SIZE).ljust(SIZE, b"\0")

    def newest(self, number: int) -> bytes:
        """Return the newest version of a page."""
        return self._version(number, next(self._versions(number), None))

    def good(self, number: int) -> bytes:
        """Return the newest version of a page that is not a damaged frame."""
        found = (index for index in self._versions(number) if self._frames[index].good)
        return self._version(number, next(found, None))

    def _versions(self, number: int) -> Iterator[int]:
        """Yield the indexes of the frames of a page, the newest first."""
        found = self._newest[number] if 1 <= number < len(self._newest) else 0
        while found:
            yield found - 1
            found = self._before[found - 1]

    def _version(self, number: int, index: int | None) -> bytes:
        if index is not None:
            return self.image(self._count + 1 + index)
        return self.image(number) if 1 <= number <= self._count else bytes(SIZE)

    def _read_wal(self, at: int, length: int) -> bytes:
        assert self._wal is not None
        return _read(self._wal, at, max(0, min(length, self._wal_size - at)))


class RecoveredRows:
    """The rows of both tables that are in `pages`."""

    def __init__(self, pages: Pages) -> None:
        """Search nothing yet."""
        self._pages = pages
        self.queued = Table(pages, ROOTS["waiting"])
        self.rejected = Table(pages, ROOTS["rejected"])

    def search(self) -> Iterator[None]:
        """Find all rows, a page, or a frame of the WAL, at each step."""
        yield from self._pages.scan()
        for rank, image in self._pages.images():
            page = self._pages.image(image)
            for reader, read in enumerate(self._pages.readers):
                for record in disk_pages.records(page, read):
                    is_queued = len(record.columns) == QUEUED_COLUMNS
                    (self.queued if is_queued else self.rejected).note(rank, image, reader, record)
            yield


class Table:
    """The rows of a table: their places, and those to use."""

    def __init__(self, pages: Pages, root: int) -> None:
        """Start without rows; `root` is the root page of the table's tree."""
        self.lost = 0  # lines missing between and next to the used rows
        self._pages, self._root = pages, root
        # By rank: keys of number, image, place in the image, and reader.
        self._found = tuple(Keys() for _ in Rank)
        self._starts: dict[int, int] = {}  # of rows with a wrong checksum, by their ends
        self._ends: dict[int, int] = {}  # the same by their starts

    def note(self, rank: Rank, image: int, reader: int, record: Record) -> None:
        """Remember the place of a row, if its checksum is right."""
        try:
            row = _row(record)
        except DamagedError:
            stored = record.columns[2]
            if rank is Rank.LIVE and isinstance(stored, bytes) and len(self._ends) < _MAX_SUSPECTS:
                end = record.number + count(stored)
                if record.number < end <= record.number + ROW_LINES:
                    self._starts[end], self._ends[record.number] = record.number, end
            return
        self._found[rank].append(row.number << 64 | image << 20 | record.at << 4 | reader)

    def rows(self) -> Iterator[DiskRow]:
        """Yield the rows to use, in order; afterwards `lost` is right."""
        live, older, past = self._found
        begin = end = next(map(_number, live), None)
        first = self._first_queued(begin)
        spare = heapq.merge(older, (key for key in past if _number(key) >= first))
        for row in merged(live, spare, self._load):
            if end is not None and row.number >= end:
                self.lost += row.number - end
            if end is not None and row.end > end:
                end = row.end
            if begin is not None and row.end <= begin:  # it is before all live rows
                begin = None
            yield row
        if end is None:
            self.lost = sum(end - start for start, end in self._ends.items())
        while end in self._ends:
            self.lost, end = self.lost + self._ends[end] - end, self._ends[end]
        while begin in self._starts:
            self.lost, begin = self.lost + begin - self._starts[begin], self._starts[begin]

    def _first_queued(self, live: int | None) -> float:
        """Return the number before which no row is queued, as far as that is certain.

        `live` is the number of the first live row.
        """
        found = disk_pages.oldest(self._root, self._pages.newest)
        if found is None:
            return -math.inf
        number, leaf = found
        if disk_pages.is_empty(leaf):
            return math.inf if number == self._root and live is None else -math.inf
        for record in disk_pages.records(leaf, self._pages.newest):
            with suppress(DamagedError):
                row, known = _row(record), record.at
                if live != row.number:
                    return -math.inf
                begin = row.number
                while known and begin in self._starts:  # damaged rows before it
                    begin, known = self._starts[begin], known - 1
                return begin - ROW_LINES * known
        return -math.inf

    def _load(self, key: int) -> DiskRow:
        page = self._pages.image(key >> 20 & (1 << 44) - 1)
        record = disk_pages.record(page, key >> 4 & 0xFFFF, self._pages.readers[key & 0xF])
        if record is None:
            raise DamagedError("a row cannot be read a second time")
        return _row(record)


def merged(
    live: Iterable[int], spare: Iterable[int], load: Callable[[int], DiskRow]
) -> Iterator[DiskRow]:
    """Yield the rows of all live keys, in order, and from spare rows the lines between them.

    Of equal live rows one is yielded. A row that `load` cannot read again is skipped.
    """
    end, others = -math.inf, iter(spare)
    following = next(others, None)  # of the spare keys
    equal: list[DiskRow] = []  # rows of the present number
    near: deque[int] = deque()  # spare keys whose rows may extend beyond a live row
    for key in chain(live, (None,)):
        number = math.inf if key is None else _number(key)
        while following is not None and _number(following) < number:
            near.append(following)
            following = next(others, None)
        while near and _number(near[0]) + ROW_LINES <= end:
            near.popleft()
        for other in near if end < number else ():
            with suppress(DamagedError):
                row = _between(load(other), end, number)
                if row.lines:
                    end = row.end
                    yield row
        if key is None:
            return
        if equal and equal[0].number != number:
            equal.clear()
        with suppress(DamagedError):
            if (row := load(key)) not in equal:
                equal.append(row)
                end = max(end, row.end)
                yield row


def _between(row: DiskRow, start: float, end: float) -> DiskRow:
    """Return the part of a row with the numbers from `start` on, before `end`.

    After a merge, either the small rows or the merged row may be live.
    """
    first = int(max(row.number, start))
    count = max(0, int(min(row.end, end)) - first)
    lines = row.lines[first - row.number :][:count]
    return DiskRow(first, lines, row.reason, row.time)


def _number(key: int) -> int:
    return key >> 64


def _row(record: Record) -> DiskRow:
    """Return a row with the right checksum. Raises DamagedError."""
    crc, stored = record.columns[1:3]
    reason, when = (*record.columns[3:5], b"", 0)[:2]
    return unpack((record.number, crc, stored, reason, when))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _read(file: int, at: int, length: int) -> bytes:
    try:
        return os.pread(file, length, at)
    except OSError:  # an unreadable sector; the sectors around it are readable
        return bytes(length)
