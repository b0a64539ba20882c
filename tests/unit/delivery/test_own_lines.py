"""What waits and the clock: which stamps go with it when it is set, and what is held until then."""

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
    """Return a line for each stamp."""
    return [b"dc Soc=5.5 %d" % stamp for stamp in stamps]


def stamps(batch: object) -> list[int]:
    """Return the stamps of a batch, oldest first."""
    return [int(line.rsplit(b" ", 1)[1]) for line in getattr(batch, "lines", ())]


def make(directory: Path, fresh: float) -> Spool:
    """Return an open spool; what is `fresh` (s) stays in memory."""
    made = Spool(MemoryQueue(10**8), DiskQueue(directory, 10**8, linger=0.0), fresh=fresh)
    made.open()
    return made


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Spool]:
    """A spool that puts nothing on disk by itself."""
    with closing(make(tmp_path, 1e9)) as made:
        yield made


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Spool]:
    """A spool that puts all on disk as soon as it is asked to."""
    with closing(make(tmp_path, 0.0)) as made:
        yield made


def drained(spool: Spool) -> list[int]:
    """Take all that waits out, accepted; return the stamps in order of time."""
    found: list[int] = []
    while (batch := spool.next_batch(MANY)) is not None:
        found += stamps(batch)
        spool.settle(batch, (), ())
    return sorted(found)


@pytest.mark.parametrize(("before", "step", "after"), [(5, 7, 12), (5, -7, -2), (0, HOUR, HOUR)])
def test_a_stamp_is_moved_and_nothing_else(before: int, step: int, after: int) -> None:
    """Names with blanks and the value stay as they are."""
    assert (
        moved(rb"d\ c,t=a\ b So\ c=5.5 %d" % before, step) == rb"d\ c,t=a\ b So\ c=5.5 %d" % after
    )


def test_what_waits_in_memory_goes_with_the_clock(in_memory: Spool) -> None:
    """What comes afterwards has its stamps from the new clock already."""
    in_memory.append(lines(1, 2, 3))
    assert in_memory.shift(HOUR) == 3
    in_memory.append(lines(HOUR + 4))
    assert drained(in_memory) == [HOUR + 1, HOUR + 2, HOUR + 3, HOUR + 4]


def test_what_waits_on_disk_goes_with_the_clock(on_disk: Spool) -> None:
    """Once for each step, in either direction; in order with what comes later."""
    for at in range(0, MANY, 500):
        on_disk.append(lines(*range(at, at + 500)))
        on_disk.keep()
    assert on_disk.on_disk == MANY
    assert on_disk.shift(HOUR) == MANY
    on_disk.append(lines(HOUR + MANY))
    on_disk.keep()
    assert on_disk.shift(-7) == MANY + 1
    assert drained(on_disk) == [HOUR + at - 7 for at in range(MANY + 1)]


def test_what_was_on_disk_before_the_process_keeps_its_stamps(tmp_path: Path) -> None:
    """Another boot may have had another clock; nobody knows how wrong that was."""
    with closing(make(tmp_path, 0.0)) as before:
        before.append(lines(1, 2))
    with closing(make(tmp_path, 0.0)) as after:
        after.append(lines(3))
        after.keep()
        assert after.shift(HOUR) == 1
        assert drained(after) == [1, 2, HOUR + 3]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize("from_disk", [False, True])
def test_the_batch_under_way_follows_unless_it_may_be_stored(
    tmp_path: Path, kept: bool, in_doubt: bool, from_disk: bool
) -> None:
    """When an answer was lost its lines keep their stamps, for there would be second rows."""
    with closing(make(tmp_path, 0.0)) as spool:
        spool.append(lines(1, 2))
        if from_disk:
            spool.keep()
        batch = spool.next_batch(10)
        spool.append(lines(3))
        if kept:  # on disk, while it is under way
            spool.keep()
        assert batch
        assert spool.shift(HOUR) == 1
        spool.settle(batch, batch.lines, (), in_doubt=in_doubt)
        first = [1, 2] if in_doubt else [HOUR + 1, HOUR + 2]
        assert drained(spool) == sorted([*first, HOUR + 3])


