"""The size of a value on disk while the database is down: the nine fields of a device at 1 Hz.

The queue of a version gets the daemon's lines of an outage, nine lines per second, with the
timestamps that they would have, but without waiting for the seconds. The file is in memory, because
only its size counts. Numbers change slowly, as those of a device do.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.compare import NINE
from tests.tools.bench.contenders import Version
from tests.tools.bench.table import Figure

BEGUN = 1_790_000_000 * 10**9  # ns
MEMORY = Path("/dev/shm")
FIRST = {
    "Voltage": 52.8,
    "Current": -14.2,
    "Power": -750.0,
    "Soc": 81.5,
    "I": 3.1,
    "V": 231.0,
    "P": 640.0,
    "S": 715.0,
    "F": 50.0,
}
# Run in the version's checkout, with the directory of the queue; lines come on stdin.
FILL = """\
import sys
from pathlib import Path
from bat2influx.delivery.disk_queue import DiskQueue
queue = DiskQueue(Path(sys.argv[1]), 1 << 30)
lines = sys.stdin.buffer.read().splitlines()
for at in range(0, len(lines), 9):
    queue.append(lines[at : at + 9])
queue.close()
"""


def measure(version: Version, values: int) -> float:
    """Return the bytes on disk per value, for so many values, a multiple of nine."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="bat2influx-bench-") as directory:
        lines = b"\n".join(made(values // len(NINE)))
        command = [sys.executable, "-c", FILL, directory]
        subprocess.run(command, cwd=version.root, input=lines, check=True)
        sizes = [each.stat().st_size for each in Path(directory).rglob("*") if _counts(each)]
    return sum(sizes) / (values // len(NINE) * len(NINE))


def figures(versions: Sequence[Version], values: int) -> list[Figure]:
    """Return the figure of the first version, and those compared with the others."""
    ours, *others = ((each.name, measure(each, values)) for each in versions)
    what, unit = "backlog on disk", "bytes/value"
    made = [Figure(what, ours[1], unit, other, name) for name, other in others]
    return [Figure(what, ours[1], unit), *made]


def made(seconds: int) -> list[bytes]:
    """Return the lines of so many seconds of one device with a given serial."""
    wander = random.Random(20)
    now, lines = dict(FIRST), []
    for second in range(seconds):
        stamp = BEGUN + second * 10**9 + wander.randrange(2 * 10**6)
        for field in NINE:
            now[field] += wander.gauss(0.0, 0.002) * abs(FIRST[field])
            stamp += wander.randrange(10_000, 90_000)
            lines.append(b"dc %b=%.4f %d" % (field.encode(), now[field], stamp))
    return lines


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.endswith("-shm")  # shared memory
