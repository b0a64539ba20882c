"""The check before SQLite opens the file: header, WAL, and format."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery import disk_check, disk_format, disk_rows
from bat2influx.delivery.disk_check import check_file
from bat2influx.delivery.disk_errors import DamagedError
from bat2influx.delivery.disk_format import NewerError
from bat2influx.delivery.disk_rows import QUEUED
from tests.support import disk
from tests.unit.delivery.test_disk_queue import lines

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the file."""
    return tmp_path / "state" / "spool.sqlite"


def opened(path: Path, lock_timeout: float) -> sqlite3.Connection:
    """Check the file, and open it."""
    for _ in check_file(path):
        pass
    return disk_format.connect(path, lock_timeout)


@pytest.mark.parametrize(
    ("at", "byte", "why"),
    [
        (18, 3, "an unknown journal mode"),
        (20, 1, "altered"),
        (31, 9, "3 pages, but 9 by its header"),
        (39, 7, "more free pages than pages"),
    ],
)
def test_a_header_is_checked_before_sqlite_trusts_it(
    path: Path, at: int, byte: int, why: str
) -> None:
    """SQLite would otherwise overwrite rows."""
    disk_format.create(path).close()
    disk.change(path, at, bytes([byte]))
    before = path.read_bytes()
    with pytest.raises(DamagedError, match=why):
        opened(path, 0.0)
    assert path.read_bytes() == before


def in_wal(path: Path, length: int = 0) -> Path:
    """Write six commits to the WAL, as a kill leaves them, and return a copy of the files."""
    copy = path.parent.parent / "copy"
    with closing(disk_format.create(path, wal=True)) as db:
        for number in range(6):
            disk_rows.insert(db, number + 1, lines(number, number + 1, length))
        disk.copy_as_after_a_power_cut(path.parent, copy)
    return copy / path.name


def test_the_header_of_a_file_with_a_wal_is_that_in_the_wal(path: Path) -> None:
    """A power cut may interrupt the write of the file's own header."""
    for length, right in ((0, False), (9000, True)):  # where pages were added, it is there
        copy = in_wal(path, length)
        disk.change(copy, 31, b"\1")
        if right:
            opened(copy, 0.0).close()
        else:
            with pytest.raises(DamagedError, match="3 pages, but 1 by its header"):
                opened(copy, 0.0)
        shutil.rmtree(copy.parent)
        path.unlink()


def test_a_wal_that_sqlite_would_cut_off_is_damage(path: Path) -> None:
    """SQLite would drop the commits after the damage; a torn end is no damage."""
    copy = in_wal(path)
    wal = disk_format.companion(copy, "-wal")
    before = wal.read_bytes()
    disk.change(wal, 32 + 4120 + 3000, b"x")
    with pytest.raises(DamagedError, match="a part of its WAL"):
        opened(copy, 0.0)
    assert len(wal.read_bytes()) == len(before)
    wal.write_bytes(before[:-3000])
    with closing(opened(copy, 0.0)) as db:
        assert [row.number for row in disk_rows.rows(db, QUEUED)] == [1, 2, 3, 4, 5]


def test_found_a_large_wal_was_left_to_sqlite(path: Path) -> None:
    """Damage in it lost all later commits without a report; each frame is a step now."""
    copy = path.parent.parent / "copy"
    with closing(disk_format.create(path, wal=True)) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for number in range(40):
            disk_rows.insert(db, 1 + 90 * number, lines(90 * number, 90 * number + 90, 12_000))
        disk.copy_as_after_a_power_cut(path.parent, copy)
    wal = disk_format.companion(copy / path.name, "-wal")
    assert wal.stat().st_size > 32 * 1024 * 1024
    with wal.open("r+b") as file:
        file.seek(16 * 1024 * 1024)
        file.write(b"x" * 512)
    steps = check_file(copy / path.name)
    count = 0
    with pytest.raises(DamagedError, match="a part of its WAL"):
        for _ in steps:
            count += 1
    assert count >= wal.stat().st_size // 4120


def test_an_aborted_check_leaves_no_file_open(path: Path) -> None:
    """Closing a file later would release SQLite's locks."""
    steps = check_file(in_wal(path))
    before = len([*OPEN_FILES.iterdir()])
    next(steps)
    assert len([*OPEN_FILES.iterdir()]) == before + 1
    steps.close()
    assert len([*OPEN_FILES.iterdir()]) == before


def test_an_unreadable_sector_is_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sectors around it are readable; any other error is the system's."""
    disk_format.create(path).close()
    for code, expected in ((errno.EIO, DamagedError), (errno.EACCES, PermissionError)):

        def fail(_: Path, code: int = code) -> bytes:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(disk_check, "first_page", fail)
        with pytest.raises(expected):
            opened(path, 0.0)


def test_a_newer_format_is_detected_before_sqlite_opens_it(path: Path) -> None:
    """By the newest header, which may be in the WAL only."""
    path.parent.mkdir(parents=True)
    copy = path.parent.parent / "copy"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("CREATE TABLE future (a)")
        db.execute("PRAGMA user_version = 7")
        disk.copy_as_after_a_power_cut(path.parent, copy)
    with pytest.raises(NewerError) as raised:
        [*check_file(copy / path.name)]
    assert raised.value.version == 7


@pytest.mark.parametrize("opening", [opened, disk_format.connect_to_read])
def test_an_empty_file_with_a_wal_is_damage(
    path: Path, opening: Callable[[Path, float], sqlite3.Connection]
) -> None:
    """SQLite would remove the WAL, even in read-only mode."""
    copy = in_wal(path)
    os.truncate(copy, 0)
    assert disk_format.is_there(copy)
    with pytest.raises(DamagedError, match="it is empty, and its WAL is not"):
        opening(copy, 0.0)
    assert disk_format.companion(copy, "-wal").exists()
