"""The queue on disk: lines for an unreachable database, and lines that it has rejected.

A line_queue.LineQueue: `next_batch` shows, `settle` removes. The keeper owns it; no other thread or
process changes the file, and other processes read it with disk_reader.py.

Rules. There is no file before the first `append`, and none after the last line has been settled if
none is rejected. A call changes the file in one transaction, which is on disk when the call
returns. A call that raises DiskError has changed nothing and can be repeated. disk_format.py
describes format and recovery, disk_file.py what happens after a fault.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bat2influx.delivery import disk_format, disk_rows
from bat2influx.delivery.disk_errors import DamagedError, DiskError, DiskFault, explain
from bat2influx.delivery.disk_file import DiskFile
from bat2influx.delivery.disk_merge import Merger
from bat2influx.delivery.disk_rows import AROUND, QUEUED, REJECTED, DiskRow, make_room, newest
from bat2influx.influx.lineprotocol import moved

if TYPE_CHECKING:
    from bat2influx.influx.outcome import RejectedLine

LOCK_TIMEOUT = 2.0  # s; how long another program may have the file locked
LINGER = 60.0  # s; how long an empty file stays
SMALLEST = 256 * 1024  # bytes
_LARGEST_WAL = 512 * 1024  # bytes, in addition to the queue
_SHM = 32 * 1024  # bytes
_REQUEST = "retry-rejected"
_IRREGULAR = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # a link; a FIFO, socket or device; a folder


class StoredBatch(NamedTuple):
    """Lines to send together; `first` is the oldest's number, in the file's `generation`."""

    generation: int
    first: int
    lines: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The number of the line that comes after."""
        return self.first + len(self.lines)

    def part(self, start: int, lines: tuple[bytes, ...]) -> StoredBatch:
        """Return the part that begins `start` lines in, and has `lines`."""
        return StoredBatch(self.generation, self.first + start, lines)


class StoredRejection(NamedTuple):
    """A line that the database has rejected, its reason, and the time (ns since 1970, UTC)."""

    line: bytes
    reason: str
    time_ns: int


