"""The sources of `bat2influx watch`: a device's values, the database, the disk, and the daemon.

The loop steps the devices. Database and disk are checked every EACH seconds, each on its own
thread, because both may answer slowly. Nothing is written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path

from bat2influx.commands.watch.model import LONGEST, STALE_AFTER, Fact, Level, Part, Values
from bat2influx.config.settings import Settings
from bat2influx.daemon import health
from bat2influx.delivery.disk_errors import DiskError
from bat2influx.delivery.disk_reader import DiskReader, Summary
from bat2influx.device.device import Device
from bat2influx.influx.writer import DEADLINE, Probe, Writer
from bat2influx.mqtt.reconnect import State
from bat2influx.printable import plain, span
from bat2influx.reading import NS

EACH = 2.0  # s between two questions
NOTE_AFTER = 10.0  # s; values that are queued on disk for longer are worth a note


class PeriodicCheck:
    """Checks periodically; `answer` is the latest result, `failure` the exception that ended it."""

    def __init__(
        self,
        ask: Callable[[], Fact],
        first: Fact,
        wake: Callable[[], None],
        *,
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        """`wake` is called after each result; `cut` ends a check that is under way."""
        self.answer = first
        self.failure: BaseException | None = None
        self._ask, self._wake, self._cut = ask, wake, cut
        self._over = threading.Event()
        threading.Thread(target=self._run, name=first.label, daemon=True).start()

    def stop(self) -> None:
        """Stop checking."""
        self._over.set()
        self._cut()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self.answer = self._ask()
                self._wake()
                self._over.wait(EACH)
        except BaseException as error:  # noqa: BLE001 - the main thread ends with it
            self.failure = error
            self._wake()


def ask_database(settings: Settings, wake: Callable[[], None], watchdog: float) -> PeriodicCheck:
    """Check the database; with `watchdog`, in s, the time limit is that of the daemon.

    The check is a write without a line, which the database answers like any write.
    """
    writer = Writer(settings.influx, str(settings.path), deadline=min(DEADLINE, watchdog / 4))

    def ask() -> Fact:
        return database(writer.probe(), writer.where, settings.influx.db)

    first = Fact("database", f"asking {writer.where}")
    return PeriodicCheck(ask, first, wake, cut=writer.abort)


def database(probe: Probe, where: str, db: str) -> Fact:
    """Return the state of the database by its answer."""
    if probe.trouble:
        what = plain(probe.trouble.what, LONGEST)
        return Fact("database", what, Level.WRONG, probe.trouble.cause)
    version = f" {probe.server.version}" if probe.server.version else ""
    who = f"{probe.server.name}{version} at {where}"
    if probe.missing:
        text = f"{who} answers; {db!r} does not exist yet, it is created with the first write"
        return Fact("database", text)
    return Fact("database", f"{who}, {db!r}, answers")


def ask_disk(state: Path, wake: Callable[[], None]) -> PeriodicCheck:
    """Check the spool in the directory `state`."""

    def ask() -> Fact:
        try:
            with closing(DiskReader(state)) as reader:
                return disk(reader.summary(), time.time_ns())
        except DiskError as error:
            return Fact("on disk", plain(str(error), LONGEST), Level.NOTE, "disk")

    return PeriodicCheck(ask, Fact("on disk", "looking"), wake)


def disk(found: Summary, now_ns: int) -> Fact:
    """Return what is on disk; `now_ns` is by the wall clock."""
    level, text = Level.OK, "nothing queued"
    if found.queued:
        many = "values" if found.queued > 1 else "value"
        text = f"{found.queued} {many} queued"
    if found.queued and found.oldest is not None and (age := (now_ns - found.oldest) / NS) > 0:
        text += f", the oldest from {span(age)} ago"
        level = Level.NOTE if age > NOTE_AFTER else Level.OK
    if found.rejected:
        text += f"; {found.rejected} {'values' if found.rejected > 1 else 'value'} rejected"
        level = Level.NOTE
    return Fact("on disk", text, level, "disk" if level else "")


def ask_daemon(path: Path | None, shown: Collection[str]) -> Fact:
    """Return the state of the daemon with the health file `path`; `shown` as below."""
    try:
        found = health.read_health(path) if path else None
    except health.UnreadableError as error:
        return Fact("daemon", plain(str(error), LONGEST), Level.NOTE, "daemon")
    return daemon(found, shown, time.monotonic())


def daemon(found: health.Health | None, shown: Collection[str], now: float) -> Fact:
    """Return the daemon's status, without the parts that begin with a text in `shown`."""
    if found is None:
        return Fact("daemon", "not running here")
    status = plain(found.status, LONGEST)
    for text in shown:
        before, begins, rest = f"; {status}".partition(f"; {text}")
        if begins:
            status = f"{before}; {rest.partition('; ')[2]}".removeprefix("; ").strip("; ")
    if problem := found.problem(now):
        return Fact("daemon", f"{problem}; {status}", Level.WRONG, "daemon")
    return Fact("daemon", f"healthy: {status}")


