"""The conformance suite of the queues: the same tests and model, in memory and on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.delivery.line_queue import LineQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.influx.outcome import RejectedLine
from tests.support.spool_rows import padding
from tests.unit.delivery.queue_model import QueueAccount

ROOM = 300_000  # bytes; for some thousand lines, in memory and on disk


class Made(NamedTuple):
    """A queue, and a function that returns its rejected lines."""

    queue: LineQueue[Any]
    rejected: Callable[[], list[tuple[bytes, str]]]


def in_memory(_directory: Path, max_size: int) -> Made:
    """Return a queue in memory."""
    queue = MemoryQueue(max_size)
    return Made(queue, lambda: [(each.line, each.reason) for each in queue.rejected])


def on_disk(directory: Path, max_size: int) -> Made:
    """Return a queue on disk."""

    def rejected() -> list[tuple[bytes, str]]:
        with closing(DiskReader(directory)) as reader:
            return [(each.line, each.reason) for each in reader.rejected()]

    return Made(DiskQueue(directory, max_size, lock_timeout=0.0, linger=0.0), rejected)


@pytest.fixture(params=[in_memory, on_disk], ids=["memory", "disk"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Each kind of queue."""
    new: Made = request.param(tmp_path, ROOM)
    return new


def lines(first: int, last: int) -> list[bytes]:
    """Return lines with the timestamps first to last - 1."""
    return [b"dc V=1.0%b %d" % (padding(n, 8), n) for n in range(first, last)]


def bad(rejected: list[bytes], reason: str = "bad") -> list[RejectedLine]:
    """Return lines as rejected."""
    return [RejectedLine(line, reason) for line in rejected]


def batch_of(queue: LineQueue[Any], most: int = 10**6) -> Any:
    """Return the next batch."""
    batch = queue.next_batch(most)
    assert batch is not None
    return batch


def test_an_empty_queue_has_no_lines(made: Made) -> None:
    """There is no batch, and every figure is 0; appending nothing changes nothing."""
    queue = made.queue
    queue.append([])
    assert queue.next_batch(10) is None
    found = len(queue), queue.size, queue.dropped, queue.rejected_count, queue.rejected_dropped
    assert found == (0, 0, 0, 0, 0)


def test_a_batch_is_shown_and_not_removed(made: Made) -> None:
    """The same batch is shown until it is settled, with no more lines than requested."""
    made.queue.append(lines(0, 500))
    assert made.queue.next_batch(3) == made.queue.next_batch(3)
    assert batch_of(made.queue, 3).lines == tuple(lines(0, 3))
    assert len(batch_of(made.queue, 333).lines) == 333
    assert len(made.queue) == 500


@pytest.mark.parametrize("size", [1, 7, 9, 10, 200, 450, 1000])
def test_batches_of_any_size_drain_it(made: Made, size: int) -> None:
    """Each line comes once, in order, wherever batches end; numbers continue."""
    made.queue.append(lines(0, 9))
    made.queue.append(lines(9, 470))
    brought: list[bytes] = []
    end = batch_of(made.queue, 1).first
    while batch := made.queue.next_batch(size):
        assert (batch.first, batch.end - batch.first) == (end, len(batch.lines))
        end = batch.end
        made.queue.settle(batch, [], [])
        brought += batch.lines
        assert len(made.queue) == 470 - len(brought)
    assert brought == lines(0, 470)


def test_undecided_lines_keep_their_place(made: Made) -> None:
    """Lines to send again come before later ones, in their order."""
    queue = made.queue
    queue.append(lines(0, 5))
    batch = batch_of(queue, 4)
    queue.append(lines(5, 7))
    queue.settle(batch, [batch.lines[1], batch.lines[3]], bad([batch.lines[2]]))
    assert [*batch_of(queue).lines] == [*lines(1, 2), *lines(3, 7)]
    assert made.rejected() == [(*lines(2, 3), "bad")]


def test_the_oldest_are_dropped_at_the_bound(made: Made) -> None:
    """They are counted, and most of the space is used."""
    queue = made.queue
    for number in range(0, 30_000, 100):
        queue.append(lines(number, number + 100))
        assert queue.size <= queue.max_size
    waiting = [*batch_of(queue).lines]
    assert waiting == lines(30_000 - len(waiting), 30_000)
    assert queue.dropped == 30_000 - len(waiting)
    assert len(waiting) > 2000


