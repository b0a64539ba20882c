"""A command with a hostile peer, and its cost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests import TOP

# A child's peak includes its parent's memory at the fork, so it is forked from a small process.
_MEASURE = """
import os, subprocess, sys
with open(sys.argv[1], "w") as file:
    child = subprocess.Popen(sys.argv[2:], stdout=file, stderr=subprocess.STDOUT)
    print(os.wait4(child.pid, 0)[2].ru_maxrss)
    child.returncode = 0
"""


def peak_of(ini: Path, output: Path, *arguments: str) -> tuple[int, float]:
    """Run a command to its end, with output to a file; return its peak in bytes, and the s."""
    started = time.monotonic()
    command = [sys.executable, "-m", "bat2influx", "--config", ini, *arguments]
    measured = [sys.executable, "-c", _MEASURE, output, *command]
    told = subprocess.run(measured, cwd=TOP, capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024, time.monotonic() - started
