"""The program with a fleet (`make fleet`), in a small run."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests import TOP

SMALL = {"devices": 20, "seconds": 1, "after": 1, "watchdog": 32}


@pytest.mark.long
def test_a_small_fleet() -> None:
    """No value is missing, and all figures for the page of arithmetic are printed."""
    command = [sys.executable, "-m", "tests.tools.fleet"]
    command += [f"--{name}={number}" for name, number in SMALL.items()]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = done.stdout.split("Two daemons, ")
    for text, names in ((one, ["daemon"]), (two, ["one", "other"])):
        for name in (*names, "broker", "database"):
            assert re.search(rf"  {name} +[0-9.]+ µs/value +[0-9.]+ % of a core +[0-9.]+ MB", text)
    assert re.search("broker to daemon: [0-9.]+ bytes/value, [0-9]+ bytes/s of a device", one)
    assert " stored, 0 missing\n" in one
    assert " and 0 otherwise\n" in two
