"""The file with the queue on disk: its format, and opening it.

Format 2: `spool.sqlite`, a database of SQLite with `user_version` 2 and two tables.

    waiting   number, crc, packed                        queued lines, oldest first
    rejected  number, crc, packed, reason, time, before  rejected lines, with the reasons

A row has up to 1,800 lines of line protocol, deflated (disk_lines.py): the nine lines of a second
are one row at first, and after 200 s these rows are merged into one (disk_merge.py). `number` is
the running number of the row's first line, and the next row continues where this one ends: so the
first and the last row determine the number of lines, and a missing row is detected. `crc` is the
CRC-32 of the rest, because SQLite has no checksums of its pages. `reason` is UTF-8; `time`, of the
rejection, is in ns since 1970 (UTC); `before` counts the bytes of all earlier rows of `rejected`.

Format 1 had the lines as text, up to 200 in a row, in a column `lines`. Such rows are valid in
format 2, too, so that the migration renames columns and changes no row.

While it is written the file is in WAL mode with `synchronous` FULL. A commit is then one write at
the end of `spool.sqlite-wal` and one sync; a rollback journal takes two files and three or four
syncs, on an SD card for each second of an outage. NORMAL would omit the sync, and lose the last
minutes at a power cut. A commit writes a page and its header, 4,120 bytes, which are in two blocks
of the card, however few bytes are used. So the number of commits determines the cost, and in an
outage all lines in memory go into one commit (spool.py). Measured, by the bytes that the kernel has
to write:

    a day without the database           format 1   format 2
    nine values, once a second, syncs    123,000    86,400
                              written    1.2 GB     0.8 GB
    1,000 such devices, written a value  126 bytes  19 bytes, by twice as many syncs

`secure_delete`, which Debian enables, is off: it would write everything a second time, as zeros.
When the file is closed it leaves WAL mode and has no companion files, so that it can be copied, and
read without a change.

Recovery. After a kill or a power cut SQLite uses all commits of the WAL up to the first torn one
(its checksums are chained), so that the file has a prefix of what was written to it. A file of an
older format is migrated step by step in one transaction. A damaged file is replaced (salvage.py); a
file of a newer format is set aside unchanged. A newer format must change the statements of both
tables (a comment is enough): if one table is as here and the number is higher, the number is
damaged.

Before SQLite opens the file to write, header and WAL are checked (disk_check.py). `limit` ends
endless loops of SQLite in a damaged file: too many steps of its virtual machine count as damage.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_pages import LARGEST, SIZE
from bat2influx.delivery.disk_rows import scalar

NAME = "spool.sqlite"
FORMAT = 2
COMPANIONS = ("-wal", "-journal", "-shm")  # suffixes of SQLite's files beside it
TABLES = (
    "CREATE TABLE waiting (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL)",
    "CREATE TABLE rejected"
    " (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL,"
    " reason BLOB NOT NULL, time INTEGER NOT NULL, before INTEGER NOT NULL)",
)
# The format of each statement, including those of format 1.
KNOWN_TABLES = {
    **dict.fromkeys(TABLES, FORMAT),
    **{table.replace("packed", "lines"): 1 for table in TABLES},
}
ROOTS = {"waiting": 2, "rejected": 3}  # the root page of each table's tree
OPENING = 100_000  # steps of SQLite's virtual machine; an intact file needs a hundredth
_STEPS = 1_000  # between two checks of their number


def _from_1_to_2(db: sqlite3.Connection) -> None:
    for table in ROOTS:
        db.execute(f"ALTER TABLE {table} RENAME COLUMN lines TO packed")


# The migration from each older format to the next. It changes tables and content only.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1_to_2}


class NewerError(Exception):
    """The file is of a format that only a later version knows."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def create(path: Path, *, wal: bool = False) -> sqlite3.Connection:
    """Create the file and its folder, readable by the owner only. Raises sqlite3.Error, OSError.

    The empty file is synced once, at the end, because on a slow disk each sync takes seconds.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(_connect(path, "rw", 0.0)) as db:
            db.execute(f"PRAGMA page_size = {SIZE}")
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA auto_vacuum = NONE")  # see DiskFile.free_space
            _bring_up(db)
            if wal:
                db.execute("PRAGMA journal_mode = WAL").fetchall()
        sync(path)
        sync(path.parent)
        return connect(path, 0.0)
    except BaseException:
        remove(path)
        raise


def is_there(path: Path) -> bool:
    """Return whether there is a file; one whose creation was interrupted does not count."""
    log = companion(path, "-wal")  # created after the file
    return path.exists() and (path.stat().st_size > 0 or (log.exists() and log.stat().st_size > 0))


def connect(path: Path, lock_timeout: float) -> sqlite3.Connection:
    """Open the file, which exists and was checked (disk_check.py), and migrate it to this format.

    `lock_timeout` is how long to wait in s for another program's lock. Raises sqlite3.Error,
    OSError, NewerError.
    """
    db = _connect(path, "rw", lock_timeout)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = OFF")
        if _needs_work(db):
            _bring_up(db)
    except BaseException:
        db.close()
        raise
    return db


def connect_to_read(path: Path, lock_timeout: float) -> sqlite3.Connection:
    """Open the file without ever writing. Raises sqlite3.Error, OSError, NewerError."""
    check_size(path)
    mode = "ro"
    if not companion(path, "-wal").exists() and first_page(path)[18:20] == b"\2\2":
        mode = "ro&immutable=1"  # otherwise SQLite would create an empty WAL
    db = _connect(path, mode, lock_timeout)
    try:
        _check_version(db)
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, mode: str, lock_timeout: float) -> sqlite3.Connection:
    # One thread at a time uses it: the keeper, and at the end the one that closes it.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(
        uri, uri=True, timeout=lock_timeout, isolation_level=None, check_same_thread=False
    )
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    limit(db, OPENING)
    return db


def limit(db: sqlite3.Connection, steps: int) -> None:
    """Make SQLite stop with SQLITE_INTERRUPT after so many steps of its virtual machine from now.

    The limit is in steps, not in time, because a disk may be slow and a computer busy.
    """
    left = iter(range(steps // _STEPS))
    db.set_progress_handler(lambda: next(left, None) is None, _STEPS)


def in_wal_mode(db: sqlite3.Connection) -> bool:
    """Return whether writes go to the WAL."""
    return db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def first_page(path: Path) -> bytes:
    """Return the first page of the file, to which this process must have no connection.

    Closing the file would release SQLite's locks on it.
    """
    with path.open("rb") as file:
        return file.read(SIZE)


def check_size(path: Path) -> None:
    """Raise DamagedError for an empty file with a WAL, which SQLite removes, even to read."""
    if not path.stat().st_size and is_there(path):
        raise DamagedError("it is empty, and its WAL is not")


def check(db: sqlite3.Connection) -> None:
    """Raise DamagedError if pages belong to no table, or the tables are inconsistent.

    This reads all pages of the tables. Call it when no line is queued: a page that is no longer
    linked may contain many queued lines.
    """
    ((found,),) = db.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise DamagedError(f"it is inconsistent: {str(found).splitlines()[-1]}")


def version_of(db: sqlite3.Connection) -> int:
    """Return the format number in the file."""
    return int(scalar(db, "PRAGMA user_version"))


def _needs_work(db: sqlite3.Connection) -> bool:
    _check_version(db)  # the number may be in the WAL only
    return version_of(db) != FORMAT or not _is_spool(db)


def _check_version(db: sqlite3.Connection) -> None:
    """Raise NewerError for a newer format, and DamagedError if only the number is newer."""
    if (version := version_of(db)) > FORMAT:
        tables = db.execute("SELECT sql FROM sqlite_schema ORDER BY rowid").fetchall()
        for (each,) in tables:
            if known := KNOWN_TABLES.get(each):
                raise DamagedError(f"its number is of format {version}, its tables are of {known}")
        raise NewerError(version)


def _bring_up(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = version_of(db)
    if version == 0 and not scalar(db, "SELECT count(*) FROM sqlite_schema"):
        for table in TABLES:
            db.execute(table)
        version = FORMAT
    if version > 0 and not _is_spool(db):
        raise DamagedError("it is not a spool of bat2influx")
    while version < FORMAT and version in MIGRATIONS:
        MIGRATIONS[version](db)
        version += 1
    if version != FORMAT or not _is_spool(db):
        raise DamagedError("it is not a spool of bat2influx")
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _is_spool(db: sqlite3.Connection) -> bool:
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {("waiting",), ("rejected",)} <= set(names)


# Files


def companion(path: Path, suffix: str) -> Path:
    """Return one of the COMPANIONS of a database."""
    return path.with_name(path.name + suffix)


def total_size(path: Path) -> int:
    """Return how many bytes the file has with its companions."""
    total = 0
    for each in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        try:
            total += each.stat().st_size
        except FileNotFoundError:
            continue
    return total


def remove(path: Path) -> None:
    """Delete a database and its companions, as far as they exist."""
    for each in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        each.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Sync a folder's entries, or the content of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
