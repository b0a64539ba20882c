"""A million retained portal ids of another client, while one device is searched.

The user has to choose one; another device, with a given id, is read at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.standins.venus.device import Device
from tests.support.daemon import wait
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

DEVICES = 1_000_000
AT_ONCE = 10_000
VALUE = b'{"value":"HQ2000ABCDE"}'


def run(directory: Path, scale: float) -> Outcome:
    """Start the daemon at the broker with them."""
    with brokers.mosquitto(directory) as setting:
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        first = setting.daemon(Battery=brokers.KNOWN, Influx={"measurement": "first"})
        wait("values", lambda: setting.stored(measurement="first"))
        before = brokers.peak(first)
        assert first.stop() == 0
        make_up(setting.mosquitto.port, round(DEVICES * scale))
        started = time.monotonic()
        port = {"port": setting.mosquitto.port, "address": "127.0.0.1"}
        sections = {"Battery": brokers.PACE, "Battery own": port | brokers.KNOWN}
        elsewhere = {"STATE_DIRECTORY": str(directory / "other")}  # without stored ids
        daemon = setting.daemon(environment=elsewhere, **sections)
        wait("values", setting.stored)
        seconds = time.monotonic() - started
        line = daemon.wait_for_log("several devices at 127.0.0.1")
        assert len(line) < 300
        brokers.again(setting)
        after = brokers.peak(daemon)
        assert len(daemon.log.read_text()) < 10_000, "the log must not have all of them"
        assert len(daemon.logged("several devices at")) == 1, "they have to be logged once"
        assert daemon.stop() == 0
        return Outcome(before, after, seconds, brokers.lost(setting, device), "of the other device")


def make_up(port: int, count: int) -> None:
    """Publish the portal ids of so many devices."""
    with brokers.speaker(port) as connection:
        for chunk in signs(count):
            connection.sendall(chunk)


def signs(count: int) -> Iterator[bytes]:
    """Yield the retained messages of devices with portal ids of 64 characters."""
    for start in range(0, count, AT_ONCE):
        yield b"".join(
            publish(f"N/{number:064}/system/0/Serial", VALUE, brokers.RETAIN)
            for number in range(start, min(count, start + AT_ONCE))
        )
