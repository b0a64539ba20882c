"""Brokers that accept the daemon's login and reset each connection soon after."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bat2influx.mqtt.reconnect import MAX_SHORT_CONNECTIONS
from tests.faults.device import HALF, read_from
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import PORTAL_ID, Peer, publish, reset
from tests.support.daemon import Setting, wait
from tests.support.process import free_port


class Resetting(Peer):
    """Answers the first read with `answer` and half a message, and then resets the connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Act as a broker until then."""
        if read_from(connection):
            connection.sendall(self._answer + HALF)
            connection.shutdown(socket.SHUT_WR)  # sent bytes arrive before the reset
            connection.recv(1)
            reset(connection)


@pytest.mark.long
@pytest.mark.parametrize("answer", [b"", publish(f"N/{PORTAL_ID}/heartbeat", b'{"value":1}')])
def test_found_resets_again_and_again_filled_the_log(tmp_path: Path, answer: bytes) -> None:
    """Connections that end soon after their start are logged a few times, not every time."""
    unused = Mosquitto(tmp_path / "m"), InfluxDB(tmp_path / "i")
    with Resetting(answer) as peer, Setting(tmp_path, *unused) as setting:
        battery = {"serial": PORTAL_ID, "instance": 275, "interval": 0.2, "port": peer.port}
        daemon = setting.daemon(Battery=battery, Influx={"port": free_port()})
        wait("some attempts", lambda: len(peer.calls) >= MAX_SHORT_CONNECTIONS + 4)
        assert daemon.stop(10.0) == 0
        assert len(daemon.logged("ended the connection")) <= MAX_SHORT_CONNECTIONS
        assert len(daemon.logged("connected to")) <= MAX_SHORT_CONNECTIONS
