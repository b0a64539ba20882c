"""The pages of the file on disk, read without SQLite. Pure: bytes in, records out.

SQLite follows links from page to page, and stops or loops at the first damaged page. But a row is
completely in one leaf page and its overflow pages, and has its own checksum (disk_rows.py), so that
each page can be read separately. No function raises for any bytes: unreadable rows are left out.
The format: https://www.sqlite.org/fileformat2.html, section 1.

The file is as `disk_format.create` and SQLite's defaults make it: pages of 4096 bytes without
reserved bytes, no auto_vacuum, UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

SIZE = 4096  # bytes
MAGIC = b"SQLite format 3\0"
LARGEST = 16 * 1024 * 1024  # bytes of a record; 200 lines of 80 KiB
QUEUED_COLUMNS, REJECTED_COLUMNS = 3, 6  # disk_format.TABLES
_LEAF, _INTERIOR = 13, 5  # kinds of pages of a table
_MAX_LOCAL = (
    SIZE - 35
)  # bytes of a record in a leaf at most, and (_LEAST_LOCAL) at least if it has overflow pages
_LEAST_LOCAL = (SIZE - 12) * 32 // 255 - 23
_MAX_CELLS = (SIZE - 8) // 6  # in a page; text at that place would give a larger number
_MAX_FREE = SIZE // 4 - 2  # pages in a page of the free list
_CONSTANT = ((16, b"\x10\0"), (20, b"\0\x40\x20\x20"), (52, bytes(4)), (56, b"\0\0\0\1"))

Value = int | bytes | None
Read = Callable[[int], bytes]  # a page by its number, from 1 on; missing bytes as zeros


class Record(NamedTuple):
    """A row in a page, the `at`-th, without check of its checksum; `number` is its key."""

    at: int
    number: int
    columns: tuple[Value, ...]


def records(page: bytes, read: Read) -> Iterator[Record]:
    """Yield possible rows of the two tables, in the order of the page, of any kind of page."""
    count, seen = _u16(page, 3), set[int]()  # overflow pages: each belongs to one row
    for at in range(count if count <= _MAX_CELLS else 0):
        if found := _cell(page, _u16(page, 8 + 2 * at), read, seen):
            yield Record(at, *found)


def record(page: bytes, at: int, read: Read) -> Record | None:
    """Return the `at`-th row of a page, None if it cannot be read."""
    found = _cell(page, _u16(page, 8 + 2 * at), read, set())
    return Record(at, *found) if found else None


def _cell(
    page: bytes, start: int, read: Read, seen: set[int]
) -> tuple[int, tuple[Value, ...]] | None:
    try:
        size, start = _varint(page, start)
        number, start = _varint(page, start)
        if size > LARGEST:
            return None
        payload = _payload(page, start, size, read, seen)
        columns = _columns(payload) if payload is not None else None
    except IndexError:  # the cell exceeds the page
        return None
    return (_signed(number), columns) if columns else None


def _payload(page: bytes, start: int, size: int, read: Read, seen: set[int]) -> bytes | None:
    if size <= _MAX_LOCAL:
        return page[start : start + size]
    local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % (SIZE - 4)
    if local > _MAX_LOCAL:
        local = _LEAST_LOCAL
    parts = [page[start : start + local]]
    following, rest = _u32(page, start + local), size - local
    while rest > 0:
        if following < 2 or following in seen:
            return None
        seen.add(following)
        page = read(following)
        parts.append(page[4 : 4 + rest])
        following, rest = _u32(page, 0), rest - (SIZE - 4)
    return b"".join(parts)


def _columns(payload: bytes) -> tuple[Value, ...] | None:
    """Return the columns of a record, None if it cannot be a row of the two tables."""
    end, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < end and len(kinds) <= REJECTED_COLUMNS:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if at != end or len(kinds) not in {QUEUED_COLUMNS, REJECTED_COLUMNS}:
        return None
    columns: list[Value] = []
    for kind in kinds:
        length = (0, 1, 2, 3, 4, 6, 8)[kind] if kind < 7 else (kind - 12) // 2 if kind >= 12 else 0
        if kind in {7, 10, 11} or (kind >= 12 and kind % 2) or at + length > len(payload):
            return None  # no column of the tables is a float or a text
        content = payload[at : at + length]
        at += length
        if kind >= 12:
            columns.append(content)
        elif kind in {8, 9}:
            columns.append(kind - 8)
        else:
            columns.append(int.from_bytes(content, "big", signed=True) if kind else None)
    return tuple(columns)


def oldest(root: int, read: Read) -> tuple[int, bytes] | None:
    """Return the number and content of the first leaf of the table with this root; None if missing.

    A table has at most about five levels.
    """
    number = root
    for _ in range(20):
        page = read(number)
        if page[0] == _LEAF:
            return number, page
        if page[0] != _INTERIOR:
            return None
        start = _u16(page, 12) if _u16(page, 3) else 8
        if not 8 <= start <= SIZE - 4 or (number := _u32(page, start)) < 2:
            return None
    return None


def is_empty(leaf: bytes) -> bool:
    """Return whether a leaf has no rows."""
    return _u16(leaf, 3) == 0


def free_pages(header: bytes, pages: int, read: Read) -> frozenset[int]:
    """Return the numbers of the pages in the free list, which still have their old content.

    An incomplete list may name pages that are not free; then no page counts as free.
    """
    trunk, count = _u32(header, 32), _u32(header, 36)
    found: set[int] = set()
    while trunk:
        page = read(trunk)
        here = _u32(page, 4)
        if not 2 <= trunk <= pages or here > _MAX_FREE or len(found) + here >= count:
            return frozenset()
        more = {trunk, *(_u32(page, 8 + 4 * at) for at in range(here))}
        if len(more) != here + 1 or found & more:
            return frozenset()
        found |= more
        trunk = _u32(page, 0)
    whole = len(found) == count and all(2 <= number <= pages for number in found)
    return frozenset(found) if whole else frozenset()


def header_fault(header: bytes, pages: float | None) -> str:
    """Return what is wrong with the first 100 bytes of a database, before it is written; or ''.

    SQLite would trust a damaged header, and overwrite pages that are not free. `pages` is the
    number of pages, if known, with a partial page as a fraction.
    """
    if any(header[at : at + len(value)] != value for at, value in _CONSTANT):
        return "its header is altered"
    if not {header[18], header[19]} <= {1, 2}:
        return "its header has an unknown journal mode"
    size = _u32(header, 28)
    if pages is not None and header[24:28] == header[92:96] and size != pages:
        return f"it has {pages:.6g} pages, but {size} by its header"
    if _u32(header, 36) >= size and _u32(header, 36):
        return "its header has more free pages than pages"
    return ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of 1 to 9 bytes, and the offset after it."""
    value = 0
    for place in range(at, at + 8):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
