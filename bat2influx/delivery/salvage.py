"""A spool on disk that is damaged: what can still be read is saved, and the rest is set aside.

    spool.salvage                 the new file, while it is made
    spool.damaged-<UTC time>      the damaged one, with its -wal and -journal; the last three
    spool.format-N-<UTC time>     one of a later version's format N; kept until a person decides

The order makes it safe to be broken off anywhere: the new file is made whole beside the damaged
one, the damaged one gets out of its way, the new one takes its place. So if there is no spool but
a salvage, the last step is what is missing; if there are both, the salvage is not whole and goes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from bat2influx.delivery.disk_errors import FAILURES, DamagedError, DiskFailure, DiskFault, fault_of
from bat2influx.delivery.disk_format import COMPANIONS, companion, create, remove, sync
from bat2influx.delivery.disk_rows import (
    REJECTED,
    WAITING,
    DiskRow,
    insert,
    insert_rejected,
    unpack,
)

KEPT = 3  # damaged files
_FURTHEST = 2**62


def finish(path: Path) -> None:
    """Bring to an end what was broken off. Raises OSError."""
    fresh = _fresh(path)
    if not fresh.exists():
        return
    if path.exists():
        remove(fresh)
    else:
        fresh.rename(path)
        sync(path.parent)


def replace_damaged(path: Path) -> tuple[Path, int, int]:
    """Put a good file in the place of a damaged one.

    Returns where the damaged one is, and how many waiting and rejected lines could be saved. Raises
    sqlite3.Error and OSError when the disk does not take the new file; then nothing has changed.
    """
    fresh = _fresh(path)
    remove(fresh)
    try:
        db = create(fresh)
        try:
            saved, rejected = _save(path, db)
        finally:
            db.close()
    except BaseException:
        remove(fresh)
        raise
    aside = set_aside(path, "damaged")
    finish(path)
    for old in sorted(each for each in _damaged(path) if each != aside)[: -(KEPT - 1)]:
        remove(old)
    return aside, saved, rejected


def set_aside(path: Path, why: str) -> Path:
    """Move a file out of the way, with what belongs to it, and return where it is."""
    now = time.time_ns()
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    aside = path.with_name(f"{path.stem}.{why}-{moment}.{now // 1000 % 10**6:06}Z")
    companion(path, "-shm").unlink(missing_ok=True)  # an index that SQLite makes again
    path.rename(aside)
    for suffix in COMPANIONS:
        if (beside := companion(path, suffix)).exists():
            beside.rename(companion(aside, suffix))
    sync(path.parent)
    return aside


def _fresh(path: Path) -> Path:
    return path.with_suffix(".salvage")


def _damaged(path: Path) -> list[Path]:
    found = path.parent.glob(f"{path.stem}.damaged-*")
    return [each for each in found if not each.name.endswith(COMPANIONS)]


def _save(path: Path, db: sqlite3.Connection) -> tuple[int, int]:
    """Copy all good rows of the damaged file into `db`.

    Returns the number of waiting lines, and of rejected ones.
    """
    source = sqlite3.connect(path, isolation_level=None, timeout=0.0)
    try:
        # By this SQLite also opens what ends earlier than its header says.
        source.execute("PRAGMA writable_schema = ON")
        db.execute("BEGIN IMMEDIATE")
        number, rejected = 1, 0
        for row in _readable(source, WAITING, path):
            number = insert(db, number, row.lines)
        for row in _readable(source, REJECTED, path):
            insert_rejected(db, row.lines, row.reason, row.time)
            rejected += len(row.lines)
        db.execute("COMMIT")
    finally:
        source.close()
    return number - 1, rejected


def _readable(db: sqlite3.Connection, what: str, path: Path) -> Iterator[DiskRow]:
    """Yield the good rows, in order, across places that cannot be read."""
    number: int | None = 1
    skip = 1  # over what brings nothing further: twice as far each time
    while number is not None:
        try:
            for record in db.execute(f"{what} WHERE number >= ? ORDER BY number", (number,)):
                try:
                    row = unpack(record)
                except DamagedError:
                    continue
                if row.number >= number:  # a page that is not where it belongs may go back
                    yield row
                    number, skip = row.end, 1
            return
        except FAILURES as error:
            _expect_damage(error, path)
        # Python reads a row ahead: the one before the bad place has not come, and comes by itself.
        found = _first(db, what, number, path)
        if found is None:
            number = _beyond(db, what, number, path)
            continue
        if not found or number > _FURTHEST:
            return
        further = found[0][0] + 1
        with suppress(DamagedError):
            row = unpack(found[0])
            if row.number >= number:
                yield row
                further = row.end
        if further > number:
            number, skip = further, 1
        else:
            number, skip = number + skip, 2 * skip


def _beyond(db: sqlite3.Connection, what: str, bad: int, path: Path) -> int | None:
    """Return the lowest number after `bad` from which on something can be read."""
    step = 1
    while not _can_read(db, what, bad + step, path):
        step *= 2
        if bad + step > _FURTHEST:
            return None
    worst, good = bad, bad + step
    while good - worst > 1:
        middle = (worst + good) // 2
        if _can_read(db, what, middle, path):
            good = middle
        else:
            worst = middle
    return good


def _can_read(db: sqlite3.Connection, what: str, number: int, path: Path) -> bool:
    return _first(db, what, number, path) is not None


def _first(db: sqlite3.Connection, what: str, number: int, path: Path) -> list[Any] | None:
    """Return the first record from a number on, if there is one; None where it cannot be read."""
    try:
        found = db.execute(f"{what} WHERE number >= ? ORDER BY number LIMIT 1", (number,))
        return found.fetchall()
    except FAILURES as error:
        _expect_damage(error, path)
        return None


def _expect_damage(error: DiskFailure, path: Path) -> None:
    """Raise what has another cause than damage, such as another program's lock."""
    if fault_of(error, path) is not DiskFault.DAMAGED:
        raise error
