"""When the keeper sends lines: retries, pauses, the clock, another database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bat2influx.clock import Hold
from bat2influx.delivery import delivery
from bat2influx.delivery.delivery import MAX_BATCH, MAX_DISK_PAUSE
from bat2influx.influx.outcome import Outcome
from bat2influx.reading import NS
from tests.unit.delivery.keeper_by_hand import (
    CLOSED,
    NEVER,
    Answer,
    Keeper,
    Writer,
    accepts,
    fails,
    lines,
    rejects,
)

Make = Callable[..., Keeper]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Creates a keeper whose database gives set answers."""

    def keeper(*answers: Answer, **parts: Any) -> Keeper:
        return Keeper(tmp_path / "state", monkeypatch, *answers, **parts)

    return keeper


def test_the_delay_between_attempts_grows(make: Make) -> None:
    """By the kind of failure; a success resets it, and new lines do not change it."""
    keeper = make(*[fails()] * 5, fails(CLOSED), accepts, fails(), accepts, fresh=NEVER)
    keeper.put(0.0, 0, 1)
    for moment in range(1, 60):
        keeper.put(moment / 64, moment, moment + 1)
    keeper.put(200.0, 70, 71)
    keeper.run(300.0)
    assert [moment for moment, _ in keeper.requests] == [
        0.0,
        0.25,
        0.5,
        1.0,
        2.0,
        4.0,
        34.0,  # half of 60 s: it is the sixth attempt, whatever failed before
        200.0,
        200.25,
    ]
    assert keeper.made.figures.accepted == 61


def test_a_pause_that_the_server_requests_is_kept(make: Make) -> None:
    """If it is longer than the delay."""
    keeper = make(fails(retry_after=7.0), fails(retry_after=0.1), accepts)
    keeper.put(0.0, 0, 1)
    keeper.run(100.0)
    assert [moment for moment, _ in keeper.requests] == [0.0, 7.0, 7.25]


@pytest.mark.parametrize(
    ("took", "wait"),
    [(0.0, 0.0), (0.5, 0.5), (MAX_DISK_PAUSE, MAX_DISK_PAUSE), (30.0, MAX_DISK_PAUSE)],
)
def test_lines_from_disk_use_half_of_the_databases_time(
    make: Make, took: float, wait: float
) -> None:
    """A pause as long as the request, at most 2 s; fresh lines are sent at once."""
    keeper = make(takes=took)
    keeper.spool.append(lines(0, 2 * MAX_BATCH))
    keeper.spool.flush(everything=True)
    keeper.run(200.0)
    first, second = keeper.requests
    assert (first[0], second[0]) == (0.0, took + wait)


def test_lines_during_a_request_are_sent_together(make: Make) -> None:
    """In the next request, in order; a single line is sent at once."""
    keeper = make(takes=0.5)
    for moment, first, last in ((0.0, 0, 1), (0.125, 1, 3), (0.25, 3, 4), (2.0, 4, 5)):
        keeper.put(moment, first, last)
    keeper.run(10.0)
    assert keeper.requests == [(0.0, [0]), (0.5, [1, 2, 3]), (2.0, [4])]


def test_an_idle_keeper_notes_that_it_runs(make: Make) -> None:
    """It wakes up after its idle time, and notes each turn."""
    keeper = make()
    keeper.run(250.0)
    assert keeper.turns == [0.0, 100.0, 200.0]
    assert keeper.made.finished == {"keeper": 250.0, "sender": 0.0}


def test_a_step_of_the_clock_corrects_earlier_lines(make: Make) -> None:
    """On disk and in memory; later lines have timestamps of the new clock."""
    keeper = make(fails(retry_after=50.0), accepts)
    keeper.put(0.0, 10, 11)
    keeper.put(5.0, 20, 21)

    def together() -> None:
        keeper.made.put(lines(30, 31))
        keeper.made.clock_set(1000)
        keeper.made.put(lines(40, 41))

    keeper.at(5.5, together)
    keeper.at(5.75, keeper.made.clock_set, -1)
    keeper.run(100.0)
    assert [found for _, found in keeper.requests] == [[10], [1009, 1019, 1029, 39]]


