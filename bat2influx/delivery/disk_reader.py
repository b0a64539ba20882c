"""The queue on disk, read by another process than the daemon.

Rules: nothing is written and no file is created, so that any user may read, whether the daemon runs
or not. (Only if the index of a WAL is missing does SQLite create it again.) A summary is one
transaction. A long list is read in pieces without a lock in between, so that a blocked pipe does
not delay the daemon. Lines that stay queued are in the list; lines that are settled in the meantime
may be in it, and twice if their batch was split.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bat2influx.delivery import disk_format
from bat2influx.delivery.disk_errors import FAILURES, DamagedError, DiskError, DiskFault, explain
from bat2influx.delivery.disk_queue import LOCK_TIMEOUT, StoredRejection, rejected_of
from bat2influx.delivery.disk_rows import QUEUED, REJECTED, DiskRow, figures, row, rows
from bat2influx.influx.lineprotocol import stamp_of

_PIECE = 10  # rows
_STEPS = 1_000_000  # of SQLite's virtual machine for a piece; an intact file needs a hundredth


class Summary(NamedTuple):
    """Numbers of queued and of rejected lines, bytes on disk, the oldest timestamp in ns."""

    queued: int
    rejected: int
    size: int
    oldest: int | None


class DiskReader:
    """Reads the file in `directory`; without a file the queue is empty."""

    def __init__(self, directory: Path, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        """Raises DiskError. `lock_timeout` is in s."""
        self._path = directory / disk_format.NAME
        self._db: sqlite3.Connection | None = None
        with self._guarded(), suppress(FileNotFoundError):
            if disk_format.is_there(self._path):
                self._db = disk_format.connect_to_read(self._path, lock_timeout)
                try:
                    figures(self._db)  # with a damaged schema the lists would be empty
                except BaseException:
                    self._db.close()
                    raise

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def summary(self) -> Summary:
        """Return the present figures. Raises DiskError."""
        if self._db is None:
            return Summary(0, 0, 0, None)
        with self._guarded():
            disk_format.limit(self._db, _STEPS)
            self._db.execute("BEGIN")
            try:
                found = figures(self._db)
            finally:
                self._db.execute("ROLLBACK")
            size = disk_format.total_size(self._path)
        return Summary(found.end - found.first, found.rejected, size, found.oldest)

    def newest(self) -> int | None:
        """Return the stamp of the latest queued line in ns, if there is one. Raises DiskError."""
        if self._db is None:
            return None
        with self._guarded():
            disk_format.limit(self._db, _STEPS)
            last = row(self._db, QUEUED, "ORDER BY number DESC")
        return stamp_of(last.lines[-1]) if last else None

    def lines(self) -> Iterator[bytes]:
        """Yield the queued lines, oldest first. Raises DiskError."""
        for each in self._rows(QUEUED):
            yield from each.lines

    def rejected(self) -> Iterator[StoredRejection]:
        """Yield the rejected lines, oldest first. Raises DiskError."""
        for each in self._rows(REJECTED):
            yield from rejected_of(each)

    def _rows(self, what: str) -> Iterator[DiskRow]:
        number = 1
        rest = f"WHERE number >= ? ORDER BY number LIMIT {_PIECE}"
        while self._db is not None:
            with self._guarded():
                disk_format.limit(self._db, _STEPS)
                piece = list(rows(self._db, what, rest, (number,)))
                if piece and piece[0].number < number:
                    raise DamagedError(f"a row is out of order: {piece[0].number}")
            yield from piece
            if not piece:
                return
            number = piece[-1].end

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except disk_format.NewerError as newer:
            text = f"{self._path} has format {newer.version} of a later bat2influx"
            raise DiskError(DiskFault.NEWER, text) from newer
        except FileNotFoundError:
            raise
        except FAILURES as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code in {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_ERROR}:
                text = f"{self._path} cannot be read before the next start of bat2influx ({error})"
                raise DiskError(DiskFault.OTHER, text) from error
            found = explain(error, self._path)
            if found.fault is DiskFault.DAMAGED:
                text = f"{found}; the daemon recovers what is readable when it opens the file"
                raise DiskError(found.fault, text) from error
            raise found from error
