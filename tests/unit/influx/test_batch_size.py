"""How much is sent at once: halved when refused, remembered, and grown again where that helps."""

from __future__ import annotations

import pytest

from bat2influx.influx.batch_size import SLOW, BatchSize, size_of

ROW = b"x" * 99
BATCH = [ROW] * 1000


def requests(size: BatchSize, batch: list[bytes], limit: int) -> int:
    """Send a batch to a server that takes so many bytes; return the number of requests."""
    left, count = [*batch], 0
    while left and count < 10_000:
        part, rest = size.cut(left)
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


def test_a_size_is_its_rows_and_their_ends() -> None:
    """As they are sent."""
    assert size_of(BATCH) == 100_000


def test_all_is_sent_before_anything_was_refused() -> None:
    """In one request."""
    assert requests(BatchSize(), BATCH, 100_000) == 1


@pytest.mark.parametrize("limit", [100, 1_000, 9_999, 30_000, 64_000, 99_999])
def test_what_goes_is_remembered(limit: int) -> None:
    """The first batch finds out; later ones are refused ever more rarely, as it is tried again."""
    size = BatchSize()
    requests(size, BATCH, limit)
    needed = -(-100_000 // (limit // 100 * 100))
    counts = [requests(size, BATCH, limit) for _ in range(300)]
    assert max(counts) <= 2.2 * needed + 3
    refused = sum(counts) - 300 * min(counts)
    assert refused <= 0.2 * sum(counts)


def test_one_that_was_too_large_once_is_tried_again() -> None:
    """After some that went: what a server takes may change."""
    size = BatchSize()
    size.too_large(BATCH[:2])
    assert requests(size, BATCH, 10**9) < 50
    assert requests(size, BATCH, 10**9) == 1


def test_where_one_row_is_too_large_one_row_is_what_is_tried() -> None:
    """And once that goes, more and more of them."""
    size = BatchSize()
    assert requests(size, BATCH, 50) == 10
    assert requests(size, BATCH, 50) == 1
    assert requests(size, BATCH, 10**9) <= 12
    assert requests(size, BATCH, 10**9) == 1


def test_what_took_too_long_is_smaller_the_next_time() -> None:
    """As over a slow line; what is small is not late for its size."""
    size = BatchSize()
    size.too_slow(BATCH)
    assert requests(size, BATCH, 10**9) == 2
    for _ in range(10):
        size.too_slow(size.cut(BATCH)[0])
    assert len(size.cut(BATCH)[0]) == SLOW // 100
    size.too_slow(BATCH[:10])
    assert len(size.cut(BATCH)[0]) == SLOW // 100
