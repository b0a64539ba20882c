"""Keeper and sender: their batches, their retries, and their end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bat2influx.delivery import delivery
from bat2influx.delivery.delivery import MAX_BATCH, Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import OVERHEAD, MemoryQueue
from bat2influx.delivery.spool import Spool
from bat2influx.failure import Backoff
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.writer import Writer
from tests.standins.databases.http_peers import ACCEPTED, Gate, HttpPeer, Silent, answer
from tests.standins.databases.influxdb import InfluxDB
from tests.support.daemon import wait
from tests.support.process import free_port
from tests.support.writing import CONFIG, DEFAULTS, lines, writer

BUSY = answer("503 Service Unavailable", '{"error":"busy"}')
REFUSED = answer("401 Unauthorized", '{"error":"authorization failed"}')
IDLE = 0.2  # s
NEVER = 3600.0  # s
ENDLESS = MemoryQueue(0)  # stands for a separate one

Make = Callable[..., Delivery]


@dataclass
class Waits:
    """Replaces the back-off's delay: it is always `wait`, and recorded."""

    wait: float = 0.0
    asked: list[tuple[Backoff, int]] = field(default_factory=list)

    def delay(self, backoff: Backoff, attempt: int, random: float) -> float:
        """Return the seconds to wait."""
        assert 0.0 <= random < 1.0
        self.asked.append((backoff, attempt))
        return self.wait


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """The delays of the back-off, controlled by the test."""
    made = Waits()
    monkeypatch.setattr(delivery, "delay", made.delay)
    return made


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes deliveries, and ends them with the test; lines are `fresh` for ever, or so long."""
    made: list[Delivery] = []

    def start(
        to: Writer | int, memory: MemoryQueue = ENDLESS, *, fresh: float = NEVER, **parts: Any
    ) -> Delivery:
        to = writer(to) if isinstance(to, int) else to
        memory = MemoryQueue(10**8) if memory is ENDLESS else memory
        disk_queue = DiskQueue(parts.pop("state", tmp_path / "state"), 10**8)
        spool = Spool(memory, disk_queue, fresh=fresh)
        options = {"spool": spool, "wake": lambda: None, **parts}
        new = Delivery(writer=to, idle=IDLE, **options)
        new.start()
        made.append(new)
        return new

    yield start
    for each in made:
        each.stop(0.0)


def put(to: Delivery, batch: Sequence[bytes]) -> None:
    """Hand lines over one at a time, as a device does."""
    for line in batch:
        to.put([line])


def nothing_waits(made: Delivery) -> Callable[[], bool]:
    """Return the condition that all lines are stored."""
    return lambda: made.figures.queued == 0


def test_a_single_value_is_sent_at_once_and_later_ones_in_one_batch(make: Make) -> None:
    """While one request hangs, new lines are queued, and the next request has all of them."""
    batch = lines(count=700)
    with Gate() as peer:
        made = make(peer.port)
        put(made, batch[:1])
        wait("the first request", lambda: peer.requests)
        put(made, batch[1:])
        assert made.figures.queued == 700
        peer.open()
        wait("everything", nothing_waits(made))
        assert peer.batches == [batch[:1], batch[1:]]
        assert made.figures.accepted == 700


def test_a_flood_is_sent_in_batches_of_bounded_size(make: Make) -> None:
    """However long the queue is, a request has a size that servers accept."""
    batch = lines(count=2 * MAX_BATCH + 10)
    with Gate() as peer:
        made = make(peer.port)
        made.put(batch[:1])
        wait("the first request", lambda: peer.requests)
        made.put(batch[1:])
        peer.open()
        wait("everything", nothing_waits(made))
        assert [len(each) for each in peer.batches] == [1, MAX_BATCH, MAX_BATCH, 9]
        assert peer.lines == batch


def test_a_hanging_sender_delays_nothing_else(make: Make) -> None:
    """While a request hangs, lines are queued, and the keeper gives its signs of life."""
    with Silent() as peer:
        made = make(writer(peer.port, NEVER))
        put(made, lines(count=1))
        wait("the request", lambda: peer.requests)
        for number in range(5):
            began = made.finished["keeper"]
            put(made, lines(count=20))
            wait("the keeper", lambda began=began: made.finished["keeper"] > began)
            assert made.figures.queued == 1 + 20 * (number + 1)
        assert len(peer.requests) == 1


def test_both_give_signs_of_life_while_nothing_happens(make: Make) -> None:
    """Having nothing to do is no reason for a restart."""
    made = make(free_port())
    for _ in range(3):
        before = made.finished
        for name, when in before.items():
            wait(f"the {name}", lambda name=name, when=when: made.finished[name] > when)


def test_failures_are_retried_in_order_and_by_their_kind(make: Make, waits: Waits) -> None:
    """The delay depends on the number of the attempt; success resets the number."""
    with HttpPeer(BUSY, BUSY, REFUSED, ACCEPTED, BUSY, ACCEPTED) as peer:
        made = make(peer.port)
        put(made, lines(count=1))
        wait("the first", nothing_waits(made))
        put(made, lines("Soc"))
        wait("the second", nothing_waits(made))
        kinds = [Backoff.DATABASE, Backoff.DATABASE, Backoff.DATABASE_LOGIN, Backoff.DATABASE]
        assert waits.asked == list(zip(kinds, [1, 2, 3, 1], strict=True))
        assert peer.lines == [*lines() * 4, *lines("Soc") * 2]


def test_new_values_do_not_shorten_a_delay(make: Make, waits: Waits) -> None:
    """New values are no reason for a request to a database that has just failed."""
    waits.wait = 1.0
    with HttpPeer(BUSY, ACCEPTED) as peer:
        made = make(peer.port)
        put(made, lines(count=1))
        wait("the failure", lambda: waits.asked)
        failed = time.monotonic()
        put(made, lines(count=50))
        wait("everything", nothing_waits(made))
        assert len(peer.requests) == 2
        assert peer.times[1] - failed > 0.9


def test_retry_after_is_honoured(make: Make, waits: Waits) -> None:
    """The pause that a server requests is kept, even if the back-off is shorter."""
    with HttpPeer(answer("503 Busy", "", "Retry-After: 1"), ACCEPTED) as peer:
        made = make(peer.port)
        put(made, lines(count=1))
        wait("everything", nothing_waits(made))
        assert waits.asked
        assert peer.times[1] - peer.times[0] > 0.9


def test_one_warning_and_one_line_of_recovery(
    make: Make, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it fails, it is logged once, with the count at the end."""
    with caplog.at_level(logging.INFO), HttpPeer(*[BUSY] * 5, ACCEPTED) as peer:
        made = make(peer.port)
        put(made, lines(count=1))
        wait("everything", nothing_waits(made))
        where = f"127.0.0.1:{peer.port}"
        wait("the line", lambda: len(caplog.records) >= 2)
        assert not made.figures.troubles
    warning, recovery = caplog.records
    assert warning.levelname == "WARNING"
    assert warning.getMessage().startswith(f"InfluxDB at {where} answers 503 busy")
    assert recovery.levelname == "INFO"
    assert recovery.getMessage().startswith(f"InfluxDB at {where} is reachable again")
    assert "5 failed attempts" in recovery.getMessage()


