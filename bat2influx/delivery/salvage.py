"""Recovery of a damaged spool: readable lines go to a new file, the damaged file is set aside.

    spool.salvage                 the new file, while it is written
    spool.damaged-<UTC time>      the damaged file, with its -wal and -journal; the last three
    spool.format-N-<UTC time>     a file of a later version's format N; kept until a person decides

The order makes an interruption safe at any point: the new file is completed beside the damaged one,
the damaged one is renamed, the new one is renamed to its place. So if there is a salvage and no
spool, only the last step is missing; if there are both, the salvage is incomplete and is removed.

SQLite does not read the damaged file: disk_recovery.py finds its rows. The work is done in slices
of time, because the keeper has other work, too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bat2influx.delivery.disk_errors import FAILURES, DiskFault, fault_of
from bat2influx.delivery.disk_format import (
    COMPANIONS,
    NewerError,
    companion,
    connect_to_read,
    create,
    remove,
    sync,
)
from bat2influx.delivery.disk_lines import ROW_LINES
from bat2influx.delivery.disk_recovery import Pages, RecoveredRows
from bat2influx.delivery.disk_rows import insert, insert_rejected

MAX_DAMAGED_FILES = 3  # damaged files
SLICE = 2.0  # s that the keeper works on it at a time


class SalvageResult(NamedTuple):
    """The path of the damaged file; recovered lines, and lost ones as far as numbers show it."""

    quarantined_as: Path
    queued: int
    rejected: int
    lost: int
    rejected_lost: int


def finish(path: Path) -> None:
    """Complete or remove an interrupted salvage. Raises OSError."""
    fresh = _fresh(path)
    if not fresh.exists():
        return
    if path.exists():
        remove(fresh)
    else:
        fresh.rename(path)
        sync(path.parent)


class Salvage:
    """Replaces the damaged file at `path`, which this process must not have open."""

    def __init__(self, path: Path) -> None:
        """Touch nothing."""
        self.recovered = 0  # lines so far
        self._path = path
        self._work = self._steps()

    def run(self, seconds: float = SLICE) -> SalvageResult | None:
        """Work for so many s; return the result once when finished, otherwise None.

        Raises sqlite3.Error and OSError if the new file cannot be written, or another program has
        the damaged one locked; then nothing has changed, and this object cannot be used again.
        """
        until = time.monotonic() + seconds
        for done in self._work:
            if done or time.monotonic() >= until:
                return done
        return None

    def close(self) -> None:
        """Abort the salvage if it is not finished, without a change."""
        self._work.close()

    def _steps(self) -> Generator[SalvageResult | None, None, None]:
        _check_locks(self._path)
        fresh = _fresh(self._path)
        remove(fresh)
        try:
            db = create(fresh)
            db.set_progress_handler(None, 0)
            try:
                with Pages(self._path) as pages:
                    counts = yield from self._save(pages, db)
            finally:
                db.close()
        except BaseException:
            remove(fresh)
            raise
        target = quarantine(self._path, "damaged")
        finish(self._path)
        _remove_old(target, self._path)
        yield SalvageResult(target, *counts)

    def _save(
        self, pages: Pages, db: sqlite3.Connection
    ) -> Generator[None, None, tuple[int, int, int, int]]:
        recovered = RecoveredRows(pages)
        for _ in recovered.search():
            yield None
        db.execute("BEGIN IMMEDIATE")
        number, begun = 1, time.monotonic()
        lines: list[bytes] = []  # that are a row together
        for row in recovered.queued.rows():
            if len(lines) + len(row.lines) > ROW_LINES:
                number = insert(db, number, lines)
                lines.clear()
            lines += row.lines
            self.recovered += len(row.lines)
            if time.monotonic() > begun + SLICE:  # keeps the last sync short
                db.execute("COMMIT")
                db.execute("BEGIN IMMEDIATE")
                begun = time.monotonic()
            yield None
        number = insert(db, number, lines)
        rejected = 0
        for row in recovered.rejected.rows():
            insert_rejected(db, row.lines, row.reason, row.time)
            rejected += len(row.lines)
            yield None
        db.execute("COMMIT")
        return number - 1, rejected, recovered.queued.lost, recovered.rejected.lost


def give_up(path: Path) -> SalvageResult:
    """Set aside a damaged file without any readable line. Raises OSError."""
    target = quarantine(path, "damaged")
    _remove_old(target, path)
    return SalvageResult(target, 0, 0, 0, 0)


def quarantine(path: Path, why: str) -> Path:
    """Rename a file with its companions, and return its new path. Raises OSError."""
    now = time.time_ns()
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    target = path.with_name(f"{path.stem}.{why}-{moment}.{now // 1000 % 10**6:06}Z")
    companion(path, "-shm").unlink(missing_ok=True)  # an index that SQLite creates again
    path.rename(target)
    for suffix in COMPANIONS:
        if (beside := companion(path, suffix)).exists():
            beside.rename(companion(target, suffix))
    sync(path.parent)
    return target


def quarantined_as_newer(path: Path) -> list[Path]:
    """Return the files that were set aside as those of a later version, the oldest first."""
    found = path.parent.glob(f"{path.stem}.format-*")
    return sorted(each for each in found if not each.name.endswith(COMPANIONS))


def _fresh(path: Path) -> Path:
    return path.with_suffix(".salvage")


def _remove_old(latest: Path, path: Path) -> None:
    """Remove all damaged files but the latest KEPT."""
    found = path.parent.glob(f"{path.stem}.damaged-*")
    others = [each for each in found if each != latest and not each.name.endswith(COMPANIONS)]
    for old in sorted(others)[: -(MAX_DAMAGED_FILES - 1)]:
        remove(old)


def _check_locks(path: Path) -> None:
    """Raise sqlite3.Error if another program has the file locked; other errors are damage.

    The connection does not write, so that closing it changes neither file nor WAL.
    """
    try:
        with closing(connect_to_read(path, 0.0)) as db:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except NewerError:
        pass
    except FAILURES as error:
        if fault_of(error, path) is DiskFault.BUSY:
            raise
