"""How much is sent at once: halved after a rejection, remembered, and increased again."""

from __future__ import annotations

import pytest

from bat2influx.influx.batch_size import SLOW, BatchSize, size_of

ROW = b"x" * 99
BATCH = [ROW] * 1000


def requests(size: BatchSize, batch: list[bytes], limit: int) -> int:
    """Send a batch to a server that accepts so many bytes; return the number of requests."""
    left, count = [*batch], 0
    while left and count < 10_000:
        part, rest = size.split(left)
        assert [*part, *rest] == left
        assert part
        count += 1
        if size_of(part) > limit:
            size.too_large(part)
            if len(part) == 1:
                break
        else:
            size.taken(part)
            left = [*rest]
    return count


def test_a_size_includes_newlines() -> None:
    """As the body has them."""
    assert size_of(BATCH) == 100_000


def test_everything_is_sent_at_once_before_a_rejection() -> None:
    """In one request."""
    assert requests(BatchSize(), BATCH, 100_000) == 1


@pytest.mark.parametrize("limit", [100, 1_000, 9_999, 30_000, 64_000, 99_999])
def test_an_accepted_size_is_remembered(limit: int) -> None:
    """The first batch determines it; later ones are rejected less and less often."""
    size = BatchSize()
    requests(size, BATCH, limit)
    needed = -(-100_000 // (limit // 100 * 100))
    counts = [requests(size, BATCH, limit) for _ in range(300)]
    assert max(counts) <= 2.2 * needed + 3
    refused = sum(counts) - 300 * min(counts)
    assert refused <= 0.2 * sum(counts)


def test_a_rejected_size_is_tried_again() -> None:
    """After some accepted bodies, because a server's limit may change."""
    size = BatchSize()
    size.too_large(BATCH[:2])
    assert requests(size, BATCH, 10**9) < 50
    assert requests(size, BATCH, 10**9) == 1


def test_if_one_row_is_too_large_single_rows_are_tried() -> None:
    """Once a row is accepted, more and more are sent together."""
    size = BatchSize()
    assert requests(size, BATCH, 50) == 10
    assert requests(size, BATCH, 50) == 1
    assert requests(size, BATCH, 10**9) <= 12
    assert requests(size, BATCH, 10**9) == 1


def test_a_slow_body_is_smaller_the_next_time() -> None:
    """As on a slow connection; a small body is not slow because of its size."""
    size = BatchSize()
    size.too_slow(BATCH)
    assert requests(size, BATCH, 10**9) == 2
    for _ in range(10):
        size.too_slow(size.split(BATCH)[0])
    assert len(size.split(BATCH)[0]) == SLOW // 100
    size.too_slow(BATCH[:10])
    assert len(size.split(BATCH)[0]) == SLOW // 100
