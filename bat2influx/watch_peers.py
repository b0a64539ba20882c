"""What `bat2influx watch` asks beside the devices: the database, the disk, and the daemon.

Each is asked now and then on a thread of its own, which nobody waits for: a database may take its
time to answer, and a disk too. Nothing is written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

from bat2influx import health
from bat2influx.config import Settings
from bat2influx.influx import DEADLINE, Probe, Writer
from bat2influx.printable import plain, span
from bat2influx.reading import NS
from bat2influx.storeerror import DiskError
from bat2influx.storereader import DiskReader, Summary
from bat2influx.watch_state import LONGEST, Fact, Level

EACH = 2.0  # s between two questions
WAITS = 10.0  # s; what is on disk for longer waits for more than its turn


class PeriodicCheck:
    """Asks again and again; `answer` is the latest one, `failure` what has ended it."""

    def __init__(
        self,
        ask: Callable[[], Fact],
        first: Fact,
        wake: Callable[[], None],
        *,
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        """`wake` is called after each answer; `cut` ends a question that is under way."""
        self.answer = first
        self.failure: BaseException | None = None
        self._ask, self._wake, self._cut = ask, wake, cut
        self._over = threading.Event()
        threading.Thread(target=self._run, name=first.label, daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
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
    """Have the database asked; with `watchdog`, in s, it is given as long as the daemon gives it.

    It is asked what would become of a write, by one that has no line in it.
    """
    writer = Writer(settings.influx, str(settings.path), deadline=min(DEADLINE, watchdog / 4))

    def ask() -> Fact:
        return database(writer.probe(), writer.where, settings.influx.db)

    first = Fact("database", f"asking {writer.where}")
    return PeriodicCheck(ask, first, wake, cut=writer.cut)


def database(probe: Probe, where: str, db: str) -> Fact:
    """Return what an answer of the database tells."""
    if probe.trouble:
        what = plain(probe.trouble.what, LONGEST)
        return Fact("database", what, Level.WRONG, probe.trouble.cause)
    version = f" {probe.server.version}" if probe.server.version else ""
    who = f"{probe.server.name}{version} at {where}"
    if probe.missing:
        text = f"{who} answers; {db!r} is not there yet, it is made with the first value"
        return Fact("database", text)
    return Fact("database", f"{who}, {db!r}, answers")


def ask_disk(state: Path, wake: Callable[[], None]) -> PeriodicCheck:
    """Have the spool in the directory `state` looked at."""

    def ask() -> Fact:
        try:
            with closing(DiskReader(state)) as reader:
                return disk(reader.summary(), time.time_ns())
        except DiskError as error:
            return Fact("on disk", plain(str(error), LONGEST), Level.NOTE, "disk")

    return PeriodicCheck(ask, Fact("on disk", "looking"), wake)


def disk(found: Summary, now_ns: int) -> Fact:
    """Return what is on disk; `now_ns` is by the wall clock."""
    level, text = Level.WELL, "nothing waits"
    if found.waiting:
        many = "values wait" if found.waiting > 1 else "value waits"
        text = f"{found.waiting} {many} for the database"
    if found.waiting and found.oldest is not None and (age := (now_ns - found.oldest) / NS) > 0:
        text += f", the oldest from {span(age)} ago"
        level = Level.NOTE if age > WAITS else Level.WELL
    if found.rejected:
        text += f"; {found.rejected} {'rows' if found.rejected > 1 else 'row'} refused"
        level = Level.NOTE
    return Fact("on disk", text, level, "disk" if level else "")


def ask_daemon(path: Path | None, shown: Collection[str]) -> Fact:
    """Return how the daemon is that has its health in the file `path`; `shown` as below."""
    return daemon(health.read_health(path) if path else None, shown, time.monotonic())


def daemon(found: health.Health | None, shown: Collection[str], now: float) -> Fact:
    """Return what the daemon says of itself, but for what begins with what is `shown` anyhow."""
    if found is None:
        return Fact("daemon", "not running here")
    status = plain(found.status, LONGEST)
    for text in shown:
        before, begins, rest = f"; {status}".partition(f"; {text}")
        if begins:
            status = f"{before}; {rest.partition('; ')[2]}".removeprefix("; ").strip("; ")
    if illness := found.illness(now):
        return Fact("daemon", f"{illness}; {status}", Level.WRONG, "daemon")
    return Fact("daemon", f"well: {status}")
