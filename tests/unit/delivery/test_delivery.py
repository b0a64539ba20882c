"""The decisions of the keeper: without a thread, and with time made by hand."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.clock import Hold
from bat2influx.delivery import delivery
from bat2influx.delivery.delivery import DISK_TIMEOUT, MAX_BATCH, RETRY, ClockStep
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.influx.outcome import Outcome
from tests.unit.delivery.keeper_by_hand import (
    CLOSED,
    IDLE,
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


def on_disk(keeper: Keeper, first: int, last: int) -> None:
    """Put lines on disk."""
    keeper.spool.append(lines(first, last))
    keeper.spool.flush(everything=True)


# Whether to end


def in_flight(keeper: Keeper) -> None:
    """Send a line."""
    keeper.spool.append(lines(0, 1))
    keeper.take()


def in_memory(keeper: Keeper, hold: Hold = Hold.NO) -> None:
    """Queue a line in memory, optionally held for the clock."""
    keeper.spool.append(lines(0, 1))
    keeper.spool.hold = hold


def failed(keeper: Keeper) -> None:
    """Put lines on disk after a failure; the next attempt is allowed."""
    on_disk(keeper, 0, 1)
    keeper.take()
    keeper.settle(fails())
    keeper.made._not_before = 0.0


def put_off(keeper: Keeper, until: float) -> None:
    """Put lines on disk that may be sent only at that time."""
    on_disk(keeper, 0, 1)
    keeper.made._not_before = until


DONE: list[tuple[str, Callable[[Keeper], object], bool]] = [
    ("nothing waits", lambda keeper: None, True),
    ("something has come", lambda keeper: keeper.made.put(lines(0, 1)), False),
    ("a request is under way", in_flight, False),
    ("a new beginning", lambda keeper: keeper.made.hold(Hold.NO), False),
    ("fresh lines", in_memory, False),
    ("fresh lines for the clock", lambda keeper: in_memory(keeper, Hold.UNSYNCHRONISED), False),
    ("lines of 1970", lambda keeper: in_memory(keeper, Hold.UNSET), True),
    ("a few on disk", lambda keeper: on_disk(keeper, 0, 1), False),
    ("a batch on disk", lambda keeper: on_disk(keeper, 0, MAX_BATCH), False),
    ("more on disk", lambda keeper: on_disk(keeper, 0, MAX_BATCH + 1), True),
    ("a database that fails", failed, True),
    ("an attempt in time", lambda keeper: put_off(keeper, 6.5), False),
    ("an attempt too late", lambda keeper: put_off(keeper, 7.0), True),
]


@pytest.mark.parametrize(
    ("prepare", "done"), [row[1:] for row in DONE], ids=[row[0] for row in DONE]
)
def test_when_the_keeper_may_end(
    make: Make, prepare: Callable[[Keeper], object], done: bool
) -> None:
    """Not before `stop`, and in any case at its deadline, but not with lines in the inbox."""
    keeper = make()
    prepare(keeper)
    assert not keeper.made._done()
    keeper.made._stop_at = 7.0
    assert keeper.made._done() is done
    keeper.now = 7.0
    assert keeper.made._done() is (not keeper.made._inbox)


# When to wake up


@pytest.mark.parametrize(
    ("prepare", "wait"),
    [
        (lambda keeper: None, IDLE),
        (lambda keeper: setattr(keeper.made, "_stop_at", 13.0), 3.0),
        (lambda keeper: setattr(keeper.made, "_stop_at", 9.0), 0.0),
        (in_memory, 0.0),  # it can be sent
        (lambda keeper: (in_memory(keeper), setattr(keeper.made, "_not_before", 60.0)), 1.0),
        (lambda keeper: in_memory(keeper, Hold.UNSET), IDLE),
        (in_flight, 1.0),  # after a second it goes to disk
        (lambda keeper: put_off(keeper, 10.25), 0.25),
        (lambda keeper: put_off(keeper, 9.0), 0.0),
        (lambda keeper: (put_off(keeper, 9.0), _fault(keeper)), RETRY),
        (lambda keeper: (put_off(keeper, 15.0), _fault(keeper)), 5.0),
    ],
)
def test_it_wakes_up_for_the_earliest_timeout(
    make: Make, prepare: Callable[[Keeper], object], wait: float
) -> None:
    """Idle time, the end, a line for the disk, or the next attempt."""
    keeper = make()
    keeper.now = 10.0
    prepare(keeper)
    assert keeper.made._until_next() == wait


def _fault(keeper: Keeper) -> None:
    keeper.spool.fault = DiskError(DiskFault.FULL, "no room")


# What becomes of a batch


@pytest.mark.parametrize(
    ("answer", "waiting", "accepted", "rejected", "wait", "attempts", "up"),
    [
        (accepts, 0, 4, 0, 0.0, 0, True),
        (rejects(), 0, 0, 4, 0.0, 0, True),
        (rejects("bad", 2), 0, 3, 1, 0.0, 0, True),
        (fails(), 4, 0, 0, 0.25, 1, False),
        (fails(CLOSED), 4, 0, 0, 5.0, 1, False),
        (fails(retry_after=30.0), 4, 0, 0, 30.0, 1, False),
        (fails(CLOSED, 0.5), 4, 0, 0, 5.0, 1, False),
        (
            lambda batch: Outcome(2, rejects("bad", 3)(batch).rejected, [batch[3]], CLOSED),
            1,
            2,
            1,
            5.0,
            1,
            False,
        ),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_each_outcome_ends_the_transaction(
    make: Make,
    stored: bool,
    answer: Answer,
    waiting: int,
    accepted: int,
    rejected: int,
    wait: float,
    attempts: int,
    up: bool,
) -> None:
    """Undecided lines are queued, in memory or on disk, until the next attempt is due."""
    keeper = make()
    (on_disk if stored else _fresh)(keeper, 1, 5)
    keeper.now = 100.0
    assert keeper.made.figures.database_up is None
    keeper.take()
    keeper.settle(answer)
    made, seen = keeper.made, keeper.made._published
    assert (len(keeper.spool), seen.queued) == (waiting, waiting)
    assert (seen.accepted, seen.rejected, seen.dropped) == (accepted, rejected, 0)
    assert (made._not_before - keeper.now if up is False else 0.0, made._attempts) == (
        wait,
        attempts,
    )
    assert seen.database_up is up
    assert bool(seen.troubles) is not up
    assert made._in_flight is None


def _fresh(keeper: Keeper, first: int, last: int) -> None:
    keeper.spool.append(lines(first, last))


def test_lines_that_may_be_stored_keep_their_timestamps(make: Make) -> None:
    """After a lost answer the spool corrects none of them."""
    for uncertain, moved in ((True, 0), (False, 2)):
        keeper = make(fresh=NEVER)
        keeper.spool.append(lines(1, 3))
        keeper.take()
        keeper.settle(fails(uncertain=uncertain))
        assert keeper.spool.shift(10) == moved


# The inbox


@pytest.mark.parametrize(
    ("sizes", "left", "lost"),
    [
        ([10], [10], 0),
        ([4, 4, 2], [4, 4, 2], 0),
        ([4, 4, 3], [4, 3], 4),
        ([1, 1, 9], [1, 9], 1),
        ([1, 1, 10], [10], 2),
        ([3, 11], [], 14),
        ([4, 0, 7], [0, 7], 4),
    ],
)
def test_a_hanging_keeper_has_a_bounded_inbox(
    make: Make, monkeypatch: pytest.MonkeyPatch, sizes: list[int], left: list[int], lost: int
) -> None:
    """Lines of one call are dropped together, the oldest first, and counted."""
    monkeypatch.setattr(delivery, "INBOX_LINES", 10)
    keeper = make()
    for size in sizes:
        keeper.made.put(lines(0, size))
    assert [len(each) for each in keeper.made._inbox] == left  # type: ignore[arg-type]
    assert (keeper.made.figures.queued, keeper.made.figures.dropped) == (sum(left), lost)
    keeper.run(10.0)
    assert (keeper.made.figures.accepted, keeper.made.figures.dropped) == (sum(left), lost)


@given(st.lists(st.one_of(st.integers(0, 12), st.just(-1)), max_size=20), st.integers(1, 20))
def test_an_overflow_keeps_all_steps_of_the_clock_and_the_order(
    groups: list[int], room: int
) -> None:
    """Each step and the newest lines stay, in their order."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as state:
        patch.setattr(delivery, "INBOX_LINES", room)
        made = Keeper(Path(state), patch).made
        given: list[object] = []
        for number, count in enumerate(groups):
            if count < 0:
                given.append(ClockStep(number))
                made.clock_set(number)
            else:
                given.append(lines(number, number + count))
                made.put(lines(number, number + count))
        inbox = [*made._inbox]
        rest = iter(given)
        assert all(each in rest for each in inbox)
        assert [each for each in given if isinstance(each, ClockStep)] == [
            each for each in inbox if isinstance(each, ClockStep)
        ]
        came = sum(count for count in groups if count > 0)
        figures = made.figures
        assert figures.queued == sum(len(e) for e in inbox if isinstance(e, list)) <= room
        assert figures.queued + figures.dropped == came


