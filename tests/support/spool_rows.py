"""Reads the file of a disk queue through the queue's own connection and its guard.

The daemon needs no such reader: another process reads the file by DiskReader. A read through the
queue detects a damaged file and replaces it, as any other call of the queue does.
"""

from __future__ import annotations

import base64
import random
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import pytest

from bat2influx.delivery import disk_lines, disk_merge, disk_rows
from bat2influx.delivery.disk_pages import SIZE
from bat2influx.delivery.disk_queue import DiskQueue, StoredRejection, rejected_of
from bat2influx.delivery.disk_rows import REJECTED


def rejected_in(queue: DiskQueue, limit: int) -> list[StoredRejection]:
    """Return the newest rejected lines, at most `limit`, oldest first. Raises DiskError."""
    found: list[StoredRejection] = []
    file = queue._file
    with file.guarded():
        if (db := file.opened()) is not None:
            with closing(disk_rows.rows(db, REJECTED, "ORDER BY number DESC")) as rows:
                for row in rows:
                    found += reversed(rejected_of(row))
                    if len(found) >= limit:
                        break
    return found[:limit][::-1]


def oldest_in(queue: DiskQueue) -> int | None:
    """Return the timestamp of the line that would be dropped first, in ns."""
    return queue._file.figures.oldest


def stored_with(path: Path, line: bytes) -> bytes:
    """Return the stored row of a closed file that holds a queued line."""
    with closing(sqlite3.connect(path)) as db:
        for (stored,) in db.execute("SELECT packed FROM waiting"):
            if line in disk_lines.unpacked(stored):
                assert isinstance(stored, bytes)
                return stored
    raise AssertionError(f"{line!r} is not queued in {path}")


@lru_cache(maxsize=100_000)
def padding(number: int, length: int) -> bytes:
    """Return so many characters that hardly compress."""
    return base64.b85encode(random.Random(number).randbytes(length))[:length]


def store_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write rows as in format 1, unmerged, so that a page's bytes show its lines."""
    packed = disk_lines.packed

    def text(lines: Sequence[bytes]) -> bytes:
        packed(lines)  # for its errors
        return b"\n".join(lines)

    monkeypatch.setattr(disk_lines, "packed", text)
    monkeypatch.setattr(disk_lines, "ROW_LINES", 200)
    monkeypatch.setattr(disk_merge, "LARGE", 0)


def children(content: bytes, root: int) -> list[int]:
    """Return the pages below the root of a tree of two levels, in order (fileformat2, 1.6)."""
    page = content[(root - 1) * SIZE : root * SIZE]
    places = struct.unpack_from(f">{int.from_bytes(page[3:5], 'big')}H", page, 12)
    return [int.from_bytes(page[at : at + 4], "big") for at in (*places, 8)]
