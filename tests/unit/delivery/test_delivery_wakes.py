"""When the keeper is woken, and that it never misses lines: with time by hand, and with threads.

By hand the keeper wakes when it is notified, and else not before its time: what fails to wake it
is late, and the bounds below show it. Things happen while it waits and in the middle of its turns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.clock import Hold
from bat2influx.delivery.delivery import INBOX_CHECK, Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.pacing import DISTANCE, MOST
from bat2influx.delivery.spool import Spool
from bat2influx.influx.outcome import Outcome
from tests.unit.delivery.keeper_by_hand import (
    NEVER,
    Answer,
    Keeper,
    Writer,
    accepts,
    fails,
    lines,
    stamps,
)

Make = Callable[..., Keeper]
BOUND = 60.0  # s, of a real thread that is not stuck


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Creates a keeper whose database gives set answers."""

    def keeper(*answers: Answer, **parts: Any) -> Keeper:
        return Keeper(tmp_path / "state", monkeypatch, *answers, **parts)

    return keeper


def load(keeper: Keeper, until: float, each: float = 0.005) -> None:
    """Put a line every so many s."""
    for number in range(round(until / each)):
        keeper.put(number * each, number, number + 1)


def test_a_load_is_sent_in_growing_batches(make: Make) -> None:
    """A line every 5 ms: the first two requests are sent at once, then one every 20 ms."""
    keeper = make(takes=0.001)
    load(keeper, 1.0)
    keeper.run(2.0)
    assert [moment for moment, _ in keeper.requests[:3]] == pytest.approx([0.0, 0.005, 0.025])
    assert {len(found) for _, found in keeper.requests[2:-1]} <= {3, 4, 5}
    assert keeper.made.figures.accepted == 200


def test_a_keeper_that_may_not_send_yet_is_not_woken(make: Make) -> None:
    """With 200 lines a second it has 100 turns: one per request, and one per outcome."""
    keeper = make(takes=0.002)
    load(keeper, 1.0)
    keeper.run(1.0)
    assert len(keeper.turns) < 110


def test_a_single_line_is_sent_at_once(make: Make) -> None:
    """After a load, too."""
    keeper = make(takes=0.002)
    load(keeper, 0.5)
    for number, moment in enumerate((1.0, 50.0, 51.0)):
        keeper.put(moment, 1000 + number, 1001 + number)
    keeper.run(60.0)
    assert [moment for moment, _ in keeper.requests[-3:]] == [1.0, 50.0, 51.0]


def test_a_full_batch_is_not_delayed(make: Make) -> None:
    """With very many lines the server is the limit."""
    keeper = make(takes=0.001)
    keeper.writer.lines_at_once = 10
    for number in range(0, 1000, 10):
        keeper.put(0.0, number, number + 10)
    keeper.run(10.0)
    assert len(keeper.requests) == 100
    assert keeper.requests[-1][0] == pytest.approx(0.099)


def test_a_keeper_without_new_lines_is_not_woken(make: Make) -> None:
    """Neither during a hanging request, nor between two attempts."""
    keeper = make(fails(retry_after=90.0), accepts, takes=40.0)
    keeper.put(0.0, 0, 1)
    keeper.put(50.0, 1, 2)
    keeper.run(100.0)
    assert len(keeper.turns) < 15


@pytest.mark.parametrize("takes", [0.3, 5.0])
def test_lines_are_queued_during_a_request(make: Make, takes: float) -> None:
    """They are in the queue within LOOK, and on disk after a second."""
    keeper = make(takes=takes)
    taken: list[float] = []
    append = keeper.spool.append

    def spy(group: Sequence[bytes]) -> None:
        taken.extend(keeper.now - stamp / 1024 for stamp in stamps(group))
        append(group)

    keeper.spool.append = spy  # type: ignore[method-assign]
    for number in range(0, 4000, 7):
        keeper.put(number / 1024, number, number + 1)
    keeper.run(20.0)
    assert max(taken) <= INBOX_CHECK + 1e-9
    assert keeper.made.figures.accepted == len(taken)


def test_a_step_of_the_clock_is_processed_at_once(make: Make) -> None:
    """Although the next request may not be sent yet, and lines wake nothing then."""
    keeper = make(takes=0.002, fresh=NEVER)
    load(keeper, 0.101)
    keeper.at(0.1015, keeper.made.clock_set, 1000)
    moved: list[float] = []
    shift = keeper.spool.shift
    keeper.spool.shift = lambda ns: (moved.append(keeper.now), shift(ns))[1]  # type: ignore[method-assign,func-returns-value]
    keeper.run(1.0)
    assert moved == [0.1015]


def test_another_database_and_the_end_are_not_delayed(make: Make) -> None:
    """Queued lines are sent at that moment."""
    keeper = make(takes=0.002, fresh=NEVER)
    load(keeper, 0.054)
    other = Writer(accepts, name="b", takes=0.002)
    keeper.at(0.0515, keeper.made.use, other)
    keeper.put(0.052, 100, 101)
    keeper.put(0.0525, 101, 102)
    keeper.at(0.0545, keeper.made.stop, 7.5)
    keeper.made._run_keeper()
    moments = [moment for moment, _ in keeper.requests]
    assert 0.0515 in moments
    assert keeper.now < 0.06
    assert keeper.made.stop(0.0) == (0, 0)


