"""`bat2influx health` while the daemon runs as for users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import TOP
from tests.standins.venus.device import Device
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"


def ask(ini: Path, run: Path) -> tuple[int, str]:
    """Return the exit code of the command, and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", ini, "health"],
        env={**os.environ, "RUNTIME_DIRECTORY": str(run)},
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_is_healthy_while_values_come_and_only_then(setting: Setting) -> None:
    """Unhealthy before the first value, while frozen, after the device or daemon has stopped."""
    run = setting.directory / "run"
    run.mkdir()
    environment = {"RUNTIME_DIRECTORY": str(run), "WATCHDOG_USEC": "16000000"}
    daemon = setting.daemon(environment=environment, Battery={"serial": P, "instance": 275})
    ini = setting.directory / "bat2influx.ini"
    ill = "no device has sent a message"

    def said(code: int, text: str) -> None:
        """Wait until it exits with `code`, and `text` in its output."""
        wait(text, lambda: (found := ask(ini, run))[0] == code and text in found[1])

    said(69, f"{ill} yet")
    device = Device(P)
    setting.venus(device)
    said(0, "values/s, 0 queued")
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        said(69, "the daemon hung or was killed ")
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    said(0, "values/s, ")
    setting.influxdb.stop()
    said(0, f"127.0.0.1:{setting.influxdb.port}")
    device.silence()
    said(69, f"{ill}, or a worker thread has hung, for ")
    assert daemon.stop() == 0
    assert ask(ini, run) == (
        69,
        f"bat2influx health: no daemon is running with {ini} as this user"
        f" (no file {run}/bat2influx.health)\n",
    )
