"""Failures of the spool that the model has found, and others, each as it occurred."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partialmethod
from pathlib import Path

import pytest

from bat2influx.delivery import disk_merge, salvage
from bat2influx.delivery.disk_errors import DiskFault
from bat2influx.delivery.disk_queue import DiskQueue, StoredBatch, request_retry
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.delivery.memory_queue import OVERHEAD, Batch, MemoryQueue
from bat2influx.delivery.spool import DISK_RETRY, FRESH, Spool
from bat2influx.influx.outcome import RejectedLine
from tests.support import disk
from tests.support.spool_rows import padding


class Keeper:
    """A spool in a directory, with a settable time."""

    def __init__(self, state: Path, *, room: int = 10_000) -> None:
        self.now = 0.0
        self.state = state
        self.memory = MemoryQueue(room * (len(lines(0, 1)[0]) + OVERHEAD))
        disk_queue = DiskQueue(state, 10**7, lock_timeout=0.0, linger=0.0)
        self.spool = Spool(self.memory, disk_queue, clock=lambda: self.now)
        self.spool.open()

    def take(self) -> Batch | StoredBatch:
        """Return the next batch."""
        batch = self.spool.next_batch(10_000)
        assert batch is not None
        return batch

    def wait(self, seconds: float) -> None:
        """Advance the time."""
        self.now += seconds
        self.spool.flush()

    def in_memory(self) -> list[bytes]:
        """Return the lines in memory."""
        return list(self.memory.oldest(self.memory.end))

    def on_disk(self) -> list[bytes]:
        """Return the lines on disk."""
        with closing(DiskReader(self.state)) as reader:
            return list(reader.lines())

    def rejected(self) -> list[bytes]:
        """Return the rejected lines on disk."""
        with closing(DiskReader(self.state)) as reader:
            return [each.line for each in reader.rejected()]


def lines(first: int, last: int) -> list[bytes]:
    """Return lines with the timestamps first to last - 1."""
    return [b"dc V=1 %04d" % number for number in range(first, last)]


def bad(rejected: list[bytes] | tuple[bytes, ...]) -> list[RejectedLine]:
    """Return lines as rejected."""
    return [RejectedLine(line, "bad") for line in rejected]


@contextmanager
def locked(state: Path, how: str = "IMMEDIATE") -> Iterator[None]:
    """Lock the database by another program."""
    with closing(sqlite3.connect(state / "spool.sqlite", isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield


def test_a_disk_that_fails_at_the_start_is_opened_again(tmp_path: Path) -> None:
    """Lines of an earlier start are sent although nothing new was written to disk."""
    before = Keeper(tmp_path)
    before.spool.append(lines(0, 5))
    before.spool.close()
    with locked(tmp_path, "EXCLUSIVE"):
        keeper = Keeper(tmp_path)
        assert keeper.spool.fault
    keeper.wait(DISK_RETRY)
    assert list(keeper.take().lines) == lines(0, 5)


def test_lines_rejected_last_are_on_disk_at_the_end(tmp_path: Path) -> None:
    """Lines rejected in the last batch outlive the process."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 5))
    keeper.spool.settle(keeper.take(), [], bad(lines(0, 5)))
    keeper.spool.close()
    assert keeper.rejected() == lines(0, 5)


def test_rejected_lines_are_written_without_a_next_batch(tmp_path: Path) -> None:
    """A kill does not lose them while nothing may be sent."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 5))
    keeper.spool.settle(keeper.take(), lines(3, 5), bad(lines(0, 3)))
    keeper.wait(FRESH)
    assert (keeper.rejected(), keeper.on_disk()) == (lines(0, 3), lines(3, 5))


def test_rejected_lines_are_written_at_the_end_after_a_failure_of_the_disk(
    tmp_path: Path,
) -> None:
    """The last attempt does not wait for its time."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 5))
    keeper.wait(FRESH)
    keeper.spool.append(lines(5, 9))
    batch = keeper.take()
    with locked(tmp_path):
        keeper.spool.settle(batch, [], bad(batch.lines))
        keeper.spool.flush(everything=True)
        assert keeper.spool.fault
    keeper.spool.close()
    assert keeper.rejected() == lines(5, 9)


