"""What it costs when all is well: nine values a second, as they are said by a device.

The daemon asks, and the one that posts each value hears the same answers, so that both have had
the same to do.
"""

from __future__ import annotations

import subprocess
import sys
import time

from tests.standins.venus.device import Device
from tests.support.compare import FAST, kept
from tests.support.daemon import Setting, wait
from tests.support.resources import memory, processor, written
from tests.tools.bench.life import imports
from tests.tools.bench.table import Figure

PORTAL = "c0619ab1c2d9"
MB = 1e6


def measure(setting: Setting, seconds: float) -> list[Figure]:
    """Have both at it for so long."""
    device = Device(PORTAL)
    setting.venus(device)
    setting.influxdb.query("CREATE DATABASE ordinary_each")
    port, database = str(setting.mosquitto.port), str(setting.influxdb.port)
    command = [sys.executable, "-m", "tests.tools.bench.references", "each", port, PORTAL, database]
    with subprocess.Popen([*command, "ordinary_each"], stdout=subprocess.PIPE, text=True) as each:
        try:
            assert each.stdout and each.stdout.readline() == "ready\n"
            known = {"serial": PORTAL, "instance": 275}
            daemon = setting.daemon(Battery=known, Influx={"db": "ordinary"})
            wait("values", lambda: len(kept(setting, "Voltage", db="ordinary")) > 2)
            begun = time.time_ns()
            before = processor(daemon.pid), processor(each.pid), written(daemon.pid)
            time.sleep(seconds)
            after = processor(daemon.pid), processor(each.pid), written(daemon.pid)
            ended = time.time_ns()
            rest = memory(daemon.pid)
            assert daemon.stop() == 0
        finally:
            each.kill()
    ours, theirs, wrote = (late - early for late, early in zip(after, before, strict=True))
    return [
        Figure(
            "processor at 9 values/s",
            1e3 * ours / seconds,
            "ms/s",
            1e3 * theirs / seconds,
            "a post for each value",
            most=0.5,
        ),
        Figure("memory at rest", rest / MB, "MB", imports() / MB, "its imports alone", most=1.2),
        Figure("memory at rest", rest / MB, "MB", most=36),
        Figure(
            "seconds with every fast field", 100 * covered(setting, begun, ended), "%", least=100
        ),
        Figure("written to disk", wrote / seconds * 3600 / MB, "MB/h", most=0),
    ]


def covered(setting: Setting, begun: int, ended: int) -> float:
    """Return the part of the whole seconds between two times in which each fast field is."""
    second = 10**9
    wanted = set(range(begun // second + 1, ended // second))
    covered = wanted.copy()
    for field in FAST:
        covered &= {stamp // second for stamp, _ in kept(setting, field, db="ordinary")}
    return len(covered) / len(wanted)
