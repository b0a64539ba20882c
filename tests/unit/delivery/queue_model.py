"""The model of a queue of lines: plain lists. What a queue in memory and one on disk do alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bat2influx.influx.lineprotocol import moved
from bat2influx.influx.outcome import RejectedLine
from tests.support.spool_rows import padding

COUNTS = st.one_of(st.integers(1, 12), st.integers(190, 420))
LENGTHS = st.one_of(st.integers(0, 60), st.integers(60, 400))


class QueueAndLists(RuleBasedStateMachine):
    """Lines numbered in their order, in a queue and in lists."""

    real: Any  # a LineQueue; set before the first rule runs

    def __init__(self) -> None:
        super().__init__()
        self.came = 0
        self.queue: list[bytes] = []  # queued lines, oldest first
        self.rejected: list[tuple[bytes, str]] = []
        self.batch: Any = None
        self.shown = 0  # how many of the batch are in the queue
        self.accepted = self.dropped = self.rejected_dropped = 0

    # What differs

    def waiting_now(self) -> list[bytes]:
        """Return the queued lines, without requesting a batch."""
        raise NotImplementedError

    def rejected_now(self) -> list[tuple[bytes, str]]:
        """Return the quarantined lines, oldest first."""
        raise NotImplementedError

    def kept_order(self, rejected: Sequence[RejectedLine]) -> list[RejectedLine]:
        """Return lines in the order in which they are quarantined."""
        return [*rejected]

    # What the keeper does, and what the lists then have

    def new(self, count: int, length: int) -> list[bytes]:
        """Return lines that did not exist before."""
        first, self.came = self.came, self.came + count
        return [b"dc V%d=1%s %d" % (n, padding(n, length), n) for n in range(first, self.came)]

    @rule(count=COUNTS, length=LENGTHS)
    def append(self, count: int, length: int) -> None:
        """Append lines."""
        new = self.new(count, length)
        self.real.append(new)
        self.queue += new
        self.overflow()

    def overflow(self) -> None:
        """The oldest may be dropped at the bound; the rest is complete."""
        gone = len(self.queue) - len(self.real)
        assert self.queue[gone:] == self.waiting_now()
        under_way = min(gone, self.shown)
        self.shown -= under_way
        self.dropped += gone - under_way
        del self.queue[:gone]

    @precondition(lambda self: self.batch is None)
    @rule(most=COUNTS)
    def take(self, most: int) -> None:
        """Send the oldest."""
        self.batch = self.real.next_batch(most)
        shown = self.queue[:most]
        assert (list(self.batch.lines) if self.batch else []) == shown
        assert not self.batch or self.batch.end - self.batch.first == len(shown)
        self.shown = len(shown)

    @precondition(lambda self: self.batch is not None)
    @rule(seed=st.integers(0, 2**32), fates=st.sampled_from(["a", "u", "aaar", "aur", "r", "au"]))
    def settle(self, seed: int, fates: str) -> None:
        """Each line sent is accepted, undecided or rejected."""
        undecided, rejected = self.decide(seed, fates)
        self.real.settle(self.batch, undecided, rejected)
        self.settled(undecided, rejected)

    def decide(self, seed: int, fates: str) -> tuple[list[bytes], list[RejectedLine]]:
        """Return what is undecided and what is rejected of the batch."""
        chance = random.Random(seed)
        fate = {each: chance.choice(fates) for each in self.batch.lines}
        undecided = [each for each in fate if fate[each] == "u"]
        return undecided, [
            RejectedLine(each, f"bad {chance.randrange(2)}") for each in fate if fate[each] == "r"
        ]

    def settled(self, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]) -> None:
        """Update the lists after settling."""
        self.accepted += len(self.batch.lines) - len(undecided) - len(rejected)
        self.queue[: self.shown] = undecided
        self.batch, self.shown = None, 0
        self.keep_rejected(rejected)
        self.overflow()

    @rule(count=st.integers(1, 30), length=LENGTHS)
    def reject(self, count: int, length: int) -> None:
        """Reject lines that were never in the queue."""
        rejected = [RejectedLine(line, "elsewhere") for line in self.new(count, length)]
        self.real.reject(rejected)
        self.keep_rejected(rejected)
        self.overflow()

    def keep_rejected(self, rejected: Sequence[RejectedLine]) -> None:
        """Quarantine lines; the oldest may be dropped at the bound."""
        self.rejected += [(each.line, each.reason) for each in self.kept_order(rejected)]
        gone = len(self.rejected) - self.real.rejected_count
        self.rejected_dropped += gone
        del self.rejected[:gone]

    @precondition(lambda self: self.batch is None)
    @rule(
        most=COUNTS,
        part=st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)),
        step=st.integers(-(10**6), 10**6),
        other=st.booleans(),
    )
    def shift(self, most: int, part: tuple[float, float], step: int, other: bool) -> None:
        """The clock was set: some timestamps are corrected, none of another generation."""
        batch = self.real.next_batch(most)
        if batch is None:
            return
        self.real.settle(batch, batch.lines, [])
        first, end = (round(len(batch.lines) * each) for each in part)
        if other:
            assert self.real.shift(batch.generation + 1, batch.first, batch.end, step) == 0
        chosen = range(max(0, first), max(0, first, min(end, len(self.queue))))
        found = self.real.shift(batch.generation, batch.first + first, batch.first + end, step)
        assert found == len(chosen)
        for at in chosen:
            self.queue[at] = moved(self.queue[at], step)
        self.overflow()

    # What holds after each step

    @invariant()
    def same(self) -> None:
        """Queue and lists agree, and the bound holds."""
        if not hasattr(self, "real"):
            return
        assert len(self.real) == len(self.queue)
        assert self.waiting_now() == self.queue
        assert self.rejected_now() == self.rejected
        assert self.real.rejected_count == len(self.rejected)
        assert self.real.dropped == self.dropped
        assert self.real.rejected_dropped == self.rejected_dropped
        assert self.real.size <= self.real.max_size


class QueueAccount(QueueAndLists):
    """The same, while only the keeper uses the queue."""

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every line is queued, being sent, accepted, rejected, or counted as dropped."""
        under_way = len(self.batch.lines) - self.shown if self.batch else 0
        known = len(self.queue) + under_way + self.accepted + len(self.rejected)
        assert known + self.dropped + self.rejected_dropped == self.came

    def teardown(self) -> None:
        """At the end all lines are delivered, in order, and none twice."""
        if not hasattr(self, "real"):
            return
        if self.batch is not None:
            self.settle(0, "a")
        rest: list[bytes] = []
        while batch := self.real.next_batch(333):
            rest += batch.lines
            self.real.settle(batch, [], [])
        assert rest == self.queue
        assert len({*rest}) == len(rest)
