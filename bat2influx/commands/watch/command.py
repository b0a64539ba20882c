"""`bat2influx watch`: shows the devices' values as they arrive, and the state of all parts.

It reads with the daemon's own classes, so that failures have the same names. Nothing is stored and
no file is written; beside a running daemon it is one more client of the broker.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bat2influx.clock import Clock, Now
from bat2influx.commands import configuration
from bat2influx.commands.credentials import unreadable_secrets
from bat2influx.commands.output import complain
from bat2influx.commands.watch.lines import Lines
from bat2influx.commands.watch.model import LONGEST, Fact, Level, View, column_of
from bat2influx.commands.watch.sources import Watched, ask_daemon, ask_database, ask_disk
from bat2influx.commands.watch.terminal import Screen, glyphs, is_fit
from bat2influx.config import paths
from bat2influx.config.settings import Battery, Settings, one_of_fleet
from bat2influx.daemon import health
from bat2influx.daemon.loop import Loop
from bat2influx.daemon.watchdog import DEFAULT_WATCHDOG
from bat2influx.device.device import Device
from bat2influx.device.remembered import DeviceRecord, RememberedDevices
from bat2influx.printable import plain
from bat2influx.reading import NS
from bat2influx.service import notify
from bat2influx.service.journal import Plain
from bat2influx.service.ownership import OwnerError, become_owner

LOG_LINES = 2  # lines of the log that are shown
LAG = NS // 20  # by which it reads later than the daemon, so that the daemon ignores the answers


class Face(Protocol):
    """The output: a terminal, or lines."""

    ended: bool

    @property
    def descriptors(self) -> Sequence[int]: ...
    def notify_change(self, now: float) -> None: ...
    def timeout(self, now: float) -> float: ...
    def due(self, now: float) -> bool: ...
    def show(self, view: View) -> None: ...
    def read(self) -> None: ...


EXAMPLES = """\
examples:
  bat2influx watch                         q ends it, arrow keys scroll
  bat2influx watch | head -n 20            one line every second"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "portal",
        metavar="PORTAL",
        nargs="?",
        default="",
        help="portal id of the device (with serial = *)",
    )
    parser.set_defaults(function=_run)


def _run(options: argparse.Namespace) -> int:
    settings = configuration.read_or_complain(options.config)
    if settings is None:
        return os.EX_CONFIG
    try:
        settings = one_of_fleet(settings, options.portal)
    except ValueError as error:
        complain(f"bat2influx watch: {error}")
        return os.EX_USAGE
    return watch(settings, os.environ)


def watch(settings: Settings, environment: Mapping[str, str]) -> int:
    """Show it until `q`, SIGINT, SIGTERM, or the reader's end; return the exit code, 0."""
    hints = [*unreadable_secrets(settings, environment, command="watch", by="--pty")]
    try:  # only root may read these hints; everything else the state's owner may read
        state = paths.state_directory(settings.path, environment)
        become_owner(state, paths.service_user(settings.path, environment))
    except (OwnerError, OSError) as error:
        complain(f"bat2influx watch: {error}")
        return os.EX_NOPERM
    log_entries = LogCapture()
    face: Screen | Lines
    if is_fit(environment):
        log_entries.collect()
        face = Screen(environment)
    else:
        log_entries.forward()
        face = Lines(glyphs())
    watching = Watch(settings, environment, log_entries, hints)
    try:
        watching.catch_signals()  # before curses has its own handlers
        with face:
            watching.run(face)
    finally:
        watching.close()
    return os.EX_OK


