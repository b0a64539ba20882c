"""The disk queue against plain lists, whatever the disk does in between.

What it does like any queue is in queue_model.py.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from bat2influx.delivery import disk_lines, disk_merge
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.influx.outcome import RejectedLine
from tests.support.disk import copy_as_after_a_power_cut, file_limit
from tests.support.spool_rows import oldest_in, rejected_in
from tests.unit.delivery.queue_model import COUNTS, LENGTHS, QueueAndLists

Content = tuple[list[bytes], list[tuple[bytes, str]]]  # queued and rejected lines
NAME = "spool.sqlite"


class StoreAndLists(QueueAndLists):
    """Lines numbered in their order, in a disk queue and in lists."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="disk-queue-model-"))
        self.lives = 0

    @initialize(max_size=st.sampled_from([0, 400_000, 10**7]), linger=st.sampled_from([0.0, 1e6]))
    def begin(self, max_size: int, linger: float) -> None:
        """Create a disk queue, large or small."""
        self.max_size, self.linger = max_size, linger
        self.patch = pytest.MonkeyPatch()  # so that rows come to be merged, and are many
        for module in (disk_lines, disk_merge):
            self.patch.setattr(module, "ROW_LINES", 200)
        self.patch.setattr(disk_merge, "LARGE", 50)
        self.directory = self.top / "0"
        self.open()

    def open(self) -> None:
        """Start with the lines on disk."""
        self.real = self.disk_queue = DiskQueue(
            self.directory, self.max_size, lock_timeout=0.0, linger=self.linger
        )
        self.batch, self.shown = None, 0
        self.dropped = self.rejected_dropped = 0

    def content(self, directory: Path) -> Content:
        """Return the content that a reader sees."""
        with closing(DiskReader(directory)) as reader:
            rejected = [(each.line, each.reason) for each in reader.rejected()]
            return list(reader.lines()), rejected

    def waiting_now(self) -> list[bytes]:
        """Return the queued lines."""
        return self.content(self.directory)[0]

    def rejected_now(self) -> list[tuple[bytes, str]]:
        """Return the quarantined lines."""
        return self.content(self.directory)[1]

    def kept_order(self, rejected: Sequence[RejectedLine]) -> list[RejectedLine]:
        """Return lines in the order in which they are quarantined: by their reasons."""
        reasons = dict.fromkeys(each.reason for each in rejected)
        return [each for reason in reasons for each in rejected if each.reason == reason]

    # What the keeper does with this one alone

    @rule()
    def retry(self) -> None:
        """Request that rejected lines are sent again."""
        assert self.disk_queue.retry_rejected() == len(self.rejected)
        self.queue += [each for each, _ in self.rejected]
        self.rejected = []
        self.overflow()

    @rule()
    def close_and_open(self) -> None:
        """The daemon is restarted."""
        self.disk_queue.close()
        files = [path.name for path in self.directory.glob(f"{NAME}*")]
        assert files == ([NAME] if self.queue or self.rejected else [])
        self.open()

    # What the disk does

    @rule(index_lost=st.booleans())
    def crash(self, index_lost: bool) -> None:
        """The power goes, or the process is killed, between two calls."""
        if not self.directory.exists():
            return
        after = self.next_life()
        if index_lost:
            copy_as_after_a_power_cut(self.directory, after)
        else:
            shutil.copytree(self.directory, after)
        self.go_on_in(after)
        self.disk_queue.open()

    @precondition(lambda self: self.disk_queue.size)
    @rule(
        count=COUNTS,
        length=LENGTHS,
        where=st.floats(0, 1),
        how=st.sampled_from(["cut", "garbage", "half old"]),
        seed=st.integers(0, 2**32),
    )
    def crash_in_the_middle(
        self, count: int, length: int, where: float, how: str, seed: int
    ) -> None:
        """The power fails during a change: it is complete, or did not happen."""
        new = self.new(count, length)
        before = self.next_life()
        copy_as_after_a_power_cut(self.directory, before)
        old: Content = list(self.queue), list(self.rejected)
        if self.batch is not None and seed % 2:
            undecided, rejected = self.decide(seed, "aur")
            self.disk_queue.settle(self.batch, undecided, rejected)
            self.settled(undecided, rejected)
        else:
            self.disk_queue.append(new)
            self.queue += new
            self.overflow()
        whole, wal = self.directory / NAME, self.directory / f"{NAME}-wal"
        if not wal.exists() or whole.read_bytes() != (before / NAME).read_bytes():
            return  # nothing was written, or the WAL was on disk and is taken over: never torn
        log = wal.read_bytes()
        kept = before / f"{NAME}-wal"
        former = kept.read_bytes() if kept.exists() else b""
        same = next((n for n, (a, b) in enumerate(zip(log, former, strict=False)) if a != b), 0)
        same = same or min(len(log), len(former))
        torn = same + int((len(log) - same) * where)
        if how == "half old" and torn < 32:  # the header, which is in one sector, and so is whole
            torn = 0
        rest = {
            "cut": b"",
            "garbage": random.Random(seed).randbytes(len(log) - torn),
            "half old": former[torn:],
        }[how]
        kept.write_bytes(log[:torn] + rest)
        shutil.rmtree(self.directory)
        (self.disk_queue._file._db or self.disk_queue).close()
        self.directory = before
        self.open()
        self.disk_queue.open()
        found = self.content(self.directory)
        assert found in (old, (self.queue, self.rejected))
        self.queue, self.rejected = found

    @precondition(lambda self: self.queue)
    @rule(seed=st.integers(0, 2**32), pages=st.integers(1, 4))
    def damage(self, seed: int, pages: int) -> None:
        """Pages have other bytes at the next start: some lines are lost, the rest is unchanged."""
        self.disk_queue.close()
        with closing(sqlite3.connect(self.directory / NAME)) as db:
            db.execute("VACUUM")  # damage to a free page would be met with much later
        chance = random.Random(seed)
        data = bytearray((self.directory / NAME).read_bytes())
        for _ in range(pages):
            at = chance.randrange(len(data))
            length = chance.choice([1, 30, 4096])
            data[at : at + length] = chance.randbytes(len(data[at : at + length]))
        after = self.next_life()
        after.mkdir()
        (after / NAME).write_bytes(data)
        self.directory = after
        self.open()
        waiting = self.read_all()
        assert is_part(waiting, self.queue)
        rejected = self.content(self.directory)[1]
        assert is_part(rejected, self.rejected)
        self.queue, self.rejected = waiting, rejected
        self.dropped, self.rejected_dropped = (
            self.disk_queue.dropped,
            self.disk_queue.rejected_dropped,
        )

    def read_all(self) -> list[bytes]:
        """Return all readable lines; damage is reported at most once."""
        for _ in range(2):
            try:
                rejected_in(self.disk_queue, 10**6)
                if batch := self.disk_queue.next_batch(10**6):
                    self.disk_queue.settle(batch, batch.lines, [])
            except DiskError as error:
                # A byte of the header may be the version, or the way in which it is written.
                assert error.fault in {DiskFault.DAMAGED, DiskFault.NEWER}
            else:
                return list(batch.lines) if batch else []
        raise AssertionError("it is damaged twice")

    @rule(
        count=COUNTS,
        length=LENGTHS,
        limit=st.floats(0, 1.2),
        what=st.sampled_from(["append", "retry"]),
    )
    def no_room(self, count: int, length: int, limit: float, what: str) -> None:
        """Files cannot grow: a call fails as a whole, or succeeds."""
        new = self.new(count, length)
        calls: dict[str, tuple[Callable[[], object], list[bytes]]] = {
            "append": (lambda: self.disk_queue.append(new), new),
            "retry": (self.disk_queue.retry_rejected, [each for each, _ in self.rejected]),
        }
        call, more = calls[what]
        try:
            with file_limit(int(self.disk_queue.size * limit)):
                call()
        except DiskError as error:
            assert error.fault is DiskFault.FULL
        else:
            self.queue += more
            self.rejected = [] if what == "retry" else self.rejected
            self.overflow()
        self.append(1, 0)  # there is room again, and the WAL takes no more than usual

    @precondition(lambda self: self.disk_queue.size)
    @rule()
    def locked(self) -> None:
        """Another program writes: no call changes anything."""
        other = sqlite3.connect(self.directory / NAME, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            self.disk_queue.append(self.new(3, 0))
        except DiskError as error:
            assert error.fault is DiskFault.BUSY
        else:
            raise AssertionError("it was written to")
        finally:
            other.close()

    def next_life(self) -> Path:
        """Return a directory for copies of the files."""
        self.lives += 1
        return self.top / str(self.lives)

    def go_on_in(self, directory: Path) -> None:
        """Leave the disk queue like a process that ends, and start with a copy of its files."""
        shutil.rmtree(self.directory)
        self.disk_queue.close()
        self.directory = directory
        self.open()

    @invariant()
    def read(self) -> None:
        """Rejected lines and the oldest timestamp are as a reader shows them."""
        if not hasattr(self, "disk_queue"):
            return
        shown = rejected_in(self.disk_queue, 10**6)
        assert [(each.line, each.reason) for each in shown] == self.rejected
        oldest = int(self.queue[0].split()[-1]) if self.queue else None
        assert oldest_in(self.disk_queue) == oldest

    def teardown(self) -> None:
        """At the end all lines are delivered, in order, and the space is freed."""
        try:
            if hasattr(self, "disk_queue"):
                self.disk_queue.retry_rejected()
                self.queue += [each for each, _ in self.rejected]
                rest: list[bytes] = []
                while batch := self.disk_queue.next_batch(333):
                    rest += batch.lines
                    self.disk_queue.settle(batch, [], [])
                assert rest == self.queue[len(self.queue) - len(rest) :]
                self.disk_queue.close()
                assert list(self.directory.glob(f"{NAME}*")) == []
        finally:
            shutil.rmtree(self.top)
            if hasattr(self, "patch"):
                self.patch.undo()


def is_part(some: list, all_of_it: list) -> bool:  # type: ignore[type-arg]
    """Return whether `some` are in `all_of_it`, in that order."""
    rest = iter(all_of_it)
    return all(each in rest for each in some)


TestStoreAndLists = StoreAndLists.TestCase
TestStoreAndLists.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
