"""The daemon with a hostile broker, or with a hostile client of its broker; and its stored values.

Rules: an input begins when values are stored, and is over when a later value is stored. No test
sleeps for a time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network import mqtt_peers
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import CONNECT, PORTAL_ID, packet
from tests.standins.venus.device import Device
from tests.support.compare import NINE, answered, missing_values, stored_values
from tests.support.daemon import Daemon, Setting, wait
from tests.support.resources import memory
from tests.tools.hostile.registry import Outcome

PACE = {"interval": 0.5, "soc_interval": 0.5}
KNOWN = {**PACE, "serial": PORTAL_ID, "instance": 275}
BY_HAND = {"defaults": "no", "State": "vebus/275/State"}  # fields at a test peer
RETAIN = 1  # flag of a PUBLISH


@contextmanager
def mosquitto(directory: Path) -> Iterator[Setting]:
    """Start a real broker with its default limits, and a database."""
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
    ):
        yield setting


def peak(daemon: Daemon) -> int:
    """Return the peak of memory, in bytes."""
    return memory(daemon.pid, peak=True)


@contextmanager
def speaker(port: int) -> Iterator[socket.socket]:
    """Yield a client that publishes what the test wants; at the end all of it has arrived."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(packet(CONNECT, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x07hostile"))
        assert connection.recv(4)[3] == 0
        yield connection
        connection.sendall(b"\xc0\x00")
        assert connection.recv(2) == b"\xd0\x00"


def publish_retained(port: int, topic: str, size: int) -> None:
    """Publish a retained message of so many bytes; 0 removes it."""
    with speaker(port) as connection:
        connection.sendall(mqtt_peers.publish(topic, bytes(size), RETAIN))


def later_value(setting: Setting, field: str = "Soc") -> Callable[[], bool]:
    """Return a condition: a value of `field` that came after this call is stored."""
    since = time.time_ns()
    return lambda: any(stamp > since for stamp, _ in stored_values(setting, field))


def again(setting: Setting, field: str = "Soc") -> float:
    """Wait until a value that came after this call is stored; return the s."""
    started = time.monotonic()
    wait("values again", later_value(setting, field))
    return time.monotonic() - started


def lost(setting: Setting, device: Device) -> int:
    """Return how many of the device's answers are not stored, between the stored ones."""
    missing = 0
    for field, leaf in NINE.items():
        stored = stored_values(setting, field)
        first, last = stored[0][0] / 1e9, stored[-1][0] / 1e9
        owed = [each for each in answered(device, leaf) if first <= each[0] <= last]
        missing += len(missing_values(owed, stored, interval=PACE["interval"]))
    return missing


def struck(directory: Path, chunks: Iterable[bytes], told: str) -> Outcome:
    """Run a hostile broker that sends `chunks` in place of an answer; `told` is then logged.

    It sends until the daemon ends the connection, and acts as a normal broker on the next one.
    """

    def strike(connection: socket.socket) -> None:
        with suppress(OSError):
            for chunk in chunks:
                connection.sendall(chunk)

    with (
        InfluxDB(directory / "influxdb") as database,
        mqtt_peers.Device() as peer,
        Setting(directory, Mosquitto(directory / "mosquitto"), database) as setting,
    ):
        battery = {**PACE, "serial": PORTAL_ID, "port": peer.port}
        daemon = setting.daemon(Battery=battery, Fields=BY_HAND)
        wait("values", lambda: len(stored_values(setting, "State")) >= 3)
        before = peak(daemon)
        peer.strike(strike)
        started = time.monotonic()
        if told:
            daemon.wait_for_log(told)
        calls = len(peer.calls)
        if told:
            wait("another connection", lambda: len(peer.calls) > calls)
        again(setting, "State")
        seconds = time.monotonic() - started
        after = peak(daemon)
        assert daemon.stop() == 0
        stored = {value for _, value in stored_values(setting, "State")}
        said = {value for topic, value in peer.said if topic.endswith("/State")}
        owed = {value for value in said if value < max(stored)}
        return Outcome(before, after, seconds, len(owed - stored))
