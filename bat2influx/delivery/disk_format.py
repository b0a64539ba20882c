"""The file in which lines wait on disk: its format, and opening it.

Format 2: `spool.sqlite`, a database of SQLite with `user_version` 2 and two tables.

    waiting   number, crc, packed                        what the database is to get, oldest first
    rejected  number, crc, packed, reason, time, before  what it has rejected, and why

A row holds up to 1,800 lines of line protocol, deflated (disk_lines.py): a second's nine lines are
one row at first, and after 200 s these rows are merged into one (disk_merge.py). `number` is the
running number of the row's first line, and the next row goes on where this one ends: so the first
and the last row tell how many lines there are, and a row that is missing shows. `crc` is the CRC-32
of the rest, because SQLite has none over its pages. `reason` is UTF-8; `time`, of the rejection, is
in ns since 1970 (UTC); `before` counts the bytes in all earlier rows of `rejected`, ever.

Format 1 had the lines as text, up to 200 in a row, in a column `lines`. Such rows are rows of
format 2 as well, so that the migration changes the names of columns and no row.

While it is written it is in WAL mode with `synchronous` FULL. A commit is then one write at the
end of `spool.sqlite-wal` and one sync, where a rollback journal takes two files and three or four
syncs: what an SD card has to do for each second of an outage. NORMAL would leave the sync out and
with it the last minutes at a power cut. What a commit writes is a page and its header, 4,120 bytes,
which lie in two blocks of the card, however little is in them. So what it costs is how often there
is one, and in an outage all that is in memory goes in one (spool.py). Measured, by the bytes that
the kernel has to write:

    a day without the database           format 1   format 2
    nine values, once a second, syncs    123,000    86,400
                              written    1.2 GB     0.8 GB
    1,000 such devices, written a value  126 bytes  19 bytes, by twice as many syncs

`secure_delete`, which Debian switches on, is off: it
would have everything written a second time, as zeros. When the file is closed it leaves WAL mode
and is alone again, so that it can be copied, and read without a trace.

Recovery. After a kill or a power cut SQLite takes from the WAL all commits up to the first that is
torn (its checksums are chained), so that the file has a prefix of what was written to it. A file
of an older format is migrated step by step in one transaction. One that is damaged is replaced
(salvage.py); one of a newer format is set aside as it is. A newer format has other tables, both
(a comment in the statement will do): where one is as here and the number is higher, the number is
what is damaged.

Before SQLite opens the file to write, header and WAL are looked at (disk_look.py). And `limit` has
it not go round in circles: what takes too many steps of its machine is damage as well.
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
COMPANIONS = ("-wal", "-journal", "-shm")  # what SQLite puts beside it, by its name
TABLES = (
    "CREATE TABLE waiting (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL)",
    "CREATE TABLE rejected"
    " (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL,"
    " reason BLOB NOT NULL, time INTEGER NOT NULL, before INTEGER NOT NULL)",
)
# Of which format each is, with those of format 1.
KNOWN_TABLES = {
    **dict.fromkeys(TABLES, FORMAT),
    **{table.replace("packed", "lines"): 1 for table in TABLES},
}
ROOTS = {"waiting": 2, "rejected": 3}  # the page at which the tree of each table begins
OPENING = 100_000  # steps of SQLite's machine; a hundredth is what it takes
_STEPS = 1_000  # between two looks at how many there were


def _from_1_to_2(db: sqlite3.Connection) -> None:
    for table in ROOTS:
        db.execute(f"ALTER TABLE {table} RENAME COLUMN lines TO packed")


# From an older format to the next, by the older. The step changes tables and content, no more.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1_to_2}


class NewerError(Exception):
    """The file is of a format that only a later version knows."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def create(path: Path, *, wal: bool = False) -> sqlite3.Connection:
    """Make the file, readable for nobody else, and its folder. Raises sqlite3.Error, OSError.

    Nothing is in it yet, so it is synced once, at the end: on a slow disk each sync takes seconds.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(_connect(path, "rw", 0.0)) as db:
            db.execute(f"PRAGMA page_size = {SIZE}")
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA auto_vacuum = NONE")  # see DiskFile.give_back
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
    """Return whether there is a file; one that was only just being made does not count."""
    log = companion(path, "-wal")  # which comes after the file, and not without it
    return path.exists() and (path.stat().st_size > 0 or (log.exists() and log.stat().st_size > 0))


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open the file, which exists and was looked at (disk_look.py), and bring it to this format.

    `patience` is how long to wait in s for another program's lock. Raises sqlite3.Error, OSError,
    NewerError.
    """
    db = _connect(path, "rw", patience)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = OFF")
        if _needs_work(db):
            _bring_up(db)
    except BaseException:
        db.close()
        raise
    return db


def connect_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """Open the file without ever writing. Raises sqlite3.Error, OSError, NewerError."""
    check_size(path)
    mode = "ro"
    if not companion(path, "-wal").exists() and first_page(path)[18:20] == b"\2\2":
        mode = "ro&immutable=1"  # SQLite would make a WAL to find nothing in it
    db = _connect(path, mode, patience)
    try:
        _check_version(db)
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    # One thread at a time uses it: the keeper, and in the end whoever closes it.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(
        uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    limit(db, OPENING)
    return db


def limit(db: sqlite3.Connection, steps: int) -> None:
    """Have SQLite stop with SQLITE_INTERRUPT after so many steps of its machine, from now on.

    Steps and no time, because a disk may be slow and a computer busy.
    """
    left = iter(range(steps // _STEPS))
    db.set_progress_handler(lambda: next(left, None) is None, _STEPS)


def in_wal_mode(db: sqlite3.Connection) -> bool:
    """Return whether what is newest goes into the WAL."""
    return db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def first_page(path: Path) -> bytes:
    """Return the first page of the file, to which this process must have no connection.

    Closing the file would end SQLite's locks on it.
    """
    with path.open("rb") as file:
        return file.read(SIZE)


def check_size(path: Path) -> None:
    """Raise DamagedError for an empty file with a WAL, which SQLite removes, even to read."""
    if not path.stat().st_size and is_there(path):
        raise DamagedError("it is empty, and its WAL is not")


def check(db: sqlite3.Connection) -> None:
    """Raise DamagedError where pages belong to no table, or the tables do not hold together.

    This looks at all pages of the tables: for when nothing waits. A page that is not where it was
    may be one in which much waits.
    """
    ((found,),) = db.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise DamagedError(f"it is inconsistent: {str(found).splitlines()[-1]}")


def version_of(db: sqlite3.Connection) -> int:
    """Return the format that the database says it has."""
    return int(scalar(db, "PRAGMA user_version"))


def _needs_work(db: sqlite3.Connection) -> bool:
    _check_version(db)  # of which the number may so far be in the WAL alone
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
    """Delete a database and its companions, as far as they are there."""
    for each in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        each.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a folder's entries, or what is in a file, be on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
