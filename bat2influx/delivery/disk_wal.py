"""SQLite's write-ahead log, `spool.sqlite-wal`, read without SQLite. Pure except for reading.

SQLite uses the frames of the log up to the first with a wrong checksum, as after a power cut, and
ignores later frames without a report. But each checksum continues that of the previous frame, which
is stored in the file: so a frame after a damaged one can be checked, too. A frame that follows a
commit was written when that commit was on disk. So if such a frame is good and SQLite would not use
it, acknowledged commits are lost; at a torn end there is no such frame. Damage in the last commit
cannot be distinguished from a torn end, nor can a truncated log.

A log of a gigabyte takes half a minute, and may take many minutes on a small computer. So a
generator reads it frame by frame; its caller stops when its time is over, and continues later.
The format: https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from struct import unpack
from typing import NamedTuple

from bat2influx.delivery.disk_pages import SIZE

MAX_FRAMES = 1 << 20  # that are read, 4 GiB; 9 bytes of memory each
_HEADER, _HEAD = 32, 24  # bytes of the file's header, and of a frame's
_FRAME = _HEAD + SIZE
_MAGIC = 0x377F0682  # checksums of little-endian words; plus one: of big-endian words
_WORD = 0xFFFFFFFF

ReadAt = Callable[[int, int], bytes]  # offset and length; shorter at the end


class Frame(NamedTuple):
    """The page `number` with its content at `offset`; a commit has the file's `size` in pages.

    `good` is whether its checksum continues that of the previous frame.
    """

    number: int
    offset: int
    size: int
    good: bool


class Frames:
    """The frames of a log, in little memory."""

    def __init__(self) -> None:
        self.numbers = array("I")  # of pages
        self._sizes, self._good = array("I"), bytearray()

    def __len__(self) -> int:
        return len(self._good)

    def __getitem__(self, index: int) -> Frame:
        at = _HEADER + index * _FRAME + _HEAD
        return Frame(self.numbers[index], at, self._sizes[index], bool(self._good[index]))

    def __iter__(self) -> Iterator[Frame]:
        return map(self.__getitem__, range(len(self)))

    def add(self, number: int, size: int, *, good: bool) -> None:
        """Add the next frame."""
        self.numbers.append(number)
        self._sizes.append(size)
        self._good.append(good)


class Wal:
    """All frames; how many up to the last good commit, and how many SQLite uses."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.committed = self.taken = 0
        self.lost = False  # whether there are commits after damage, which SQLite does not use
        self.truncated = False  # whether there are more frames than are read

    @property
    def usable(self) -> int:
        """How many frames count as newest content of pages; those of a torn end do not."""
        return self.committed if self.lost else self.taken


def read_wal(read: ReadAt) -> Generator[None, None, Wal]:
    """Return the content of the log that `read` reads; yields at each frame."""
    header = read(0, _HEADER)
    if len(header) < _HEADER:
        return Wal()
    order = ">" if header[3] & 1 else "<"
    magic = int.from_bytes(header[:4], "big") | 1 == _MAGIC | 1
    whole = magic and _checksum(order, (0, 0), header[:24]) == unpack(">2I", header[24:])
    if whole:
        if int.from_bytes(header[8:12], "big") != SIZE:
            return Wal()
        return (yield from _frames(read, order, header[16:24], header[24:], whole=True))
    found = yield from _guessed(read, order, header[24:])
    other = yield from _guessed(read, "<" if order == ">" else ">", header[24:])
    return max(found, other, key=lambda wal: wal.committed)


def _guessed(read: ReadAt, order: str, seed: bytes) -> Generator[None, None, Wal]:
    """Return the frames after a damaged header, with the salt of the first good frame."""
    at, before = _HEADER, b""
    while len(head := read(at, _HEAD)) == _HEAD and at < _HEADER + MAX_FRAMES * _FRAME:
        if before[8:16] == head[8:16] and _is_good(
            order, before[16:], head, read(at + _HEAD, SIZE)
        ):
            return (yield from _frames(read, order, head[8:16], seed, whole=False))
        at, before = at + _FRAME, head
        yield
    return Wal()


def _frames(
    read: ReadAt, order: str, salt: bytes, seed: bytes, *, whole: bool
) -> Generator[None, None, Wal]:
    wal = Wal()
    at, unbroken, ended = _HEADER, whole, False
    while len(head := read(at, _HEAD)) == _HEAD:
        if len(wal.frames) >= MAX_FRAMES:
            wal.truncated = True
            break
        page = read(at + _HEAD, SIZE) if head[8:16] == salt else b""
        good = bool(page) and _is_good(order, seed, head, page)
        number, size = unpack(">2I", head[:8])
        wal.frames.add(number, size, good=good)
        unbroken = unbroken and good
        wal.lost = wal.lost or (good and ended and not unbroken)
        if good and size:
            wal.committed = len(wal.frames)
            wal.taken = wal.committed if unbroken else wal.taken
        at, seed, ended = at + _FRAME, head[16:24], size > 0
        yield
    return wal


def _is_good(order: str, seed: bytes, head: bytes, page: bytes) -> bool:
    if len(page) < SIZE or head[:4] == bytes(4):  # page 0 does not exist; zeros pass the checksum
        return False
    first, second = unpack(">2I", seed)
    return _checksum(order, (first, second), head[:8] + page) == unpack(">2I", head[16:24])


def _checksum(order: str, seed: tuple[int, int], data: bytes) -> tuple[int, int]:
    first, second = seed
    words = iter(unpack(f"{order}{len(data) // 4}I", data))
    for one, two in zip(words, words, strict=True):
        first = (first + one + second) & _WORD
        second = (second + two + first) & _WORD
    return first, second
