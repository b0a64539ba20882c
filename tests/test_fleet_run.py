"""The measurement of a fleet, in small: it finds what is missing, and says what it has cost."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.parts.daemon import TOP

SMALL = ("--devices=12", "--seconds=3", "--after=3")


def test_a_small_fleet_loses_nothing() -> None:
    """By one daemon, and by two of which one is killed; with the figures of everybody."""
    command = [sys.executable, "-m", "tests.fleet", *SMALL]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said, stored = re.findall(
        r"([0-9,]+) values said, of [0-9.]+ bytes, ([0-9,]+) stored", done.stdout
    )[0]
    assert said == stored != "0"
    for who in ("daemon", "one", "other", "broker", "database"):
        assert re.search(
            rf"^  {who} +[0-9.]+ µs/value +[0-9.]+ % of a core +[0-9.]+ MB$",
            done.stdout,
            re.MULTILINE,
        )
    assert "otherwise 0\n" in done.stdout
    assert len(re.findall("0 (?:devices )?fell asleep", done.stdout)) == 2
