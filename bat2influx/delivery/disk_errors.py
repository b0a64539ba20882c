"""Failures of the disk queue, as an enum and with messages for users.

SQLite reports "disk I/O error" for a quota, a limit and a failing disk alike, without the system's
own reason. Where the reason matters, a write of the same kind to an unnamed temporary file
determines it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum
from pathlib import Path


class DiskFault(Enum):
    """Why the disk queue does not work. Each fault can end, by itself or by a person's action."""

    FULL = "full"  # the disk, or a quota or limit on it
    READ_ONLY = "read-only"  # the file system, or no right to write
    BUSY = "busy"  # locked by another program
    DAMAGED = "damaged"  # the file was set aside; the next call finds a good one
    SALVAGING = "saving"  # the file is damaged, and its readable lines are being recovered
    CHECKING = "looking"  # a WAL of many times its usual size is checked before it is opened
    NEWER = "newer"  # as DAMAGED, with a file of a later version
    OTHER = "other"


class DiskError(Exception):
    """A call that failed and can be repeated. The text names the file and what to do."""

    def __init__(self, fault: DiskFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class DamagedError(sqlite3.DatabaseError):
    """The data differs from what was written, although SQLite reports no error."""


class LineError(ValueError):
    """A line that cannot be stored: an error of the caller, not of the file."""


# Exceptions that a call to SQLite can raise. With a damaged file these are more than its own: names
# from the file get into texts, and values lack the expected type.
FAILURES = (sqlite3.Error, OSError, ArithmeticError, MemoryError, TypeError, ValueError)
DiskFailure = sqlite3.Error | OSError | ArithmeticError | MemoryError | TypeError | ValueError

_ROOM = 4 * 1024 * 1024  # bytes; as many as SQLite may have tried to allocate
_BY_CODE = {
    sqlite3.SQLITE_FULL: DiskFault.FULL,
    sqlite3.SQLITE_READONLY: DiskFault.READ_ONLY,
    sqlite3.SQLITE_PERM: DiskFault.READ_ONLY,
    sqlite3.SQLITE_BUSY: DiskFault.BUSY,
    sqlite3.SQLITE_LOCKED: DiskFault.BUSY,
    sqlite3.SQLITE_PROTOCOL: DiskFault.BUSY,
    sqlite3.SQLITE_CORRUPT: DiskFault.DAMAGED,
    sqlite3.SQLITE_NOTADB: DiskFault.DAMAGED,
    # The statements are correct: so the tables, a length, a type or a number in the file is not.
    sqlite3.SQLITE_ERROR: DiskFault.DAMAGED,
    sqlite3.SQLITE_INTERNAL: DiskFault.DAMAGED,
    sqlite3.SQLITE_SCHEMA: DiskFault.DAMAGED,
    sqlite3.SQLITE_FORMAT: DiskFault.DAMAGED,
    sqlite3.SQLITE_TOOBIG: DiskFault.DAMAGED,
    sqlite3.SQLITE_MISMATCH: DiskFault.DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: DiskFault.DAMAGED,
    # More steps than an intact file of that size can need (disk_format.limit).
    sqlite3.SQLITE_INTERRUPT: DiskFault.DAMAGED,
    # An unreadable sector; the sectors around it are readable.
    sqlite3.SQLITE_IOERR_READ: DiskFault.DAMAGED,
}
_BY_ERRNO = {
    errno.ENOSPC: DiskFault.FULL,
    errno.EDQUOT: DiskFault.FULL,
    errno.EFBIG: DiskFault.FULL,
    errno.EROFS: DiskFault.READ_ONLY,
    errno.EACCES: DiskFault.READ_ONLY,
    errno.EPERM: DiskFault.READ_ONLY,
}


def fault_of(error: DiskFailure, path: Path) -> DiskFault:
    """Return the fault behind an error with the file `path`."""
    return _fault(error, _reason(error, path))


def explain(error: DiskFailure, path: Path) -> DiskError:
    """Return the DiskError to raise for an error with the file `path`."""
    reason = _reason(error, path)
    fault = _fault(error, reason)
    why = reason.strerror if reason else str(error) or type(error).__name__
    match fault:
        case DiskFault.FULL:
            text = f"no space left for {path} ({why}); free space there, see `df {path.parent}`"
        case DiskFault.READ_ONLY:
            text = (
                f"cannot write {path} ({why}); the file system must be writable, and"
                f" {path.parent} must belong to the user that bat2influx runs as"
            )
        case DiskFault.BUSY:
            text = f"{path} is locked by another program; stop it, see `fuser {path}`"
        case DiskFault.DAMAGED:
            text = f"{path} is damaged ({why})"
        case _:
            text = f"cannot use {path} ({why}); see `dmesg` for errors of the disk"
    return DiskError(fault, text)


def _fault(error: DiskFailure, reason: OSError | None) -> DiskFault:
    if isinstance(error, DamagedError) or not isinstance(error, sqlite3.Error | OSError):
        return DiskFault.DAMAGED
    if reason is not None:
        return _BY_ERRNO.get(reason.errno or 0, DiskFault.OTHER)
    code = _code(error)
    if not code and not isinstance(error, sqlite3.ProgrammingError):
        # raised by the module sqlite3: bytes are marked as text, and are not valid text
        return DiskFault.DAMAGED
    return _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF, DiskFault.OTHER)


def _reason(error: DiskFailure, path: Path) -> OSError | None:
    """Return the system's reason for an error, None if it cannot be determined."""
    if isinstance(error, OSError):
        return error
    code = _code(error)
    if code in _BY_CODE or code & 0xFF not in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return None
    try:
        _grow_as_sqlite_would(path)
    except OSError as found:
        return found if found.errno in _BY_ERRNO else None
    return None


def _grow_as_sqlite_would(path: Path) -> None:
    # Without opening the file: closing it would release SQLite's locks on it (fcntl(2)).
    if path.exists() and not os.access(path, os.W_OK):
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        code = errno.EROFS if read_only else errno.EACCES
        raise OSError(code, os.strerror(code))
    end = max((each.stat().st_size for each in path.parent.glob(f"{path.name}*")), default=0)
    file = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, end, _ROOM)
    finally:
        os.close(file)


def _code(error: BaseException) -> int:
    code = getattr(error, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0
