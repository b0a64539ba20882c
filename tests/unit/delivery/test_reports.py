"""The log entries of the delivery: their content, their number, and their end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bat2influx.delivery import delivery
from bat2influx.delivery.disk_errors import DiskError, DiskFault
from bat2influx.delivery.disk_queue import request_retry
from bat2influx.delivery.figures import Figures
from bat2influx.delivery.reports import Reports
from bat2influx.failure import Trouble
from bat2influx.influx.outcome import Outcome, RejectedLine
from bat2influx.service.events import MESSAGE_IDS
from bat2influx.service.journal import MAX_RECOVERIES, RETURNS
from tests.unit.delivery.keeper_by_hand import (
    AWAY,
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


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """New log entries, each with the first letter of its level."""
    caplog.set_level(logging.INFO, "bat2influx")

    def new() -> list[str]:
        found = [f"{each.levelname[0]} {each.getMessage()}" for each in caplog.records]
        caplog.clear()
        return found

    return new


Logged = Callable[[], list[str]]


def full(*_: object) -> None:
    """Fail because the disk is full."""
    raise DiskError(DiskFault.FULL, "no room for spool.sqlite; make room")


# The database


def test_a_failing_database_is_logged_once_and_so_is_its_recovery(
    make: Make, logged: Logged
) -> None:
    """With the number of attempts; another cause is logged, too."""
    keeper = make(fails(), fails(), fails(CLOSED), accepts, fresh=NEVER)
    keeper.put(0.0, 0, 1)
    keeper.run(100.0)
    assert logged() == [
        "W InfluxDB is away",
        "W InfluxDB lets nobody in",
        "I InfluxDB at a:8086 is reachable again, after 10 s and 3 failed attempts",
    ]


def test_troubles_are_the_database_first_and_then_the_disk(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as they last."""
    keeper = make(fails(retry_after=50.0), accepts)
    monkeypatch.setattr(keeper.disk_queue, "append", full)
    found: list[Sequence[str]] = []
    for moment in (0.5, 40.0, 60.0):
        keeper.at(
            moment, lambda: found.append([each.cause for each in keeper.made.figures.troubles])
        )
    keeper.put(0.0, 0, 1)
    keeper.run(100.0)
    assert found == [[AWAY.cause], [AWAY.cause, "disk full"], []]


