"""Whether the daemon is well, for who cannot ask systemd: a container's health check, `watch`.

Format: `NAME.health` beside the node exporter's file, NAME being that of the ini, one JSON object:

    {"format": 1, "at": 5120.4, "alive": 5120.3, "within": 120.0, "status": "Voltage 52.6, ..."}

`at` is when it was written and `alive` when the watchdog's ping was last earned (null: not yet),
both in s by CLOCK_MONOTONIC, which all processes of a machine share; `within` is W, in s. The file
is replaced each second while the daemon runs, and goes with it.

Rules: well is what systemd's watchdog would take for well, and no more: a message of a device in
the latest W, while the threads that store go on. An absent database is told and is no illness, for
nothing is lost by it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bat2influx.config import paths
from bat2influx.daemon.textfile import TextFile
from bat2influx.printable import shortened
from bat2influx.safe_json import parse
from bat2influx.service import ownership

FORMAT = 1
SUFFIX = ".health"
MAX_FILE = 64 * 1024  # bytes
MAX_STATUS = 2000  # characters; JSON makes twelve bytes of one at the most
STUCK_AFTER = 10.0  # s; a daemon that has written nothing for so long is stuck, or was killed


class UnreadableError(Exception):
    """There is a file, and it tells nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the file says."""

    at: float
    alive: float | None
    within: float
    status: str

    def illness(self, now: float) -> str:
        """Return what is wrong at `now` (monotonic, s); empty when it is well."""
        if self.at > now:
            return "the health file was written before the latest start of this machine"
        if now - self.at > STUCK_AFTER:
            return f"the daemon hung or was killed {now - self.at:.0f} s ago"
        if self.alive is None:
            return "no device has sent a message yet"
        if now - self.alive > self.within:
            since = f"{now - self.alive:.0f} s"
            return f"no device has sent a message, or a worker thread has hung, for {since}"
        return ""


class HealthFile:
    """Keeps the file, where there is a place for it."""

    def __init__(self, config: Path, within: float) -> None:
        path = paths.runtime_file(config, os.environ, SUFFIX)
        self._file = TextFile(path, "`bat2influx health`", "") if path else None
        self._within = within

    def write(self, now: float, alive: float | None, status: str) -> None:
        """Say how it is at `now`; `alive` as above."""
        if self._file:
            health = Health(now, alive, self._within, shortened(status, MAX_STATUS))
            self._file.write(json.dumps({"format": FORMAT, **asdict(health)}), now)

    def close(self) -> None:
        """Have no file any more."""
        if self._file:
            self._file.remove()


def health_path(config: Path, environment: Mapping[str, str]) -> Path | None:
    """Return where the daemon with this ini has its file, as seen from outside its unit."""
    return paths.runtime_file_of_service(config, environment, SUFFIX)


def read_health(path: Path) -> Health | None:
    """Return what the file says; None where there is none. Raises UnreadableError."""
    try:
        data = ownership.read_regular(path, MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(f"cannot read {path} ({error.strerror})") from error
    if len(data) > MAX_FILE:
        raise UnreadableError(f"{path} is longer than {MAX_FILE // 1024} KiB")
    try:
        return _understood(parse(data))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise UnreadableError(f"{path} is damaged or of another version") from error


def _understood(content: Any) -> Health:
    """Return what a file says. Raises one of several errors when it is not as described."""
    if content["format"] != FORMAT:
        raise ValueError
    alive = None if content["alive"] is None else float(content["alive"])
    return Health(float(content["at"]), alive, float(content["within"]), str(content["status"]))
