"""Faults of the device and its MQTT broker: restarted, hanging, or not a broker at all.

Rules: the daemon logs each fault once. Values that it cannot receive are lost, and in the windows
that a scenario returns (`unheard`). Faults of cables and addresses are in `network`.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import AGAIN, PORTAL, House
from tests.faults.house_device import ENDED, REFUSED, SILENT, unheard
from tests.faults.house_stranger import InPlace
from tests.faults.scenario import Scenario
from tests.standins.network.mqtt_peers import (
    CONNECT,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    WELCOME,
    Peer,
    packet,
    packets,
    publish,
    reset,
)
from tests.support.compare import NINE
from tests.support.daemon import wait

HUNG = r"WARNING: gx\.example port 1883 accepts connections and does not answer"
NO_BROKER = r"WARNING: gx\.example port 1883 .*; check that address and port are the device"
GARBAGE = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    bytes(range(255, -1, -1)),
)
NEVER = -666.25  # which no device has sent in full
HALF = publish(f"N/{PORTAL}/{NINE['Voltage']}", b'{"value":%.2f}' % NEVER)[:-2]


def restarted(house: House) -> Sequence[Window]:
    """Restart the device: the broker is down for a while, and has no session of the daemon."""
    with unheard(house) as lost:
        with house.expects_log_once(REFUSED), house.expects_log(REFUSED):
            house.broker.stop()
            house.device.restart()
        house.broker.start()
    return lost


def silent(house: House) -> Sequence[Window]:
    """Make the device hang while its broker runs, until the daemon reads only now and then."""
    with (
        house.expects_log_once(SILENT),
        house.expects_log("device .* responds again, after", AGAIN + house.watchdog),
    ):
        house.device.silence()
        keepalives = _keepalives(house)
        wait("one, and one on a new connection", lambda: _keepalives(house) >= keepalives + 2)
        house.device.speak()
    return ()


def _keepalives(house: House) -> int:
    return sum(request.topic.endswith("/keepalive") for request in house.device.log.requests)


def broker_restarted(house: House) -> Sequence[Window]:
    """Restart the broker, in order, while the daemon and the device run."""
    with house.expects_log_once(ENDED), unheard(house) as lost, house.expects_log(ENDED):
        house.broker.restart()
    return lost


def broker_killed(house: House) -> Sequence[Window]:
    """Kill the broker, and start it after the daemon has tried to connect."""
    with house.expects_log_once(ENDED), house.expects_log_once(REFUSED), unheard(house) as lost:
        with house.expects_log(REFUSED):
            house.broker.kill()
        house.broker.start()
    return lost


def broker_frozen(house: House) -> Sequence[Window]:
    """Freeze the broker, and so the device, until the daemon has reported both as unavailable."""
    with house.expects_log_once(SILENT), house.expects_log_once(HUNG), unheard(house) as lost:
        with house.expects_log(HUNG):
            house.device.silence()
            house.broker.freeze()
        house.device.speak()
        house.broker.thaw()
    return lost


def broker_garbage(house: House) -> Sequence[Window]:
    """Replace the broker by a server that answers garbage, for five connections."""
    with (
        house.expects_log_once(NO_BROKER),
        unheard(house) as lost,
        house.expects_log(NO_BROKER),
        _stranger(house, Garbage) as other,
    ):
        wait("attempts", lambda: len(other.calls) >= 5)
    return lost


class Garbage(InPlace, Peer):
    """Answers with bytes that are no MQTT."""

    def serve(self, connection: socket.socket) -> None:
        """Answer once."""
        connection.recv(65_536)
        connection.sendall(random.choice(GARBAGE))


def broker_resets(house: House) -> Sequence[Window]:
    """Replace the broker by one that resets three connections in the middle of a packet."""
    with unheard(house) as lost, house.expects_log(ENDED), _stranger(house, Resetting) as other:
        wait("some attempts", lambda: len(other.calls) >= 3)
    half = f'SELECT "Voltage" FROM "dc" WHERE "Voltage" = {NEVER}'
    assert not house.database.query(half, "battery")
    return lost


class Resetting(InPlace, Peer):
    """Sends half an answer to the first read, and resets the connection."""

    def serve(self, connection: socket.socket) -> None:
        """Act as a broker until then."""
        if read_from(connection):
            connection.sendall(HALF)
            reset(connection)


def read_from(connection: socket.socket) -> bool:
    """Act as a broker until the first read; return whether there was one."""
    for kind, body in packets(connection):
        if kind == CONNECT:
            connection.sendall(WELCOME)
        elif kind == SUBSCRIBE:
            connection.sendall(packet(SUBACK, body[:2] + bytes(10)))
        elif kind == PUBLISH:
            return True
    return False


@contextmanager
def _stranger(house: House, kind: type[InPlace]) -> Iterator[Peer]:
    """Stop the broker for a block, and put another server at its address for the daemon."""
    house.broker.stop()
    try:
        with kind((house.address("gx"), house.broker.port)) as made:
            yield made
    finally:
        house.broker.start()


SCENARIOS = {
    "device_restarted": Scenario(
        "The device is restarted, as for an update of its firmware",
        "detected at once; read again within 30 s of its return",
        "values before that",
        restarted,
    ),
    "device_silent": Scenario(
        "The device hangs: its broker runs, and the device does not respond",
        "detected after W/8 (15 s); a keepalive every W/2 (1 minute) checks whether it responds",
        "no value that it sends",
        silent,
    ),
    "broker_restarted": Scenario(
        "The device's MQTT broker is restarted",
        "detected at once; reconnected within 1 to 2 s",
        "values of that time",
        broker_restarted,
    ),
    "broker_killed": Scenario(
        "The device's MQTT broker crashes, or is switched off for a while",
        "detected at once; reconnected within 30 s of its return",
        "values of that time",
        broker_killed,
    ),
    "broker_frozen": Scenario(
        "The device's MQTT broker hangs: it accepts connections and does not respond",
        "detected after W/8 (15 s); a new connection gets 10 s; read again within 30 s of the end",
        "values of that time",
        broker_frozen,
    ),
    "broker_garbage": Scenario(
        "Another server answers at the broker's port, without MQTT",
        "reported as such; retried within 15 s, so that the broker is found when it is back",
        "values of that time",
        broker_garbage,
    ),
    "broker_resets": Scenario(
        "Connections to the broker are reset in the middle of a packet",
        "detected at once; reconnected at once, and then after delays that grow to 15 s",
        "values of that time",
        broker_resets,
    ),
}
