"""A command with a hostile peer, and what it has cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests import TOP


def peak_of(ini: Path, output: Path, *arguments: str) -> tuple[int, float]:
    """Run a command to its end, what it prints into a file; return its peak in bytes, and the s."""
    started = time.monotonic()
    with output.open("w") as file:
        command = [sys.executable, "-m", "bat2influx", "--config", ini, *arguments]
        child = subprocess.Popen(command, cwd=TOP, stdout=file, stderr=subprocess.STDOUT)
        _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0  # it has been waited for
    return used.ru_maxrss * 1024, time.monotonic() - started
