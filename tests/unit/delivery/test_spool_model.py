"""The spool as a whole against the decisions on each line, whatever the disk does.

What is in memory and on disk is looked at from outside after each step; a line that is in neither
was accepted, is kept as rejected, died with a process before it was a second old, or is counted.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bat2influx.delivery.disk_errors import DiskError
from bat2influx.delivery.disk_queue import DiskQueue, StoredBatch, request_retry
from bat2influx.delivery.memory_queue import OVERHEAD, Batch, MemoryQueue
from bat2influx.delivery.spool import DISK_RETRY, FRESH, Spool
from bat2influx.influx.outcome import RejectedLine
from tests.support import disk
from tests.support.spool_disk import SpoolDisk
from tests.support.spool_rows import padding

EXAMPLES = int(os.environ.get("BAT2INFLUX_EXAMPLES", "40"))
COUNTS = st.one_of(st.integers(1, 12), st.integers(190, 420))
LENGTHS = st.one_of(st.integers(0, 60), st.integers(60, 400))
BOUNDS = [(1500, 10**7), (50_000, 10**7), (10**6, 0), (10**6, 10**7)]  # bytes: memory, disk
FATES = ["a", "u", "au", "aaar", "aur", "r"]  # accepted, undecided, rejected

Content = tuple[list[bytes], list[bytes], list[tuple[bytes, str]]]


class SpoolAndFates(RuleBasedStateMachine):
    """Lines numbered in their order, in a spool, and the known fate of each."""

    top: Path
    small = False  # whether the disk is, and can be full

    def __init__(self) -> None:
        super().__init__()
        self.disk = SpoolDisk(self.top)
        self.now = 0.0
        self.came: dict[bytes, float] = {}
        self.order: dict[bytes, tuple[int, int]] = {}
        self.accepted: set[bytes] = set()
        self.rejected: dict[bytes, str] = {}
        self.again: set[bytes] = set()  # decided on, which the disk does not know: sent again
        self.last: set[bytes] = set()  # what only the latest process may have had
        self.died: set[bytes] = set()  # what was gone with one
        self.batch: Batch | StoredBatch | None = None  # under way
        self.ended: Batch | StoredBatch | None = None  # the one before
        self.asked = False  # for the rejected to be sent again
        self.counted = 0  # lines that processes counted as dropped which are no more
        self.retried = self.overcount = self.dropped_on_disk = 0
        self.mended = 0.0

    @initialize(bounds=st.sampled_from(BOUNDS), linger=st.sampled_from([0.0, 1e6]))
    def begin(self, bounds: tuple[int, int], linger: float) -> None:
        """Create a spool, with little or much space."""
        self.bounds, self.linger = bounds, linger
        self.start()

    def start(self) -> None:
        """A process begins with the lines on disk."""
        self.memory = MemoryQueue(self.bounds[0])
        self.disk_queue = DiskQueue(
            self.disk.state, self.bounds[1], lock_timeout=0.0, linger=self.linger
        )
        self.spool = Spool(self.memory, self.disk_queue, clock=lambda: self.now)
        self.spool.open()
        _, waiting, rejected = self.content(alone=True)
        self.died |= self.last - {*waiting} - {line for line, _ in rejected}

    # What the keeper does

    @rule(count=COUNTS, length=LENGTHS, seconds=st.sampled_from([0.0, 0.25, 0.5]))
    def append(self, count: int, length: int, seconds: float) -> None:
        """Append lines, after a while."""
        self.now += seconds
        number = len(self.came)
        new = [b"dc V=1%s %d" % (padding(n, length), n) for n in range(number, number + count)]
        self.came |= dict.fromkeys(new, self.now)
        self.order |= {line: (number + n, 0) for n, line in enumerate(new)}
        self.spool.append(new)
        self.report_recovery()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0]))
    def time_passes(self, seconds: float) -> None:
        """Lines that are no longer fresh are written to disk."""
        self.now += seconds
        self.report_recovery()

    @precondition(lambda self: self.batch is None)
    @rule(most=COUNTS)
    def take(self, most: int) -> None:
        """Send the oldest in memory or on disk; none whose outcome is pending."""
        self.batch = self.spool.next_batch(most)
        if self.batch is None:
            return
        self.dropped_on_disk = self.disk_queue.dropped
        lines = list(self.batch.lines)
        in_memory, on_disk, _ = self.content()
        assert lines == (in_memory if isinstance(self.batch, Batch) else on_disk)[:most]
        assert self.accepted & {*lines} <= self.again

    @precondition(lambda self: self.batch is not None)
    @rule(seed=st.integers(0, 2**32), fates=st.sampled_from(FATES))
    def settle(self, seed: int, fates: str) -> None:
        """Each line sent is accepted, undecided or rejected."""
        assert self.batch is not None
        chance = random.Random(seed)
        fate = {line: chance.choice(fates) for line in self.batch.lines}
        self.end(
            [line for line in fate if fate[line] == "u"],
            [RejectedLine(e, f"bad {chance.randrange(2)}") for e in fate if fate[e] == "r"],
        )

    def end(self, undecided: Sequence[bytes], rejected: Sequence[RejectedLine]) -> None:
        """End the transaction; a decided line that is still on disk has a reason for that."""
        batch = self.ended = self.batch
        self.batch = None
        assert batch is not None
        in_memory, on_disk, _ = self.content()
        first = on_disk[0] if on_disk else None
        if isinstance(batch, Batch) and self.disk_queue.dropped > self.dropped_on_disk:
            # It is counted though it may be stored, and again if it is undecided.
            self.overcount += len({*batch.lines} - {*in_memory} - {*on_disk})
        self.spool.settle(batch, undecided, rejected)
        decided = {*batch.lines} - {*undecided}
        stays = decided & {*self.content()[1]}
        behind = isinstance(batch, Batch) and first not in batch.lines
        assert not stays or behind or self.spool.fault
        self.again |= stays
        self.rejected |= {each.line: each.reason for each in rejected}
        self.accepted |= decided - {each.line for each in rejected}
        self.report_recovery()

    def report_recovery(self) -> None:
        """The keeper writes lines to disk, and carries out requests."""
        self.spool.flush()
        _, waiting, rejected = self.content() if self.rejected else ([], [], [])
        if self.spool.pop_request():
            self.asked = False
            on_disk = {*self.content()[1]}
            last = max((self.order[line] for line in waiting), default=(-1, 0))[0]
            for line in [line for line, _ in rejected if line in on_disk]:
                self.retried += 1
                self.order[line] = (last, self.retried)
                del self.rejected[line]

    @precondition(lambda self: self.rejected)
    @rule()
    def ask(self) -> None:
        """Request that rejected lines are sent again."""
        if self.content(alone=True)[2] and not self.asked:  # and it is not forgotten
            try:
                request_retry(self.disk.state)
                self.asked = True
            except DiskError:
                assert self.disk.trouble or self.small
        self.report_recovery()

    @rule()
    def close_and_open(self) -> None:
        """The daemon is restarted: no line is only in memory, if the disk works."""
        self.spool.close()
        if not self.disk.trouble and not (self.small and self.spool.fault):
            assert not self.memory.rejected
            assert not len(self.memory)
        self.ends()
        self.start()

    # What the disk does, and what ends the process

    @rule()
    def crash(self) -> None:
        """The process is killed, or the power goes: no more than the last second is lost."""
        self.ends()
        self.disk.die(self.disk_queue.close)
        self.start()

    @precondition(lambda self: not self.disk.trouble)
    @rule(where=st.floats(0, 1))
    def crash_in_the_middle(self, where: float) -> None:
        """The power fails while lines are written to disk: all of them are there, or none."""
        before, waited = self.disk.copy(), self.content()[1]
        self.ends()
        self.last |= {*waited}  # which may have gone at the bound by what was being written
        self.spool.flush(everything=True)
        self.disk.tear(before, where)
        after = self.content()[1]
        self.disk.die(self.disk_queue.close, left=before)
        assert self.content(alone=True)[1] in (waited, after)
        self.start()

    def ends(self) -> None:
        """Counts are logged by now; the process's own knowledge is lost."""
        self.counted += self.spool.dropped + self.spool.rejected_dropped
        self.last = {*self.memory.oldest(self.memory.end), *(e.line for e in self.memory.rejected)}
        batch = self.batch or (self.ended if self.spool.fault else None)
        self.batch = None
        if batch:  # of which the disk may not know what has become
            self.last |= {*batch.lines}
            self.again |= {*batch.lines}

    @precondition(lambda self: not self.disk.trouble)
    @rule(part=st.floats(0, 1.5))
    def limit(self, part: float) -> None:
        """Files may grow a little, or not at all."""
        size = self.disk.file.stat().st_size if self.disk.file.exists() else 8192
        self.disk.limit(int(size * part))

    @precondition(lambda self: not self.disk.trouble and self.disk.file.exists())
    @rule(how=st.sampled_from(["IMMEDIATE", "EXCLUSIVE"]))
    def lock(self, how: str) -> None:
        """Another program writes."""
        self.disk.lock(how)

    @precondition(lambda self: self.small and not self.disk.trouble)
    @rule()
    def fill(self) -> None:
        """Other programs use all the space."""
        self.disk.fill()

    @precondition(lambda self: self.small and not self.disk.trouble)
    @rule()
    def read_only(self) -> None:
        """The process is killed, and the file system is read-only afterwards."""
        self.ends()
        self.disk.die(self.disk_queue.close)
        del self.spool
        self.disk.set_read_only()
        self.start()

    @precondition(lambda self: self.disk.trouble)
    @rule()
    def mend(self) -> None:
        """The disk works again."""
        self.disk.mend()
        self.mended = self.now

    # What holds after each step

    def content(self, *, alone: bool = False) -> Content:
        """Return the lines in memory, on disk, and rejected; or only those on disk `alone`."""
        waiting, rejected = self.disk.content()
        if alone:
            return [], waiting, rejected
        rejected += [(each.line, each.reason) for each in self.memory.rejected]
        return list(self.memory.oldest(self.memory.end)), waiting, rejected

    @invariant()
    def same(self) -> None:
        """Each line is in one place, in order, and the figures are right."""
        if not hasattr(self, "spool"):
            return
        in_memory, on_disk, rejected = self.content()
        waiting = [*on_disk, *in_memory]  # what is on disk is older
        keys = [self.order[line] for line in waiting]
        assert keys == sorted(set(keys))
        assert all(self.rejected[line] == reason for line, reason in rejected)
        kept = {line for line, _ in rejected}
        assert len(kept) == len(rejected)
        assert not kept & {*waiting}
        assert (self.accepted | {*self.rejected}) & {*waiting} <= self.again
        assert self.spool.in_memory == len(in_memory)
        assert self.memory.size == sum(len(e) + OVERHEAD for e in in_memory) <= self.bounds[0]
        if self.spool.fault is None:
            assert self.spool.on_disk == len(on_disk)
            assert len(self.spool) == len(waiting)
            assert self.spool.rejected_count == len(rejected)
        works = not self.small and not self.disk.trouble and self.now >= self.mended + DISK_RETRY
        if self.spool.fault is None or works:
            late = self.now - FRESH
            assert all(self.came[line] > late for line in in_memory)
            assert not [e for e in self.memory.rejected if self.came[e.line] <= late]
        if self.batch is None and self.spool.fault is None:  # all is decided, and known
            known = {*waiting} | kept | self.accepted | self.died
            lost = len(self.came) - len(known)
            counted = self.counted + self.spool.dropped + self.spool.rejected_dropped
            double = (self.accepted | self.died) & self.again - {*waiting} - kept
            assert lost <= counted <= lost + len(double) + self.overcount

    def teardown(self) -> None:
        """At the end the disk works and all is delivered: no line is left, and no file."""
        try:
            if hasattr(self, "spool"):
                self.drain()
        finally:
            if hasattr(self, "disk_queue"):
                self.disk_queue.close()
            self.disk.remove()

    def drain(self) -> None:
        """Accept all lines, including rejected ones."""
        self.mend()
        if self.batch:
            self.end([], [])
        for _ in range(2000):
            self.take(333)
            if self.batch:
                self.end([], [])
                self.same()
            else:
                self.now += DISK_RETRY + FRESH
                self.ask()
                if not len(self.spool) + self.spool.rejected_count:
                    break
        assert self.content() == ([], [], [])
        assert self.spool.fault is None
        self.spool.close()
        assert self.disk.files() == []


def run(top: Path, *, small: bool) -> None:
    """Search for a history that violates a rule."""
    machine = type("Machine", (SpoolAndFates,), {"top": top, "small": small})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_line_is_forgotten_whatever_the_disk_does(tmp_path: Path) -> None:
    """Each line is queued, decided, or counted, through kills, limits and locks."""
    run(tmp_path, small=False)


@disk.on_a_small_disk
def test_no_line_is_forgotten_when_the_disk_is_full_or_read_only(tmp_path: Path) -> None:
    """The same while there is no space, or the disk is read-only."""
    run(tmp_path, small=True)
