"""Memory and disk together: their turns, when lines are written to disk, and effects of a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bat2influx.clock import Hold
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_queue import StoredBatch, request_retry
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.delivery.memory_queue import OVERHEAD, Batch
from bat2influx.delivery.spool import DISK_RETRY, FRESH, Spool
from tests.unit.delivery.test_spool_found import Keeper, bad, lines, locked


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """A spool in a directory, with a settable time."""
    return Keeper(tmp_path)


def stored(keeper: Keeper, first: int, last: int) -> None:
    """Queue lines for a second, after which they are on disk."""
    keeper.spool.append(lines(first, last))
    keeper.wait(FRESH)


def full(calls: list[str]) -> Any:
    """Return a call of the disk queue that fails because the disk is full; it is recorded."""

    def call(*_: object) -> None:
        calls.append("tried")
        raise DiskError(DiskFault.FULL, "no room")

    return call


# Turns


def sent(spool: Spool, most: int, undecided: Sequence[bytes] = ()) -> tuple[str, list[int]]:
    """Send a batch and accept it; return its source, and its timestamps."""
    batch = spool.next_batch(most)
    if batch is None:
        return "nothing", []
    spool.settle(batch, undecided, [])
    where = "disk" if isinstance(batch, StoredBatch) else "memory"
    return where, [int(line.split()[-1]) for line in batch.lines]


def test_fresh_lines_and_those_on_disk_alternate(keeper: Keeper) -> None:
    """Present values are stored first after an outage, and neither waits for the other's end."""
    stored(keeper, 0, 6)
    keeper.spool.append(lines(6, 12))
    assert [sent(keeper.spool, 2) for _ in range(7)] == [
        ("memory", [6, 7]),
        ("disk", [0, 1]),
        ("memory", [8, 9]),
        ("disk", [2, 3]),
        ("memory", [10, 11]),
        ("disk", [4, 5]),
        ("nothing", []),
    ]


def test_an_unused_turn_goes_to_the_other_queue(keeper: Keeper) -> None:
    """One queue alone does not wait; after a turn from disk fresh lines come first."""
    stored(keeper, 0, 4)
    assert [sent(keeper.spool, 1)[0] for _ in range(2)] == ["disk", "disk"]
    keeper.spool.append(lines(4, 7))
    assert [sent(keeper.spool, 1)[0] for _ in range(4)] == ["memory", "disk", "memory", "disk"]
    assert [sent(keeper.spool, 1)[0] for _ in range(2)] == ["memory", "nothing"]


@pytest.mark.parametrize(
    ("fresh", "on_disk", "hold", "sendable", "whose"),
    [
        (False, False, Hold.NO, False, "nothing"),
        (True, False, Hold.NO, True, "memory"),
        (False, True, Hold.NO, True, "disk"),
        (True, True, Hold.NO, True, "memory"),
        (True, False, Hold.UNSET, False, "nothing"),
        (True, False, Hold.UNSYNCHRONISED, False, "nothing"),
        (True, True, Hold.UNSET, True, "disk"),
        (True, True, Hold.UNSYNCHRONISED, True, "disk"),
    ],
)
def test_what_can_be_sent(
    keeper: Keeper, fresh: bool, on_disk: bool, hold: Hold, sendable: bool, whose: str
) -> None:
    """Fresh lines wait for the clock; those on disk have right timestamps."""
    if on_disk:
        stored(keeper, 0, 2)
    keeper.spool.hold = hold
    if fresh:
        keeper.spool.append(lines(2, 4))
    assert (keeper.spool.sendable, sent(keeper.spool, 9)[0]) == (sendable, whose)
    assert keeper.spool.on_disk == (2 if on_disk and whose != "disk" else 0)


# To disk


def test_each_line_is_written_to_disk_after_a_second(keeper: Keeper) -> None:
    """Later ones stay; `due` has the remaining time."""
    assert keeper.spool.due() == math.inf
    keeper.spool.append(lines(0, 2))
    keeper.wait(0.25)
    keeper.spool.append(lines(2, 3))
    keeper.spool.append([])
    found = []
    for seconds in (0.5, 0.25, 0.125, 0.125):
        before = keeper.spool.due()
        keeper.wait(seconds)
        found.append((before, len(keeper.on_disk())))
    assert found == [(0.75, 0), (0.25, 2), (0.25, 2), (0.125, 3)]
    assert (keeper.in_memory(), keeper.spool.due()) == ([], math.inf)


def test_with_a_healthy_database_nothing_is_written_to_disk(keeper: Keeper) -> None:
    """A line that is stored within a second never was on disk."""
    for number in range(20):
        keeper.spool.append(lines(number, number + 1))
        keeper.wait(0.5)
        assert sent(keeper.spool, 10) == ("memory", [number])
        keeper.wait(0.25)
    assert list(keeper.state.iterdir()) == []