def test_another_database_is_logged_by_its_own_name(
    make: Make, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one's failure ends with the first values that the new one accepts."""
    keeper = make(fails(CLOSED, NEVER), fresh=NEVER)
    keeper.put(0.0, 0, 1)
    keeper.at(10.0, keeper.made.use, Writer(accepts, name="b"))
    keeper.run(100.0)
    peers = [record.__dict__["PEER"] for record in caplog.records]
    first, last = logged()
    assert first == "W InfluxDB lets nobody in"
    assert last.startswith("I InfluxDB at b:8086 is reachable again, after 10 s")
    assert peers == ["a:8086", "b:8086"]


def test_an_alternating_database_does_not_fill_the_log(make: Make, logged: Logged) -> None:
    """The first recoveries are logged; then it is one episode until it has worked for 10 s."""
    keeper = make(*[fails(), accepts] * 100, accepts)
    for second in range(200):
        keeper.put(float(second), second, second + 1)
    keeper.run(300.0)
    texts = logged()
    assert len(texts) == 2 * MAX_RECOVERIES + 2
    assert {*texts[:-1:2]} == {"W InfluxDB is away"}
    assert all("is reachable again" in text for text in texts[1::2])
    assert f"{100 - MAX_RECOVERIES} failed attempts" in texts[-1]
    assert (keeper.made.figures.troubles, keeper.made.figures.accepted) == ((), 200)


def test_an_alternating_database_is_up_and_down_in_the_figures(
    make: Make,
) -> None:
    """They have the latest attempt, while the Trouble lasts as long as the episode."""
    keeper = make(*[fails(), accepts] * 100)
    for second in range(200):
        keeper.put(float(second), second, second + 1)
    seen: list[Figures] = []
    for moment in (50.1, 50.9):
        keeper.at(moment, lambda: seen.append(keeper.made.figures))
    keeper.run(60.0)
    assert [each.database_up for each in seen] == [False, True]
    assert [[trouble.cause for trouble in each.troubles] for each in seen] == [[AWAY.cause]] * 2


def test_a_delayed_recovery_is_not_that_of_another_database(logged: Logged) -> None:
    """A success of the old one is not logged after a change of the database."""
    reports = Reports("a:8086")
    for second in range(0, 20, 2):
        reports.failed(AWAY, float(second))
        reports.delivered("InfluxDB at a:8086", second + 1.0)
    logged()
    reports.use_database("b:8086")
    reports.report_recovery(100.0)
    assert logged() == []
    reports.delivered("InfluxDB at b:8086", 101.0)
    assert [text.partition(",")[0] for text in logged()] == [
        "I InfluxDB at b:8086 is reachable again"
    ]


def test_alternating_causes_do_not_fill_the_log(logged: Logged) -> None:
    """Each is logged at first; then one line an hour has the count."""
    reports = Reports("a:8086")
    for second in range(3 * 3600):
        reports.failed(CLOSED if second % 2 else AWAY, float(second))
    texts = logged()
    assert len(texts) == 2 + RETURNS + 2
    assert texts[-1].startswith("W InfluxDB")
    assert "failed attempts)" in texts[-1]


# Refused rows


def test_a_reason_is_logged_with_its_first_rejected_value(make: Make, logged: Logged) -> None:
    """A type conflict has advice; invalid UTF-8 is replaced."""
    rejected = "E value rejected by the database and quarantined"
    conflict = "partial write: field type conflict: input field V"

    def answer(batch: Sequence[bytes]) -> Outcome:
        reasons = ["bad", "bad", conflict, conflict, "other"]
        pairs = zip(batch, reasons, strict=True)
        advice = {conflict: "do this"}
        return Outcome(
            rejected=[RejectedLine(line, why, advice.get(why, "")) for line, why in pairs]
        )

    keeper = make(answer, rejects("bad"))
    keeper.at(0.0, keeper.made.put, [*lines(0, 4), b"dc V=\xff 5"])
    keeper.put(0.5, 6, 8)
    keeper.run(100.0)
    assert logged() == [
        f"{rejected} (bad): dc V=1 0000",
        f"{rejected} ({conflict}): dc V=1 0002; do this",
        f"{rejected} (other): dc V=\ufffd 5",
    ]


def test_of_endless_reasons_a_hundred_are_logged(make: Make, logged: Logged) -> None:
    """A server with the time in each reason does not fill the journal."""

    def answer(batch: Sequence[bytes]) -> Outcome:
        return Outcome(rejected=[RejectedLine(line, f"at {line!r}") for line in batch])

    keeper = make(answer)
    keeper.put(0.0, 0, 150)
    keeper.run(100.0)
    assert len(logged()) == 100
    assert keeper.made.figures.rejected == 150


def test_values_that_are_queued_again_are_logged_with_their_new_result(
    make: Make, logged: Logged, tmp_path: Path
) -> None:
    """The same reason counts as new."""
    keeper = make(rejects("bad"), takes=0.25)
    keeper.put(0.0, 0, 3)
    keeper.put(1.5, 3, 4)
    keeper.at(2.0, request_retry, tmp_path / "state")
    keeper.at(2.0, keeper.made.put, [])
    keeper.run(100.0)
    row = "E value rejected by the database and quarantined (bad): dc V=1 0000"
    assert logged() == [row, "I 4 quarantined values are queued again, as requested", row]
    assert keeper.made.figures.rejected == 4


# The disk


def test_a_failing_disk_is_logged_with_the_consequence(
    make: Make, logged: Logged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, although it is tried every two seconds; so is its end."""
    keeper = make(fails(retry_after=NEVER))
    keeper.put(0.0, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(keeper.disk_queue, "append", full)
        keeper.at(30.5, patch.undo)
        keeper.run(60.0)
    ids = [vars(each).get("MESSAGE_ID") for each in caplog.records]
    assert ids[1] == MESSAGE_IDS["disk fault"]
    assert logged() == [
        "W InfluxDB is away",
        "W no room for spool.sqlite; make room; values are queued in memory",
        "I queued values are safe on disk again, after 30 s",
    ]
    assert keeper.spool.on_disk == 1


def test_lines_of_an_earlier_start_are_logged(
    make: Make, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty disk is not logged."""
    keeper = make(fails(retry_after=NEVER))
    keeper.put(0.0, 0, 3)
    keeper.run(10.0)
    assert logged() == ["W InfluxDB is away"]
    make(fails()).run(0.0)
    assert logged() == ["I 3 values are queued on disk, from an earlier start"]
    make(accepts).run(10.0)
    assert logged() == ["I 3 values are queued on disk, from an earlier start"]
    make(accepts).run(10.0)
    assert logged() == []


# The clock


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (3_600 * 10**9, "set forward by 3600.0 s; timestamps of 2 queued values are corrected"),
        (-1_250_000_000, "set back by 1.2 s; timestamps of 2 queued values are corrected"),
    ],
)
def test_a_step_of_the_clock_is_logged_with_the_number_of_values(
    make: Make, logged: Logged, step: int, text: str
) -> None:
    """Each step has a separate entry."""
    keeper = make(fails(retry_after=NEVER), fresh=NEVER)
    keeper.put(0.0, 0, 2)
    keeper.at(1.0, keeper.made.clock_set, step)
    keeper.run(10.0)
    assert logged() == ["W InfluxDB is away", f"I the clock was {text}"]


