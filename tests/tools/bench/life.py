"""Beginning and growing old: the time to the first stored value, and memory after a million."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from itertools import count

from tests.standins.venus.device import Device
from tests.support.daemon import Daemon, Setting
from tests.support.resources import memory
from tests.tools.bench.burst import Floods
from tests.tools.bench.table import Figure

MB = 1e6
PORTAL = "c0619ab1c2da"
IMPORTS = "paho.mqtt.client, influxdb, sqlite3, systemd.daemon, systemd.journal, configobj"
_numbers = count(1)


def start(setting: Setting, times: int) -> list[Figure]:
    """Measure the time from a start to the first value that can be queried.

    The daemon finds out each time which inverter there is, and asks at the next tick. The reference
    is Python that imports the libraries and ends.
    """
    setting.venus(Device(PORTAL))
    took, bare = [], []
    for _ in range(times):
        db = f"start_{next(_numbers)}"
        setting.influxdb.query(f"CREATE DATABASE {db}")
        begun = time.perf_counter()
        daemon = setting.daemon(Battery={"serial": PORTAL, "interval": 0.2}, Influx={"db": db})
        while not setting.rows("Voltage", db):
            time.sleep(0.002)
        took.append(time.perf_counter() - begun)
        assert daemon.stop() == 0
        (setting.directory / "state" / "devices.json").unlink()
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {IMPORTS}"], check=True)
        bare.append(time.perf_counter() - begun)
    ours, alone = statistics.median(took), statistics.median(bare)
    return [
        Figure("start to first stored value", ours, "s", most=1.0),
        Figure("start to first stored value", ours, "s", alone, "its imports alone"),
    ]


def age(floods: Floods, daemon: Daemon, values: int) -> list[Figure]:
    """Have the daemon take so many values, half of them before the first look."""
    floods.into_ours(values // 2)
    time.sleep(2)
    young = memory(daemon.pid)
    floods.into_ours(values)
    time.sleep(2)
    old, peak = memory(daemon.pid), memory(daemon.pid, peak=True)
    return [
        Figure("memory at any load", peak / MB, "MB", most=60),
        Figure(f"memory after {values:,} values more", (old - young) / MB, "MB", most=2),
    ]


def imports() -> int:
    """Return the bytes of memory that Python has with the libraries that nobody can do without."""
    block = "import sys; sys.modules['pandas'] = None\n"
    wait = "print('ready', flush=True); input()"
    code = f"{block}import {IMPORTS}\n{wait}"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as child:
        assert child.stdin and child.stdout
        child.stdout.readline()
        taken = memory(child.pid)
        child.stdin.write(b"\n")
    return taken