def test_the_figures_include_lines_of_a_hanging_keeper(make: Make, monkeypatch: Any) -> None:
    """Lines that it has taken are queued, too; dropped ones count at once, with a Trouble."""
    monkeypatch.setattr(delivery, "INBOX_LINES", 10)
    keeper = make(fresh=NEVER)
    append = keeper.spool.append
    seen = []

    def hang(group: Sequence[bytes]) -> None:
        for number in range(100, 130, 10):
            keeper.made.put(lines(number, number + 10))
            seen.append(keeper.made.figures)
        monkeypatch.undo()
        append(group)

    monkeypatch.setattr(keeper.spool, "append", hang)
    keeper.put(0.0, 0, 3)
    keeper.run(10.0)
    assert [(each.queued, each.dropped) for each in seen] == [(13, 0), (13, 10), (13, 20)]
    causes = [[trouble.cause for trouble in each.troubles] for each in seen]
    assert causes == [[], ["inbox overflow"], ["inbox overflow"]]
    assert (keeper.made.figures.accepted, keeper.made.figures.dropped) == (13, 20)


# The threads


def test_a_failed_thread_leaves_its_exception_and_wakes_the_daemon(make: Make) -> None:
    """The first failure counts; nothing more is sent, but the keeper may still use the disk."""
    keeper = make()
    failures = [SystemExit("over"), KeyError("next")]

    def die() -> None:
        raise failures[keeper.woken]

    keeper.made._thread("sender", die).run()
    keeper.made._thread("keeper", die).run()
    assert (keeper.made.failure, keeper.woken) == (failures[0], 2)
    keeper.now = 100.0
    keeper.made.stop(7.5)
    assert (keeper.joins, keeper.made._stop_at) == ([DISK_TIMEOUT], 100.0)
    assert keeper.made.figures.failed_thread == "sender"


