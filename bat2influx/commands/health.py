"""`bat2influx health`: whether the daemon is healthy, for a container's health check."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path

from bat2influx.commands.output import complain, say
from bat2influx.daemon.health import UnreadableError, health_path, read_health
from bat2influx.printable import plain
from bat2influx.service.ownership import OwnerError, become_owner

LONGEST = 2000  # characters of a status line


def register(parser: argparse.ArgumentParser) -> None:
    """Set the function; there are no options."""
    parser.set_defaults(function=lambda options: tell(options.config, os.environ))


def tell(config: Path, environment: Mapping[str, str]) -> int:
    """Print the state of the daemon with this ini; return the exit code."""
    path = health_path(config, environment)
    try:
        if path:
            become_owner(path.parent)
        found = read_health(path) if path else None
    except (OwnerError, OSError) as error:
        complain(f"bat2influx health: {error}")
        return os.EX_NOPERM
    except UnreadableError as error:
        complain(f"bat2influx health: {error}; a running daemon replaces it every second")
        return os.EX_UNAVAILABLE
    if found is None:
        where = (
            f"no file {path}" if path else "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set"
        )
        text = f"bat2influx health: no daemon is running with {config} as this user ({where})"
        complain(text)
        return os.EX_UNAVAILABLE
    illness = found.illness(time.monotonic())
    told = "; ".join(part for part in (illness, plain(found.status, LONGEST)) if part)
    say(told)
    return os.EX_UNAVAILABLE if illness else os.EX_OK
