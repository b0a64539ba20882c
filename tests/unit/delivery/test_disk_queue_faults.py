"""The disk queue with a full, read-only or locked disk, and after a kill."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_reader import DiskReader
from tests import TOP
from tests.support import disk
from tests.support.daemon import wait
from tests.support.process import Process
from tests.unit.delivery.test_disk_queue import (
    all_of,
    batch_of,
    fault_of,
    lines,
    queue_in,
    reject,
)

# Full


@pytest.mark.parametrize("began", [True, False])
@disk.on_a_small_disk
def test_a_full_disk_accepts_nothing_and_loses_nothing(tmp_path: Path, began: bool) -> None:
    """An append fails as a whole, old lines are readable, and the queue recovers."""
    queue = queue_in(tmp_path / "state")
    waiting = lines(0, 9) if began else []
    queue.append(waiting)
    disk.fill(tmp_path)
    refused = 0
    for _ in range(300):  # the room that its files have may do for a while
        more = lines(len(waiting), len(waiting) + 9)
        try:
            queue.append(more)
            waiting += more
        except DiskError as error:
            assert (error.fault, "no space left" in str(error)) == (DiskFault.FULL, True)
            refused += 1
            assert len(queue) == len(waiting)
    assert refused
    assert all_of(queue) == waiting
    disk.empty(tmp_path)
    queue.append(lines(len(waiting), len(waiting) + 9))
    waiting = lines(0, len(waiting) + 9)
    assert all_of(queue) == waiting
    queue.close()
    assert all_of(queue_in(tmp_path / "state")) == waiting


@disk.on_a_small_disk
def test_a_disk_may_become_full_within_a_large_change(tmp_path: Path) -> None:
    """A change whose first half fits is undone, and takes no space."""
    queue = queue_in(tmp_path, 10**8)
    queue.append(lines(0, 20_000))
    reject(queue, 10_000)
    for _ in range(3):
        error = fault_of(lambda: queue.append(lines(20_000, 60_000, 60)))
        assert error.fault is DiskFault.FULL
        assert (len(queue), queue.rejected_count) == (10_000, 10_000)
    batch = batch_of(queue, 5000)
    queue.settle(batch, batch.lines[4000:], [])
    assert queue.retry_rejected() == 10_000
    assert all_of(queue) == [*lines(14_000, 20_000), *lines(0, 10_000)]


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    """SQLite reports "disk I/O error" for a limit or a quota; the message has the reason."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    with disk.file_limit(queue.size // 2):
        error = fault_of(lambda: queue.append(lines(9, 5000, 60)))
        assert (error.fault, "File too large" in str(error)) == (DiskFault.FULL, True)
        assert str(tmp_path / "spool.sqlite") in str(error)
        assert all_of(queue) == lines(0, 9)
    queue.append(lines(9, 5000, 60))
    assert all_of(queue) == [*lines(0, 9), *lines(9, 5000, 60)]


def test_a_first_line_may_not_fit(tmp_path: Path) -> None:
    """A file that could not be created is created when there is space."""
    queue = queue_in(tmp_path)
    with disk.file_limit(100):
        for _ in range(2):
            assert fault_of(lambda: queue.append(lines(0, 9))).fault is DiskFault.FULL
    assert len(queue) == 0
    queue.append(lines(0, 9))
    assert all_of(queue_in(tmp_path)) == lines(0, 9)


# Read-only


@pytest.mark.parametrize("left", ["nothing", "closed", "killed"])
@disk.on_a_small_disk
def test_a_read_only_disk_is_named(tmp_path: Path, left: str) -> None:
    """An append fails with that reason, and works once the disk is writable."""
    waiting = lines(0, 50) if left != "nothing" else []
    if waiting:
        queue = queue_in(tmp_path / "before")
        queue.append(waiting)
        if left == "killed":
            disk.copy_as_after_a_power_cut(tmp_path / "before", tmp_path / "state")
        queue.close()
        if left == "closed":
            (tmp_path / "before").rename(tmp_path / "state")
    disk.set_read_only(tmp_path, True)
    queue = queue_in(tmp_path / "state")
    for _ in range(2):
        error = fault_of(lambda: queue.append(lines(50, 51)))
        assert (error.fault, "must be writable" in str(error)) == (DiskFault.READ_ONLY, True)
    if left == "closed":
        batch = batch_of(queue)
        assert list(batch.lines) == waiting
        assert fault_of(lambda: queue.settle(batch, [], [])).fault is DiskFault.READ_ONLY
        assert len(queue) == len(waiting)
    disk.set_read_only(tmp_path, False)
    queue.append(lines(50, 51))
    assert all_of(queue) == [*waiting, *lines(50, 51)]


