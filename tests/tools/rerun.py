"""`rerun.py PYTHON -m pytest ...`: runs a failed test that depends on the host's timing again.

Such a test has the marker `depends_on_timing` with its reason: if the machine stalls at the wrong
moment, it fails without a fault of the program. It is run again alone after all others. Rules: no
other test is run again; there are at most MOST such tests, and none in tests/unit and tests/faults
(tests/conftest.py); a test that fails again is a failure. Tests that were run again are printed at
the end, and recorded in a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST = 10
FAILED = 1  # pytest's exit code for failed tests, and for nothing else
REPORT = "BAT2INFLUX_FAILED"  # the variable with the file that tests/conftest.py writes
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "bat2influx")
KEPT = Path(os.environ.get("BAT2INFLUX_RUN_AGAIN") or CACHE / "run-again.log")


def main(command: list[str], kept: Path = KEPT) -> int:
    """Run pytest by `command`; return its exit code, or that of the second run."""
    with tempfile.TemporaryDirectory(prefix="pytest-") as folder:
        report = Path(folder, "failed.json")
        environment = {**os.environ, REPORT: str(report)}
        code = subprocess.run(command, env=environment, check=False).returncode
        failed = json.loads(report.read_text()) if report.exists() else {}
    again = to_run_again(code, failed)
    if not again:
        return code
    say([f"{len(again)} failed that depend on the host's timing, and are run again:", *again])
    python = command[: command.index("pytest") + 1]
    second = subprocess.run([*python, "-p", "no:cacheprovider", *again], check=False).returncode
    outcome = "failed again" if second else "passed when run again"
    rows = [f"{test}: {outcome}; {failed[test]}" for test in again]
    say([f"{len(again)} run again:", *rows])
    keep(rows, kept)
    return second


def to_run_again(code: int, failed: dict[str, str]) -> list[str]:
    """Return the tests to run again: all that failed, if each has a reason, or none."""
    if code != FAILED or not all(failed.values()) or len(failed) > MOST:
        return []
    return list(failed)


def say(lines: list[str]) -> None:
    """Print lines."""
    print("", *lines, sep="\n  ", flush=True)


def keep(rows: list[str], kept: Path) -> None:
    """Add rows to the file of records, each with its time."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with kept.open("a") as file:
        file.writelines(f"{now} {row}\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
