"""The loop of `bat2influx watch`, and the model of all parts together."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bat2influx.clock import Now
from bat2influx.commands.watch import command
from bat2influx.commands.watch.command import LAG, LogCapture, Watch
from bat2influx.commands.watch.model import Fact, Level, View
from bat2influx.config.settings import Battery, Settings
from bat2influx.failure import Trouble
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import NS, Reading
from tests.support.writing import DEFAULTS
from tests.unit.commands.session_by_hand import P, battery
from tests.unit.commands.watch.test_sources_device import HandDevice

DOWN = Fact("database", "InfluxDB cannot be reached", Level.WRONG, "database")
WELL = Fact("database", "InfluxDB answers")
EMPTY = Fact("on disk", "nothing queued")
SETTINGS = Settings(Path("/home/me/x.ini"), (battery(),), DEFAULTS, 10**8)


class Stepped(HandDevice):
    """A device that notes what the loop does with it."""

    def __init__(self, own: Battery, **options: Any) -> None:
        super().__init__(own)
        self.options = options
        self.steps: list[Now] = []
        self.set: list[int] = []
        self.logged = 0  # messages that come with the next step
        self.becomes = self.state  # with the next step
        self.closed = False
        self.wants_write = False

    def fileno(self) -> int:
        """There is no socket."""
        return -1

    def timeout(self, _: Now) -> float:
        """Have nothing to do."""
        return 60.0

    def step(self, now: Now, *, readable: bool, writable: bool) -> None:
        """Take what is said."""
        self.steps.append(now)
        self.messages += self.logged
        self.logged = 0
        self.state = self.becomes

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set."""
        self.set.append(step_ns)

    def close(self) -> None:
        """Leave."""
        self.closed = True


class Asking:
    """Stands in for a check; a test sets the answer."""

    def __init__(self, answer: Fact) -> None:
        self.answer = answer
        self.failure: BaseException | None = None
        self.stopped = False

    def stop(self) -> None:
        """Ask no more."""
        self.stopped = True


class Face:
    """Takes the place of a terminal: `acts` are what happens in one turn of the loop after another.

    After the last of them it has ended.
    """

    def __init__(self, *acts: Callable[[], object], reads: Sequence[int] = ()) -> None:
        self.acts = [*acts]
        self.ended = not acts
        self.descriptors = reads
        self.seen: list[str] = []
        self.views: list[View] = []

    def timeout(self, _: float) -> float:
        """Wait for nothing."""
        self.acts.pop(0)()
        self.ended = not self.acts
        return 0.0

    def notify_change(self, _: float) -> None:
        """There is something new."""
        self.seen.append("news")

    def due(self, _: float) -> bool:
        """Show in each turn."""
        return True

    def show(self, view: View) -> None:
        """Show."""
        self.seen.append("show")
        self.views.append(view)

    def read(self) -> None:
        """Take keys."""
        self.seen.append("read")