def test_a_step_of_the_clock_survives_an_overflow_of_the_inbox(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that the keeper has already are not in the inbox, but are corrected, too."""
    monkeypatch.setattr(delivery, "INBOX_LINES", 2)
    keeper = make(fails(retry_after=50.0), accepts, fresh=NEVER)
    keeper.put(0.0, 10, 11)

    def together() -> None:
        for number in (20, 30):
            keeper.made.put(lines(number, number + 1))
        keeper.made.clock_set(1000)
        keeper.made.put(lines(40, 41))
        keeper.made.put(lines(50, 52))

    keeper.at(5.0, together)
    keeper.run(100.0)
    assert [found for _, found in keeper.requests] == [[10], [1010, 50, 51]]
    assert keeper.made.figures.dropped == 3


def test_fresh_lines_wait_for_the_clock_and_are_then_sent_at_once(make: Make) -> None:
    """An earlier failed attempt does not delay them."""
    keeper = make(fails(retry_after=NEVER), accepts, fresh=NEVER)
    keeper.put(0.0, 0, 1)
    keeper.at(1.0, keeper.made.hold, Hold.UNSYNCHRONISED)
    keeper.put(2.0, 1, 2)
    keeper.at(30.0, keeper.made.hold, Hold.NO)
    keeper.run(100.0)
    assert keeper.requests == [(0.0, [0]), (30.0, [0, 1])]


def test_another_database_gets_queued_lines_at_once(make: Make) -> None:
    """With the next batch; late answers of the old one count, its failures do not."""
    keeper = make(fails(CLOSED, NEVER), fails(CLOSED, NEVER), takes=2.0)
    other = Writer(accepts, name="b")
    keeper.put(0.0, 0, 1)
    keeper.at(1.0, keeper.made.use, other)
    keeper.run(100.0)
    assert keeper.requests == [(0.0, [0]), (2.0, [0])]
    assert (keeper.made.figures.accepted, keeper.made.figures.troubles) == (1, ())


def test_another_database_does_not_inherit_the_delay(make: Make) -> None:
    """The count of attempts starts again, too."""
    keeper = make(fails(CLOSED, NEVER), fresh=NEVER)
    other = Writer(fails(), accepts, name="b")
    keeper.put(0.0, 0, 1)
    keeper.at(10.0, keeper.made.use, other)
    keeper.run(100.0)
    assert [moment for moment, _ in keeper.requests] == [0.0, 10.0, 10.25]


# The delay


@pytest.mark.parametrize(
    ("answer", "ages", "delay"),
    [
        (accepts, [3.0, 1.0], 3.0),
        (accepts, [0.25], 0.25),
        (accepts, [-5.0], 0.0),  # a stamp of a clock that was ahead
        (accepts, [None], None),
        (fails(), [3.0], None),
        (rejects(), [3.0], None),
        (lambda batch: Outcome(1, undecided=[batch[0]], trouble=CLOSED), [9.0, 2.0], 2.0),
        (lambda batch: Outcome(1, rejects()(batch[:1]).rejected), [9.0, 2.0], 2.0),
    ],
)
def test_the_delay_is_that_of_the_slowest_stored_line(
    make: Make, answer: Answer, ages: list[float | None], delay: float | None
) -> None:
    """From its timestamp on; reading it starts again."""
    keeper = make()
    keeper.spool.append(
        [
            b"dc V=1" if age is None else b"dc V=1 %d" % (keeper.wall - round(age * NS))
            for age in ages
        ]
    )
    keeper.take()
    keeper.settle(answer)
    assert keeper.made.pop_delay() == delay
    assert keeper.made.pop_delay() is None


def test_the_delay_uses_the_clock_of_the_timestamps(make: Make) -> None:
    """Which may be an hour ahead of this machine's."""
    keeper = make()
    keeper.made.offset_ns = 3600 * NS
    keeper.spool.append([b"dc V=1 %d" % (keeper.wall + 3597 * NS)])
    keeper.take()
    keeper.settle(accepts)
    assert keeper.made.pop_delay() == 3.0


def test_of_several_batches_the_slowest_counts(make: Make) -> None:
    """Whichever came first."""
    keeper = make()
    for age in (2, 7, 1):
        keeper.now += 1.0
        keeper.spool.append([b"dc V=1 %d" % (keeper.wall - age * NS)])
        keeper.take()
        keeper.settle(accepts)
    assert keeper.made.pop_delay() == 7.0
