"""The open file: when it is opened, made and removed, and what happens to it after a fault.

Owned by the disk queue. There is one connection. It is opened when something is asked for; opened
anew after what may have to do with it; and left when nothing waits any more, a while later, so that
a database that stumbles does not have a file made and removed each second.
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
from bat2influx.delivery.disk_rows import Figures, figures, scalar

_FRAME = 4120  # bytes in the WAL for a page
_SMALLEST_STEP = 4  # bytes of the file for each step of SQLite's machine, at least
_RESERVE = 128 * 1024  # bytes on the disk that are for taking lines out


class DiskFile:
    """The connection to the file at `path`, and what is in it."""

    def __init__(self, path: Path, *, wal: int, patience: float, linger: float) -> None:
        """Touch nothing. `wal` is in bytes; `patience` and `linger` are in s."""
        self.path = path
        self.figures = Figures(1, 1, 0, None)
        self.generation = 0  # numbers of lines mean something within one
        self.lost = 0  # waiting lines that were in files which are no more
        self.rejected_lost = 0  # rejected lines that were
        self._wal = wal
        self._patience = patience
        self._linger = linger
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of what is open
        self._unsure = False  # whether the last lines may be in the WAL, though that failed
        self._what = ""  # is damaged, and why
        self._used = time.monotonic()  # s, when last something was written
        self._checked = 0.0  # s, `_used` when all of it was looked at
        self._doubt: DiskFailure | None = None  # why what is open is damaged
        self._repair = Repair(path)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what the disk does into DiskError, and see to it that the next call can work."""
        try:
            yield
        except disk_format.NewerError as newer:
            self._step_aside(newer.version)
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
        """Return the connection to the file, if there is one. To be called within `guarded`."""
        if self._repair.under_way:
            self._go_on_saving()
        if self._doubt is not None:
            doubt, self._doubt = self._doubt, None
            raise doubt
        if self._db is not None:
            if _identity(self.path) == self._identity:
                self._limit(self._db)
                return self._db
            self._tell_lost()
        salvage.finish(self.path)
        if disk_format.is_there(self.path):
            self._repair.look()
            self._use(db := disk_format.connect(self.path, self._patience))
            self._limit(db)
        elif self._identity is not None:
            self._tell_lost()
        return self._db

    @contextmanager
    def transaction(self, *, appending: int = 0) -> Iterator[sqlite3.Connection]:
        """Change the file, which is made if need be; on disk when it ends. Raises DiskError.

        `appending` is how many bytes come in, if any.
        """
        with self.guarded():
            if (db := self.opened()) is None:
                disk_format.create(self.path, wal=True).close()
                db = self.opened()
            assert db is not None
            if not disk_format.in_wal_mode(db):
                db.execute("PRAGMA journal_mode = WAL").fetchall()
            self._leave_room(db, appending)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                found = figures(db, self.figures.end)
                self._unsure = appending > 0
                db.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
                self._keep_wal_small(db, most=0 if full else 2 * self._wal)
                raise
            self.figures, self._unsure = found, False
            self._used = time.monotonic()
            self._keep_wal_small(db, most=2 * self._wal)

    def give_back(self, *, now: bool = False) -> None:
        """Give the room back if nothing has waited for a while, or `now`.

        With nothing rejected the file goes. Otherwise it is written anew if most of it is free:
        pages need not be moved about for this all the time (auto_vacuum), since as long as lines
        wait the free ones are used again. What fails here can be done later. A file that has more
        in it than is found is damaged, as the next call says.
        """
        if self._db is None or self.figures.first < self.figures.end or self._doubt is not None:
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
                    self._leave_wal(self._db)
            elif self._leave_wal(self._db):
                self._db.execute("BEGIN EXCLUSIVE")
                disk_format.remove(self.path)
                self._disconnect()
                self._forget()
        except FAILURES as error:
            if fault_of(error, self.path) is DiskFault.DAMAGED:
                self._doubt = error

    def close(self) -> None:
        """Leave the file as one that can be copied, and read without a trace, if that can be."""
        if self._repair.under_way:
            self._repair.close()
            return
        with suppress(DiskError), self.guarded():
            if self._identity is not None and (db := self.opened()) is not None:
                self.give_back(now=True)
                if self._db is not None:
                    self._leave_wal(db)
        self._repair.close()
        self._disconnect()

    def _use(self, db: sqlite3.Connection) -> None:
        """Take over a connection that has just been made."""
        try:
            db.execute(f"PRAGMA wal_autocheckpoint = {self._wal // _FRAME}").fetchall()
            if self._unsure:  # they are still their caller's, who will append them again
                db.execute("DELETE FROM waiting WHERE number >= ?", (self.figures.end,))
            self.figures = figures(db, self.figures.end)
            if self.figures.first == self.figures.end:
                disk_format.check(db)
        except BaseException:
            db.close()
            raise
        self._db, self._identity, self._unsure = db, _identity(self.path), False

    def _limit(self, db: sqlite3.Connection) -> None:
        """Have what is asked for now take no more steps than it can take in a file of this size."""
        size = disk_format.total_size(self.path)
        disk_format.limit(db, 10 * disk_format.OPENING + size // _SMALLEST_STEP)

    def _leave_room(self, db: sqlite3.Connection, more: int) -> None:
        """Raise OSError where `more` bytes would take what it needs to take lines out again.

        They come into the WAL and then, with all that is there, into the file; a spool that has
        filled the disk could not be emptied any more. What is taken out makes the WAL longer, too.
        """
        need = 3 * more + _RESERVE
        if free(self.path) < need + self._wal_size():
            self._keep_wal_small(db, most=0)
            if more and free(self.path) < need + self._wal_size():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _keep_wal_small(self, db: sqlite3.Connection, *, most: int) -> None:
        """Have a WAL of more than so many bytes give its room back."""
        with suppress(*FAILURES):
            if self._wal_size() > most:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _wal_size(self) -> int:
        try:
            return disk_format.companion(self.path, "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def _leave_wal(self, db: sqlite3.Connection) -> bool:
        """Have all in the one file; return whether it is, for another program may read it now."""
        try:
            db.execute("PRAGMA busy_timeout = 0").fetchall()
            if disk_format.in_wal_mode(db):
                db.execute("PRAGMA journal_mode = DELETE").fetchall()
            db.execute(f"PRAGMA busy_timeout = {round(self._patience * 1000)}").fetchall()
        except sqlite3.Error:
            self._disconnect()
            return False
        return True

    def _replace(self, what: str) -> NoReturn:
        self._disconnect()
        self._repair.begin(what)
        self._what = what
        self._go_on_saving()

    def _go_on_saving(self) -> NoReturn:
        """Save for a slice of time what can be read of the damaged file; raise DiskError."""
        saved = self._repair.go_on()
        waited, rejected = self.figures.end - self.figures.first, self.figures.rejected
        known = self._identity is not None
        self._forget()
        lost = max(saved.lost, waited - saved.waiting)
        gone = max(saved.rejected_lost, rejected - saved.rejected)
        self.lost += lost
        self.rejected_lost += gone
        with suppress(*FAILURES, DiskError):
            self.opened()  # for the figures
        least = "" if known else "at least "  # what was at the ends may have left no trace
        text = f"{self._what}; it is kept as {saved.aside.name}, and {saved.waiting} of its values"
        text += f" stay queued, {least}{lost} are lost" if lost else " stay queued"
        text += f"; of the rejected values {least}{gone} are lost" if gone else ""
        raise DiskError(DiskFault.DAMAGED, text)

    def _step_aside(self, version: int) -> NoReturn:
        self._disconnect()
        try:
            aside = salvage.set_aside(self.path, f"format-{version}")
        except OSError as error:
            raise explain(error, self.path) from error
        self._forget()
        text = (
            f"{self.path} has format {version} of a later bat2influx; it is kept as {aside.name}:"
            " to use it, install that version again, wait until no value is queued, stop the"
            " service and rename the file back"
        )
        raise DiskError(DiskFault.NEWER, text)

    def _tell_lost(self) -> None:
        """Begin anew without the file; raise DiskError if it had anything in it."""
        waited, rejected = self.figures.end - self.figures.first, self.figures.rejected
        self._disconnect()
        self._forget()
        self.lost += waited
        self.rejected_lost += rejected
        if waited or rejected:
            text = f"{self.path} was removed from outside; {waited + rejected} values are lost"
            raise DiskError(DiskFault.OTHER, text)

    def _forget(self) -> None:
        self.figures = Figures(1, 1, 0, None)
        self.generation += 1
        self._identity, self._unsure, self._doubt = None, False, None

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