def test_a_request_survives_a_failure_of_the_disk(tmp_path: Path) -> None:
    """The rejected lines are queued again after the lock, without a second request."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 5))
    keeper.spool.settle(keeper.take(), [], bad(lines(0, 5)))
    keeper.spool.next_batch(1)
    request_retry(tmp_path)
    with locked(tmp_path):
        assert keeper.spool.pop_request() == 0
    keeper.wait(DISK_RETRY)
    assert keeper.spool.pop_request() == 5
    assert (keeper.spool.pop_request(), keeper.on_disk()) == (0, lines(0, 5))


def test_lines_dropped_while_they_were_sent_are_in_one_place(tmp_path: Path) -> None:
    """The rest of such a batch is written to disk, and is there only."""
    keeper = Keeper(tmp_path, room=10)
    keeper.spool.append(lines(0, 10))
    batch = keeper.take()
    keeper.spool.append(lines(10, 14))
    keeper.wait(FRESH)
    keeper.spool.settle(batch, batch.lines, [])
    assert (keeper.in_memory(), keeper.on_disk()) == ([], lines(4, 14))
    assert (len(keeper.spool), keeper.spool.dropped) == (10, 4)


def test_lines_dropped_from_a_batch_behind_others_are_counted(tmp_path: Path) -> None:
    """Undecided ones count as dropped, rejected ones as rejected; the batch is sent again."""
    keeper = Keeper(tmp_path, room=10)
    keeper.spool.append(lines(0, 5))
    keeper.wait(FRESH)
    keeper.spool.append(lines(5, 15))
    batch = keeper.take()
    keeper.spool.append(lines(15, 19))
    keeper.wait(FRESH)
    assert keeper.on_disk() == lines(0, 5) + lines(9, 19)
    keeper.spool.settle(batch, lines(5, 7), bad(lines(7, 9)))
    keeper.wait(0.0)
    assert (keeper.spool.dropped, keeper.rejected()) == (2, lines(7, 9))


def test_the_rest_of_a_batch_keeps_its_age(tmp_path: Path) -> None:
    """Undecided lines are written to disk a second after they came."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 5))
    keeper.wait(0.75)
    keeper.spool.append(lines(5, 10))
    keeper.spool.settle(keeper.take(), lines(0, 4), [])
    keeper.wait(0.25)
    assert keeper.on_disk() == lines(0, 4)


def test_stored_lines_keep_their_timestamps_when_sent_again(tmp_path: Path) -> None:
    """A step of the clock does not make the database store an accepted line twice."""
    keeper = Keeper(tmp_path)
    keeper.spool.append(lines(0, 2))
    keeper.wait(FRESH)
    keeper.spool.append(lines(2, 4))
    batch = keeper.take()
    keeper.wait(FRESH)
    keeper.spool.settle(batch, [], [])
    assert keeper.spool.shift(1000) == 2
    assert [int(line.split()[-1]) for line in keeper.on_disk()] == [1000, 1001, 2, 3]


def test_the_rest_of_a_batch_with_dropped_lines_is_right(tmp_path: Path) -> None:
    """Three of ten are stored and three others dropped: their identity counts, not their number."""
    keeper = Keeper(tmp_path, room=10)
    keeper.spool.append(lines(0, 10))
    batch = keeper.take()
    keeper.spool.append(lines(10, 13))
    keeper.wait(FRESH)
    keeper.spool.settle(batch, [*lines(0, 3), *lines(6, 10)], [])
    assert (keeper.in_memory(), keeper.on_disk()) == ([], lines(6, 13))
    assert keeper.spool.dropped == 3


