"""The log of SQLite beside the file, `spool.sqlite-wal`, read without SQLite. Pure but for reading.

SQLite takes the frames of the log up to the first whose checksum is wrong, as after a power cut,
and says nothing of those that follow. But each checksum continues that of the frame before, whose
end stands in the file: so a frame behind a damaged one can be checked as well. One that follows a
commit was written when that commit was on disk already. So if such a frame is good and SQLite would
not take it, commits are lost that were acknowledged; at a torn end there is none. What is damaged
in the last commit cannot be told from that, and nor can a log that was cut off.
The format: https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from struct import unpack
from typing import NamedTuple

from bat2influx.delivery.disk_pages import SIZE

_HEADER, _HEAD = 32, 24  # bytes of the file's header, and of a frame's
_FRAME = _HEAD + SIZE
_MAGIC = 0x377F0682  # by which the checksums are of little-endian words; one more, of big-endian
_WORD = 0xFFFFFFFF

ReadAt = Callable[[int, int], bytes]  # offset and length; shorter at the end


class Frame(NamedTuple):
    """The page `number` has its content at `offset`; a commit has the `size` of the file in pages.

    `good` says whether its checksum continues that of the frame before.
    """

    number: int
    offset: int
    size: int
    good: bool


class Wal(NamedTuple):
    """All frames; how many up to the last good commit, and how many SQLite takes."""

    frames: tuple[Frame, ...] = ()
    committed: int = 0
    taken: int = 0

    @property
    def lost(self) -> bool:
        """Whether commits are behind what is damaged, which SQLite does not take."""
        behind = self.frames[self.taken :]
        return any(commit.size and frame.good for commit, frame in pairwise(behind))

    @property
    def usable(self) -> tuple[Frame, ...]:
        """The frames in which the newest content of pages is; of a torn end, none."""
        return self.frames[: self.committed if self.lost else self.taken]


def read_wal(read: ReadAt) -> Wal:
    """Return what is in the log that `read` reads."""
    header = read(0, _HEADER)
    if len(header) < _HEADER:
        return Wal()
    order = ">" if header[3] & 1 else "<"
    magic = int.from_bytes(header[:4], "big") | 1 == _MAGIC | 1
    whole = magic and _checksum(order, (0, 0), header[:24]) == unpack(">2I", header[24:])
    if whole:
        if int.from_bytes(header[8:12], "big") != SIZE:
            return Wal()
        return _frames(read, order, header[16:24], header[24:], whole=True)
    orders = (order, "<" if order == ">" else ">")
    return max(
        (_guessed(read, each, header[24:]) for each in orders), key=lambda wal: wal.committed
    )


def _guessed(read: ReadAt, order: str, seed: bytes) -> Wal:
    """Return the frames behind a damaged header, by the salt of the first that is good."""
    at, before = _HEADER, b""
    while len(head := read(at, _HEAD)) == _HEAD:
        if before[8:16] == head[8:16] and _is_good(
            order, before[16:], head, read(at + _HEAD, SIZE)
        ):
            return _frames(read, order, head[8:16], seed, whole=False)
        at, before = at + _FRAME, head
    return Wal()


def _frames(read: ReadAt, order: str, salt: bytes, seed: bytes, *, whole: bool) -> Wal:
    frames: list[Frame] = []
    commits = taken = 0
    at, unbroken = _HEADER, whole
    while len(head := read(at, _HEAD)) == _HEAD:
        page = read(at + _HEAD, SIZE) if head[8:16] == salt else b""
        good = bool(page) and _is_good(order, seed, head, page)
        number, size = unpack(">2I", head[:8])
        frames.append(Frame(number, at + _HEAD, size, good))
        unbroken = unbroken and good
        if good and size:
            commits = len(frames)
            taken = commits if unbroken else taken
        at, seed = at + _FRAME, head[16:24]
    return Wal(tuple(frames), commits, taken)


def _is_good(order: str, seed: bytes, head: bytes, page: bytes) -> bool:
    if len(page) < SIZE or head[:4] == bytes(4):  # there is no page 0; zeros have a checksum, too
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
