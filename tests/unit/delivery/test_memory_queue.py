"""The queue in memory: its bounds and its memory. The rest is in test_line_queue.py."""

from __future__ import annotations

import tracemalloc

from bat2influx.delivery.memory_queue import OVERHEAD, REJECTED_KEPT, MemoryQueue
from bat2influx.influx.outcome import RejectedLine


def line(number: int, length: int = 30) -> bytes:
    """Return a line with its number."""
    return b"%d" % number + b" " * length


def test_a_line_larger_than_the_bound_is_dropped() -> None:
    """It does not block the spool."""
    spool = MemoryQueue(200)
    spool.append([b"x" * 500])
    spool.append([b"y"])
    assert (len(spool), spool.dropped, spool.size) == (1, 1, 1 + OVERHEAD)


def test_rejected_lines_are_counted_and_the_newest_kept() -> None:
    """Memory holds a bounded number of them."""
    spool = MemoryQueue(10**9)
    for number in range(3):
        spool.append([line(n) for n in range(REJECTED_KEPT)])
        batch = spool.next_batch(REJECTED_KEPT)
        assert batch is not None
        spool.settle(batch, [], [RejectedLine(each, f"reason {number}") for each in batch.lines])
    assert (spool.dropped, spool.rejected_dropped) == (0, 2 * REJECTED_KEPT)
    assert len(spool.rejected) == REJECTED_KEPT
    assert {row.reason for row in spool.rejected} == {"reason 2"}


def test_the_bound_is_close_to_the_real_memory() -> None:
    """Python takes at most a tenth more for the lines of a full spool."""
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
