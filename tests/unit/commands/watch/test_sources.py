"""What `bat2influx watch` shows of the database, of the disk and of the daemon."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands.watch import sources
from bat2influx.commands.watch.model import Fact, Level
from bat2influx.commands.watch.sources import (
    PeriodicCheck,
    ask_daemon,
    ask_database,
    ask_disk,
    daemon,
    database,
    disk,
)
from bat2influx.config.settings import Settings
from bat2influx.daemon.health import Health
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.disk_reader import Summary
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.writer import Probe
from bat2influx.reading import NS
from tests.support.writing import DEFAULTS

BOUND = 30.0  # s, for a thread to do what it has to
SERVER = Server(Dialect.INFLUXDB1, "1.6.7")
DOWN = influx_errors.database_unreachable("InfluxDB at x:8086", "connection refused", "a.ini")


def test_the_database_has_the_daemons_messages() -> None:
    """With its kind and address."""
    fact = database(Probe(None, False, SERVER), "x:8086", "battery")
    assert fact == Fact("database", "InfluxDB 1.6.7 at x:8086, 'battery', answers")
    fact = database(Probe(None, True, SERVER), "x:8086", "battery")
    missing = "'battery' does not exist yet, it is created with the first write"
    assert fact == Fact("database", f"InfluxDB 1.6.7 at x:8086 answers; {missing}", Level.OK)
    fact = database(Probe(DOWN, False, Server()), "x:8086", "battery")
    assert fact == Fact("database", DOWN.what, Level.WRONG, "database")


def test_values_queued_for_long_are_a_note() -> None:
    """A short queue is normal."""
    now = 100 * NS
    assert disk(Summary(0, 0, 0, None), now) == Fact("on disk", "nothing queued")
    assert disk(Summary(1, 0, 9, now - 2 * NS), now).level is Level.OK
    fact = disk(Summary(620, 3, 9, now - 62 * NS), now)
    text = "620 values queued, the oldest from 62 s ago; 3 values rejected"
    assert (fact.text, fact.level) == (text, Level.NOTE)
    assert disk(Summary(5, 0, 9, now + NS), now).text == "5 values queued"


def test_the_daemons_status_is_shown_without_duplicates() -> None:
    """Values and troubles that are shown already are left out."""
    status = f"{DOWN.text}; home: Voltage 52.6, Soc 88.9; 9.0 values/s, 62 queued"
    health = Health(at=10.0, alive=9.5, within=120.0, status=status)
    fact = daemon(health, [DOWN.what, "home: Voltage "], 11.0)
    assert fact == Fact("daemon", "healthy: values are queued; 9.0 values/s, 62 queued")
    assert DOWN.text in daemon(health, [], 11.0).text
    assert daemon(None, [], 11.0) == Fact("daemon", "not running here")
    fact = daemon(health._replace(status="\x1b[2J0.0 values/s"), [], 500.0)
    assert fact.text == "the daemon hung or was killed 490 s ago; [2J0.0 values/s"
    assert fact.level is Level.WRONG


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (SERVER, "InfluxDB 1.6.7 at x:8086, 'battery', answers"),
        (Server(Dialect.VICTORIAMETRICS), "VictoriaMetrics at x:8086, 'battery', answers"),
        (Server(), "InfluxDB at x:8086, 'battery', answers"),
    ],
)
def test_a_database_has_its_name(server: Server, text: str) -> None:
    """With its version if known."""
    assert database(Probe(None, False, server), "x:8086", "battery") == Fact("database", text)


TWO_WAIT = "2 values queued"


@pytest.mark.parametrize(
    ("found", "text", "level"),
    [
        (Summary(1, 0, 9, None), "1 value queued", Level.OK),
        (
            *(
                Summary(2, 0, 9, 100 * NS),
                "2 values queued, the oldest from 10 s ago",
            ),
            Level.OK,
        ),
        (
            *(
                Summary(2, 0, 9, 99 * NS),
                "2 values queued, the oldest from 11 s ago",
            ),
            Level.NOTE,
        ),
        (Summary(0, 1, 9, None), "nothing queued; 1 value rejected", Level.NOTE),
        (Summary(0, 2, 9, 99 * NS), "nothing queued; 2 values rejected", Level.NOTE),
    ],
)
def test_the_queue_on_disk_is_shown_in_numbers(found: Summary, text: str, level: Level) -> None:
    """A rejected point is always a note."""
    assert disk(found, 110 * NS) == Fact("on disk", text, level, "disk" if level else "")


@pytest.mark.parametrize(
    ("status", "shown", "left"),
    [
        ("a 1, b 2; 3 values/s", ["a "], "3 values/s"),
        ("x is wrong; kept; 3 values/s", ["x is wrong"], "kept; 3 values/s"),
        ("3 values/s; x is wrong", ["x is wrong"], "3 values/s"),
        ("x is wrong", ["x is wrong"], ""),
        ("kept; x is wrong; home: a 1; 3 values/s", ["x is", "home: a "], "kept; 3 values/s"),
        ("a 1; 3 values/s", ["b ", "values"], "a 1; 3 values/s"),
    ],
)
def test_of_the_daemons_line_parts_are_left_out_as_a_whole(
    status: str, shown: list[str], left: str
) -> None:
    """From where they begin to the next semicolon, and only where a part begins so."""
    health = Health(at=10.0, alive=10.0, within=120.0, status=status)
    assert daemon(health, shown, 11.0) == Fact("daemon", f"healthy: {left}")


def test_a_daemon_without_a_file_is_not_running_here(tmp_path: Path) -> None:
    """Nor is one without a runtime directory."""
    gone = Fact("daemon", "not running here")
    file = tmp_path / "x.health"
    assert ask_daemon(None, []) == ask_daemon(file, []) == gone
    content = {"format": 1, "at": 0.0, "alive": None, "within": 1.0, "status": "a 1; b"}
    file.write_text(json.dumps(content))
    fact = ask_daemon(file, ["a "])
    assert (fact.label, fact.level, fact.cause) == ("daemon", Level.WRONG, "daemon")
    assert fact.text.endswith("; b")


def test_a_daemon_with_an_invalid_file_is_not_absent(tmp_path: Path) -> None:
    """The file is named, with its problem; a FIFO does not block."""
    file = tmp_path / "x.health"
    os.mkfifo(file)
    text = f"cannot read {file} (it is not a regular file)"
    assert ask_daemon(file, []) == Fact("daemon", text, Level.NOTE, "daemon")


# What is asked again and again


class Questions:
    """Answers that a test gives one by one, to a check on a thread of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "EACH", 0.0)
        self.answers: SimpleQueue[Fact | BaseException] = SimpleQueue()
        self.woken: SimpleQueue[None] = SimpleQueue()
        self.cut = threading.Event()
        self.check = PeriodicCheck(
            self._ask, Fact("x", "asking"), lambda: self.woken.put(None), cut=self._cut
        )

    def _ask(self) -> Fact:
        answer = self.answers.get(timeout=BOUND)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _cut(self) -> None:
        self.cut.set()
        self.answers.put(Fact("x", "cut"))

    def answer(self, with_: Fact | BaseException) -> None:
        """Answer the question under way, and wait until that is known."""
        self.answers.put(with_)
        self.woken.get(timeout=BOUND)


