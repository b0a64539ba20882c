"""The figures for the main thread, with lines that the keeper has not put into the queues."""

from __future__ import annotations

import pytest

from bat2influx.delivery.figures import Figures
from bat2influx.failure import Trouble

AWAY, STUCK = Trouble("database", "away"), Trouble("inbox overflow", "stuck")


@pytest.mark.parametrize(
    ("received", "lost", "waiting", "dropped"),
    [
        (10, 0, 4, 1),  # the queues have all that came
        (13, 0, 7, 1),
        (113, 100, 7, 101),
        (110, 100, 4, 101),
    ],
)
def test_each_line_is_counted_in_one_place(
    received: int, lost: int, waiting: int, dropped: int
) -> None:
    """In the queues, on the way to them, or dropped before."""
    published = Figures(accepted=3, queued=4, on_disk=2, rejected=2, dropped=1, appended=10)
    seen = published.with_inbox(received, lost, None)
    assert (seen.queued, seen.dropped) == (waiting, dropped)
    assert (seen.accepted, seen.on_disk, seen.rejected) == (3, 2, 2)
    assert seen.accepted + seen.queued + seen.rejected + seen.dropped == received


def test_a_trouble_of_the_inbox_comes_last() -> None:
    """After those that the keeper has published."""
    published = Figures(troubles=(AWAY,))
    assert published.with_inbox(0, 0, None).troubles == (AWAY,)
    assert published.with_inbox(0, 0, STUCK).troubles == (AWAY, STUCK)
