"""Daemons that are not started, with a settable clock, and peers that record their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.clock import Hold, Now
from bat2influx.config.settings import Settings
from bat2influx.daemon import main
from bat2influx.daemon.main import Daemon
from bat2influx.delivery.figures import Figures
from bat2influx.device.device_clock import DeviceClock
from bat2influx.reading import NS
from bat2influx.service import notify
from tests.unit.config.test_settings import read

TWO = "[Battery]\naddress = 10.0.0.2\n[Battery boat]\naddress = 10.0.0.3\n"
STARTED = 1000.0  # s, monotonic
TIME = 1_767_225_610 * NS


class Clock:
    """A clock that shows the time that a test sets; `now` is in s since the start."""

    def __init__(self) -> None:
        self.now, self.hold, self.step = 0.0, Hold.NO, 0
        self.synchronised = True
        self.followed: int | None = None
        self._ahead = 0  # s

    def look(self) -> Now:
        """Return the clocks."""
        boot_ns = round(self.now * NS)
        own = Now(TIME + self._ahead * NS + boot_ns, STARTED + self.now, boot_ns)
        return own if self.followed is None else own.by(self.followed)

    def set(self, ahead: int) -> None:
        """Set this machine's own clock, to so many s ahead of its first time."""
        before = self.look().wall_ns
        self._ahead = ahead
        self.step += self.look().wall_ns - before

    def follow(self, distance: int | None) -> None:
        """Show another clock's time from now on."""
        before = self.look().wall_ns
        self.followed = distance
        self.step += self.look().wall_ns - before

    def take_step(self) -> int:
        """Return by how much the clock was set, once."""
        step, self.step = self.step, 0
        return step

    def timeout(self) -> float:
        """Return the seconds to the next reading of the clock."""
        return 1.0


class Part:
    """A stand-in for a part of the daemon, with the attributes `has`; it records other calls."""

    def __init__(self, **has: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name, what in has.items():
            setattr(self, name, what)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: self.calls.append((name, *given))


def quiet(**changes: Any) -> Any:
    """Return a device without messages."""
    known: dict[str, Any] = {
        "battery": SimpleNamespace(name="", address="10.0.0.2", clock="own"),
        "clock": DeviceClock(),
        "undecided": None,
        "trouble": None,
        "state": SimpleNamespace(value="looking for"),
        "census": None,
        "last_value_ns": None,
        "pop_rows": list,
        "expects_answer": lambda since: False,
    }
    return Part(**known | changes)


def delivery(**changes: Any) -> Any:
    """Return a delivery without pending work."""
    known: dict[str, Any] = {
        "failure": None,
        "failed_thread": "",
        "finished": {"keeper": STARTED},
        "figures": Figures(),
    }
    return Part(**known | changes)


class Harness:
    """Creates daemons from texts of ini files; `sent` is what they send to the service manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.sent: list[str] = []
        self.made: list[Any] = []

    def daemon(self, text: str = TWO, reload: Callable[[], Settings] | None = None) -> Any:
        """Return a daemon; it reloads the same text by default."""
        self.made.append(Daemon(self.settings(text), reload or (lambda: self.settings(text))))
        return self.made[-1]

    def settings(self, text: str) -> Settings:
        """Return what an ini says."""
        return read(self.folder, text)


@contextmanager
def by_hand(folder: Path) -> Iterator[Harness]:
    """Provide directories for daemons, in a unit with a watchdog of 120 s."""
    made = Harness(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("state", "run"):
            (folder / name).mkdir()
        patch.setenv("STATE_DIRECTORY", str(folder / "state"))
        patch.setenv("RUNTIME_DIRECTORY", str(folder / "run"))
        patch.delenv("WATCHDOG_PID", raising=False)
        patch.setenv("WATCHDOG_USEC", "120000000")
        patch.setattr(notify, "_notify", lambda *lines: made.sent.append(lines[0]))
        patch.setattr(main, "Clock", Clock)
        yield made
        for each in made.made:
            for device in each.devices:
                device.close()
            each._loop.close()
