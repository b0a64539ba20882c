"""Notifications to the service manager: readiness, status, watchdog.

Without `$NOTIFY_SOCKET` every call is without effect. python3-systemd has no
sd_watchdog_enabled(3): this module reads its two variables.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from systemd import daemon

MAX_STATUS = 1000  # characters; systemd ignores a notification of more than 4 kB, READY=1 with it


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return the watchdog interval in s of this process, None without a watchdog."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    process = environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if process and process != str(os.getpid()):
        return None
    return int(microseconds) / 1e6


def ready(status: str) -> None:
    """Notify that the service has started, or has reloaded."""
    _notify("READY=1", _status(status))


def reloading() -> None:
    """Notify that a reload begins; `ready` ends it."""
    _notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(status: str) -> None:
    """Notify that the service is stopping."""
    _notify("STOPPING=1", _status(status))


def status(text: str) -> None:
    """Set the line that `systemctl status` shows."""
    _notify(_status(text))


def ping() -> None:
    """Send a watchdog ping."""
    _notify("WATCHDOG=1")


def set_watchdog(seconds: float) -> None:
    """Request another watchdog interval, until the next start."""
    _notify(f"WATCHDOG_USEC={round(seconds * 1e6)}")


def _status(text: str) -> str:
    line = " ".join(text.splitlines())
    return "STATUS=" + (line if len(line) <= MAX_STATUS else line[: MAX_STATUS - 1] + "…")


def _notify(*lines: str) -> None:
    # A failed notification must not end the daemon.
    with contextlib.suppress(OSError, ValueError):
        daemon.notify("\n".join(lines))