class Watch:
    """The devices, the periodic checks, and the loop."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        log_entries: LogCapture,
        hints: Sequence[str],
    ) -> None:
        """`hints` about secrets that this command cannot read are shown beside problems."""
        self._settings = settings
        self._secrets = hints
        self._log_entries = log_entries
        self._w = notify.watchdog_interval() or DEFAULT_WATCHDOG
        self._loop = Loop()
        self._clock = Clock()
        state = paths.state_directory(settings.path, environment)
        known = _Known(state)
        self._column = column_of(settings.batteries)
        self._devices = tuple(self._device(battery, known) for battery in settings.batteries)
        alone = len(self._devices) == 1
        self._watched = [Watched(each, self._column, alone=alone) for each in self._devices]
        self._health = health.health_path(settings.path, environment)
        wake = self._loop.wakeup.wake
        self._asked = (ask_database(settings, wake, self._w), ask_disk(state, wake))
        self._answers: list[Fact] = []

    def catch_signals(self) -> None:
        """Let signals end the loop, so that the terminal is restored."""
        self._loop.wakeup.catch_signals()
        signal.signal(signal.SIGQUIT, signal.getsignal(signal.SIGTERM))

    def run(self, face: Face) -> None:
        """Run until a key or a signal ends it."""
        wakeup = self._loop.wakeup
        while not (face.ended or wakeup.stop or wakeup.reload):  # SIGHUP: the terminal is closed
            most = face.timeout(time.monotonic())
            ready = self._loop.wait(self._devices, self._look, most, face.descriptors)
            if self._step(ready):
                face.notify_change(time.monotonic())
            if any(descriptor in ready for descriptor in face.descriptors):
                face.read()
            if face.due(now := time.monotonic()):
                face.show(self._view(now))

    def close(self) -> None:
        """Disconnect from the brokers, and stop the checks."""
        for check in self._asked:
            check.stop()
        for device in self._devices:
            device.close()
        self._loop.close()

    def _step(self, ready: dict[int, int]) -> bool:
        """Step the devices; return whether there is something new."""
        now = self._look()
        if step := self._clock.take_step():
            for device in self._devices:
                device.clock_set(step)
        states = [device.state for device in self._devices]
        new = self._loop.step(self._devices, ready, now)
        for watched in self._watched:
            watched.take(now.mono)
        answers = [check.answer for check in self._asked]
        for check in self._asked:
            if check.failure:
                raise check.failure
        new = new or answers != self._answers or states != [each.state for each in self._devices]
        self._answers = answers
        return new

    def _view(self, now: float) -> View:
        parts = tuple(watched.part(now) for watched in self._watched)
        answers = [*self._answers]
        shown = [fact.text for fact in answers if fact.level is Level.WRONG]
        shown += [text for watched in self._watched for text in watched.beginnings()]
        answers.append(ask_daemon(self._health, shown))
        every = [fact for part in parts for fact in part.facts] + answers
        wrong = tuple(fact.text for fact in every if fact.level is Level.WRONG)
        if wrong:
            answers += [Fact("secrets", hint, Level.NOTE) for hint in self._secrets]
        return View(
            time=datetime.now().astimezone(),
            now=now,
            column=self._column,
            facts=tuple(answers),
            parts=parts,
            log_entries=tuple(
                each for each in self._log_entries.latest if not each.text.startswith(wrong)
            ),
        )

    def _look(self) -> Now:
        """Look at the clocks; the devices see the wall clock LAG later."""
        now = self._clock.look()
        return now._replace(wall_ns=now.wall_ns - LAG)

    def _device(self, battery: Battery, known: RememberedDevices) -> Device:
        return Device(
            battery,
            by_tick=False,
            watchdog=self._w,
            config=str(self._settings.path),
            remembered=known,
            wake=self._loop.wakeup.wake,
        )


class _Known(RememberedDevices):
    """What the daemon has discovered, as far as it can be read; nothing is written here."""

    def keep(self, key: str, found: DeviceRecord) -> None:
        """Leave the file as it is."""

    def _warn(self, what: str) -> None:
        pass


class LogCapture(logging.Handler):
    """The log of the parts: the latest entries beside the values, or to stderr."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.latest: deque[Fact] = deque(maxlen=LOG_LINES)

    def collect(self) -> None:
        """Keep the latest entries, to show them."""
        self._take_over(self)

    def forward(self) -> None:
        """Write to stderr the entries that are not about a trouble, which has its own lines."""
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Plain())
        handler.addFilter(lambda record: not hasattr(record, "COUNT"))
        self._take_over(handler)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        level = Level.OK if record.levelno <= logging.INFO else Level.NOTE
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        with contextlib.suppress(Exception):  # as logging has it
            self.latest.append(Fact(when, plain(record.getMessage(), LONGEST), level))

    def _take_over(self, handler: logging.Handler) -> None:
        log = logging.getLogger("bat2influx")
        log.setLevel(logging.INFO)
        log.propagate = False
        log.handlers[:] = [handler]
