"""What the disk does to the queue on it, by its name and in words for people.

SQLite says "disk I/O error" for a quota, a limit and a dying disk alike and does not hand on the
system's own reason. So where the reason counts it is asked for by a write of the same kind, to a
file without a name, which leaves nothing behind.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum
from pathlib import Path


class DiskFault(Enum):
    """What keeps the disk queue from working. Each passes, by itself or by what a person does."""

    FULL = "full"  # the disk, or a quota or limit on it
    READ_ONLY = "read-only"  # the file system, or no right to write
    BUSY = "busy"  # locked by another program
    DAMAGED = "damaged"  # it has been set aside; the next call finds a good file
    SAVING = "saving"  # it is damaged, and what can be read of it is being saved
    LOOKING = "looking"  # at a WAL of many times its usual size, before it is opened
    NEWER = "newer"  # as DAMAGED, with a file that a later version has written
    OTHER = "other"


class DiskError(Exception):
    """A call that came to nothing; it can be made again. The text names the file and what to do."""

    def __init__(self, fault: DiskFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class DamagedError(sqlite3.DatabaseError):
    """What was read is not what was written, though SQLite is content."""


class LineError(ValueError):
    """A line that cannot be kept, which is its caller's fault and not the file's."""


# What a call to SQLite can raise. Over a damaged file that is more than its own errors: it puts
# names out of the file into texts, and has no number where there was one.
FAILURES = (sqlite3.Error, OSError, ArithmeticError, MemoryError, TypeError, ValueError)
DiskFailure = sqlite3.Error | OSError | ArithmeticError | MemoryError | TypeError | ValueError

_ROOM = 4 * 1024 * 1024  # bytes; as much as SQLite may have wanted
_BY_CODE = {
    sqlite3.SQLITE_FULL: DiskFault.FULL,
    sqlite3.SQLITE_READONLY: DiskFault.READ_ONLY,
    sqlite3.SQLITE_PERM: DiskFault.READ_ONLY,
    sqlite3.SQLITE_BUSY: DiskFault.BUSY,
    sqlite3.SQLITE_LOCKED: DiskFault.BUSY,
    sqlite3.SQLITE_PROTOCOL: DiskFault.BUSY,
    sqlite3.SQLITE_CORRUPT: DiskFault.DAMAGED,
    sqlite3.SQLITE_NOTADB: DiskFault.DAMAGED,
    # What is asked of it is right: so its tables are not, or a length, a type or a number is not.
    sqlite3.SQLITE_ERROR: DiskFault.DAMAGED,
    sqlite3.SQLITE_INTERNAL: DiskFault.DAMAGED,
    sqlite3.SQLITE_SCHEMA: DiskFault.DAMAGED,
    sqlite3.SQLITE_FORMAT: DiskFault.DAMAGED,
    sqlite3.SQLITE_TOOBIG: DiskFault.DAMAGED,
    sqlite3.SQLITE_MISMATCH: DiskFault.DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: DiskFault.DAMAGED,
    # It takes more steps than a good file of that size can (disk_format.limit).
    sqlite3.SQLITE_INTERRUPT: DiskFault.DAMAGED,
    # A sector that cannot be read any more; what is around it can.
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
    """Return the fault behind an error that was met with at the file `path`."""
    return _fault(error, _reason(error, path))


def explain(error: DiskFailure, path: Path) -> DiskError:
    """Return the error to raise for one that was met with at the file `path`."""
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
        # sqlite3's own: what should be bytes says that it is text, and is not
        return DiskFault.DAMAGED
    return _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF, DiskFault.OTHER)


def _reason(error: DiskFailure, path: Path) -> OSError | None:
    """Return the system's reason for an error, where it is known or can be had."""
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
    # Not by opening it: closing it again would take from SQLite its locks on it (fcntl(2)).
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
