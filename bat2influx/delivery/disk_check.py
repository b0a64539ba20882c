"""A check of the file and its WAL before SQLite opens them to write.

SQLite would trust a damaged header that lists pages with rows as free, and remove a WAL after using
only a part of it (disk_wal.py). This check detects the damage while all data still exists.
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from pathlib import Path

from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_format import (
    FORMAT,
    KNOWN_TABLES,
    NewerError,
    check_size,
    companion,
    first_page,
)
from bat2influx.delivery.disk_pages import MAGIC, SIZE, header_fault
from bat2influx.delivery.disk_wal import Wal, read_wal


def check_file(path: Path) -> Generator[None, None, None]:
    """Check the file, which this process must not have open, one frame of its WAL at each step.

    Raises NewerError or DamagedError for what SQLite would not detect, or would make worse, and
    OSError. Exhaust or close the generator before the file is opened.
    """
    try:
        yield from _check(path)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedError("a sector of it cannot be read") from error


def _check(path: Path) -> Generator[None, None, None]:
    check_size(path)
    page, wal = first_page(path), Wal()
    pages: float | None = None
    if (log := companion(path, "-wal")).exists():
        with log.open("rb") as file:

            def read(at: int, length: int) -> bytes:
                file.seek(at)
                return file.read(length)

            wal = yield from read_wal(read)
            taken = range(wal.taken - 1, -1, -1)
            first = next((n for n in taken if wal.frames.numbers[n] == 1), None)
            if first is not None:
                page = read(wal.frames[first].offset, SIZE)
            if wal.taken and not wal.truncated:
                pages = wal.frames[wal.taken - 1].size
    if page.startswith(MAGIC):
        version = int.from_bytes(page[60:64], "big", signed=True)
        if version > FORMAT and not any(table.encode() in page for table in KNOWN_TABLES):
            raise NewerError(version)
        if pages is None and not wal.truncated and not companion(path, "-journal").exists():
            pages = path.stat().st_size / SIZE
        if fault := header_fault(page[:100], pages):
            raise DamagedError(fault)
    if wal.lost:
        raise DamagedError("a part of its WAL is altered")
