"""A retained message of 150 MB from another client, MQTT 5.

Mosquitto does not send it, because the daemon has set a maximum packet size.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID
from tests.standins.venus.device import Device
from tests.support.daemon import wait
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

SIZE = 150_000_000
TOPIC = f"N/{PORTAL_ID}/vebus/275/Soc"


def run(directory: Path, scale: float) -> Outcome:
    """Publish it, and make a daemon connect."""
    with brokers.mosquitto(directory) as setting:
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        daemon = setting.daemon(Battery=brokers.KNOWN)
        wait("values", setting.stored)
        before = brokers.peak(daemon)
        started = time.monotonic()
        brokers.publish_retained(setting.mosquitto.port, TOPIC, round(SIZE * scale))
        brokers.again(setting)
        seconds = time.monotonic() - started
        second = setting.daemon(Battery=brokers.KNOWN, Influx={"measurement": "second"})
        wait("values of one that comes later", lambda: setting.stored(measurement="second"))
        after = max(brokers.peak(daemon), brokers.peak(second))
        assert not daemon.logged("WARNING")
        assert not second.logged("WARNING")
        assert daemon.stop() == second.stop() == 0
        return Outcome(before, after, seconds, brokers.lost(setting, device))
