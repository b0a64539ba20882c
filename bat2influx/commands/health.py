"""`bat2influx health`: whether the daemon is healthy, for a container's health check."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bat2influx.commands import json_lines
from bat2influx.commands.json_lines import Record, timestamp
from bat2influx.commands.output import complain, say
from bat2influx.daemon.health import (
    Condition,
    Health,
    UnreadableError,
    health_path,
    read_health,
)
from bat2influx.printable import plain
from bat2influx.reading import NS
from bat2influx.service.ownership import OwnerError, become_owner

LONGEST = 2000  # characters of a status line

EXAMPLES = """\
example:
  bat2influx health && echo healthy        exit code: 0 healthy, 69 not"""

# States that no file of a daemon has
NOT_RUNNING = "not_running"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class HealthRecord(Record):
    """How the daemon is; what is not known is None.

    Ages are in s. `state` is a Condition, NOT_RUNNING or UNKNOWN; the numbers are those of
    HealthFigures.
    """

    kind = "health"

    state: str
    healthy: bool
    problem: str | None
    status: str | None = None
    message_age_s: float | None = None
    last_value_time: str | None = None
    last_value_age_s: float | None = None
    queued: int | None = None
    on_disk: int | None = None
    stored: int | None = None
    rejected: int | None = None
    dropped: int | None = None
    rejected_dropped: int | None = None
    spool_used: float | None = None
    database_up: bool | None = None


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options and set the function."""
    parser.epilog = EXAMPLES
    parser.add_argument("--json", action="store_true", help=json_lines.OPTION)
    parser.set_defaults(
        function=lambda options: report_health(options.config, os.environ, as_json=options.json)
    )


def report_health(config: Path, environment: Mapping[str, str], *, as_json: bool = False) -> int:
    """Print the state of the daemon with this ini, in JSON or for people; return the exit code."""
    path = health_path(config, environment)
    try:
        if path:
            become_owner(path.parent)
        found = read_health(path) if path else None
    except (OwnerError, OSError) as error:
        return _unavailable(UNKNOWN, str(error), os.EX_NOPERM, as_json=as_json)
    except UnreadableError as error:
        text = f"{error}; a running daemon replaces it every second"
        return _unavailable(UNKNOWN, text, os.EX_UNAVAILABLE, as_json=as_json)
    if found is None:
        where = (
            f"no file {path}" if path else "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set"
        )
        text = f"no daemon is running with {config} as this user ({where})"
        return _unavailable(NOT_RUNNING, text, os.EX_UNAVAILABLE, as_json=as_json)
    mono = time.monotonic()
    problem = found.problem(mono)
    if as_json:
        json_lines.show(record_of(found, mono, time.time_ns()))
    else:
        message = "; ".join(part for part in (problem, plain(found.status, LONGEST)) if part)
        say(message)
    return os.EX_UNAVAILABLE if problem else os.EX_OK


def record_of(found: Health, mono: float, wall_ns: int) -> HealthRecord:
    """Return what a file says, at `mono` (monotonic, s) and `wall_ns` (ns since 1970)."""
    condition, figures = found.condition(mono), found.figures
    stale = condition is Condition.STALE  # whose monotonic times are of another boot
    known: dict[str, Any] = {}
    if figures:
        last = figures.last_value_ns
        known = {
            "last_value_time": timestamp(last),
            "last_value_age_s": None if last is None else _age((wall_ns - last) / NS),
            "queued": figures.queued,
            "on_disk": figures.on_disk,
            "stored": figures.stored,
            "rejected": figures.rejected,
            "dropped": figures.dropped,
            "rejected_dropped": figures.rejected_dropped,
            "spool_used": figures.spool_used,
            "database_up": figures.database_up,
        }
    return HealthRecord(
        state=condition.value,
        healthy=condition is Condition.HEALTHY,
        problem=found.problem(mono) or None,
        status=plain(found.status, LONGEST),
        message_age_s=None if found.alive is None or stale else _age(mono - found.alive),
        **known,
    )


def _age(seconds: float) -> float:
    """Return an age to a tenth of a second; a clock that was set does not make it negative."""
    return max(0.0, round(seconds, 1))


def _unavailable(state: str, text: str, code: int, *, as_json: bool) -> int:
    """Print why nothing is known of the daemon; return the exit code."""
    if as_json:
        json_lines.show(HealthRecord(state, healthy=False, problem=text))
    else:
        complain(f"bat2influx health: {text}")
    return code