def test_lines_dropped_from_disk_are_not_confused_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undecided lines whose place was dropped are not the stored ones that still have one."""
    monkeypatch.setattr(disk_merge, "LARGE", 0)  # so that no rows are merged
    disk_queue = DiskQueue(tmp_path, 0)
    long = [b"dc V=1%s %04d" % (padding(number, 300), number) for number in range(2000)]
    disk_queue.append(long[:100])
    disk_queue.append(long[100:200])
    batch = disk_queue.next_batch(200)
    assert batch is not None
    end = 200
    while len(disk_queue) == end:
        disk_queue.append(long[end : end + 100])
        end += 100
    assert len(disk_queue) == end - 100  # and it is the first row that went
    disk_queue.settle(batch, batch.lines[:100], [])
    left = disk_queue.next_batch(1000)
    assert left is not None
    assert list(left.lines) == long[:100] + long[200:end]
    assert disk_queue.dropped == 0


@disk.on_a_small_disk
def test_a_disk_that_the_spool_itself_has_filled_can_be_emptied(tmp_path: Path) -> None:
    """Space is reserved for removing lines, so that no other program has to free some."""
    keeper = Keeper(tmp_path / "state")
    number = 0
    while keeper.spool.fault is None:
        made = [b"dc V=1%b %d" % (padding(n, 40), n) for n in range(number, number + 500)]
        keeper.spool.append(made)
        keeper.wait(FRESH)
        number += 500
    assert keeper.spool.on_disk > 15_000
    stored = set()
    for _ in range(200):
        keeper.wait(DISK_RETRY)
        if (batch := keeper.spool.next_batch(5000)) is not None:
            stored |= {*batch.lines}
            keeper.spool.settle(batch, [], [])
    assert (len(stored), len(keeper.spool), keeper.spool.dropped) == (number, 0, 0)


@disk.on_a_small_disk
def test_found_removing_lines_took_the_space_for_the_rest(tmp_path: Path) -> None:
    """A WAL that grows by removing lines is written to the file while there is space."""
    keeper = Keeper(tmp_path / "state")
    number = 0
    for count, length in ((310, 399), (296, 10), (243, 213), (302, 317), (377, 60), (760, 317)):
        made = [b"dc V=1%b %d" % (padding(n, length), n) for n in range(number, number + count)]
        number += count
        keeper.spool.append(made)
        keeper.wait(FRESH)
    while keeper.spool.fault is None and number < 10_000:  # until no more is taken
        made = [b"dc V=1%b %d" % (padding(n, 60), n) for n in range(number, number + 100)]
        number += 100
        keeper.spool.append(made)
        keeper.wait(FRESH)
    stored = set()
    for _ in range(200):
        keeper.wait(DISK_RETRY)
        if (batch := keeper.spool.next_batch(333)) is not None:
            stored |= {*batch.lines}
            keeper.spool.settle(batch, [], [])
    assert (len(stored), len(keeper.spool), keeper.spool.dropped) == (number, 0, 0)


def test_a_keeper_continues_while_a_damaged_file_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fresh lines are sent between the slices; then all is on disk again."""
    state = tmp_path / "state"
    before = Keeper(state)
    before.spool.append(lines(0, 3000))
    before.wait(FRESH)
    before.spool.close()
    path = state / "spool.sqlite"
    disk.change(path, path.read_bytes().rindex(b"PRIMARY KEY, crc") + 2, b"H")
    monkeypatch.setattr(salvage.Salvage, "run", partialmethod(salvage.Salvage.run, 0.0))
    keeper = Keeper(state)
    sent = turns = 0
    while keeper.spool.fault and keeper.spool.fault.fault is DiskFault.SALVAGING:
        keeper.spool.append(lines(5000 + turns, 5001 + turns))
        batch = keeper.spool.next_batch(1)
        assert batch and batch.lines == (lines(5000 + turns, 5001 + turns)[0],)
        keeper.spool.settle(batch, [], [])
        sent, turns = sent + 1, turns + 1
        keeper.wait(DISK_RETRY)
    assert sent > 3
    assert keeper.spool.fault
    assert keeper.spool.fault.fault is DiskFault.DAMAGED
    assert "3000 of its values stay queued" in str(keeper.spool.fault)
    keeper.spool.append(lines(6000, 6001))
    keeper.wait(DISK_RETRY)
    assert keeper.spool.fault is None
    assert keeper.on_disk() == [*lines(0, 3000), *lines(6000, 6001)]
