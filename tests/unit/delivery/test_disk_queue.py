"""The disk queue: lines on disk in order, settled, bounded and removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bat2influx.delivery import disk_file
from bat2influx.delivery.disk_errors import DiskError
from bat2influx.delivery.disk_queue import DiskQueue, StoredBatch, request_retry
from bat2influx.delivery.disk_reader import DiskReader, Summary
from bat2influx.delivery.disk_rows import ROW_LINES
from bat2influx.influx.outcome import RejectedLine
from tests.support.spool_rows import oldest_in, padding, rejected_in

NOW = 1_700_000_000_000_000_000


def lines(first: int, last: int, length: int = 0) -> list[bytes]:
    """Return lines with the timestamps first to last - 1."""
    return [b"dc V=1.0%s %d" % (padding(n, length), n) for n in range(first, last)]


def queue_in(directory: Path, max_size: int = 10**7, *, linger: float = 0.0) -> DiskQueue:
    """Return a disk queue, whose time does not advance."""
    return DiskQueue(directory, max_size, lock_timeout=0.0, linger=linger, clock=lambda: NOW)


def batch_of(queue: DiskQueue, max_lines: int = 10**6) -> StoredBatch:
    """Return the next batch."""
    batch = queue.next_batch(max_lines)
    assert batch is not None
    return batch


def all_of(queue: DiskQueue) -> list[bytes]:
    """Return the queued lines."""
    batch = queue.next_batch(10**6)
    return list(batch.lines) if batch else []


def reject(queue: DiskQueue, number: int, reason: str = "bad") -> None:
    """Have the database reject the oldest lines."""
    batch = batch_of(queue, number)
    queue.settle(batch, [], [RejectedLine(line, reason) for line in batch.lines])


def fault_of(call: Callable[[], object]) -> DiskError:
    """Return the error of a call."""
    with pytest.raises(DiskError) as caught:
        call()
    return caught.value


def test_nothing_is_on_disk_before_the_first_line(tmp_path: Path) -> None:
    """No call on a queue without lines creates a file or a folder."""
    state = tmp_path / "state"
    queue = queue_in(state)
    queue.open()
    assert (queue.next_batch(10), len(queue), queue.size, oldest_in(queue)) == (None, 0, 0, None)
    assert (rejected_in(queue, 10), queue.retry_rejected(), queue.pop_request()) == ([], 0, False)
    queue.append([])
    queue.close()
    with closing(DiskReader(state)) as reader:
        assert reader.summary() == Summary(0, 0, 0, None)
        assert [*reader.lines(), *reader.rejected()] == []
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The folder has the mode 0700, and each file in it 0600."""
    state = tmp_path / "a" / "state"
    queue = queue_in(state)
    queue.append(lines(0, 3))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"spool.sqlite", "spool.sqlite-wal"} <= set(modes)


@pytest.mark.parametrize("closed", [True, False])
def test_lines_outlive_the_process_in_order(tmp_path: Path, closed: bool) -> None:
    """Lines of small and large batches are present at the next start, oldest first."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    queue.append(lines(9, 3 * ROW_LINES + 5))
    queue.append(lines(3 * ROW_LINES + 5, 7000))
    if closed:
        queue.close()
        assert [path.name for path in tmp_path.iterdir()] == ["spool.sqlite"]
    again = queue_in(tmp_path)
    again.open()
    assert (len(again), oldest_in(again)) == (7000, 0)
    assert all_of(again) == lines(0, 7000)


@pytest.mark.parametrize("size", [1, 7, 9, 10, ROW_LINES, 450])
def test_batches_of_any_size_drain_it(tmp_path: Path, size: int) -> None:
    """Whether a batch ends within a row or with it, each line comes once, in order."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 9))
    queue.append(lines(9, 470))
    brought: list[bytes] = []
    while batch := queue.next_batch(size):
        queue.settle(batch, [], [])
        brought += batch.lines
        assert len(queue) == 470 - len(brought)
        assert oldest_in(queue) == (None if len(brought) == 470 else len(brought))
    assert brought == lines(0, 470)


def test_an_undecided_batch_costs_no_write(tmp_path: Path) -> None:
    """While the database is unreachable, repeated attempts do not touch the disk."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 50))
    kept = [tmp_path / "spool.sqlite", tmp_path / "spool.sqlite-wal"]
    before = [(path.stat().st_mtime_ns, path.stat().st_size) for path in kept]
    for _ in range(3):
        batch = batch_of(queue, 20)
        queue.settle(batch, list(batch.lines), [])
    assert [(path.stat().st_mtime_ns, path.stat().st_size) for path in kept] == before


def test_a_line_with_a_newline_is_an_error(tmp_path: Path) -> None:
    """It would be two lines in its row; nothing is stored."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 1))
    with pytest.raises(ValueError, match="contains a newline"):
        queue.append([b"a\nb"])
    assert all_of(queue) == lines(0, 1)


def test_the_file_is_removed_with_the_last_line(tmp_path: Path) -> None:
    """After the outage nothing is left on disk, and the next one starts again."""
    queue = queue_in(tmp_path)
    for _ in range(3):
        queue.append(lines(0, 5000, 30))
        assert queue.size > 50_000
        queue.settle(batch_of(queue), [], [])
        assert (len(queue), queue.size, list(tmp_path.iterdir())) == (0, 0, [])


