"""The queue's file: when it is opened, created and removed, and what happens to it after a fault.

Owned by the disk queue. There is one connection. It is opened on demand, reopened after a failure
that may be due to it, and closed some time after the queue is empty, so that a database that fails
for moments does not cause a file to be created and removed every second.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_errors import (
    FAILURES,
    DiskError,
    DiskFailure,
    DiskFault,
    LineError,
    explain,
    fault_of,
)
from bat2influx.delivery.disk_repair import Repair, free
from bat2influx.delivery.disk_rows import Figures, delete, figures, scalar

_FRAME = 4120  # bytes in the WAL for a page
_SMALLEST_STEP = 4  # bytes of the file for each step of SQLite's machine, at least
_RESERVE = 128 * 1024  # bytes on the disk that are reserved for removing lines


class DiskFile:
    """The connection to the file at `path`, and the figures of its content."""

    def __init__(self, path: Path, *, wal: int, lock_timeout: float, linger: float) -> None:
        """Touch nothing. `wal` is in bytes; `lock_timeout` and `linger` are in s."""
        self.path = path
        self.figures = Figures(1, 1, 0, None)
        self.generation = 0  # numbers of lines are valid within one generation
        self.lost = 0  # queued lines that were lost with a file
        self.rejected_lost = 0  # rejected lines that were lost with a file
        self._wal = wal
        self._lock_timeout = lock_timeout
        self._linger = linger
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file
        self._commit_unknown = False  # whether lines may be in the WAL although a commit failed
        self._what = ""  # which file is damaged, and why
        self._used = time.monotonic()  # s, time of the latest write
        self._checked = 0.0  # s, `_used` at the latest integrity check
        self._damage: DiskFailure | None = None  # why the open file is damaged
        self._repair = Repair(path)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Convert failures of the disk into DiskError, and prepare for the next call."""
        try:
            yield
        except disk_format.NewerError as newer:
            self._quarantine_newer(newer.version)
        except LineError:
            raise
        except FAILURES as error:
            found = explain(error, self.path)
            if found.fault is DiskFault.DAMAGED:
                self._replace(str(found))
            stuck = self._db is not None and self._db.in_transaction
            if stuck or found.fault not in {DiskFault.FULL, DiskFault.BUSY}:
                self._disconnect()
            raise found from error

    def opened(self) -> sqlite3.Connection | None:
        """Return the connection to the file, None without a file. Call this within `guarded`."""
        if self._repair.under_way:
            self._continue_salvage()
        if self._damage is not None:
            damage, self._damage = self._damage, None
            raise damage
        if self._db is not None:
            if _identity(self.path) == self._identity:
                self._limit(self._db)
                return self._db
            self._report_lost()
        salvage.finish(self.path)
        if disk_format.is_there(self.path):
            self._repair.check()
            self._use(db := disk_format.connect(self.path, self._lock_timeout))
            self._limit(db)
        elif self._identity is not None:
            self._report_lost()
        return self._db

    @contextmanager
    def transaction(self, *, appending: int = 0) -> Iterator[sqlite3.Connection]:
        """Change the file, which is created if necessary; synced at the end. Raises DiskError.

        `appending` is how many bytes are added, 0 for none.
        """
        with self.guarded():
            if (db := self.opened()) is None:
                disk_format.create(self.path, wal=True).close()
                db = self.opened()
            assert db is not None
            if not disk_format.in_wal_mode(db):
                db.execute("PRAGMA journal_mode = WAL").fetchall()
            self._reserve_space(db, appending)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                found = figures(db, self.figures.end)
                self._commit_unknown = appending > 0
                db.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
                self._keep_wal_small(db, most=0 if full else 2 * self._wal)
                raise
            self.figures, self._commit_unknown = found, False
            self._used = time.monotonic()
            self._keep_wal_small(db, most=2 * self._wal)

    def free_space(self, *, now: bool = False) -> None:
        """Free the file's space if the queue has been empty for a while, or `now`.

        Without rejected lines the file is removed. Otherwise it is rewritten if most of it is free:
        auto_vacuum, which moves pages all the time, is not needed, since queued lines reuse free
        pages. A failure here is harmless, and repeated later. A file whose pages do not fit its
        tables is damaged; the next call raises that.
        """
        if self._db is None or self.figures.first < self.figures.end or self._damage is not None:
            return
        if not now and time.monotonic() < self._used + self._linger:
            return
        try:
            if self._checked != self._used:
                disk_format.check(self._db)
                self._checked = self._used
            pages, free = (scalar(self._db, f"PRAGMA {n}_count") for n in ("page", "freelist"))
            if self.figures.rejected:
                if free > max(pages // 2, 64):
                    self._db.execute("VACUUM")
                    self._exit_wal_mode(self._db)
            elif self._exit_wal_mode(self._db):
                self._db.execute("BEGIN EXCLUSIVE")
                disk_format.remove(self.path)
                self._disconnect()
                self._reset()
        except FAILURES as error:
            if fault_of(error, self.path) is DiskFault.DAMAGED:
                self._damage = error

    def close(self) -> None:
        """Close the file, if possible without a WAL, so that it can be copied and read alone."""
        if self._repair.under_way:
            self._repair.close()
            return
        with suppress(DiskError), self.guarded():
            if self._identity is not None and (db := self.opened()) is not None:
                self.free_space(now=True)
                if self._db is not None:
                    self._exit_wal_mode(db)
        self._repair.close()
        self._disconnect()

    def _use(self, db: sqlite3.Connection) -> None:
        """Take over a new connection."""
        try:
            db.execute(f"PRAGMA wal_autocheckpoint = {self._wal // _FRAME}").fetchall()
            if self._commit_unknown:  # the caller still has these lines, and will append them again
                delete(db, "waiting", "WHERE number >= ?", (self.figures.end,))
            self.figures = figures(db, self.figures.end)
            if self.figures.first == self.figures.end:
                disk_format.check(db)
        except BaseException:
            db.close()
            raise
        self._db, self._identity, self._commit_unknown = db, _identity(self.path), False

    def _limit(self, db: sqlite3.Connection) -> None:
        """Limit the steps of the next statements to what an intact file of this size needs."""
        size = disk_format.total_size(self.path)
        disk_format.limit(db, 10 * disk_format.OPENING + size // _SMALLEST_STEP)

    def _reserve_space(self, db: sqlite3.Connection, more: int) -> None:
        """Raise OSError if `more` bytes would use the disk space needed to remove lines again.

        New bytes go to the WAL and then, with the rest of the WAL, to the file. Removing lines
        makes the WAL longer, too, so that a spool that has filled the disk could not be emptied.
        """
        need = 3 * more + _RESERVE
        if free(self.path) < need + self._wal_size():
            self._keep_wal_small(db, most=0)
            if more and free(self.path) < need + self._wal_size():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _keep_wal_small(self, db: sqlite3.Connection, *, most: int) -> None:
        """Truncate a WAL of more than `most` bytes."""
        with suppress(*FAILURES):
            if self._wal_size() > most:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _wal_size(self) -> int:
        try:
            return disk_format.companion(self.path, "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def _exit_wal_mode(self, db: sqlite3.Connection) -> bool:
        """Move all data to the one file; return False if another program reads it now."""
        try:
            db.execute("PRAGMA busy_timeout = 0").fetchall()
            if disk_format.in_wal_mode(db):
                db.execute("PRAGMA journal_mode = DELETE").fetchall()
            db.execute(f"PRAGMA busy_timeout = {round(self._lock_timeout * 1000)}").fetchall()
        except sqlite3.Error:
            self._disconnect()
            return False
        return True

    def _replace(self, what: str) -> NoReturn:
        self._disconnect()
        self._repair.begin(what)
        self._what = what
        self._continue_salvage()

    def _continue_salvage(self) -> NoReturn:
        """Recover readable lines of the damaged file for a slice of time; raise DiskError."""
        result = self._repair.continue_salvage()
        queued, rejected = self.figures.end - self.figures.first, self.figures.rejected
        known = self._identity is not None
        self._reset()
        lost = max(result.lost, queued - result.queued)
        lost_rejected = max(result.rejected_lost, rejected - result.rejected)
        self.lost += lost
        self.rejected_lost += lost_rejected
        with suppress(*FAILURES, DiskError):
            self.opened()  # for the figures
        least = "" if known else "at least "  # lines at both ends may have left no trace
        text = f"{self._what}; it is kept as {result.quarantined_as.name}, and {result.queued}"
        text += " of its values"
        text += f" stay queued, {least}{lost} are lost" if lost else " stay queued"
        text += f"; of the rejected values {least}{lost_rejected} are lost" if lost_rejected else ""
        raise DiskError(DiskFault.DAMAGED, text)

    def _quarantine_newer(self, version: int) -> NoReturn:
        self._disconnect()
        try:
            target = salvage.quarantine(self.path, f"format-{version}")
        except OSError as error:
            raise explain(error, self.path) from error
        self._reset()
        text = (
            f"{self.path} has format {version} of a later bat2influx; it is kept as {target.name}:"
            " to use it, install that version again, wait until no value is queued, stop the"
            " service and rename the file back"
        )
        raise DiskError(DiskFault.NEWER, text)

    def _report_lost(self) -> None:
        """Start again without the file; raise DiskError if it contained lines."""
        queued, rejected = self.figures.end - self.figures.first, self.figures.rejected
        self._disconnect()
        self._reset()
        self.lost += queued
        self.rejected_lost += rejected
        if queued or rejected:
            lost = f"{queued + rejected} values are lost"
            text = f"{self.path} was removed by another program; {lost}"
            raise DiskError(DiskFault.OTHER, text)

    def _reset(self) -> None:
        self.figures = Figures(1, 1, 0, None)
        self.generation += 1
        self._identity, self._commit_unknown, self._damage = None, False, None

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
