"""Queued lines and the clock: which timestamps are corrected, and which lines are held back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.clock import Hold
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.own_lines import OwnLines
from bat2influx.delivery.spool import Spool
from bat2influx.influx.lineprotocol import moved
from bat2influx.influx.outcome import RejectedLine
from tests.support import disk
from tests.support.spool_rows import padding

HOUR = 3_600_000_000_000  # ns
MANY = 50_000


def lines(*stamps: int) -> list[bytes]:
    """Return a line for each timestamp."""
    return [b"dc Soc=5.5 %d" % stamp for stamp in stamps]


def stamps(batch: object) -> list[int]:
    """Return the timestamps of a batch, oldest first."""
    return [int(line.rsplit(b" ", 1)[1]) for line in getattr(batch, "lines", ())]


def make(directory: Path, fresh: float) -> Spool:
    """Return an open spool; lines stay in memory for `fresh` s."""
    made = Spool(MemoryQueue(10**8), DiskQueue(directory, 10**8, linger=0.0), fresh=fresh)
    made.open()
    return made


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Spool]:
    """A spool that writes nothing to disk by itself."""
    with closing(make(tmp_path, 1e9)) as made:
        yield made


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Spool]:
    """A spool that writes all lines to disk at once."""
    with closing(make(tmp_path, 0.0)) as made:
        yield made


def drained(spool: Spool) -> list[int]:
    """Remove all lines as accepted; return their timestamps in order of time."""
    found: list[int] = []
    while (batch := spool.next_batch(MANY)) is not None:
        found += stamps(batch)
        spool.settle(batch, (), ())
    return sorted(found)


@pytest.mark.parametrize(("before", "step", "after"), [(5, 7, 12), (5, -7, -2), (0, HOUR, HOUR)])
def test_only_the_timestamp_is_changed(before: int, step: int, after: int) -> None:
    """Names with blanks and the value stay as they are."""
    assert (
        moved(rb"d\ c,t=a\ b So\ c=5.5 %d" % before, step) == rb"d\ c,t=a\ b So\ c=5.5 %d" % after
    )


def test_lines_in_memory_are_corrected(in_memory: Spool) -> None:
    """Later lines have timestamps of the new clock."""
    in_memory.append(lines(1, 2, 3))
    assert in_memory.shift(HOUR) == 3
    in_memory.append(lines(HOUR + 4))
    assert drained(in_memory) == [HOUR + 1, HOUR + 2, HOUR + 3, HOUR + 4]


def test_lines_on_disk_are_corrected(on_disk: Spool) -> None:
    """Once for each step, in either direction, in order with later lines."""
    for at in range(0, MANY, 500):
        on_disk.append(lines(*range(at, at + 500)))
        on_disk.flush()
    assert on_disk.on_disk == MANY
    assert on_disk.shift(HOUR) == MANY
    on_disk.append(lines(HOUR + MANY))
    on_disk.flush()
    assert on_disk.shift(-7) == MANY + 1
    assert drained(on_disk) == [HOUR + at - 7 for at in range(MANY + 1)]


def test_lines_of_an_earlier_process_keep_their_timestamps(tmp_path: Path) -> None:
    """Another boot may have had another clock, whose error is unknown."""
    with closing(make(tmp_path, 0.0)) as before:
        before.append(lines(1, 2))
    with closing(make(tmp_path, 0.0)) as after:
        after.append(lines(3))
        after.flush()
        assert after.shift(HOUR) == 1
        assert drained(after) == [1, 2, HOUR + 3]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("uncertain", [False, True])
@pytest.mark.parametrize("from_disk", [False, True])
def test_the_batch_being_sent_is_corrected_unless_it_may_be_stored(
    tmp_path: Path, kept: bool, uncertain: bool, from_disk: bool
) -> None:
    """After a lost answer its lines keep their timestamps, because they would be stored twice."""
    with closing(make(tmp_path, 0.0)) as spool:
        spool.append(lines(1, 2))
        if from_disk:
            spool.flush()
        batch = spool.next_batch(10)
        spool.append(lines(3))
        if kept:  # on disk, while it is under way
            spool.flush()
        assert batch
        assert spool.shift(HOUR) == 1
        spool.settle(batch, batch.lines, (), uncertain=uncertain)
        first = [1, 2] if uncertain else [HOUR + 1, HOUR + 2]
        assert drained(spool) == sorted([*first, HOUR + 3])


@pytest.mark.parametrize("from_disk", [False, True])
def test_lines_that_may_be_stored_stay_so_for_later_steps(tmp_path: Path, from_disk: bool) -> None:
    """Also after they were written to disk together with other lines."""
    with closing(make(tmp_path, 0.0)) as spool:
        spool.append(lines(1, 2))
        if from_disk:
            spool.flush()
        batch = spool.next_batch(10)
        assert batch
        spool.settle(batch, batch.lines, (), uncertain=True)
        spool.append(lines(3))
        spool.flush()
        assert spool.shift(HOUR) == 1
        spool.append(lines(HOUR + 4))
        assert spool.shift(5) == 2
        assert drained(spool) == [1, 2, HOUR + 3 + 5, HOUR + 4 + 5]


def test_stored_lines_that_are_sent_again_keep_their_timestamps(on_disk: Spool) -> None:
    """A batch that was written to disk after others while it was being sent."""
    on_disk.append(lines(1))
    on_disk.flush()
    on_disk.append(lines(2))
    batch = on_disk.next_batch(10)
    on_disk.flush()
    assert batch
    assert stamps(batch) == [2]
    on_disk.shift(HOUR)
    on_disk.settle(batch, (), ())
    assert drained(on_disk) == [2, HOUR + 1]


def test_undecided_lines_of_a_batch_are_corrected(in_memory: Spool) -> None:
    """Accepted and rejected lines are removed."""
    in_memory.append(lines(1, 2, 3, 4))
    batch = in_memory.next_batch(4)
    assert batch
    in_memory.shift(HOUR)
    in_memory.settle(batch, lines(2, 4), [RejectedLine(lines(1)[0], "bad")])
    assert drained(in_memory) == [HOUR + 2, HOUR + 4]


@disk.on_a_small_disk
def test_a_correction_on_a_failed_disk_is_made_later(tmp_path: Path) -> None:
    """Until then no line is sent from disk."""
    time = [0.0]
    spool = Spool(
        MemoryQueue(10**8),
        DiskQueue(tmp_path / "state", 10**8, linger=0.0),
        fresh=0.0,
        clock=lambda: time[0],
    )
    spool.open()
    spool.append([b"dc Soc=5%b %d" % (padding(at, 200), at) for at in range(500)])
    spool.flush()
    disk.fill(tmp_path)
    spool.shift(HOUR)
    assert spool.fault
    assert spool.next_batch(10) is None
    disk.empty(tmp_path)
    time[0] += 10.0
    assert drained(spool) == [HOUR + at for at in range(500)]
    spool.close()


def test_fresh_values_stay_in_memory_until_the_clock_is_right(tmp_path: Path) -> None:
    """Older lines on disk are sent; at an end all are written to disk."""
    with closing(make(tmp_path, 0.0)) as before:
        before.append(lines(1))
    with closing(make(tmp_path, 0.0)) as spool:
        spool.hold = Hold.UNSYNCHRONISED
        spool.append(lines(2))
        spool.flush()
        assert (spool.on_disk, spool.in_memory, spool.sendable) == (1, 1, True)
        assert drained(spool) == [1]
        assert not spool.sendable
        spool.shift(HOUR)
    with closing(make(tmp_path, 0.0)) as after:
        assert drained(after) == [HOUR + 2]


def test_values_of_1970_are_not_sent_or_stored(tmp_path: Path) -> None:
    """Not even on disk at the end; but once the clock is set, all are corrected."""
    spool = make(tmp_path, 0.0)
    spool.hold = Hold.UNSET
    spool.append(lines(1, 2))
    assert spool.next_batch(10) is None
    spool.close()
    assert (spool.on_disk, spool.in_memory) == (0, 2)
    spool.shift(HOUR)
    spool.hold = Hold.NO
    assert drained(spool) == [HOUR + 1, HOUR + 2]


def test_ranges_of_own_lines() -> None:
    """They grow at the end, lose parts, and start again with another file."""
    own = OwnLines()
    own.add(1, 10, 20)
    own.add(1, 20, 30)
    assert own.ranges == [(10, 30)]
    own.remove(1, 12, 15)
    own.add(1, 30, 30)
    assert own.ranges == [(10, 12), (15, 30)]
    own.remove(1, 0, 11)
    assert own.ranges == [(11, 12), (15, 30)]
    own.add(2, 1, 5)
    assert (own.generation, own.ranges) == (2, [(1, 5)])
