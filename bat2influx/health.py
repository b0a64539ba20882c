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

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bat2influx import textfile
from bat2influx.plain import plain
from bat2influx.textfile import TextFile

FORMAT = 1
SUFFIX = ".health"
MAX_FILE = 64 * 1024  # bytes
FRESH = 10.0  # s; a daemon that has written nothing for so long is stuck, or was killed
LONGEST = 2000  # characters of a status line
EX_OK, EX_UNAVAILABLE = 0, 69
_HOME = Path("/etc/bat2influx")


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
            return "what is known of the daemon is from before this machine has started"
        if now - self.at > FRESH:
            return f"the daemon has stood still, or was killed, {now - self.at:.0f} s ago"
        if self.alive is None:
            return "nothing has come from a device yet"
        if now - self.alive > self.within:
            since = f"{now - self.alive:.0f} s"
            return f"nothing has come from a device, or a part has stopped, for {since}"
        return ""


class HealthFile:
    """Keeps the file, where there is a place for it."""

    def __init__(self, config: Path, within: float) -> None:
        path = textfile.runtime_file(config, os.environ, SUFFIX)
        self._file = TextFile(path, "`bat2influx health`", "") if path else None
        self._within = within

    def write(self, now: float, alive: float | None, status: str) -> None:
        """Say how it is at `now`; `alive` as above."""
        if self._file:
            health = Health(now, alive, self._within, status)
            self._file.write(json.dumps({"format": FORMAT, **asdict(health)}), now)

    def close(self) -> None:
        """Have no file any more."""
        if self._file:
            self._file.remove()


def health_path(config: Path, environment: Mapping[str, str]) -> Path | None:
    """Return where the daemon with this ini has its file, as seen from outside its unit."""
    if not environment.get("RUNTIME_DIRECTORY") and config.absolute().parent == _HOME:
        unit = "bat2influx" if config.stem == "bat2influx" else f"bat2influx-{config.stem}"
        return Path("/run", unit, f"{config.stem}{SUFFIX}")
    return textfile.runtime_file(config, environment, SUFFIX)


def read_health(path: Path) -> Health | None:
    """Return what the file says; None where there is none, or none that can be understood."""
    wrong = (OSError, ValueError, TypeError, KeyError, RecursionError)
    with contextlib.suppress(*wrong), path.open("rb") as file:
        return _understood(json.loads(file.read(MAX_FILE)))
    return None


def tell(config: Path, environment: Mapping[str, str]) -> int:
    """Print how the daemon with this ini is; return the exit code."""
    path = health_path(config, environment)
    found = read_health(path) if path else None
    if found is None:
        where = f"no {path}" if path else "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set"
        text = f"bat2influx health: no daemon runs with {config}, or not as this user ({where})"
        print(text, file=sys.stderr)  # noqa: T201 - people read this
        return EX_UNAVAILABLE
    illness = found.illness(time.monotonic())
    told = "; ".join(part for part in (illness, plain(found.status, LONGEST)) if part)
    print(told)  # noqa: T201 - this is the command's output
    return EX_UNAVAILABLE if illness else EX_OK


def _understood(content: Any) -> Health:
    """Return what a file says. Raises one of several errors when it is not as described."""
    if content["format"] != FORMAT:
        raise ValueError
    alive = None if content["alive"] is None else float(content["alive"])
    return Health(float(content["at"]), alive, float(content["within"]), str(content["status"]))