class Parts:
    """A watch with devices and checks made by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Settings = SETTINGS) -> None:
        self.database, self.disk = Asking(WELL), Asking(EMPTY)
        self.devices: list[Any] = []
        self.log_entries = LogCapture()
        monkeypatch.setattr(command, "Device", self._device)
        monkeypatch.setattr(command, "ask_database", self._asking_database)
        monkeypatch.setattr(command, "ask_disk", self._asking_disk)
        hints = ["not seen: a password"]
        self.watching = Watch(settings, {"STATE_DIRECTORY": "/state"}, self.log_entries, hints)

    def _device(self, own: Battery, **options: Any) -> Stepped:
        self.devices.append(Stepped(own, **options))
        return self.devices[-1]  # type: ignore[no-any-return]

    def _asking_database(self, settings: Settings, _: object, watchdog: float) -> Asking:
        assert (settings.influx, watchdog) == (DEFAULTS, 120.0)
        return self.database

    def _asking_disk(self, state: Path, _: object) -> Asking:
        assert state == Path("/state")
        return self.disk

    def view(self) -> View:
        """Return what is shown once the answers are known."""
        face = Face(lambda: None)
        self.watching.run(face)
        return face.views[-1]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    """One device, by nobody's unit."""
    for name in ("WATCHDOG_USEC", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    made = Parts(monkeypatch)
    yield made
    made.watching.close()


# The loop


def test_each_turn_steps_the_devices(parts: Parts) -> None:
    """A moment after the daemon, by the wall clock that they see."""
    face = Face(*[lambda: None] * 3)
    parts.watching.run(face)
    (device,) = parts.devices
    assert len(device.steps) == 3
    assert device.options["by_tick"] is False
    assert device.options["watchdog"] == 120.0
    assert device.options["config"] == "/home/me/x.ini"


def test_a_device_sees_the_wall_clock_a_little_late(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the daemon has had its answers, and ignores further ones."""
    look = parts.watching._clock.look
    looks: list[Now] = []
    monkeypatch.setattr(parts.watching._clock, "look", lambda: looks.append(look()) or looks[-1])
    parts.watching.run(Face(lambda: None))
    (device,) = parts.devices
    (seen,) = device.steps
    assert seen in [each._replace(wall_ns=each.wall_ns - LAG) for each in looks]
    assert LAG == NS / 20


def test_devices_get_a_step_of_the_clock(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once."""
    steps = iter([5 * NS, 0])
    monkeypatch.setattr(parts.watching._clock, "take_step", lambda: next(steps))
    parts.watching.run(Face(*[lambda: None] * 2))
    assert parts.devices[0].set == [5 * NS]


def test_the_output_gets_news(parts: Parts) -> None:
    """A message, an answer and a state, and nothing else."""
    parts.watching.run(Face(lambda: None))
    (device,) = parts.devices

    def message() -> None:
        device.logged = 1

    def answer() -> None:
        parts.database.answer = DOWN

    def state() -> None:
        device.becomes = State.NOT_RESPONDING

    for act in (message, answer, state):
        face = Face(lambda: None, act)
        parts.watching.run(face)
        assert face.seen == ["show", "news", "show"], act.__name__


def test_keys_are_read_when_available(parts: Parts) -> None:
    """The loop waits for the terminal, too."""
    reader, writer = os.pipe()
    try:
        face = Face(lambda: None, lambda: os.write(writer, b"q"), reads=(reader,))
        parts.watching.run(face)
        assert face.seen[-3:] == ["show", "read", "show"]
    finally:
        os.close(reader)
        os.close(writer)


def test_an_error_of_a_check_ends_it(parts: Parts) -> None:
    """It is a bug, and must not be hidden."""
    parts.disk.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        parts.watching.run(Face(lambda: None))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it(parts: Parts, number: signal.Signals) -> None:
    """Also that of a closed terminal."""
    handled = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT
    before = {each: signal.getsignal(each) for each in handled}
    try:
        parts.watching.catch_signals()
        face = Face(lambda: os.kill(os.getpid(), number), *[lambda: None] * 9)
        parts.watching.run(face)
        assert len(face.views) == 1
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_at_the_end_everything_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers, database and disk."""
    made = Parts(monkeypatch)
    made.watching.close()
    assert made.devices[0].closed
    assert (made.database.stopped, made.disk.stopped) == (True, True)
    assert made.watching._loop.wakeup.fileno() == -1


# What is shown


def test_all_parts_are_shown(parts: Parts) -> None:
    """The device with its rows, and database, disk and daemon below each other."""
    view = parts.view()
    assert view.facts == (WELL, EMPTY, Fact("daemon", "not running here"))
    (part,) = view.parts
    assert part.facts[0].label == "device"
    assert part.facts[0].text.startswith(f"{P} at venus.local:1883: ")
    assert [(row.name, row.value) for row in part.rows] == [("Voltage", None), ("Soc", None)]
    assert (view.column, view.log_entries) == (3.0, ())


def test_new_values_are_shown(parts: Parts) -> None:
    """At once."""
    parts.devices[0].readings = [Reading(0, "", "Soc", 88.5)]
    assert [row.value for row in parts.view().parts[0].rows] == [None, 88.5]


def test_a_column_of_the_graphs_is_as_long_as_the_longest_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All devices have the same."""
    batteries = battery(), battery(name="b", interval=30.0)
    made = Parts(monkeypatch, SETTINGS._replace(batteries=batteries))
    assert made.view().column == 30.0
    assert [part.facts[0].label for part in made.view().parts] == ["[Battery]", "b"]
    made.watching.close()


@pytest.mark.parametrize("wrong", ["database", "device", ""])
def test_unreadable_secrets_are_shown_beside_a_problem(parts: Parts, wrong: str) -> None:
    """They may be the reason; otherwise there is no hint."""
    if wrong == "database":
        parts.database.answer = DOWN
    if wrong == "device":
        parts.devices[0].trouble = Trouble("login", "refused")
    hint = (Fact("secrets", "not seen: a password", Level.NOTE),)
    assert parts.view().facts[3:] == (hint if wrong else ())


def test_a_problem_is_not_shown_twice(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither from the log nor in the daemon's status; their other parts are shown."""
    parts.database.answer = DOWN
    for text in (f"{DOWN.text}; values are kept", "reading venus.local"):
        parts.log_entries.emit(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))
    monkeypatch.setattr(command.health, "read_health", lambda _: None)
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(
        command, "ask_daemon", lambda _, shown: asked.append(shown) or Fact("daemon", "well")
    )
    view = parts.view()
    assert [fact.text for fact in view.log_entries] == ["reading venus.local"]
    assert asked == [[DOWN.text, "Voltage "]]