class DiskQueue:
    """A queue of lines on disk, and its rejected lines.

    Between calls the file with its WAL has at most `max_size` bytes (at least 256 KiB). During a
    call it has in addition what the call writes, until the next call if the disk is full; and while
    another program reads, all that is written in that time. An eighth is for rejected lines. Files
    that were set aside are not counted. At the bound the oldest lines are dropped, in rows of up to
    1,800 lines.
    """

    def __init__(
        self,
        directory: Path,
        max_size: int,
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        linger: float = LINGER,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Touch nothing; `lock_timeout` and `linger` are in s. `open` reads the figures."""
        self.max_size = max(max_size, SMALLEST)
        self._clock = clock
        wal = min(_LARGEST_WAL, self.max_size // 8)
        self._room = self.max_size - 2 * wal - _SHM  # bytes for pages
        self._request = directory / _REQUEST
        self._file = DiskFile(
            directory / disk_format.NAME, wal=wal, lock_timeout=lock_timeout, linger=linger
        )
        self._merger = Merger()
        self._dropped = self._rejected_dropped = 0
        self._sending: StoredBatch | None = None  # the batch that is being sent
        self._dropped_under_way = 0  # lines dropped from it, which may be stored all the same

    def __len__(self) -> int:
        figures = self._file.figures
        return figures.end - figures.first

    @property
    def rejected_count(self) -> int:
        """Number of quarantined lines."""
        return self._file.figures.rejected

    @property
    def dropped(self) -> int:
        """Queued lines dropped since the start: at the bound, or with a lost file."""
        return self._dropped + self.lost

    @property
    def lost(self) -> int:
        """Number of these that were lost with a file; a DiskError has reported them."""
        return self._file.lost

    @property
    def rejected_dropped(self) -> int:
        """Rejected lines dropped since the start: at their bound, or with a lost file."""
        return self._rejected_dropped + self.rejected_lost

    @property
    def rejected_lost(self) -> int:
        """Number of these that were lost with a file; a DiskError has reported them."""
        return self._file.rejected_lost

    @property
    def size(self) -> int:
        """Size of the file in bytes, with its WAL. Raises DiskError."""
        with self._file.guarded():
            return disk_format.total_size(self._file.path)

    def open(self) -> None:
        """Open an existing file; writes only to migrate or repair it. Raises DiskError."""
        with self._file.guarded():
            self._file.opened()

    def append(self, lines: Sequence[bytes]) -> StoredBatch:
        """Take `lines` in as the newest, and return them as a batch.

        Raises DiskError; LineError, a ValueError, for one with a newline.
        """
        if not lines:
            return StoredBatch(self._file.generation, self._file.figures.end, ())
        remaining = newest(lines, self._room // 2)
        packed = disk_rows.pack(remaining)
        size = sum(len(each.stored) for each in packed)
        with self._file.transaction(appending=size + self._merger.size) as db:
            first, end = self._file.figures[:2]
            if len(remaining) < len(lines):  # lines older than the dropped ones are dropped, too
                disk_rows.delete(db, "waiting")
            else:
                self._merger.append(db, self._file.generation, end, packed)
            make_room(db, self._room, packed)
            disk_rows.insert_packed(db, end, packed)
        self._count_dropped(first)
        self._dropped += len(lines) - len(remaining)
        number = self._file.figures.end - len(lines)
        return StoredBatch(self._file.generation, number, tuple(lines))

    @property
    def removed(self) -> tuple[int, int, int]:
        """Generation, 0 and the oldest line's number: the range of lines no longer queued."""
        return self._file.generation, 0, self._file.figures.first

    def is_oldest(self, batch: StoredBatch) -> bool:
        """Return whether no line on disk is older than `batch`, so that it can be settled."""
        same = batch.generation == self._file.generation
        return same and batch.first <= self._file.figures.first

    def reject(self, rejected: Sequence[RejectedLine]) -> None:
        """Quarantine lines that were never appended. Raises DiskError."""
        self.open()
        known = self.rejected_count + len(rejected)
        with self._file.transaction() as db:
            first = self._file.figures.first
            self._insert_rejected(db, rejected)
        self._count_dropped(first)
        self._rejected_dropped += known - self.rejected_count

    def next_batch(self, max_lines: int) -> StoredBatch | None:
        """Return the oldest lines, at most `max_lines`; None without any. Raises DiskError."""
        with self._file.guarded():
            db = self._file.opened()
            if db is None or not len(self):
                self._file.free_space()
                return None
            first = self._file.figures.first
            lines: list[bytes] = []
            with closing(disk_rows.rows(db, QUEUED)) as rows:
                for row in rows:
                    if row.number != first + len(lines):
                        raise DamagedError("a row is missing")
                    lines += row.lines
                    if len(lines) >= max_lines:
                        break
            if len(lines) < min(max_lines, len(self)):
                raise DamagedError("a row is missing at the end")
        self._dropped += self._dropped_under_way
        self._dropped_under_way = 0
        self._sending = StoredBatch(self._file.generation, first, tuple(lines[:max_lines]))
        return self._sending

    def shift(self, generation: int, first: int, end: int, step_ns: int) -> int:
        """Move the timestamps of queued lines, from number `first` to the one before `end`.

        Return how many lines. All their rows are in memory during the call. Raises DiskError.
        """
        self.open()
        if generation != self._file.generation:
            return 0
        oldest, newest_end = self._file.figures[:2]
        if (count := min(end, newest_end) - max(first, oldest)) <= 0:
            return 0
        with self._file.transaction() as db:
            for row in list(disk_rows.rows(db, QUEUED, AROUND, (first, end))):
                lines = [
                    moved(line, step_ns) if first <= number < end else line
                    for number, line in enumerate(row.lines, row.number)
                ]
                disk_rows.replace_row(db, row.number, lines)
        return count

    def settle(
        self, batch: StoredBatch, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]
    ) -> None:
        """End the transaction: of `batch` only the `undecided` lines stay queued, in their place.

        A batch of a file that was replaced in the meantime has no effect: its recovered lines are
        in the new file, and are sent again. Raises DiskError.
        """
        self.open()
        if batch.generation != self._file.generation:
            return
        end = batch.end
        room = max(0, end - max(batch.first, self._file.figures.first))  # some may be dropped
        remaining = undecided[-room:] if room else ()
        if rejected or (*remaining,) != batch.lines[len(batch.lines) - room :]:
            self._replace_oldest(end, remaining, rejected)
        self._dropped += len(undecided) - len(remaining)
        self._dropped_under_way, self._sending = 0, None
        self._file.free_space()

    def retry_rejected(self) -> int:
        """Queue the rejected lines again, as the newest, oldest first; return their number.

        Raises DiskError.
        """
        self.open()
        if not (count := self.rejected_count):
            return 0
        with self._file.transaction() as db:
            first, end = self._file.figures[:2]
            while rows := list(disk_rows.rows(db, REJECTED, "ORDER BY number LIMIT 10")):
                for row in rows:
                    disk_rows.insert(db, end, row.lines)
                    end += len(row.lines)
                disk_rows.delete(db, "rejected", "WHERE number <= ?", (rows[-1].number,))
            make_room(db, self._room)
        self._count_dropped(first)
        return count

    @property
    def retry_requested(self) -> bool:
        """Whether `request_retry` was called since the last `pop_request`."""
        return os.path.lexists(self._request)

    def pop_request(self) -> bool:
        """Return whether `request_retry` was called since the last time. Raises DiskError."""
        try:
            self._request.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise explain(error, self._request) from error
        return True

    def close(self) -> None:
        """Close the file, or remove an empty one; the next call opens it again."""
        self._file.close()

    def _replace_oldest(
        self, end: int, remaining: Sequence[bytes], rejected: Sequence[RejectedLine]
    ) -> None:
        """Replace all lines before `end` by `remaining`."""
        known = self.rejected_count + len(rejected)
        with self._file.transaction() as db:
            first = max(self._file.figures.first, end - len(remaining))
            last = disk_rows.row(db, QUEUED, "WHERE number < ? ORDER BY number DESC", (end,))
            disk_rows.delete(db, "waiting", "WHERE number < ?", (end,))
            if last and last.end > end:
                disk_rows.insert(db, end, last.lines[end - last.number :])
            disk_rows.insert(db, end - len(remaining), remaining)
            if rejected:
                self._insert_rejected(db, rejected)
        self._dropped += self._file.figures.first - first
        self._rejected_dropped += known - self.rejected_count

    def _insert_rejected(self, db: sqlite3.Connection, rejected: Sequence[RejectedLine]) -> None:
        reasons: dict[bytes, list[bytes]] = {}
        for each in rejected:
            reasons.setdefault(each.reason.encode("utf-8", "replace"), []).append(each.line)
        now = self._clock()
        for reason, lines in reasons.items():
            disk_rows.insert_rejected(db, lines, reason, now)
        disk_rows.drop_rejected(db, self.max_size // 8)
        make_room(db, self._room)

    def _count_dropped(self, first: int) -> None:
        """Count lines dropped from `first` on; those being sent may still be stored."""
        now, batch = self._file.figures.first, self._sending
        under_way = 0
        if batch is not None and batch.generation == self._file.generation:
            under_way = max(0, min(now, batch.end) - first)
        self._dropped_under_way += under_way
        self._dropped += now - first - under_way


def request_retry(directory: Path) -> None:
    """Request `retry_rejected` from the keeper, from another process. Raises DiskError.

    Root must call it as the directory's owner (ownership.py). It creates a file if there is none,
    and follows no symbolic link.
    """
    path = directory / _REQUEST
    flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _IRREGULAR:
            text = f"{path} is not a regular file; remove it"
            raise DiskError(DiskFault.OTHER, text) from error
        raise explain(error, path) from error


def rejected_of(row: DiskRow) -> list[StoredRejection]:
    """Return the rejected lines of a row."""
    reason = row.reason.decode("utf-8", "replace")
    return [StoredRejection(line, reason, row.time) for line in row.lines]