def test_a_failed_sender_costs_no_line(make: Make) -> None:
    """Its batch is written to disk, and so are later lines."""
    keeper = make(takes=NEVER)
    keeper.put(0.0, 0, 3)
    keeper.put(0.25, 3, 5)

    def die() -> None:
        raise KeyError

    keeper.at(0.5, keeper.made._thread("sender", die).run)
    keeper.at(0.5, keeper.made.stop, 7.5)
    keeper.made._run_keeper()
    assert keeper.now == 0.5
    assert keeper.made.stop(7.5) == (5, 0)


def test_the_sender_returns_one_outcome_for_each_batch(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It notes its progress after each request, and when idle."""
    keeper = make(rejects(), accepts)
    marks: list[float] = []
    given: list[object] = []
    batches: list[Any] = [queue.Empty, lines(0, 2), lines(2, 3), queue.Empty, KeyError]

    def get(timeout: float) -> tuple[Writer, object]:
        assert timeout == IDLE
        keeper.now += 1.0
        given.append(keeper.made._outcome)
        batch = batches.pop(0)
        if isinstance(batch, type):
            raise batch
        return keeper.writer, SimpleNamespace(lines=batch)

    monkeypatch.setattr(keeper.made, "_batches", SimpleNamespace(get=get))
    monkeypatch.setattr(keeper.made, "_mark_sender", lambda: marks.append(keeper.now))
    with pytest.raises(KeyError):
        keeper.made._run_sender()
    assert marks == [1.0, 2.0, 2.0, 3.0, 3.0, 4.0]
    assert given[:2] == [None, None]
    assert [outcome.accepted for outcome in given[2:]] == [0, 1, 1]  # type: ignore[attr-defined]


# The end


@pytest.mark.parametrize(
    ("answer", "hold", "takes", "requests", "ended", "left"),
    [
        (accepts, Hold.NO, 0.5, 1, 1.5, (0, 0)),
        (fails(), Hold.NO, 0.5, 1, 1.5, (3, 0)),
        (accepts, Hold.NO, NEVER, 1, 8.5, (3, 0)),
        (accepts, Hold.UNSYNCHRONISED, 0.5, 1, 1.5, (0, 0)),  # on disk it waits for no clock
        (accepts, Hold.UNSET, 0.5, 0, 1.0, (0, 3)),
    ],
)
def test_at_the_end_queued_lines_are_sent_or_written_to_disk(
    make: Make,
    answer: Answer,
    hold: Hold,
    takes: float,
    requests: int,
    ended: float,
    left: tuple[int, int],
) -> None:
    """It ends when that is done, in at most 7.5 s; lines of 1970 are lost."""
    keeper = make(answer, fresh=NEVER, takes=takes)
    keeper.at(0.0, keeper.made.hold, hold)
    keeper.put(1.0, 0, 3)
    keeper.at(1.0, keeper.made.stop, 7.5)
    keeper.made._run_keeper()
    assert keeper.joins == [7.5 + DISK_TIMEOUT]
    assert (len(keeper.requests), keeper.now) == (requests, ended)
    assert keeper.made.stop(0.0) == left
    assert keeper.writer.cuts == 2
