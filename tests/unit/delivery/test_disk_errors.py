"""The fault for each error of SQLite or of the system, and its message."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from bat2influx.delivery import disk_errors
from bat2influx.delivery.disk_errors import (
    DamagedError,
    DiskFailure,
    DiskFault,
    explain,
    fault_of,
)
from tests.support import disk

IOERR_WRITE = sqlite3.SQLITE_IOERR_WRITE
NO_REASON = [sqlite3.SQLITE_IOERR, IOERR_WRITE, sqlite3.SQLITE_CANTOPEN]


def coded(code: int, text: str = "words") -> sqlite3.OperationalError:
    """Return an error as sqlite3 raises it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the file."""
    return tmp_path / "spool.sqlite"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (sqlite3.SQLITE_FULL, DiskFault.FULL),
        (sqlite3.SQLITE_READONLY, DiskFault.READ_ONLY),
        (sqlite3.SQLITE_READONLY_ROLLBACK, DiskFault.READ_ONLY),
        (sqlite3.SQLITE_PERM, DiskFault.READ_ONLY),
        (sqlite3.SQLITE_BUSY, DiskFault.BUSY),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, DiskFault.BUSY),
        (sqlite3.SQLITE_LOCKED, DiskFault.BUSY),
        (sqlite3.SQLITE_PROTOCOL, DiskFault.BUSY),
        (sqlite3.SQLITE_CORRUPT, DiskFault.DAMAGED),
        (sqlite3.SQLITE_CORRUPT_INDEX, DiskFault.DAMAGED),
        (sqlite3.SQLITE_NOTADB, DiskFault.DAMAGED),
        (sqlite3.SQLITE_ERROR, DiskFault.DAMAGED),
        (sqlite3.SQLITE_INTERNAL, DiskFault.DAMAGED),
        (sqlite3.SQLITE_SCHEMA, DiskFault.DAMAGED),
        (sqlite3.SQLITE_FORMAT, DiskFault.DAMAGED),
        (sqlite3.SQLITE_TOOBIG, DiskFault.DAMAGED),
        (sqlite3.SQLITE_MISMATCH, DiskFault.DAMAGED),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, DiskFault.DAMAGED),
        (sqlite3.SQLITE_IOERR_READ, DiskFault.DAMAGED),
        (sqlite3.SQLITE_IOERR_FSYNC, DiskFault.OTHER),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, DiskFault.OTHER),
        (sqlite3.SQLITE_NOMEM, DiskFault.OTHER),
        (sqlite3.SQLITE_INTERRUPT, DiskFault.DAMAGED),  # it would not have come to an end
        (0, DiskFault.DAMAGED),  # sqlite3's own, over text that is none
    ],
)
def test_a_code_of_sqlite_is_a_fault(path: Path, code: int, fault: DiskFault) -> None:
    """An extended code counts as its primary code, unless it is listed itself."""
    assert fault_of(coded(code), path) is fault
    assert explain(coded(code), path).fault is fault


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (errno.ENOSPC, DiskFault.FULL),
        (errno.EDQUOT, DiskFault.FULL),
        (errno.EFBIG, DiskFault.FULL),
        (errno.EROFS, DiskFault.READ_ONLY),
        (errno.EACCES, DiskFault.READ_ONLY),
        (errno.EPERM, DiskFault.READ_ONLY),
        (errno.EIO, DiskFault.OTHER),
        (errno.ENOTDIR, DiskFault.OTHER),
        (None, DiskFault.OTHER),
    ],
)
def test_an_error_of_the_system_is_a_fault(path: Path, code: int | None, fault: DiskFault) -> None:
    """By its errno."""
    error = OSError(code, os.strerror(code)) if code else OSError("no number")
    assert fault_of(error, path) is fault


@pytest.mark.parametrize(
    "error",
    [
        DamagedError("a row has a wrong checksum: 7"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_altered_data_is_damage(path: Path, error: DiskFailure) -> None:
    """Although SQLite accepts it, or reports it with text that cannot be decoded."""
    assert fault_of(error, path) is DiskFault.DAMAGED


def test_an_error_without_a_code_that_is_not_of_the_operation_is_unknown(path: Path) -> None:
    """Nothing is set aside for a possible bug of this program."""
    assert fault_of(sqlite3.ProgrammingError("closed"), path) is DiskFault.OTHER


@pytest.mark.parametrize("code", NO_REASON)
@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (errno.ENOSPC, DiskFault.FULL),
        (errno.EDQUOT, DiskFault.FULL),
        (errno.EROFS, DiskFault.READ_ONLY),
        (errno.EIO, DiskFault.OTHER),  # as SQLite has it: no better than its own words
        (None, DiskFault.OTHER),
    ],
)
def test_without_a_reason_from_sqlite_the_systems_is_determined(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: int | None, fault: DiskFault
) -> None:
    """By a write of the same kind; the message has the system's text."""

    def grow(where: Path) -> None:
        assert where == path
        if reason:
            raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(disk_errors, "_grow_as_sqlite_would", grow)
    found = explain(coded(code, "disk I/O error"), path)
    assert found.fault is fault
    known = fault is not DiskFault.OTHER
    assert (os.strerror(reason or 0) if known else "disk I/O error") in str(found)


