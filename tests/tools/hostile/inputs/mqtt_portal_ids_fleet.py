"""A million portal ids of another client, with ten values each, to a fleet.

Those above the limits are ignored, and that is logged once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.standins.venus.device import Device
from tests.support.compare import NINE, published
from tests.support.daemon import Setting, wait
from tests.tools.hostile import brokers
from tests.tools.hostile.inputs.mqtt_portal_ids import make_up
from tests.tools.hostile.registry import Outcome

LATE = 10.0  # s, for values that are still under way
DEVICES = 1_000_000
WITH_VALUES = 5_000  # of them, each with ten values
FEW, LITTLE = 10_000, {"max_memory": "4MB"}  # a limit that a small run exceeds
ALL = {**brokers.PACE, "serial": "*", "mode": "notify"}


def run(directory: Path, scale: float) -> Outcome:
    """Publish them while the daemon reads a device, and make it reconnect to all of them."""
    devices, battery = max(FEW, round(DEVICES * scale)), ALL if scale >= 1.0 else ALL | LITTLE
    with brokers.mosquitto(directory) as setting:
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        daemon = setting.daemon(Battery=battery)
        wait("values", setting.stored)
        before = brokers.peak(daemon)
        started = time.monotonic()
        with brokers.speaker(setting.mosquitto.port) as connection:
            for chunk in values(WITH_VALUES if scale >= 1.0 else WITH_VALUES // 10):
                connection.sendall(chunk)
        make_up(setting.mosquitto.port, devices)
        own = f"portal\" = '{PORTAL_ID}' AND time > {time.time_ns()}"
        ours = f'SELECT * FROM "dc" WHERE "{own}'
        wait("values of the device", lambda: setting.influxdb.query(ours, "battery"))
        seconds = time.monotonic() - started
        daemon.wait_for_log("than max_memory in .* has room for")
        second = setting.daemon(Battery=battery, Influx={"measurement": "second"})
        second.wait_for_log("receiving changes")
        second.wait_for_log("than max_memory in .* has room for")
        after = max(brokers.peak(daemon), brokers.peak(second))
        assert len(daemon.logged("than max_memory in")) == 1, "it has to be logged once"
        assert daemon.stop() == second.stop() == 0
        note = "from the first of them on"
        return Outcome(before, after, seconds, lost(setting, device), note)


def lost(setting: Setting, device: Device) -> int:
    """Return how many values of the device are not stored, between the stored ones."""
    rows = setting.influxdb.query(f"SELECT * FROM dc WHERE portal = '{PORTAL_ID}'", "battery")
    missing = 0
    for field, leaf in NINE.items():
        stored = {row[field]: row["time"] / 1e9 for row in rows if row.get(field) is not None}
        first, last = min(stored.values()), max(stored.values())
        owed = {value for when, value in published(device, leaf) if first <= when < last - LATE}
        missing += len(owed - stored.keys())
    return missing


def values(devices: int) -> Iterator[bytes]:
    """Yield the messages of so many devices."""
    for number in range(devices):
        yield b"".join(
            publish(f"N/made-up-{number}/vebus/{place}/Soc", b'{"value":%d}' % number)
            for place in range(10)
        )