@pytest.mark.parametrize("from_disk", [False, True])
def test_what_may_be_stored_stays_so_for_later_steps(tmp_path: Path, from_disk: bool) -> None:
    """Also when it has gone to disk since, with what nobody has had."""
    with closing(make(tmp_path, 0.0)) as spool:
        spool.append(lines(1, 2))
        if from_disk:
            spool.keep()
        batch = spool.next_batch(10)
        assert batch
        spool.settle(batch, batch.lines, (), in_doubt=True)
        spool.append(lines(3))
        spool.keep()
        assert spool.shift(HOUR) == 1
        spool.append(lines(HOUR + 4))
        assert spool.shift(5) == 2
        assert drained(spool) == [1, 2, HOUR + 3 + 5, HOUR + 4 + 5]


def test_what_is_sent_again_though_it_is_stored_keeps_its_stamps(on_disk: Spool) -> None:
    """A batch that went to disk behind others while it was under way."""
    on_disk.append(lines(1))
    on_disk.keep()
    on_disk.append(lines(2))
    batch = on_disk.next_batch(10)
    on_disk.keep()
    assert batch
    assert stamps(batch) == [2]
    on_disk.shift(HOUR)
    on_disk.settle(batch, (), ())
    assert drained(on_disk) == [2, HOUR + 1]


def test_of_a_batch_partly_stored_the_rest_follows(in_memory: Spool) -> None:
    """The accepted and the rejected lines are gone, and the undecided ones move."""
    in_memory.append(lines(1, 2, 3, 4))
    batch = in_memory.next_batch(4)
    assert batch
    in_memory.shift(HOUR)
    in_memory.settle(batch, lines(2, 4), [RejectedLine(lines(1)[0], "bad")])
    assert drained(in_memory) == [HOUR + 2, HOUR + 4]


@disk.on_a_small_disk
def test_a_disk_that_fails_meanwhile_is_made_up_for(tmp_path: Path) -> None:
    """Until the stamps on disk are moved nothing is sent from there."""
    time = [0.0]
    spool = Spool(
        MemoryQueue(10**8),
        DiskQueue(tmp_path / "state", 10**8, linger=0.0),
        fresh=0.0,
        clock=lambda: time[0],
    )
    spool.open()
    spool.append([b"dc Soc=5%b %d" % (padding(at, 200), at) for at in range(500)])
    spool.keep()
    disk.fill(tmp_path)
    spool.shift(HOUR)
    assert spool.fault
    assert spool.next_batch(10) is None
    disk.empty(tmp_path)
    time[0] += 10.0
    assert drained(spool) == [HOUR + at for at in range(500)]
    spool.close()


def test_while_the_clock_is_awaited_fresh_values_wait_in_memory(tmp_path: Path) -> None:
    """What is on disk from before is sent meanwhile; at an end they are put on disk."""
    with closing(make(tmp_path, 0.0)) as before:
        before.append(lines(1))
    with closing(make(tmp_path, 0.0)) as spool:
        spool.hold = Hold.UNSYNCHRONISED
        spool.append(lines(2))
        spool.keep()
        assert (spool.on_disk, spool.in_memory, spool.sendable) == (1, 1, True)
        assert drained(spool) == [1]
        assert not spool.sendable
        spool.shift(HOUR)
    with closing(make(tmp_path, 0.0)) as after:
        assert drained(after) == [HOUR + 2]


def test_what_came_in_1970_goes_nowhere(tmp_path: Path) -> None:
    """Not even to disk at the end; but once the clock is set, all of it is right."""
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
    """They grow at the end, lose parts, and begin anew with another file."""
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