def test_a_sufficient_code_needs_no_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable sector is damage, even if the disk is full."""

    def grow(where: Path) -> None:
        raise AssertionError(where)

    monkeypatch.setattr(disk_errors, "_grow_as_sqlite_would", grow)
    for code in (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
        fault_of(coded(code), path)


def test_the_write_for_the_reason_leaves_nothing(path: Path) -> None:
    """It begins at the end of the longest file, in an unnamed file."""
    path.write_bytes(b"x" * 5000)
    path.with_name("spool.sqlite-wal").write_bytes(b"y" * 9000)
    assert fault_of(coded(IOERR_WRITE), path) is DiskFault.OTHER
    with disk.file_limit(8 * 1024 * 1024):
        assert fault_of(coded(IOERR_WRITE), path) is DiskFault.OTHER
    with disk.file_limit(9000):
        found = explain(coded(IOERR_WRITE), path)
    assert (found.fault, os.strerror(errno.EFBIG) in str(found)) == (DiskFault.FULL, True)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}-wal"]


@pytest.mark.parametrize(
    ("read_only", "reason"), [(True, errno.EROFS), (False, errno.EACCES)], ids=["disk", "rights"]
)
def test_a_file_without_write_permission_is_read_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool, reason: int
) -> None:
    """The messages for the disk and for permissions differ."""
    path.touch()
    flag = os.ST_RDONLY if read_only else 0

    class Found:
        f_flag = flag

    monkeypatch.setattr(disk_errors.os, "access", lambda *_: False)
    monkeypatch.setattr(disk_errors.os, "statvfs", lambda _: Found)
    found = explain(coded(sqlite3.SQLITE_CANTOPEN), path)
    assert (found.fault, os.strerror(reason) in str(found)) == (DiskFault.READ_ONLY, True)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            coded(sqlite3.SQLITE_FULL),
            "no space left for {path} (words); free space there, see `df {top}`",
        ),
        (
            OSError(errno.EROFS, "Read-only file system"),
            "cannot write {path} (Read-only file system); the file system must be writable, and"
            " {top} must belong to the user that bat2influx runs as",
        ),
        (
            coded(sqlite3.SQLITE_BUSY),
            "{path} is locked by another program; stop it, see `fuser {path}`",
        ),
        (coded(sqlite3.SQLITE_CORRUPT), "{path} is damaged (words)"),
        (
            OSError(errno.EIO, "Input/output error"),
            "cannot use {path} (Input/output error); see `dmesg` for errors of the disk",
        ),
    ],
)
def test_the_text_names_the_file_the_reason_and_the_remedy(
    path: Path, error: DiskFailure, text: str
) -> None:
    """A reader can act on it."""
    assert str(explain(error, path)).startswith(text.format(path=path, top=path.parent))


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unsupported operand"),
        OverflowError("int too large"),
        MemoryError(),
        ValueError("embedded null"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ZeroDivisionError("by zero"),
        sqlite3.DataError("no code"),
        sqlite3.InterfaceError("no code"),
        DamagedError("a row is missing"),
    ],
)
def test_exceptions_of_damaged_data_are_damage(path: Path, error: DiskFailure) -> None:
    """Whatever Python raises; the text has at least the type of the exception."""
    found = explain(error, path)
    assert found.fault is fault_of(error, path) is DiskFault.DAMAGED
    assert str(found).startswith(f"{path} is damaged ({str(error) or 'MemoryError'}")
    assert isinstance(error, disk_errors.FAILURES)


def test_a_wrong_call_is_no_damage(path: Path) -> None:
    """Such as one on a closed connection: the next call opens it again."""
    assert fault_of(sqlite3.ProgrammingError("closed"), path) is DiskFault.OTHER
