"""The open file: when it is opened, created, kept and removed, and what a fault does to it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bat2influx.delivery import disk_file, disk_format, disk_rows
from bat2influx.delivery.disk_errors import DiskError, DiskFault, LineError
from bat2influx.delivery.disk_file import DiskFile
from bat2influx.delivery.disk_rows import QUEUED, Figures
from tests.unit.delivery.test_disk_queue import lines

WAL = 64 * 1024  # bytes
LINGER = 60.0  # s
EMPTY = Figures(1, 1, 0, None)


class Time:
    """A stand-in for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in s."""
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that the test advances."""
    made = Time()
    monkeypatch.setattr(disk_file, "time", made)
    return made


def make(state: Path) -> DiskFile:
    """Return a file in a folder."""
    return DiskFile(state / disk_format.NAME, wal=WAL, lock_timeout=0.0, linger=LINGER)


@pytest.fixture
def file(tmp_path: Path, time: Time) -> Iterator[DiskFile]:
    """A file in a folder that does not exist yet."""
    made = make(tmp_path / "state")
    yield made
    made._disconnect()


def put(file: DiskFile, first: int, last: int, length: int = 0) -> None:
    """Append lines with these timestamps."""
    made = lines(first, last, length)
    with file.transaction(appending=sum(map(len, made)) + len(made)) as db:
        disk_rows.insert(db, file.figures.end, made)


def take(file: DiskFile, end: int, rejected: int = 0) -> None:
    """Remove the rows before the number `end`, and reject some lines."""
    with file.transaction() as db:
        db.execute("DELETE FROM waiting WHERE number < ?", (end,))
        disk_rows.insert_rejected(db, lines(0, rejected), b"bad", 0)


def names(file: DiskFile) -> set[str]:
    """Return the names of the existing files."""
    folder = file.path.parent
    return {each.name for each in folder.iterdir()} if folder.exists() else set()


def content(file: DiskFile) -> list[bytes]:
    """Return the queued lines, as another connection sees them."""
    with closing(disk_format.connect_to_read(file.path, 0.0)) as db:
        return [line for row in disk_rows.rows(db, QUEUED) for line in row.lines]


def coded(code: int) -> sqlite3.OperationalError:
    """Return an error as sqlite3 raises it."""
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    return error


# Opening and writing


def test_reading_creates_no_file(file: DiskFile) -> None:
    """Nor is anything counted as lost."""
    with file.guarded():
        assert file.opened() is None
    file.free_space(now=True)
    file.close()
    assert (names(file), file.figures, file.generation, file.lost) == (set(), EMPTY, 0, 0)


def test_the_first_change_creates_it_in_wal_mode(file: DiskFile) -> None:
    """The figures are those after the change; the next change uses the same connection."""
    put(file, 0, 3)
    assert file.figures == Figures(1, 4, 0, 0)
    with file.guarded():
        db = file.opened()
        assert db is not None
        assert disk_format.in_wal_mode(db)
        assert file.opened() is db
    put(file, 3, 5)
    assert file.figures == Figures(1, 6, 0, 0)
    assert content(file) == lines(0, 5)


def test_numbers_continue_after_the_last_line_was_removed(file: DiskFile) -> None:
    """A number is not reused while the file is open."""
    put(file, 0, 3)
    take(file, 4)
    assert file.figures == Figures(4, 4, 0, None)
    put(file, 7, 9)
    assert file.figures == Figures(4, 6, 0, 7)


def test_the_next_process_finds_the_queue(file: DiskFile) -> None:
    """With its figures, as soon as the file is opened."""
    put(file, 10, 13)
    take(file, 1, rejected=2)
    again = make(file.path.parent)
    with again.guarded():
        again.opened()
    assert again.figures == Figures(1, 4, 2, 10)
    again._disconnect()


@pytest.mark.parametrize("error", [LineError("ours"), coded(sqlite3.SQLITE_FULL), KeyError()])
def test_a_failed_change_is_undone(file: DiskFile, error: Exception) -> None:
    """File and figures are as before, and the next change works."""
    put(file, 0, 3)
    expected = DiskError if isinstance(error, sqlite3.Error) else type(error)
    with pytest.raises(expected), file.transaction(appending=5) as db:
        disk_rows.insert(db, 4, lines(3, 9))
        db.execute("DELETE FROM waiting WHERE number = 1")
        raise error
    assert (file.figures, content(file)) == (Figures(1, 4, 0, 0), lines(0, 3))
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


@pytest.mark.parametrize(
    ("error", "fault", "stays"),
    [
        (coded(sqlite3.SQLITE_FULL), DiskFault.FULL, True),
        (OSError(errno.ENOSPC, "no room"), DiskFault.FULL, True),
        (coded(sqlite3.SQLITE_BUSY), DiskFault.BUSY, True),
        (OSError(errno.EROFS, "no writing"), DiskFault.READ_ONLY, False),
        (OSError(errno.EIO, "no reading"), DiskFault.OTHER, False),
        (coded(sqlite3.SQLITE_IOERR_FSYNC), DiskFault.OTHER, False),
    ],
)
def test_a_temporary_fault_keeps_the_connection(
    file: DiskFile, error: Exception, fault: DiskFault, stays: bool
) -> None:
    """After any other fault the next call reconnects, and nothing is lost."""
    put(file, 0, 3)
    before = file._db
    with pytest.raises(DiskError) as raised, file.guarded():
        raise error
    assert raised.value.fault is fault
    assert raised.value.__cause__ is error
    with file.guarded():
        assert (file.opened() is before) is stays
    assert (file.figures, file.generation, file.lost) == (Figures(1, 4, 0, 0), 0, 0)