def test_a_batch_being_sent_is_written_to_disk_as_a_whole(keeper: Keeper) -> None:
    """Although only its oldest line is a second old; later lines stay in memory."""
    keeper.spool.append(lines(0, 1))
    keeper.wait(0.5)
    keeper.spool.append(lines(1, 3))
    batch = keeper.spool.next_batch(2)
    assert batch == Batch(0, (*lines(0, 2),))
    keeper.wait(0.5)
    assert (keeper.on_disk(), keeper.in_memory()) == (lines(0, 2), lines(2, 3))
    keeper.spool.settle(batch, [], [])
    assert (keeper.on_disk(), len(keeper.spool)) == ([], 1)


@pytest.mark.parametrize(
    ("fates", "waiting", "rejected"),
    [("aaa", [], []), ("uuu", [0, 1, 2], []), ("aur", [1], [2]), ("rua", [1], [0])],
)
@pytest.mark.parametrize("kept", [False, True])
def test_an_outcome_counts_wherever_the_batch_is_by_then(
    keeper: Keeper, fates: str, waiting: list[int], rejected: list[int], kept: bool
) -> None:
    """Accepted, undecided and rejected lines, in memory or on disk by then."""
    keeper.spool.append(lines(0, 3))
    batch = keeper.take()
    keeper.spool.append(lines(3, 4))
    if kept:
        keeper.wait(FRESH)
    of = {fate: [line for at, line in enumerate(batch.lines) if fates[at] == fate] for fate in "ur"}
    keeper.spool.settle(batch, of["u"], bad(of["r"]))
    left = [line for number in (*waiting, 3) for line in lines(number, number + 1)]
    assert (keeper.on_disk() if kept else keeper.in_memory()) == left
    assert len(keeper.spool) == len(left)
    assert keeper.spool.rejected_count == len(rejected)
    keeper.wait(FRESH)
    assert keeper.rejected() == [line for n in rejected for line in lines(n, n + 1)]
    assert keeper.spool.rejected_count == len(rejected)


def test_a_batch_behind_others_on_disk_is_sent_again(keeper: Keeper) -> None:
    """It cannot be removed from the middle; the database stores no line twice."""
    stored(keeper, 0, 2)
    keeper.spool.append(lines(2, 4))
    batch = keeper.take()
    keeper.wait(FRESH)
    keeper.spool.settle(batch, [], [])
    assert keeper.on_disk() == lines(0, 4)
    assert sent(keeper.spool, 9) == ("disk", [0, 1, 2, 3])
    assert len(keeper.spool) == 0


@pytest.mark.parametrize(
    ("hold", "kept"), [(Hold.NO, True), (Hold.UNSYNCHRONISED, True), (Hold.UNSET, False)]
)
def test_at_the_end_all_is_written_to_disk_except_lines_of_1970(
    keeper: Keeper, hold: Hold, kept: bool
) -> None:
    """While the clock is not right nothing is written by itself."""
    keeper.spool.hold = hold
    keeper.spool.append(lines(0, 2))
    if hold is not Hold.NO:
        assert keeper.spool.due() == math.inf
        keeper.wait(10 * FRESH)
        assert keeper.on_disk() == []
    keeper.spool.close()
    assert keeper.on_disk() == (lines(0, 2) if kept else [])
    assert (keeper.spool.on_disk, keeper.spool.in_memory) == ((2, 0) if kept else (0, 2))


# A disk that does not take it