def test_rejected_lines_are_logged_once_for_each_reason(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A line is logged with its reason; the next line with the same reason is not."""
    why = "partial write: points beyond retention policy"
    bad = answer("400 Bad Request", f'{{"error":"{why} dropped=1"}}')
    with HttpPeer(ACCEPTED, bad) as peer:
        made = make(peer.port)
        for batch in (lines("Power", 1), lines(count=1), lines("Soc", 4)):
            put(made, batch)
            wait("the rejections", nothing_waits(made))
        wait("the count", lambda: made.figures.rejected == 5)
    assert [record.getMessage() for record in caplog.records] == [
        f"value rejected by the database and quarantined ({why}): {lines()[0].decode()}"
    ]
    assert made.figures.accepted == 1


def test_at_the_bound_the_oldest_are_dropped_and_that_is_logged(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """In an outage too long for the memory; it is logged at once and at its end."""
    batch = lines(count=30)
    room = sum(len(each) + OVERHEAD for each in batch[-10:])
    with caplog.at_level(logging.INFO), Gate() as peer:
        made = make(peer.port, MemoryQueue(room))
        put(made, batch[:1])
        wait("the request", lambda: peer.requests)
        put(made, batch[1:])
        wait("the overflow", lambda: made.figures.queued == 10)
        peer.open()
        wait("the rest", nothing_waits(made))
        wait("the line", lambda: "19 values were dropped" in caplog.text)
        assert peer.lines == [batch[0], *batch[-10:]]
    texts = [record.getMessage() for record in caplog.records]
    assert any(
        text.endswith("values are queued, and half the space for them is used") for text in texts
    )
    assert any(text.startswith("the queue is empty again") for text in texts)
    texts = [text for text in texts if "dropped" in text]
    assert texts[0].startswith("the queue is full: the oldest values are dropped, ")
    assert texts[-1].startswith("the queue is empty again; 19 values were dropped")
    assert made.figures.accepted == 11


class StuckSpool(MemoryQueue):
    """A spool whose calls never return, as on a hanging disk."""

    def __init__(self) -> None:
        super().__init__(10**8)
        self.hangs, self.goes_on = threading.Event(), threading.Event()

    def append(self, lines: Sequence[bytes]) -> None:
        """Hang."""
        self.hangs.set()
        self.goes_on.wait()
        super().append(lines)


def test_a_hanging_keeper_gives_no_sign_of_life_and_has_a_bounded_inbox(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handing over never waits; lines above the bound are counted as dropped, and logged later."""
    monkeypatch.setattr(delivery, "INBOX_LINES", 100)
    spool = StuckSpool()
    with HttpPeer(ACCEPTED) as peer:
        made = make(peer.port, spool)
        put(made, lines(count=1))
        assert spool.hangs.wait(60.0)
        before = made.finished["keeper"]
        put(made, lines("Soc", 150))
        figures = made.figures
        assert (figures.queued, figures.dropped) == (1 + 100, 50)  # the keeper has one
        assert [trouble.cause for trouble in figures.troubles] == ["inbox overflow"]
        assert made.finished["keeper"] == before
        spool.goes_on.set()
        wait("the rest", lambda: made.figures.accepted == 101)
        assert peer.lines == [*lines(), *lines("Soc", 150)[50:]]


@pytest.mark.parametrize("part", ["sender", "keeper"])
def test_a_failed_thread_is_reported(make: Make, part: str) -> None:
    """The main loop is woken and gets the exception; the exit does not wait for the thread."""
    woken = threading.Event()

    class BrokenWriter(Writer):
        def write(self, lines: Sequence[bytes], progress: Callable[[], None]) -> Outcome:
            raise ZeroDivisionError(f"the {part}")

    class BrokenSpool(MemoryQueue):
        def append(self, lines: Sequence[bytes]) -> None:
            raise ZeroDivisionError(f"the {part}")

    to = (BrokenWriter if part == "sender" else Writer)(DEFAULTS, CONFIG)
    spool = (BrokenSpool if part == "keeper" else MemoryQueue)(10**6)
    made = make(to, spool, wake=woken.set)
    put(made, lines(count=1))
    assert woken.wait(60.0)
    assert isinstance(made.failure, ZeroDivisionError)
    began = time.monotonic()
    made.stop(NEVER)
    assert time.monotonic() - began < 60.0


class TestStopping:
    """The queued lines at the daemon's exit."""

    def test_with_an_empty_queue_it_ends_at_once(self, make: Make) -> None:
        """Without any request."""
        with HttpPeer(ACCEPTED) as peer:
            assert make(peer.port).stop(NEVER) == (0, 0)
            assert not peer.requests

    def test_queued_lines_are_delivered(self, make: Make) -> None:
        """All lines are stored, by as many requests as necessary."""
        with HttpPeer(ACCEPTED) as peer:
            made = make(peer.port)
            batch = lines(count=2 * MAX_BATCH)
            put(made, batch)
            assert made.stop(60.0) == (0, 0)
            assert peer.lines == batch

    def test_a_back_off_is_cut_short(self, make: Make, waits: Waits, tmp_path: Path) -> None:
        """A recovered database is detected, however far in the future the next attempt is."""
        waits.wait = NEVER
        influxdb = InfluxDB(tmp_path, port=free_port())
        made = make(influxdb.port)
        put(made, lines(count=5))
        wait("the failure", lambda: waits.asked)
        with influxdb:
            waits.wait = 0.1
            assert made.stop(60.0) == (0, 0)
            assert len(influxdb.query("SELECT * FROM dc", "battery")) == 5

    def test_after_a_failure_at_the_exit_lines_are_on_disk(self, make: Make, waits: Waits) -> None:
        """One more attempt is made; the next start has the lines that it does not store."""
        waits.wait = 0.1
        with Gate(BUSY) as peer:
            made = make(peer.port)
            put(made, lines(count=3))
            wait("the request", lambda: peer.requests)
            with ThreadPoolExecutor() as pool:
                waiting = pool.submit(made.stop, 60.0)
                peer.open(3)
                assert waiting.result(60.0) == (3, 0)
        with HttpPeer(ACCEPTED) as peer:
            made = make(peer.port)
            wait("them", lambda: made.figures.accepted == 3)
            assert peer.lines == lines(count=3)
            wait("the end of it", nothing_waits(made))

    def test_without_a_disk_failures_at_the_exit_are_retried(
        self, make: Make, waits: Waits, tmp_path: Path
    ) -> None:
        """A failed request while stopping is retried as long as there is time."""
        waits.wait = 0.1
        (tmp_path / "file").touch()
        with Gate(BUSY) as peer:
            made = make(peer.port, state=tmp_path / "file")
            put(made, lines(count=1))
            wait("the request", lambda: peer.requests)
            with ThreadPoolExecutor() as pool:
                waiting = pool.submit(made.stop, 60.0)
                peer.open(3)
                wait("three failures", lambda: len(waits.asked) == 3)
                peer.answer = ACCEPTED
                peer.open(1)
                assert waiting.result(60.0) == (0, 0)

    def test_it_gives_up_in_time_and_logs_how_many_are_left(self, make: Make) -> None:
        """A hanging database does not prevent the program's exit."""
        with Silent() as peer:
            made = make(writer(peer.port, NEVER))
            put(made, lines(count=1))
            wait("the request", lambda: peer.requests)
            put(made, lines(count=6))
            began = time.monotonic()
            assert made.stop(0.5) == (7, 0)
            assert time.monotonic() - began < 30.0

    def test_it_gives_up_when_no_attempt_would_come_in_time(self, make: Make, waits: Waits) -> None:
        """A delay that ends after the program's deadline is not waited for."""
        waits.wait = NEVER
        with HttpPeer(BUSY) as peer:
            made = make(peer.port)
            put(made, lines(count=3))
            began = time.monotonic()
            assert made.stop(NEVER / 2) == (3, 0)
            assert time.monotonic() - began < 60.0

    def test_the_attempts_before_do_not_make_the_last_ones_rare(
        self, make: Make, waits: Waits, tmp_path: Path
    ) -> None:
        """After hours of failures the delays are those of a first attempt again."""
        (tmp_path / "file").touch()
        with Gate(BUSY) as peer:
            made = make(peer.port, state=tmp_path / "file")
            put(made, lines(count=1))
            peer.open(9)
            wait("nine attempts", lambda: len(waits.asked) == 9)
            waits.wait = NEVER
            peer.open(1)
            wait("a long wait", lambda: len(waits.asked) == 10)
            waits.wait = 0.0
            with ThreadPoolExecutor() as pool:
                waiting = pool.submit(made.stop, 60.0)
                peer.open(2)
                wait("two more attempts", lambda: len(waits.asked) == 12)
                peer.answer = ACCEPTED
                peer.open(1)
                assert waiting.result(60.0) == (0, 0)
        assert [attempt for _, attempt in waits.asked] == [*range(1, 11), 1, 2]


class TestAnotherWriter:
    """A reload, after which values go to another database."""

    def test_queued_lines_go_to_the_new_one_at_once(self, make: Make, waits: Waits) -> None:
        """The failure of the old one does not delay requests to the new one."""
        waits.wait = NEVER
        with HttpPeer(REFUSED) as old, HttpPeer(ACCEPTED) as new:
            made = make(old.port)
            put(made, lines(count=3))
            wait("the failure", lambda: waits.asked)
            made.use(writer(new.port))
            wait("everything", nothing_waits(made))
            assert sorted(new.lines) == sorted(lines(count=3))

    def test_a_later_failure_of_the_old_one_does_not_count(self, make: Make, waits: Waits) -> None:
        """A request under way at the reload still fails with the old password, for instance."""
        waits.wait = NEVER
        with Gate(REFUSED) as old, HttpPeer(ACCEPTED) as new:
            made = make(old.port)
            put(made, lines(count=3))
            wait("the request", lambda: old.requests)
            made.use(writer(new.port))
            old.open()
            wait("everything", nothing_waits(made))
            assert sorted(new.lines) == sorted(lines(count=3))
            assert not made.figures.troubles
            assert not waits.asked