def test_another_clock_is_not_logged_as_a_step(make: Make, logged: Logged) -> None:
    """The entry before names the clock; queued values are corrected all the same."""
    keeper = make(fails(retry_after=NEVER), fresh=NEVER)
    keeper.put(0.0, 0, 2)
    keeper.at(1.0, keeper.made.clock_switched, -3_600 * 10**9)
    keeper.run(10.0)
    text = "timestamps move back by 3600.0 s, also those of 2 queued values"
    assert logged() == ["W InfluxDB is away", f"I {text}"]


def test_an_alternating_disk_does_not_fill_the_log(logged: Logged) -> None:
    """It is damped like the database."""
    reports = Reports("a:8086")
    fault = DiskError(DiskFault.OTHER, "cannot use it")
    for second in range(1000):
        reports.disk(None if second % 2 else fault, float(second))
    assert len(logged()) == 2 * MAX_RECOVERIES + 1


# Room


def test_half_of_the_space_is_logged_while_there_is_time_to_act(make: Make, logged: Logged) -> None:
    """Once, until the queue is empty; exactly half is not logged."""
    keeper = make(fails(retry_after=20.0), accepts, room=10, fresh=NEVER)
    fullness: list[float] = []
    for moment, first, last in ((0.0, 0, 5), (1.0, 5, 6), (2.0, 6, 9)):
        keeper.put(moment, first, last)
        keeper.at(moment + 0.5, lambda: fullness.append(keeper.made.figures.fullness))
    keeper.run(100.0)
    assert fullness == [0.5, 0.6, 0.9]
    assert logged() == [
        "W InfluxDB is away",
        "W 6 values are queued, and half the space for them is used",
        "I InfluxDB at a:8086 is reachable again, after 20 s and 1 failed attempt",
        "I the queue is empty again, after 19 s",
    ]


def test_dropped_values_are_logged_once_and_counted_at_the_end(make: Make, logged: Logged) -> None:
    """When the first is dropped, and when the queue is empty again."""
    keeper = make(fails(retry_after=20.0), accepts, room=10, fresh=NEVER)
    for moment in range(4):
        keeper.put(float(moment), 4 * moment, 4 * moment + 4)
    keeper.run(100.0)
    assert keeper.made.figures.dropped == 6
    assert [text for text in logged() if "dropped" in text] == [
        "W the queue is full: the oldest values are dropped, 2 so far",
        "I the queue is empty again; 6 values were dropped, after 18 s",
    ]