def test_a_failing_disk_is_tried_every_two_seconds(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then lines are sent from memory; after its recovery they are written to it."""
    calls: list[str] = []
    keeper.spool.append(lines(0, 2))
    with monkeypatch.context() as patch:
        patch.setattr(keeper.spool._disk, "append", full(calls))
        keeper.wait(FRESH)
        assert getattr(keeper.spool.fault, "fault", None) is DiskFault.FULL
        assert (keeper.spool.due(), len(calls)) == (DISK_RETRY, 1)
        keeper.spool.append(lines(2, 3))
        keeper.wait(1.5)
        assert (keeper.spool.due(), len(calls)) == (0.5, 1)
        assert sent(keeper.spool, 1) == ("memory", [0])
        keeper.wait(0.5)
        assert (keeper.spool.due(), len(calls)) == (DISK_RETRY, 2)
    keeper.wait(DISK_RETRY)
    assert (keeper.on_disk(), keeper.in_memory()) == (lines(1, 3), [])
    assert keeper.spool.fault is None


def test_at_the_end_a_failed_disk_is_tried_again_at_once(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no later attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(keeper.spool._disk, "append", full([]))
        stored(keeper, 0, 2)
    keeper.spool.close()
    assert keeper.on_disk() == lines(0, 2)


def test_a_fault_ends_when_nothing_needs_the_disk(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines were stored from memory."""
    monkeypatch.setattr(keeper.spool._disk, "append", full([]))
    stored(keeper, 0, 2)
    assert sent(keeper.spool, 1)[0] == "memory"
    keeper.wait(0.0)
    assert keeper.spool.fault
    assert sent(keeper.spool, 1)[0] == "memory"
    keeper.wait(0.0)
    assert keeper.spool.fault is None


def test_lines_with_a_pending_outcome_are_not_sent_again(keeper: Keeper) -> None:
    """A batch was stored while the file was locked: no line is sent from disk until then."""
    stored(keeper, 0, 4)
    batch = keeper.spool.next_batch(2)
    assert batch
    with locked(keeper.state):
        keeper.spool.settle(batch, [], [])
        assert getattr(keeper.spool.fault, "fault", None) is DiskFault.BUSY
        assert sent(keeper.spool, 2)[0] == "nothing"
        keeper.spool.append(lines(4, 5))
        assert sent(keeper.spool, 2) == ("memory", [4])
        keeper.wait(DISK_RETRY)
    assert sent(keeper.spool, 2)[0] == "nothing"
    keeper.wait(DISK_RETRY)
    assert sent(keeper.spool, 2) == ("disk", [2, 3])
    assert (keeper.spool.fault, keeper.on_disk()) == (None, [])


def test_lines_above_the_bound_of_the_memory_are_dropped(tmp_path: Path) -> None:
    """While the disk fails, the oldest are dropped and counted; lines on disk are not."""
    keeper = Keeper(tmp_path, room=5)
    stored(keeper, 0, 3)
    with locked(keeper.state):
        for number in range(3, 15, 2):
            keeper.spool.append(lines(number, number + 2))
            keeper.wait(FRESH)
    assert (len(keeper.spool), keeper.spool.dropped, keeper.spool.lost) == (8, 7, 0)
    assert keeper.in_memory() == lines(10, 15)


# Figures


def test_fullness_is_that_of_the_fuller_half(tmp_path: Path) -> None:
    """Of the disk only while it has lines, and works."""
    keeper = Keeper(tmp_path, room=100)
    size = len(lines(0, 1)[0]) + OVERHEAD
    assert keeper.spool.fullness == 0.0
    keeper.spool.append(lines(0, 25))
    assert keeper.spool.fullness == 25 * size / keeper.memory.max_size
    keeper.wait(FRESH)
    assert keeper.spool.fullness == keeper.spool._disk.size / 10**7 > 0.0
    keeper.spool.append(lines(25, 75))
    assert keeper.spool.fullness == 0.5


def test_a_failed_disk_has_a_fault_and_no_size(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the memory's fullness counts, and the disk is not tried each time."""
    stored(keeper, 0, 2)
    calls: list[str] = []
    monkeypatch.setattr(type(keeper.spool._disk), "size", property(full(calls)))
    assert [keeper.spool.fullness, keeper.spool.fullness] == [0.0, 0.0]
    assert (bool(keeper.spool.fault), calls) == (True, ["tried"])


def test_counts_are_those_of_both_halves(keeper: Keeper) -> None:
    """Queued, outliving the process, not outliving it."""
    stored(keeper, 0, 3)
    keeper.spool.append(lines(3, 5))
    assert (len(keeper.spool), keeper.spool.on_disk, keeper.spool.in_memory) == (5, 3, 2)
    again = Keeper(keeper.state)
    assert (len(again.spool), again.spool.on_disk, again.spool.in_memory) == (3, 3, 0)


def test_an_empty_file_is_removed_when_there_is_nothing_to_send(keeper: Keeper) -> None:
    """Requesting a batch frees the space on disk, if that was not possible at once."""
    stored(keeper, 0, 3)
    with closing(DiskReader(keeper.state)) as reader:
        assert reader.summary().queued == 3
        assert sent(keeper.spool, 9)[0] == "disk"
    assert list(keeper.state.iterdir()) != []
    assert sent(keeper.spool, 9)[0] == "nothing"
    assert list(keeper.state.iterdir()) == []


# Requests


@pytest.mark.parametrize(
    ("rejected", "asked", "again"), [(0, True, 0), (3, False, 0), (3, True, 3), (0, False, 0)]
)
def test_rejected_lines_are_queued_again_on_request(
    keeper: Keeper, rejected: int, asked: bool, again: int
) -> None:
    """Once; a request without rejected lines stays until there is one."""
    stored(keeper, 0, 4)
    batch = keeper.take()
    keeper.spool.settle(batch, batch.lines[rejected:], bad(batch.lines[:rejected]))
    if asked:
        request_retry(keeper.state)
    assert keeper.spool.pop_request() == again
    assert keeper.spool.rejected_count == rejected - again
    assert keeper.on_disk() == [*lines(rejected, 4), *lines(0, again)]
    assert keeper.spool.pop_request() == 0