# All of what can happen, in any order

WHEN = st.sampled_from([0.0, 0.0001, 0.002, 0.004, 0.0199, 0.02, 0.021, 0.05, 0.3, 2.0])
WHAT = st.sampled_from(["put", "put", "put", "put", "put two", "clock", "use", "hold", "go"])
HOW = st.sampled_from([accepts, accepts, accepts, fails()])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(WHEN, WHAT, st.booleans()), max_size=40),
    st.lists(HOW, max_size=4),
    st.sampled_from([0.0, 0.002, 0.03, 0.4]),
)
def test_no_line_is_missed_and_none_is_late(
    events: list[tuple[float, str, bool]], answers: list[Answer], takes: float
) -> None:
    """Some events come in the middle of a turn, when no thread waits to be woken."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as state:
        keeper = Keeper(Path(state), patch, *answers, accepts, takes=takes, fresh=NEVER)
        made, now, number = keeper.made, 0.0, 0
        handed: dict[int, float] = {}
        took: dict[int, float] = {}
        within: list[tuple[float, Callable[[], object]]] = []
        held = [False]

        def put(count: int) -> None:
            nonlocal number
            for _ in range(count):
                handed[number] = keeper.now
                made.put([b"dc V=1 %019d" % (10**18 + number)])
                number += 1

        def hold(hold: Hold) -> None:
            held[0] = True
            made.hold(hold)

        calls: dict[str, Callable[[], object]] = {
            "put": lambda: put(1),
            "put two": lambda: put(2),
            "clock": lambda: made.clock_set(0),
            "use": lambda: made.use(Writer(accepts, takes=takes)),  # type: ignore[arg-type]
            "hold": lambda: hold(Hold.UNSYNCHRONISED),
            "go": lambda: hold(Hold.NO),
        }
        for after, what, in_turn in events:
            now += after
            if in_turn:
                within.append((now, calls[what]))
            else:
                keeper.at(now, calls[what])

        def all_that_is_left() -> None:
            for _, call in within:
                call()
            within.clear()
            calls["go"]()

        keeper.at(now + 1.0, all_that_is_left)
        append, report = keeper.spool.append, made._report_spool

        def spy(group: Sequence[bytes]) -> None:
            took.update((stamp - 10**18, keeper.now) for stamp in stamps(group))
            append(group)

        def in_turn_too() -> None:
            while within and within[0][0] <= keeper.now:
                within.pop(0)[1]()
            report()

        patch.setattr(keeper.spool, "append", spy)
        patch.setattr(made, "_report_spool", in_turn_too)
        keeper.run(now + 1000.0)
        assert made.figures.accepted == len(handed) == len(took)
        assert not made._inbox
        late = max((took[each] - at for each, at in handed.items()), default=0.0)
        assert late <= max(INBOX_CHECK, MOST) + 1e-9
        begun = [moment for moment, _ in keeper.requests]
        if answers == [accepts] * len(answers) and not held[0]:
            sent = {stamp - 10**18: at for at, batch in keeper.requests for stamp in batch}
            worst = max((sent[each] - at for each, at in handed.items()), default=0.0)
            assert worst <= max(MOST, takes) + INBOX_CHECK + 1e-9
        if "use" not in {what for _, what, _ in events} and not held[0]:
            close = [late - early < DISTANCE - 1e-9 for early, late in pairwise(begun)]
            assert not any(one and other for one, other in pairwise(close))


class Database:
    """Stands in for a writer with real threads: it accepts all, after some time."""

    where, peer, lines_at_once = "db:8086", "InfluxDB at db:8086", 5000

    def __init__(self, takes: float) -> None:
        self.batches: list[int] = []
        self._takes = takes

    def write(self, batch: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
        """Accept lines."""
        time.sleep(self._takes)
        progress()
        self.batches.append(len(batch))
        return Outcome(accepted=len(batch))

    def abort(self) -> None:
        """No request hangs."""


@pytest.mark.parametrize("takes", [0.0, 0.001, 0.03])
def test_real_threads_miss_no_wake_up(tmp_path: Path, takes: float) -> None:
    """Nothing else wakes them for an hour: a missed line would never be stored."""
    spool = Spool(MemoryQueue(10**7), DiskQueue(tmp_path, 10**7), fresh=NEVER)
    database = Database(takes)
    made = Delivery(spool, database, idle=3600.0, wake=lambda: None)  # type: ignore[arg-type]
    made.start()
    pause = threading.Event()
    handed = 0
    for count in (1, 1, 2, 40, 300, 1, 1, 100):
        for _ in range(count):
            made.put(lines(handed, handed + 1))
            handed += 1
            pause.wait((0.0, 0.0003, 0.002)[handed % 3])
        end = time.monotonic() + BOUND
        while made.figures.accepted < handed:
            assert time.monotonic() < end, made.figures
            pause.wait(0.001)
    assert made.stop(BOUND) == (0, 0)
    assert sum(database.batches) == handed
    assert not spool.on_disk
