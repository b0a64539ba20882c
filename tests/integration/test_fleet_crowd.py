"""A fleet whose broker has too much or too little: devices, topics, and values."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bat2influx.config.settings import Battery
from bat2influx.fleet import diagnosis
from bat2influx.fleet import fleet as fleet_fleet
from bat2influx.fleet.fleet import Fleet
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import CONNECT, packet, publish
from tests.support.stepped import steps

RETAIN = 1
VALUE = b'{"value":1.5}'


@contextmanager
def fleet(port: int, watchdog: float, group: str = "") -> Iterator[Fleet]:
    """Yield a fleet for a block; `watchdog` in s."""
    battery = Battery(
        name="",
        address="127.0.0.1",
        port=port,
        user="bat2influx",
        password="",
        serial="*",
        instance=None,
        interval=1.0,
        soc_interval=10.0,
        fields=DEFAULT_FIELDS,
        tls=None,
        mode="notify",
        instances="tag",
        share_group=group,
    )
    made = Fleet(battery, by_tick=False, watchdog=watchdog, config="x.ini", wake=lambda: None)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def speaker(port: int) -> Iterator[socket.socket]:
    """Yield a client that publishes what the test wants."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(packet(CONNECT, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x01x"))
        assert connection.recv(4)[3] == 0
        yield connection


def serial(portal: str, payload: bytes = VALUE) -> bytes:
    """Return the retained message of a device; an empty one removes it."""
    return publish(f"N/{portal}/system/0/Serial", payload, RETAIN)


def until(made: Fleet, done: object) -> None:
    """Step until the condition is true."""
    assert callable(done)
    for _ in steps(made, done):
        pass


def test_more_devices_than_the_limit_of_a_daemon(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones are read; the excess is reported until there is room again."""
    for module in (fleet_fleet, diagnosis):
        monkeypatch.setattr(module, "MAX_DEVICES", 3)
    names = [f"c{number}" for number in range(5)]
    with speaker(mosquitto.port) as said, fleet(mosquitto.port, 8.0) as made:
        said.sendall(b"".join(map(serial, names)))
        until(made, lambda: made.trouble)
        assert made.trouble
        assert "127.0.0.1 has more than 3 devices; the others are ignored" in made.trouble.text
        assert made.census.devices == 3
        known = [*made._keepalives.pulses]
        others = [name for name in names if name not in known]
        said.sendall(publish(f"N/{others[0]}/vebus/275/Soc", VALUE))
        said.sendall(publish(f"N/{known[0]}/vebus/275/Soc", VALUE))
        until(made, lambda: made._intake.readings)
        assert [each.origin.portal for each in made.pop_readings()] == [known[0]]
        said.sendall(serial(known[0], b""))
        until(made, lambda: made.census.devices == 2)
        said.sendall(serial(others[0]))
        until(made, lambda: made.census.devices == 3)


def test_devices_that_come_and_go_leave_no_state(mosquitto: Mosquitto) -> None:
    """After the removal of their retained message no topic and no keepalive is left."""
    with speaker(mosquitto.port) as said, fleet(mosquitto.port, 120.0) as made:
        said.sendall(serial("last"))
        until(made, lambda: made.census.devices == 1)
        for number in range(50):
            portal = f"c{number}"
            values = [publish(f"N/{portal}/vebus/{i}/Soc", VALUE) for i in range(5)]
            said.sendall(b"".join([serial(portal), *values, serial(portal, b"")]))
        said.sendall(publish("N/last/vebus/275/Soc", VALUE))
        until(made, lambda: made.last_value_ns and made._intake.known.keys() == {LAST})
        assert len(made.pop_readings()) == 50 * 5 + 1
        assert made._keepalives.pulses.keys() == made._intake._topics.keys() == {"last"}
        assert {*made._not_notified} <= {"last"}
        until(made, lambda: len(made._keepalives._agenda) <= 1)


LAST = b"N/last/vebus/275/Soc"


def test_no_values_though_devices_publish(mosquitto: Mosquitto) -> None:
    """The log has possible causes, and the end of the fault."""
    beat = publish("N/c1/heartbeat", VALUE)
    with speaker(mosquitto.port) as said, fleet(mosquitto.port, 8.0, "store") as made:
        for _ in steps(made, lambda: made.trouble):
            said.sendall(beat)
        assert made.trouble
        assert "Either another daemon of the group store receives all" in made.trouble.text
        said.sendall(publish(LAST, VALUE))
        for _ in steps(made, lambda: not made.trouble):
            said.sendall(beat)