def test_a_connection_stuck_in_a_transaction_is_closed(file: DiskFile) -> None:
    """Otherwise no further change could begin."""
    put(file, 0, 3)
    with pytest.raises(DiskError), file.guarded():
        assert file._db
        file._db.execute("BEGIN IMMEDIATE")
        raise coded(sqlite3.SQLITE_FULL)
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


# Room


@pytest.mark.parametrize(
    ("free", "appending", "fits"),
    [
        (128 * 1024, 0, True),
        (128 * 1024 - 1, 0, True),  # what takes lines out is tried all the same
        (128 * 1024 + 3000, 1000, True),
        (128 * 1024 + 2999, 1000, False),
        (0, 0, True),
        (0, 1, False),
    ],
)
def test_space_is_reserved_for_removing_lines(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch, free: int, appending: int, fits: bool
) -> None:
    """A spool that has filled the disk could not be emptied otherwise."""
    put(file, 0, 3)
    with file.guarded():
        db = file.opened()
        assert db
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    monkeypatch.setattr(disk_file, "free", lambda path: free)
    if fits:
        with file.transaction(appending=appending):
            pass
    else:
        with (
            pytest.raises(DiskError, match="free space there"),
            file.transaction(appending=appending),
        ):
            raise AssertionError("it has begun")
    assert content(file) == lines(0, 3)


def test_unknown_free_space_counts_as_sufficient(
    file: DiskFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems do not report it."""
    found = SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=4096)
    monkeypatch.setattr(disk_file.os, "statvfs", lambda path: found)
    put(file, 0, 3)
    found.f_blocks = 1000
    with pytest.raises(DiskError):
        put(file, 3, 4)
    found.f_bavail = 100
    put(file, 3, 4)
    assert content(file) == lines(0, 4)


def test_the_wal_stays_small(file: DiskFile) -> None:
    """A large change makes it long only for its duration."""
    put(file, 0, 20_000, 50)
    wal = disk_format.companion(file.path, "-wal")
    assert wal.stat().st_size <= 2 * WAL
    for number in range(20_000, 20_040):
        put(file, number, number + 1)
        assert wal.stat().st_size <= 2 * WAL + 8 * 4120


# Giving back


@pytest.mark.parametrize(
    ("waits", "later", "now", "goes"),
    [
        (False, LINGER, False, True),
        (False, LINGER - 1, False, False),
        (False, 0.0, True, True),
        (True, LINGER, False, False),
        (True, 0.0, True, False),
    ],
)
def test_an_empty_file_is_removed_after_a_while(
    file: DiskFile, time: Time, waits: bool, later: float, now: bool, goes: bool
) -> None:
    """Counted from the latest change, or at once at the end; its numbers end with it."""
    put(file, 0, 3)
    time.now += 1000.0
    take(file, 1 if waits else 4)
    time.now += later
    file.free_space(now=now)
    assert (names(file) == set()) is goes
    assert file.generation == (1 if goes else 0)
    assert (file.figures == EMPTY) is goes
    put(file, 5, 6)
    assert content(file)[-1:] == lines(5, 6)
    assert file.lost == 0


def test_rejected_lines_keep_the_file_but_not_its_size(file: DiskFile, time: Time) -> None:
    """It is rewritten when most of it is free, and leaves WAL mode."""
    put(file, 0, 20_000, 30)
    take(file, 20_001, rejected=3)
    large = file.path.stat().st_size
    file.free_space()
    assert file.path.stat().st_size == large
    time.now += LINGER
    file.free_space()
    assert names(file) == {file.path.name}
    assert file.path.stat().st_size < large // 10
    assert file.figures == Figures(20_001, 20_001, 3, None)
    again = file.path.stat().st_mtime_ns
    file.free_space(now=True)
    assert file.path.stat().st_mtime_ns == again
    put(file, 7, 8)
    assert content(file) == lines(7, 8)


def test_a_file_is_not_removed_while_it_is_read(file: DiskFile) -> None:
    """A later call removes it."""
    put(file, 0, 3)
    take(file, 4)
    with closing(disk_format.connect_to_read(file.path, 0.0)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM waiting").fetchall()
        file.free_space(now=True)
        assert file.path.exists()
    with file.guarded():
        assert file.opened()
    file.free_space(now=True)
    assert names(file) == set()


@pytest.mark.parametrize("rows", ["waiting", "rejected", "none"])
def test_a_closed_file_has_no_companions(file: DiskFile, rows: str) -> None:
    """It can be copied; an empty one is removed. The next change opens it again."""
    put(file, 0, 3)
    if rows != "waiting":
        take(file, 4, rejected=rows == "rejected")
    file.close()
    file.close()
    assert names(file) == (set() if rows == "none" else {file.path.name})
    if rows != "none":
        assert file.path.read_bytes()[18:20] == b"\1\1"  # not in WAL mode
    put(file, 3, 4)
    assert content(file) == lines(0 if rows == "waiting" else 3, 4)
