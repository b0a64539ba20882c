"""Whether the daemon is healthy, for readers without systemd: a container's health check, `watch`.

Format: `NAME.health` beside the node exporter's file, NAME being that of the ini, one JSON object:

    {"format": 1, "at": 5120.4, "alive": 5120.3, "within": 120.0, "status": "Voltage 52.6, ..."}

`at` is the time of writing and `alive` that of the latest deserved watchdog ping (null: none yet),
both in s of CLOCK_MONOTONIC, which all processes of a machine share; `within` is W, in s. The
daemon replaces the file every second, and removes it at its end. A later daemon also writes
"figures", an object with the fields of HealthFigures, which an earlier reader ignores.

Rules: healthy means what systemd's watchdog accepts, and no more: a message from a device within
the latest W, and delivery threads that make progress. An unreachable database is in `status`, but
does not make the daemon unhealthy, because no value is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from bat2influx.config import paths
from bat2influx.daemon.textfile import TextFile
from bat2influx.delivery.figures import Figures
from bat2influx.printable import shortened
from bat2influx.safe_json import parse
from bat2influx.service import ownership

FORMAT = 1
SUFFIX = ".health"
MAX_FILE = 64 * 1024  # bytes
MAX_STATUS = 2000  # characters; each takes at most twelve bytes in JSON
STUCK_AFTER = 10.0  # s without a write, after which the daemon counts as hanging or killed
LARGEST = 2**63  # of a number in the file: ns and counts fit, and arithmetic with them cannot fail


class UnreadableError(Exception):
    """The file exists but cannot be used; the text says why."""


class Condition(Enum):
    """How the daemon is, in a word; `problem` has the same in a sentence."""

    HEALTHY = "healthy"
    STARTING = "starting"  # no device has sent a message yet
    NOT_RESPONDING = "not_responding"  # no message for W, or a thread that has stopped
    STALLED = "stalled"  # or killed
    STALE = "stale"  # from before this machine was started


class HealthFigures(NamedTuple):
    """Numbers of values; counts are since the start of the daemon (see delivery/figures.py).

    `last_value_ns` is the stamp of the latest value of any device, in ns since 1970, and
    `spool_used` the part of the room for queued values that is taken, 0 to 1.
    """

    last_value_ns: int | None
    queued: int
    on_disk: int
    stored: int
    rejected: int
    dropped: int
    rejected_dropped: int
    spool_used: float
    database_up: bool | None

    @classmethod
    def of(cls, figures: Figures, last_values_ns: Iterable[int | None]) -> HealthFigures:
        """Return what is known of the delivery, and of the latest value of each device."""
        return cls(
            last_value_ns=max((ns for ns in last_values_ns if ns is not None), default=None),
            queued=figures.queued,
            on_disk=figures.on_disk,
            stored=figures.accepted,
            rejected=figures.rejected,
            dropped=figures.dropped,
            rejected_dropped=figures.rejected_dropped,
            spool_used=round(figures.fullness, 4),
            database_up=figures.database_up,
        )


class Health(NamedTuple):
    """The content of the file; `figures` is None of a daemon that writes none."""

    at: float
    alive: float | None
    within: float
    status: str
    figures: HealthFigures | None = None

    def condition(self, now: float) -> Condition:
        """Return how the daemon is at `now` (monotonic, s)."""
        if self.at > now:
            return Condition.STALE
        if now - self.at > STUCK_AFTER:
            return Condition.STALLED
        if self.alive is None:
            return Condition.STARTING
        return Condition.NOT_RESPONDING if now - self.alive > self.within else Condition.HEALTHY

    def problem(self, now: float) -> str:
        """Return what is wrong at `now` (monotonic, s), in a sentence; empty when it is healthy."""
        match self.condition(now):
            case Condition.STALE:
                return "the health file was written before the latest start of this machine"
            case Condition.STALLED:
                return f"the daemon hung or was killed {now - self.at:.0f} s ago"
            case Condition.STARTING:
                return "no device has sent a message yet"
            case Condition.NOT_RESPONDING:
                since = f"{now - (self.alive or 0.0):.0f} s"
                return f"no device has sent a message, or a worker thread has hung, for {since}"
            case Condition.HEALTHY:
                return ""


class HealthFile:
    """Writes the file, if there is a runtime directory."""

    def __init__(self, config: Path, within: float) -> None:
        path = paths.runtime_file(config, os.environ, SUFFIX)
        self._file = TextFile(path, "`bat2influx health`", "") if path else None
        self._within = within

    def write(
        self, now: float, alive: float | None, status: str, figures: HealthFigures | None = None
    ) -> None:
        """Write the state at `now`; `alive` as above."""
        if self._file:
            health = Health(now, alive, self._within, shortened(status, MAX_STATUS), figures)
            self._file.write(json.dumps(_content(health)), now)

    def close(self) -> None:
        """Remove the file."""
        if self._file:
            self._file.remove()


def health_path(config: Path, environment: Mapping[str, str]) -> Path | None:
    """Return the path of the file of the daemon with this ini, as seen from outside its unit."""
    return paths.runtime_file_of_service(config, environment, SUFFIX)


def read_health(path: Path) -> Health | None:
    """Return the content of the file; None if it does not exist. Raises UnreadableError."""
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
    """Return the content as a Health. Raises ValueError, TypeError, KeyError or OverflowError."""
    if content["format"] != FORMAT:
        raise ValueError
    alive = None if content["alive"] is None else float(content["alive"])
    figures = content.get("figures")
    return Health(
        float(content["at"]),
        alive,
        float(content["within"]),
        str(content["status"]),
        None if figures is None else _figures(figures),
    )


def _content(health: Health) -> dict[str, Any]:
    """Return what is written to the file."""
    figures = None if health.figures is None else health.figures._asdict()
    return {"format": FORMAT, **health._asdict(), "figures": figures}


def _figures(content: Any) -> HealthFigures:
    """Return the numbers in a file. Raises TypeError, ValueError or KeyError for other content."""
    found = {name: content[name] for name in HealthFigures._fields}
    for value in found.values():
        if value is None:
            continue
        if not isinstance(value, (int, float)):
            raise TypeError
        if not abs(value) < LARGEST:  # NaN, too
            raise ValueError
    return HealthFigures(**found)
