"""Rejected values by their reason."""

from __future__ import annotations

from bat2influx.commands.rejections import Rejections, by_reason
from bat2influx.delivery.disk_queue import StoredRejection


def test_without_a_rejection_there_is_no_reason() -> None:
    """The list is empty."""
    assert by_reason([]) == []


def test_values_with_the_same_reason_are_counted_from_the_first_to_the_latest() -> None:
    """Whatever their order; the most frequent reason is first, and equals keep their order."""
    given = [("a", 5), ("b", 9), ("b", 3), ("c", 1), ("b", 6)]
    assert by_reason(StoredRejection(b"dc V=1.0 1", why, when) for why, when in given) == [
        Rejections("b", 3, 3, 9),
        Rejections("a", 1, 5, 5),
        Rejections("c", 1, 1, 1),
    ]
