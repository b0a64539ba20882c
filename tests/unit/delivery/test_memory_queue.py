"""The spool against a plain list: order, bound and counts, whatever becomes of a batch."""

from __future__ import annotations

import tracemalloc

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bat2influx.delivery.memory_queue import OVERHEAD, REJECTED_KEPT, Batch, MemoryQueue
from bat2influx.influx.outcome import RejectedLine


def line(number: int, length: int = 30) -> bytes:
    """Return a line that tells by its number when it came."""
    return b"%d" % number + b" " * length


def spool_of(count: int, *, room: int) -> MemoryQueue:
    """Return a spool with room for `room` lines of the usual length, with `count` in it."""
    spool = MemoryQueue(room * (len(line(100)) + OVERHEAD))
    spool.append([line(100 + n) for n in range(count)])
    return spool


def test_nothing_waits_in_an_empty_spool() -> None:
    """Without a line there is no batch."""
    assert MemoryQueue(1000).next_batch(10) is None


def test_a_batch_is_shown_and_not_taken() -> None:
    """Until it is settled, the same batch is shown again: only settling removes anything."""
    spool = spool_of(5, room=10)
    assert spool.next_batch(3) == spool.next_batch(3) == Batch(0, tuple(map(line, (100, 101, 102))))
    assert len(spool) == 5


def test_what_is_undecided_comes_before_what_came_later() -> None:
    """Lines to be sent again keep their place at the front."""
    spool = spool_of(3, room=10)
    batch = spool.next_batch(10)
    assert batch is not None
    spool.append([line(103)])
    spool.settle(batch, [line(101), line(102)], [])
    again = spool.next_batch(10)
    assert again is not None
    assert again.lines == tuple(map(line, (101, 102, 103)))


def test_what_overflows_while_it_is_sent_and_is_stored_is_not_lost() -> None:
    """A line that had to go at the bound while under way counts as dropped only if it is lost."""
    spool = spool_of(4, room=4)
    batch = spool.next_batch(3)
    assert batch is not None
    spool.append([line(104), line(105)])  # 100 and 101 go, of which nobody knows yet
    spool.settle(batch, [], [])
    assert (len(spool), spool.dropped) == (3, 0)


def test_what_overflows_while_it_is_sent_and_fails_is_dropped_once() -> None:
    """The same line is not counted at the bound and again when it comes back."""
    spool = spool_of(4, room=4)
    batch = spool.next_batch(3)
    assert batch is not None
    spool.append([line(104), line(105)])
    spool.settle(batch, batch.lines, [])
    assert (len(spool), spool.dropped) == (4, 2)
    again = spool.next_batch(10)
    assert again is not None
    assert again.lines == tuple(map(line, (102, 103, 104, 105)))


def test_a_line_larger_than_the_bound_is_dropped() -> None:
    """What can never fit does not keep the spool from working."""
    spool = MemoryQueue(200)
    spool.append([b"x" * 500])
    spool.append([b"y"])
    assert (len(spool), spool.dropped, spool.size) == (1, 1, 1 + OVERHEAD)


def test_rejected_rows_are_counted_and_the_newest_kept() -> None:
    """Of the rows rejected, memory holds a bounded number."""
    spool = MemoryQueue(10**9)
    for number in range(3):
        spool.append([line(n) for n in range(REJECTED_KEPT)])
        batch = spool.next_batch(REJECTED_KEPT)
        assert batch is not None
        spool.settle(batch, [], [RejectedLine(each, f"reason {number}") for each in batch.lines])
    assert spool.dropped == 2 * REJECTED_KEPT
    assert len(spool.rejected) == REJECTED_KEPT
    assert {row.reason for row in spool.rejected} == {"reason 2"}


def test_the_bound_is_on_what_lines_really_take() -> None:
    """The memory that Python takes for the lines of a full spool is at most a tenth more."""
    tracemalloc.start()
    try:
        spool = MemoryQueue(4_000_000)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(60_000):
            spool.append([f"dc Voltage=52.{number} 1700000000123456789".encode()])
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert spool.dropped > 0
    assert taken < 4_400_000


class SpoolAndList(RuleBasedStateMachine):
    """Lines numbered as they come, in a spool and in a list."""

    BOUND = 1000  # bytes

    def __init__(self) -> None:
        super().__init__()
        self.spool = MemoryQueue(self.BOUND)
        self.came = 0
        self.queue: list[bytes] = []  # what waits, oldest first
        self.batch: Batch | None = None  # under way, and how much of it is still in the queue
        self.shown = 0
        self.accepted: list[bytes] = []
        self.rejected = self.dropped = 0

    def overflow(self) -> None:
        """Let the oldest go until the rest fits; what is under way is not lost by that."""
        while sum(len(each) + OVERHEAD for each in self.queue) > self.BOUND:
            self.queue.pop(0)
            if self.shown:
                self.shown -= 1
            else:
                self.dropped += 1

    @rule(lengths=st.lists(st.integers(0, 120), max_size=8))
    def append(self, lengths: list[int]) -> None:
        """Lines come."""
        new = [line(self.came + n, length) for n, length in enumerate(lengths)]
        self.came += len(new)
        self.spool.append(new)
        self.queue += new
        self.overflow()

    @precondition(lambda self: self.batch is None)
    @rule(most=st.integers(1, 8))
    def take(self, most: int) -> None:
        """The oldest are sent."""
        self.batch = self.spool.next_batch(most)
        shown = self.queue[:most]
        assert (list(self.batch.lines) if self.batch else []) == shown
        self.shown = len(shown)

    @precondition(lambda self: self.batch is not None)
    @rule(fates=st.lists(st.sampled_from("aur"), min_size=8, max_size=8))
    def settle(self, fates: list[str]) -> None:
        """Each line sent is accepted, undecided or rejected."""
        assert self.batch is not None
        fate = dict(zip(self.batch.lines, fates, strict=False))
        undecided = [each for each in fate if fate[each] == "u"]
        rejected = [RejectedLine(each, "bad") for each in fate if fate[each] == "r"]
        self.spool.settle(self.batch, undecided, rejected)
        self.accepted += [each for each in fate if fate[each] == "a"]
        self.rejected += len(rejected)
        self.queue[: self.shown] = undecided
        self.batch, self.shown = None, 0
        self.overflow()

    @invariant()
    def same(self) -> None:
        """Spool and list agree, and the bound holds."""
        assert len(self.spool) == len(self.queue)
        assert self.spool.size == sum(len(each) + OVERHEAD for each in self.queue) <= self.BOUND
        assert self.spool.dropped == self.dropped
        assert len(self.spool.rejected) == min(self.rejected, REJECTED_KEPT)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every line that came is waiting, under way, accepted, rejected or counted as dropped."""
        under_way = len(self.batch.lines) - self.shown if self.batch else 0
        known = len(self.queue) + under_way + len(self.accepted) + self.rejected + self.dropped
        assert known == self.came

    def teardown(self) -> None:
        """In the end all is delivered, in the order in which it came, and no line twice."""
        if self.batch is not None:
            self.settle(["a"] * 8)
        rest = []
        while batch := self.spool.next_batch(3):
            rest += batch.lines
            self.spool.settle(batch, [], [])
        assert rest == self.queue == sorted(rest, key=lambda each: int(each.split()[0]))
        assert not set(rest) & set(self.accepted)
        assert len(set(self.accepted)) == len(self.accepted)


TestSpoolAndList = SpoolAndList.TestCase
TestSpoolAndList.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