def test_values_dropped_by_the_inbox_are_logged_while_the_keeper_hangs(
    make: Make, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the main thread: at once, and when the keeper has emptied the inbox."""
    monkeypatch.setattr(delivery, "INBOX_LINES", 3)
    keeper = make(accepts)
    for number in range(5):
        keeper.made.put(lines(number, number + 1))
    assert logged() == [
        "W values cannot be queued: the oldest are dropped, 1 so far; the disk may hang, see"
        " `dmesg`"
    ]
    keeper.put(5.0, 5, 6)
    keeper.run(10.0)
    assert logged() == ["I values are queued again; 2 were dropped, after 5 s"]
    assert keeper.made.figures.troubles == ()


def test_dropped_rejected_values_are_logged(make: Make, logged: Logged, tmp_path: Path) -> None:
    """With the command that lists the rest; once, and a Trouble until none is quarantined."""
    keeper = make(*[rejects("bad")] * 3, accepts)
    keeper.disk_queue.max_size = 1200  # of which an eighth is for refused rows
    keeper.put(0.0, 0, 30)
    keeper.put(1.5, 30, 60)
    keeper.put(5.0, 60, 90)
    seen: list[Figures] = []
    keeper.at(6.9, lambda: seen.append(keeper.made.figures))
    keeper.at(7.0, request_retry, tmp_path / "state")
    keeper.at(7.0, keeper.made.put, [])
    keeper.run(20.0)
    (warning,) = [text for text in logged() if "values are rejected" in text]
    first = keeper.made.figures.rejected_dropped
    assert warning.startswith("W too many values are rejected: the oldest quarantined ones are dr")
    assert "`bat2influx spool` lists them" in warning
    assert "--retry-rejected" in warning
    assert [trouble.cause for trouble in seen[0].troubles] == ["refused dropped"]
    assert seen[0].rejected + first == 90
    assert first > 30
    assert (keeper.made.figures.troubles, keeper.made.figures.dropped) == ((), 0)


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([(0, 0)], []),
        ([(0, 10)], []),
        ([(5, 10)], ["W 5 so far, 10 are quarantined"]),
        ([(5, 10), (5, 10)], ["W 5 so far, 10 are quarantined"]),
        ([(5, 10), (6, 10)], ["W 5 so far, 10 are quarantined"]),
        ([(5, 10), (6, 0)], ["W 5 so far, 10 are quarantined"]),
        (
            [(5, 10), (6, 10), (6, 0)],
            ["W 5 so far, 10 are quarantined", "I 6 were dropped, after 2 s"],
        ),
    ],
)
def test_an_episode_of_dropped_rejected_values_ends_when_none_is_left(
    logged: Logged, calls: list[tuple[int, int]], told: list[str]
) -> None:
    """It begins with the first, and its end has the total."""
    reports = Reports("a:8086")
    for now, (count, kept) in enumerate(calls):
        reports.rejected_dropped(count, kept, float(now))
    texts = logged()
    assert len(texts) == len(told)
    assert all(
        text[0] == part[0] and part[2:] in text for text, part in zip(texts, told, strict=True)
    )


def test_found_a_trouble_that_was_read_twice_while_the_keeper_cleared_it() -> None:
    """A Trouble that every second read returns is read once, and never None."""

    class Alternating:
        looks = 0

        @property
        def trouble(self) -> Trouble | None:
            self.looks += 1
            return AWAY if self.looks % 2 else None

    reports = Reports("a:8086")
    reports._database = reports._disk = Alternating()  # type: ignore[assignment]
    for _ in range(4):
        assert reports.troubles == (AWAY,)


def test_values_lost_with_a_file_are_not_a_full_queue(make: Make, logged: Logged) -> None:
    """The fault has reported them, and they count as dropped all the same."""
    keeper = make(fails(retry_after=20.0), accepts)
    keeper.put(0.0, 0, 3)
    keeper.at(
        5.0, lambda: [each.unlink() for each in keeper.disk_queue._file.path.parent.iterdir()]
    )
    keeper.put(6.0, 3, 4)
    keeper.run(100.0)
    assert (keeper.made.figures.dropped, keeper.made.figures.accepted) == (3, 1)
    texts = logged()
    assert sum("removed by another program; 3 values are lost" in text for text in texts) == 1
    assert not [text for text in texts if "are dropped" in text]