@pytest.mark.parametrize("stored", [True, False])
def test_a_line_dropped_while_it_is_sent_is_lost_only_if_sending_fails(
    made: Made, stored: bool
) -> None:
    """It is counted as dropped once, or not at all if it is stored."""
    queue = made.queue
    queue.append(lines(0, 50))
    batch = batch_of(queue)
    queue.append(lines(50, 10_000))
    gone = 10_000 - len(queue)
    assert gone > 50
    assert queue.dropped == gone - 50
    queue.settle(batch, [] if stored else batch.lines, [])
    assert queue.dropped == gone - (50 if stored else 0)
    assert [*batch_of(queue).lines] == lines(gone, 10_000)


@pytest.mark.parametrize("way", ["settle", "reject"])
def test_rejected_lines_have_a_separate_bound_and_count(made: Made, way: str) -> None:
    """The oldest of them are dropped, too, but no queued line is."""
    queue = made.queue
    queue.append(lines(0, 500))
    for number in range(500, 20_500, 500):
        more = lines(number, number + 500)
        if way == "reject":
            queue.reject(bad(more))
        else:
            queue.append(more)
            batch = batch_of(queue)
            queue.settle(batch, batch.lines[:500], bad([*batch.lines[500:]]))
    kept = made.rejected()
    assert kept == [(line, "bad") for line in lines(20_500 - len(kept), 20_500)]
    assert queue.rejected_count == len(kept) >= 1000
    assert queue.rejected_dropped == 20_000 - len(kept) > 0
    assert (len(queue), queue.dropped) == (500, 0)


def test_timestamps_are_corrected_when_the_clock_is_set(made: Made) -> None:
    """In a range of numbers; none of another generation, and none without a timestamp."""
    queue = made.queue
    queue.append(lines(100, 110))
    batch = batch_of(queue)
    queue.settle(batch, batch.lines, [])
    generation, first, end = batch.generation, batch.first, batch.end
    assert queue.shift(generation, first + 2, first + 5, 1000) == 3
    assert queue.shift(generation + 1, first, end, 1000) == 0
    assert queue.shift(generation, end, end + 5, 1000) == 0
    assert queue.shift(generation, first - 5, first + 1, 10**6) == 1
    assert [int(line.split()[-1]) for line in batch_of(queue).lines] == [
        1_000_100,
        101,
        1102,
        1103,
        1104,
        *range(105, 110),
    ]


class InMemory(QueueAccount):
    """A queue in memory, with little or much space."""

    real: MemoryQueue

    @initialize(max_size=st.sampled_from([1000, 20_000, 10**7]))
    def begin(self, max_size: int) -> None:
        """Create it."""
        self.real = MemoryQueue(max_size)

    def waiting_now(self) -> list[bytes]:
        """Return the queued lines."""
        return [*self.real.oldest(self.real.end)]

    def rejected_now(self) -> list[tuple[bytes, str]]:
        """Return the quarantined lines."""
        return [(each.line, each.reason) for each in self.real.rejected]


class OnDisk(QueueAccount):
    """A queue on disk, with little or much space."""

    real: DiskQueue

    @initialize(max_size=st.sampled_from([0, 400_000, 10**7]))
    def begin(self, max_size: int) -> None:
        """Create it."""
        self.directory = Path(tempfile.mkdtemp(prefix="line-queue-"))
        self.real = DiskQueue(self.directory, max_size, lock_timeout=0.0, linger=1e6)

    def waiting_now(self) -> list[bytes]:
        """Return the queued lines."""
        with closing(DiskReader(self.directory)) as reader:
            return [*reader.lines()]

    def rejected_now(self) -> list[tuple[bytes, str]]:
        """Return the quarantined lines."""
        with closing(DiskReader(self.directory)) as reader:
            return [(each.line, each.reason) for each in reader.rejected()]

    def kept_order(self, rejected: Any) -> list[RejectedLine]:
        """Return lines in the order in which they are kept: by their reasons."""
        reasons = dict.fromkeys(each.reason for each in rejected)
        return [each for reason in reasons for each in rejected if each.reason == reason]

    def teardown(self) -> None:
        """Remove its files at the end."""
        try:
            super().teardown()
        finally:
            if hasattr(self, "real"):
                self.real.close()
                shutil.rmtree(self.directory)


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOnDisk = OnDisk.TestCase
TestOnDisk.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
