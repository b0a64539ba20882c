"""Start and long runs: the time to the first stored value, and memory after a million values."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import count

from tests.standins.venus.device import Device
from tests.support.daemon import Daemon, Setting
from tests.support.resources import memory
from tests.tools.bench.burst import Floods
from tests.tools.bench.contenders import Version
from tests.tools.bench.table import Figure
from tests.tools.bench.targets import start_within

MB = 1e6
PORTAL = "c0619ab1c2da"
# What a daemon for InfluxDB usually imports, without the `influxdb` package. The daemon itself has
# a smaller way to HTTP, and imports ssl with TLS only.
IMPORTS = (
    "paho.mqtt.client, http.client, ssl, sqlite3, "
    "systemd.daemon, systemd.journal, configobj, validate"
)
_numbers = count(1)


def start(setting: Setting, times: int, versions: Sequence[Version]) -> list[Figure]:
    """Measure the time from a start to the first value that can be queried, of versions in turns.

    At each start the daemon discovers the inverter, and reads at the next tick. The reference is
    Python that imports the libraries and exits.
    """
    setting.venus(Device(PORTAL))
    took: dict[str, list[float]] = {version.name: [] for version in versions}
    bare = []
    for _ in range(times):
        for version in versions:
            took[version.name].append(_first_value(setting, version))
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {IMPORTS}"], check=True)
        bare.append(time.perf_counter() - begun)
    alone = statistics.median(bare)
    (_, ours), *others = ((name, statistics.median(each)) for name, each in took.items())
    what = "start to first stored value"
    return [
        Figure(what, ours, "s", most=start_within(alone)),
        Figure(what, ours, "s", alone, "its imports alone"),
        *(Figure(what, ours, "s", theirs, name) for name, theirs in others),
    ]


def _first_value(setting: Setting, version: Version) -> float:
    db = f"start_{next(_numbers)}"
    setting.influxdb.query(f"CREATE DATABASE {db}")
    begun = time.perf_counter()
    battery = {"serial": PORTAL, "interval": 0.2}
    daemon = version.daemon(setting, Battery=battery, Influx={"db": db})
    try:
        while not setting.rows("Voltage", db):
            assert daemon.running, daemon.tail(30)
            time.sleep(0.002)
        took = time.perf_counter() - begun
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    return took


def age(floods: Floods, daemon: Daemon, values: int) -> tuple[Figure, int]:
    """Make the daemon store so many values, half of them before the first measurement.

    Return how much its memory has grown, and its peak, in bytes.
    """
    floods.into_ours(values // 2)
    time.sleep(2)
    young = memory(daemon.pid)
    floods.into_ours(values)
    time.sleep(2)
    old, peak = memory(daemon.pid), memory(daemon.pid, peak=True)
    return Figure(f"memory after {values:,} values more", (old - young) / MB, "MB", most=2), peak


def imports() -> int:
    """Return the memory of Python with the needed libraries, in bytes."""
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
