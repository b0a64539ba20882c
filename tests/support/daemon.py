"""The daemon as people run it, and the service manager's end of its notify socket.

Rules: the daemon runs in a separate process, with the Python that runs the tests, so that both
generations of paho are tested. No test sleeps for a time: `wait` polls for an event, with a bound
that a loaded machine meets.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bat2influx.daemon.main import HEARTBEAT, PACES
from tests import TOP
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError, Row
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import VenusRunner
from tests.support.part import Part
from tests.support.process import Process

T = TypeVar("T")
BOUND = 120.0  # s; an event that has not happened by then will not happen


def wait(what: str, condition: Callable[[], T], timeout: float = BOUND) -> T:
    """Return the first true value of `condition`; AssertionError, naming `what`, without one."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s for {what}"
        time.sleep(0.01)
    return value


class NotifySocket:
    """Receives the daemon's messages to the service manager: (monotonic, {name: value})."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: list[tuple[float, dict[str, str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while message := self._socket.recv(65_536):
            pairs = (line.split("=", 1) for line in message.decode().splitlines())
            self.received.append((time.monotonic(), dict(pairs)))

    def times(self, name: str) -> list[float]:
        """Return when `name` was sent, as in times("WATCHDOG")."""
        return [when for when, values in list(self.received) if name in values]

    def values(self, name: str) -> list[str]:
        """Return all values that were sent for `name`."""
        return [values[name] for _, values in list(self.received) if name in values]

    @property
    def status(self) -> str:
        """The latest STATUS=."""
        return (self.values("STATUS") or [""])[-1]

    def close(self) -> None:
        """End the reading thread."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Daemon(Process):
    """`bat2influx --config FILE`, with its log; `module` and `options` start something else."""

    def __init__(
        self,
        config: Path,
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        module: str = "bat2influx",
        options: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            "bat2influx",
            [sys.executable, "-m", module, "--config", config, *options],
            log,
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            cwd=TOP,
        )

    def logged(self, pattern: str) -> list[str]:
        """Return the lines of its log in which the regular expression is found."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern: str, timeout: float = BOUND) -> str:
        """Wait until its log has a line with `pattern`, and return the first."""

        def line() -> list[str]:
            assert self.running or self.logged(pattern), f"it has ended\n{self.tail(30)}"
            return self.logged(pattern)

        return wait(f"{pattern!r} in the log", line, timeout)[0]

    def wait_for_end(self, timeout: float = BOUND) -> int:
        """Wait until it ends by itself, and return the exit code."""
        wait("the daemon's end", lambda: self.exit_code is not None, timeout)
        assert self.exit_code is not None
        return self.exit_code


class Setting(Part):
    """A broker and a database, and what a test needs to run the daemon between them."""

    def __init__(self, directory: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> None:
        self.directory = directory
        self.mosquitto = mosquitto
        self.influxdb = influxdb
        self.ini: dict[str, dict[str, object]] = {
            "Battery": {"address": "127.0.0.1", "port": mosquitto.port},
            "Influx": {"address": "127.0.0.1", "port": influxdb.port},
        }
        self._stack = ExitStack()
        self._daemons = 0

    def close(self) -> None:
        """Stop all that this object started."""
        self._stack.close()

    def venus(self, *devices: Device) -> VenusRunner:
        """Attach devices to the broker, until the test ends."""
        return self._stack.enter_context(
            VenusRunner("127.0.0.1", self.mosquitto.port, list(devices))
        )

    def notify_socket(self) -> NotifySocket:
        """Return a notify socket; hand its path to the daemon as NOTIFY_SOCKET."""
        notify = NotifySocket(self.directory / "notify")
        self._stack.callback(notify.close)
        return notify

    def write_ini(self, **sections: Mapping[str, object]) -> Path:
        """Write the ini, with `sections` over those of `self.ini`, and return its path."""
        merged = {name: dict(keys) for name, keys in self.ini.items()}
        for name, keys in sections.items():
            merged.setdefault(name, {}).update(keys)
        path = self.directory / "bat2influx.ini"
        path.write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                for name, keys in merged.items()
            )
        )
        return path

    def daemon(
        self,
        *,
        notify: NotifySocket | None = None,
        watchdog: float | None = None,
        environment: Mapping[str, str] | None = None,
        module: str = "bat2influx",
        options: tuple[str, ...] = (),
        text: str | None = None,
        **sections: Mapping[str, object],
    ) -> Daemon:
        """Start the daemon with an ini made by `write_ini`, or with `text` in it.

        `watchdog` is the interval in s.
        """
        more = {"STATE_DIRECTORY": str(self.directory / "state"), **(environment or {})}
        if notify:
            more["NOTIFY_SOCKET"] = str(notify.path)
        if watchdog is not None:
            more["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
            if module == "bat2influx" and watchdog < PACES * HEARTBEAT:
                module = "tests.support.hurried"
        self._daemons += 1
        ini = self.write_ini(**sections)
        if text is not None:
            ini.write_text(text)
        daemon = Daemon(
            ini,
            self.directory / f"daemon-{self._daemons}.log",
            environment=more,
            module=module,
            options=options,
        )
        daemon.start()
        self._stack.callback(daemon.kill)
        return daemon

    def rows(self, what: str = "*", db: str = "battery", measurement: str = "dc") -> list[Row]:
        """Return the stored rows, oldest first; none before the database exists."""
        try:
            return self.influxdb.query(f'SELECT {what} FROM "{measurement}"', db)
        except InfluxDBError as error:
            if "database not found" in str(error):
                return []
            raise

    def stored(self, db: str = "battery", measurement: str = "dc") -> list[tuple[int, str, float]]:
        """Return the stored values as (time in ns, field, value), oldest first."""
        return sorted(
            (row["time"], field, value)
            for row in self.rows(db=db, measurement=measurement)
            for field, value in row.items()
            if field != "time" and isinstance(value, float | int)
        )
