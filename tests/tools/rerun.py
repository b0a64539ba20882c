"""`once_more.py PYTHON -m pytest ...`: what falls is run once more, by itself, and both are shown.

These tests wait for events of real servers, six at a time, on machines that others use too; one
that stands still at the wrong moment fells a test that has found nothing. A fault of the program
falls again. Rules: a few may fall, or it is no accident; each that fell is named at the end, for a
test that falls now and then is to be mended all the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = 3
FELL = 1  # pytest's exit code for that, and for nothing else


def main(command: list[str]) -> int:
    """Run pytest by `command`; return its exit code, or that of the second run."""
    with tempfile.TemporaryDirectory(prefix="pytest-") as cache:
        kept = ("-p", "cacheprovider", "-o", f"cache_dir={cache}")
        code = subprocess.run([*command, *kept], check=False).returncode
        fallen = names(Path(cache, "v/cache/lastfailed")) if code == FELL else []
    if not fallen or len(fallen) > FEW:
        return code
    report("fell, and run once more by themselves", fallen)
    python = command[: command.index("pytest") + 1]
    again = subprocess.run([*python, "-p", "no:cacheprovider", *fallen], check=False).returncode
    report("fell at first, and " + ("again" if again else "not again"), fallen)
    return again


def names(failed: Path) -> list[str]:
    """Return the tests that fell, without the groups that pytest-xdist writes behind them."""
    found = json.loads(failed.read_text()) if failed.exists() else {}
    return [name if name.endswith("]") else name.rpartition("@")[0] or name for name in found]


def report(what: str, fallen: list[str]) -> None:
    """Name tests."""
    print(f"\n{len(fallen)} {what}:", *fallen, sep="\n  ", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
