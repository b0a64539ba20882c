"""A spool with 900,000 values, of which 512 bytes in the middle were overwritten."""

from __future__ import annotations

import time
from pathlib import Path

from bat2influx.delivery.disk_queue import DiskQueue
from tests.standins.network.mqtt_peers import PORTAL_ID
from tests.standins.venus.device import Device
from tests.support.daemon import wait
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

LINES = 900_000
AT_ONCE = 2_000
BAD = b"\xa5" * 512
START = 1_700_000_000_000_000_000  # ns
STORED = 600.0  # s, to store all readable values


def run(directory: Path, scale: float) -> Outcome:
    """Start the daemon with it, and with a device that publishes values as before."""
    state, count = directory / "state", max(1, round(LINES * scale / AT_ONCE)) * AT_ONCE
    with brokers.mosquitto(directory) as setting:
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        daemon = setting.daemon(Battery=brokers.KNOWN)
        wait("values", setting.stored)
        before = brokers.peak(daemon)
        assert daemon.stop() == 0
        fill(state, count)
        damage(state / "spool.sqlite")
        daemon = setting.daemon(Battery=brokers.KNOWN)
        started = time.monotonic()
        brokers.again(setting)
        seconds = time.monotonic() - started
        daemon.wait_for_log("stay queued")
        told = daemon.logged("stay queued")[0]
        lost = int(told.partition(" are lost")[0].rpartition(" ")[2])
        wait("all others", lambda: old_values(setting) == count - lost, STORED)
        after = brokers.peak(daemon)
        assert daemon.stop() == 0
        return Outcome(before, after, seconds, lost, "of those on disk, counted")


def fill(state: Path, count: int) -> None:
    """Queue so many values there."""
    queue = DiskQueue(state, 10**9)
    queue.open()
    for first in range(0, count, AT_ONCE):
        queue.append(
            [b"dc Old=%d.5 %d" % (n, START + n * 10**9) for n in range(first, first + AT_ONCE)]
        )
    queue.close()


def damage(path: Path) -> None:
    """Overwrite 512 bytes in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096 + 100)
        file.write(BAD)


def old_values(setting: brokers.Setting) -> int:
    """Return how many of them are stored."""
    rows = setting.influxdb.query('SELECT count("Old") FROM "dc"', "battery")
    return int(rows[0]["count"]) if rows else 0