def test_an_empty_file_stays_for_a_while(tmp_path: Path) -> None:
    """A database that fails for moments causes no new file every second; closing removes it."""
    queue = queue_in(tmp_path, linger=10**6)
    queue.append(lines(0, 5))
    queue.settle(batch_of(queue), [], [])
    assert queue.next_batch(10) is None
    assert queue.size > 0
    queue.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_removed_by_a_later_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time, the next request for a batch removes the file."""
    now = [1000.0]
    monkeypatch.setattr(disk_file, "time", SimpleNamespace(monotonic=lambda: now[0]))
    queue = queue_in(tmp_path, linger=60.0)
    queue.append(lines(0, 5))
    queue.settle(batch_of(queue), [], [])
    now[0] += 59.0
    assert queue.next_batch(10) is None
    assert queue.size > 0
    now[0] += 1.0
    assert queue.next_batch(10) is None
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_shrinks_to_its_rejected_lines(tmp_path: Path) -> None:
    """After the outage only the rejected lines take space."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 50_000, 30))
    reject(queue, 10)
    assert queue.size > 1_000_000
    queue.settle(batch_of(queue), [], [])
    assert queue.size < 50_000
    assert [each.line for each in rejected_in(queue, 100)] == lines(0, 10, 30)


# The bound


@pytest.mark.parametrize(
    ("size", "at_once"),
    [(300_000, 9), (300_000, 150), (300_000, 4000), (1_000_000, 21), (4_000_000, 3000)],
)
def test_the_oldest_are_dropped_at_the_bound(tmp_path: Path, size: int, at_once: int) -> None:
    """The files never exceed the bound, use most of it, and dropped lines are counted."""
    queue = queue_in(tmp_path, size)
    number = largest = 0
    while number < size // 20:  # more than twice what fits
        queue.append(lines(number, number + at_once, 70))
        number += at_once
        largest = max(largest, queue.size)
        assert queue.size <= size
    queue.close()
    waiting = all_of(queue)
    assert waiting == lines(number - len(waiting), number, 70)
    assert queue.dropped == number - len(waiting) > 0
    assert len(waiting) * 90 > size * 0.3
    assert largest > size * 0.4


def test_lines_that_can_never_fit_are_dropped(tmp_path: Path) -> None:
    """Of more lines at once than fit, the newest are kept."""
    queue = queue_in(tmp_path, 300_000)
    queue.append(lines(0, 20_000))
    waiting = all_of(queue)
    assert waiting == lines(20_000 - len(waiting), 20_000)
    assert (queue.dropped, queue.size <= 300_000) == (20_000 - len(waiting), True)
    queue.append([b"x" * 10**6])
    queue.append([b"y"])
    assert all_of(queue)[-1] == b"y"
    assert queue.size <= 300_000


def test_rejected_lines_have_a_separate_bound(tmp_path: Path) -> None:
    """They take at most an eighth: the oldest are dropped and counted, no queued line is."""
    queue = queue_in(tmp_path, 800_000)
    for number in range(40):
        queue.append(lines(number * 500, number * 500 + 500, 20))
        reject(queue, 500, f"reason {number}")
    kept = rejected_in(queue, 10**6)
    assert queue.rejected_count == len(kept) == 20_000 - queue.rejected_dropped
    assert [each.line for each in kept] == lines(20_000 - len(kept), 20_000, 20)
    assert 2000 < len(kept) < 100_000 // 18
    assert kept[-1].reason == "reason 39"
    queue.append(lines(0, 5000))
    assert (len(queue), queue.dropped) == (5000, 0)
    assert queue.size <= 800_000


# The rejected


def test_the_newest_rejected_are_shown(tmp_path: Path) -> None:
    """A few of many rejected lines are the newest, with reason and time."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 500))
    reject(queue, 300, "first")
    reject(queue, 2, "caf\xe9 \ud800")
    assert queue.rejected_count == 302
    shown = rejected_in(queue, 3)
    assert [each.line for each in shown] == lines(299, 302)
    assert [each.reason for each in shown] == ["first", "caf\xe9 ?", "caf\xe9 ?"]
    assert rejected_in(queue, 0) == []


def test_rejected_lines_are_queued_again_on_request(tmp_path: Path) -> None:
    """They come after queued lines, oldest first, and are no longer rejected."""
    queue = queue_in(tmp_path)
    queue.append(lines(0, 700))
    reject(queue, 300)
    reject(queue, 1, "other")
    under_way = batch_of(queue, 9)
    assert queue.retry_rejected() == 301
    queue.settle(under_way, [], [])
    assert all_of(queue) == [*lines(310, 700), *lines(0, 301)]
    assert (queue.rejected_count, rejected_in(queue, 10), queue.retry_rejected()) == (0, [], 0)


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("target")])
def test_a_request_follows_no_link_and_opens_no_fifo(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    """Found: root created the target of a link; a FIFO would have blocked the command."""
    put(tmp_path / "retry-rejected")
    error = fault_of(lambda: request_retry(tmp_path))
    assert "retry-rejected is not a regular file; remove it" in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["retry-rejected"]


def test_a_request_is_carried_out_once(tmp_path: Path) -> None:
    """A request of another process is removed after it was read."""
    queue = queue_in(tmp_path)
    request_retry(tmp_path)
    request_retry(tmp_path)
    assert [queue.pop_request(), queue.pop_request()] == [True, False]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DiskError, match="absent"):
        request_retry(tmp_path / "absent")
