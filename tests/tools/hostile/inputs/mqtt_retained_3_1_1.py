"""A retained message of 150 MB from another client, MQTT 3.1.1.

The broker sends it on each connection, so that none works until the message is removed.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, OldBroker
from tests.standins.venus.device import Device
from tests.support.daemon import wait
from tests.tools.hostile import brokers
from tests.tools.hostile.inputs.mqtt_retained_5 import SIZE, TOPIC
from tests.tools.hostile.registry import Outcome

ATTEMPTS = 3  # connections on which it comes again


def run(directory: Path, scale: float) -> Outcome:
    """Publish it, wait until the daemon has received it some times, and remove it."""
    with (
        brokers.mosquitto(directory) as setting,
        OldBroker(setting.mosquitto.port) as old,
    ):
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        daemon = setting.daemon(Battery={**brokers.KNOWN, "port": old.port})
        wait("values", setting.stored)
        before = brokers.peak(daemon)
        brokers.publish_retained(setting.mosquitto.port, TOPIC, round(SIZE * scale))
        daemon.wait_for_log(r"started to send a packet of [0-9,]+ bytes \(the limit is 1,048,576")
        calls = len(old.calls)
        wait("more attempts", lambda: len(old.calls) >= calls + ATTEMPTS)
        brokers.publish_retained(setting.mosquitto.port, TOPIC, 0)
        removed = time.monotonic()
        brokers.again(setting)
        seconds = time.monotonic() - removed
        after = brokers.peak(daemon)
        assert len(daemon.logged("started to send a packet")) == 1, "it has to be logged once"
        assert daemon.stop() == 0
        lost = brokers.lost(setting, device)
        return Outcome(before, after, seconds, lost, "from its removal on")
