"""A broker that answers the search for an inverter with 10,000 made-up services of 64 KiB.

Each of them has the searched ProductId, in a topic of MQTT's maximum length.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network import mqtt_peers
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.support.daemon import Setting, wait
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

SERVICES = 10_000
LEAST = 500  # at least, at any scale, to show in memory
LENGTH = 65_000  # characters of a service's name
VALUE = b'{"value":1}'
FIELDS = {"defaults": "no", "State": "vebus/State"}  # without an instance


def run(directory: Path, scale: float) -> Outcome:
    """Answer the search without them, and that of another daemon with them."""
    with (
        InfluxDB(directory / "influxdb") as database,
        mqtt_peers.Device() as peer,
        Setting(directory, Mosquitto(directory / "mosquitto"), database) as setting,
    ):
        before, _ = _measured(setting, peer, "honest", 0)
        many = max(LEAST, round(SERVICES * scale))
        after, seconds = _measured(setting, peer, "hostile", many)
        return Outcome(before, after, seconds, 0, "from the start")


def _measured(
    setting: Setting, peer: mqtt_peers.Device, name: str, count: int
) -> tuple[int, float]:
    """Return the peak of a daemon with such answers, and the s until it has stored values."""
    peer.strike(partial(_answer, count=count))
    started = time.monotonic()
    daemon = setting.daemon(
        environment={"STATE_DIRECTORY": str(setting.directory / name)},  # without stored ids
        Battery={**brokers.PACE, "serial": PORTAL_ID, "port": peer.port},
        Influx={"measurement": name},
        Fields=FIELDS,
    )
    wait("values", lambda: len(setting.stored(measurement=name)) >= 3)
    seconds, peak = time.monotonic() - started, brokers.peak(daemon)
    assert daemon.stop() == 0
    return peak, seconds


def _answer(connection: socket.socket, count: int) -> None:
    """Publish the services, then the inverter, and the end of the republish."""
    with suppress(OSError):
        for number in range(count):
            name = f"{number:a>{LENGTH}}"
            connection.sendall(publish(f"N/{PORTAL_ID}/{name}/0/ProductId", VALUE))
        connection.sendall(publish(f"N/{PORTAL_ID}/vebus/275/ProductId", VALUE))
        connection.sendall(publish(f"N/{PORTAL_ID}/full_publish_completed", VALUE))