@disk.on_a_small_disk
def test_a_request_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    """On a read-only disk a request stays, and does not count as done."""
    queue = queue_in(tmp_path)
    (tmp_path / "retry-rejected").touch()
    disk.set_read_only(tmp_path, True)
    assert fault_of(queue.pop_request).fault is DiskFault.READ_ONLY
    disk.set_read_only(tmp_path, False)
    assert queue.pop_request()


# Busy


def test_a_lock_of_another_program_is_named(tmp_path: Path) -> None:
    """While another program writes to the file a call fails; afterwards it works."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    other = sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    batch = batch_of(queue)
    for call in (lambda: queue.append(lines(9, 10)), lambda: queue.settle(batch, [], [])):
        error = fault_of(call)
        assert (error.fault, "another program" in str(error)) == (DiskFault.BUSY, True)
    other.execute("ROLLBACK")
    other.close()
    queue.append(lines(9, 10))
    queue.settle(batch, [], [])
    assert all_of(queue) == lines(9, 10)


def test_a_file_that_is_locked_when_it_is_opened_is_left_alone(tmp_path: Path) -> None:
    """Another program's exclusive lock is no damage."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    queue.close()
    other = sqlite3.connect(tmp_path / "spool.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    again = queue_in(tmp_path)
    assert fault_of(again.open).fault is DiskFault.BUSY
    assert fault_of(lambda: DiskReader(tmp_path, lock_timeout=0.0)).fault is DiskFault.BUSY
    other.close()
    again.open()
    assert all_of(again) == lines(0, 9)


# Gone


def test_a_removed_file_is_reported(tmp_path: Path) -> None:
    """With its number of lines, which count as dropped; a new file is begun."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    batch = batch_of(queue, 3)
    (tmp_path / "spool.sqlite").unlink()
    error = fault_of(lambda: queue.append(lines(9, 10)))
    assert (error.fault, "removed by another program; 9" in str(error)) == (DiskFault.OTHER, True)
    assert (len(queue), queue.dropped) == (0, 9)
    queue.append(lines(9, 10))
    queue.settle(batch, [], [])
    assert all_of(queue) == all_of(queue_in(tmp_path)) == lines(9, 10)


# In the middle


class _LostAnswer:
    """A connection that commits and reports a failure, which no disk does on request."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def close(self) -> None:
        """Leave it open, like a process that is killed."""

    def execute(self, *given: str) -> object:
        """Execute it, and fail at the end of a transaction."""
        done = self._db.execute(*given)
        if given == ("COMMIT",):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return done


def test_lines_of_an_unreported_commit_are_not_stored_twice(tmp_path: Path) -> None:
    """The caller still has the lines of a failed commit, and appends them again."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 5))
    queue._file._db = _LostAnswer(queue._file._db)  # type: ignore[assignment,arg-type]
    assert fault_of(lambda: queue.append(lines(5, 8))).fault is DiskFault.OTHER
    assert len(queue) == 5
    queue.append(lines(5, 9))
    assert all_of(queue) == lines(0, 9)


def test_an_error_of_the_system_has_its_text(tmp_path: Path) -> None:
    """A folder in place of the file is no damage, and is named."""
    (tmp_path / "spool.sqlite").mkdir()
    error = fault_of(lambda: queue_in(tmp_path).append(lines(0, 1)))
    assert error.fault is DiskFault.OTHER
    assert os.strerror(errno.EISDIR) in str(error)
    (tmp_path / "spool.sqlite").rmdir()
    (tmp_path / "file").touch()
    error = fault_of(lambda: queue_in(tmp_path / "file").append(lines(0, 1)))
    assert os.strerror(errno.ENOTDIR) in str(error) or os.strerror(errno.EEXIST) in str(error)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """After SIGKILL at any moment, five times over: each line once, in order, none missing."""
    state, chance = tmp_path / "state", random.Random(5)
    first = last = 0
    for turn in range(5):
        log = tmp_path / f"{turn}.log"
        command = [sys.executable, "-m", "tests.support.disk", "write", str(state), str(last)]
        many = chance.randrange(20, 90)
        with Process("writer", command, log, cwd=TOP) as writer:
            wait("its work", lambda log=log, many=many: log.read_text().count("\n") > many)
            writer.kill()
        told = [each.split() for each in log.read_text().splitlines(keepends=True)[:-1]]
        appended = max(int(number) for what, number in told if what == "append")
        settled = max(int(number) for what, number in told if what == "settle")
        with closing(DiskReader(state)) as reader:
            waiting = [int(line.split()[-1]) for line in reader.lines()]
        queue = queue_in(state)
        assert [int(line.split()[-1]) for line in all_of(queue)] == waiting
        first, last = waiting[0], waiting[-1] + 1
        assert waiting == list(range(first, last))
        assert appended <= last <= appended + 80
        assert settled <= first <= settled + 100
        queue.close()
