"""How much is sent at once: halved when refused, remembered, and grown again where that helps."""

from __future__ import annotations

import pytest

from bat2influx.influx.batch_size import BatchSize, size_of

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
    """The first batch finds out, and the next ones are never refused."""
    size = BatchSize()
    requests(size, BATCH, limit)
    again = requests(size, BATCH, limit)
    assert again == requests(size, BATCH, limit)
    assert again <= 2 * -(-100_000 // (limit // 100 * 100)) + 1


def test_where_one_row_is_too_large_one_row_is_what_is_tried() -> None:
    """And once that goes, more and more of them."""
    size = BatchSize()
    assert requests(size, BATCH, 50) == 10
    assert requests(size, BATCH, 50) == 1
    assert requests(size, BATCH, 10**9) <= 12
    assert requests(size, BATCH, 10**9) == 1