def test_a_check_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest result is always available, and each wakes the loop."""
    asked = Questions(monkeypatch)
    assert asked.check.answer == Fact("x", "asking")
    for text in ("one", "two"):
        asked.answer(Fact("x", text))
        assert asked.check.answer == Fact("x", text)
    asked.check.stop()
    assert asked.cut.is_set()
    asked.woken.get(timeout=BOUND)
    for thread in threading.enumerate():
        if thread.name == "x":
            thread.join(BOUND)
            assert not thread.is_alive()
    assert asked.check.failure is None


def test_an_internal_error_ends_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread is woken to raise it."""
    asked = Questions(monkeypatch)
    error = ZeroDivisionError()
    asked.answer(error)
    assert asked.check.failure is error
    assert asked.check.answer == Fact("x", "asking")


class Once:
    """Stands in for a check, and keeps its function."""

    def __init__(
        self,
        ask: Callable[[], Fact],
        first: Fact,
        wake: Callable[[], None],
        *,
        cut: Callable[[], None] | None = None,
    ) -> None:
        self.ask, self.first, self.wake, self.cut = ask, first, wake, cut


def test_the_time_limit_for_the_database_is_that_of_the_daemon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check is an empty write, and the end interrupts it."""
    monkeypatch.setattr(sources, "PeriodicCheck", Once)
    deadlines: list[float] = []
    probes = deque([Probe(DOWN, False, Server()), Probe(None, False, SERVER)])
    writer = SimpleNamespace(where="x:8086", probe=probes.popleft, abort=lambda: None)

    def made(influx: object, config: str, *, deadline: float) -> SimpleNamespace:
        assert (influx, config) == (DEFAULTS, "/x.ini")
        deadlines.append(deadline)
        return writer

    monkeypatch.setattr(sources, "Writer", made)
    settings = Settings(Path("/x.ini"), (), DEFAULTS, 10**8)
    check: Any = ask_database(settings, print, 120.0)
    ask_database(settings, print, 16.0)
    assert deadlines == [8.0, 4.0]
    assert (check.first, check.cut, check.wake) == (
        Fact("database", "asking x:8086"),
        writer.abort,
        print,
    )
    assert check.ask().text == DOWN.what
    assert check.ask() == database(Probe(None, False, SERVER), "x:8086", "battery")


def test_the_disk_is_read_without_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file is a note."""
    monkeypatch.setattr(sources, "PeriodicCheck", Once)
    monkeypatch.setattr(sources, "time", SimpleNamespace(time_ns=lambda: 110 * NS))
    state = tmp_path / "state"
    check: Any = ask_disk(state, print)
    assert (check.first, check.ask()) == (
        Fact("on disk", "looking"),
        Fact("on disk", "nothing queued"),
    )
    assert not state.exists()
    with closing(DiskQueue(state, 10**7)) as queue:
        queue.append([b"dc V=1.5 %d" % (99 * NS)])
    text = "1 value queued, the oldest from 11 s ago"
    assert check.ask() == Fact("on disk", text, Level.NOTE, "disk")
    (state / "spool.sqlite").write_bytes(b"no database\n" * 1000)
    fact = check.ask()
    assert (fact.label, fact.level, fact.cause) == ("on disk", Level.NOTE, "disk")
    assert f"{state}/spool.sqlite" in fact.text