HEARTBEAT = 3.0  # s between two heartbeats of a device that is kept alive (VENUS, "Keepalive")


class Watched:
    """A device, and its values. Hand it the time after each step."""

    def __init__(self, device: Device, column: float, *, alone: bool) -> None:
        """`column` is the s of a graph's column; `alone`, whether there is no other device."""
        self.device = device
        battery = device.battery
        self._values = Values(battery, column)
        self._label = battery.name or ("device" if alone else "[Battery]")
        late = HEARTBEAT + STALE_AFTER if battery.mode == "notify" else 3 * battery.interval
        self._late = max(STALE_AFTER, late)
        self._messages = 0
        self._received_at: float | None = None  # time of its latest message, while it is polled

    def take(self, now: float) -> None:
        """Take new values."""
        device = self.device
        if readings := device.pop_readings():
            self._values.take(readings, device.labels, now)
        before, self._messages = self._messages, device.messages
        if device.state is not State.POLLING:
            self._received_at = None
        elif self._received_at is None or before != self._messages:
            self._received_at = now

    def part(self, now: float) -> Part:
        """Return the device as it is shown."""
        device, answers = self.device, self.device.state is State.POLLING
        rows = self._values.rows(device.labels, device.without_value, now, answers=answers)
        return Part(device.battery.name, tuple(self._facts(now)), rows)

    def beginnings(self) -> Iterator[str]:
        """Yield the beginnings of its parts in the daemon's status line."""
        device = self.device
        site = f"{device.battery.name}: " if device.battery.name else ""
        yield from (f"{site}{label} " for label in device.labels[:1])
        if device.trouble:
            yield f"{site}{plain(device.trouble.what, LONGEST)}"

    def _facts(self, now: float) -> Iterator[Fact]:
        text = f"{self._who()}: {self._how()}"
        silent = now - self._received_at if self._received_at is not None else 0.0
        if silent > self._late:
            text = f"{text}, but no message for {span(silent)}"
            yield Fact(self._label, text, Level.WRONG, "silence")
        else:
            yield Fact(self._label, text)
        if why := self.device.trouble:
            yield Fact(self._label, plain(why.what, LONGEST), Level.WRONG, why.cause)

    def _who(self) -> str:
        battery, portal = self.device.battery, self.device.portal
        address = f"[{battery.address}]" if ":" in battery.address else battery.address
        where = f"{address}:{battery.port}"
        return f"{plain(portal)} at {where}" if portal else where

    def _how(self) -> str:
        device, battery = self.device, self.device.battery
        connected = "connected, " if device.connected else ""
        if device.state is State.WAITING:
            return "waiting to reconnect"
        if device.state is not State.POLLING:
            return f"{connected}{device.state.value}"
        if battery.mode == "notify":
            return f"{connected}receiving changes"
        return f"{connected}polling every {battery.interval:g} s"
