"""Payloads that are no value, sent to the whole daemon: none is stored, and none stops it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from paho.mqtt import publish

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.support.compare import NINE, published, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait

P = "c0619ab1c2d3"
GIVEN = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}

NO_VALUES: dict[str, bytes] = {  # zero bytes are a farewell; tests/unit/device has tests of that
    "null": b'{"value":null}',
    "empty list": b'{"value":[]}',
    "list": b'{"value":[52.1]}',
    "object": b'{"value":{"value":52.1}}',
    "empty object": b"{}",
    "other key": b'{"max":50.0,"min":0.0}',
    "text": b'{"value":"52.1"}',
    "empty text": b'{"value":""}',
    "true": b'{"value":true}',
    "false": b'{"value":false}',
    "NaN": b'{"value":NaN}',
    "infinity": b'{"value":Infinity}',
    "minus infinity": b'{"value":-Infinity}',
    "1e400": b'{"value":1e400}',
    "1 and 400 zeros": b'{"value":1' + b"0" * 400 + b"}",
    "5000 digits": b'{"value":' + b"5" * 5_000 + b"}",
    "60000 brackets": b"[" * 60_000,
    "200000 brackets": b"[" * 200_000,
    "60000 brackets in the value": b'{"value":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "1 MB of JSON": b'{"more":"' + b"x" * 1_000_000 + b'","value":52.1}',
    "1 MB of zeros": bytes(1_000_000),
    "number alone": b"52.1",
    "null alone": b"null",
    "two documents": b'{"value":52.1}{"value":52.1}',
    "half a document": b'{"value":52.',
    "not JSON": b"52,1 V",
    "not UTF-8": b'{"value":"\xff\xfe"}',
    "not UTF-8 beside a number": b'{"text":"\xff","value":52.1}',
    "UTF-16": '{"value":52.1}'.encode("utf-16"),
    "line breaks for line protocol": b'{"value":"1\\ndc Voltage=666 1"}',
}
VALUES: dict[str, tuple[bytes, float]] = {
    "whole": (b'{"value":426}', 426.0),
    "exponent": (b'{"value":1e-07}', 0.0),
    "minus zero": (b'{"value":-0.0}', 0.0),
    "float32 noise": (b'{"value":56.8400001526}', 56.84),
    "limits beside it": (b'{"max":60.0,"min":40.0,"value":53.5}', 53.5),
    "blanks": (b' { "value" : 12.5 }\n', 12.5),
    "very large": (b'{"value":1e300}', 1e300),
    "whole and very large": (b'{"value":1' + b"0" * 300 + b"}", 1e300),
    "very small": (b'{"value":-1e300}', -1e300),
    "the later of two": (b'{"value":1.5,"value":2.5}', 2.5),
}


@dataclass
class Feed:
    """One daemon and one device with strange payloads of the voltage, for all following tests."""

    setting: Setting
    device: Device
    daemon: Daemon
    notify: NotifySocket
    pid: int

    def voltages(self) -> list[float]:
        """Return the stored values of the voltage."""
        return [value for _, value in stored_values(self.setting, "Voltage")]

    def numbers(self) -> set[float]:
        """Return the normal numbers that the device has published of the voltage."""
        return {value for _, value in published(self.device, NINE["Voltage"])}

    def sent(self, payload: bytes) -> int:
        """Return how often the device has published this in place of the voltage."""
        topic = f"N/{P}/{NINE['Voltage']}"
        return sum(m.topic == topic and m.payload == payload for m in self.device.log.sent)

    def say(self, payload: bytes) -> None:
        """Make the device answer the next reads with `payload`, and then with numbers again."""
        before = self.sent(payload)
        self.device.set_raw("vebus", "/Dc/0/Voltage", payload)
        wait("one of them", lambda: self.sent(payload) > before)
        old = self.numbers()
        self.device.release("vebus", "/Dc/0/Voltage")
        wait("a new number", lambda: set(self.voltages()[-1:]) & (self.numbers() - old))


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    """A daemon that reads the nine fields."""
    directory = tmp_path_factory.mktemp("feed")
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
    ):
        device = Device(P, counted=True)
        setting.venus(device)
        notify = setting.notify_socket()
        daemon = setting.daemon(notify=notify, Battery=GIVEN)
        wait("values", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
        yield Feed(setting, device, daemon, notify, daemon.pid)
        assert daemon.stop() == 0
        assert not daemon.logged("WARNING|ERROR|Traceback")


@pytest.mark.parametrize("name", NO_VALUES)
def test_payloads_that_are_no_value_are_ignored(name: str, feed: Feed) -> None:
    """It is not stored, other fields are not affected, and the next number is stored."""
    others = len(stored_values(feed.setting, "Current"))
    feed.say(NO_VALUES[name])
    assert feed.daemon.running
    assert feed.daemon.pid == feed.pid
    assert len(stored_values(feed.setting, "Current")) > others
    assert set(feed.voltages()) <= feed.numbers() | {number for _, number in VALUES.values()}
    assert "127.0.0.1" not in feed.notify.status


@pytest.mark.parametrize("name", VALUES)
def test_every_way_to_write_a_number_is_stored_as_a_float(name: str, feed: Feed) -> None:
    """The number is stored, rounded to four decimals, whatever other keys there are."""
    payload, number = VALUES[name]
    feed.say(payload)
    assert number in feed.voltages()
    types = feed.setting.influxdb.query("SHOW FIELD KEYS FROM dc", "battery")
    assert {row["fieldType"] for row in types} == {"float"}


def send(setting: Setting, *messages: tuple[str, bytes], retain: bool = False) -> None:
    """Publish what another client of the broker could."""
    publish.multiple(
        [{"topic": topic, "payload": payload, "retain": retain} for topic, payload in messages],
        hostname="127.0.0.1",
        port=setting.mosquitto.port,
    )


def test_a_retained_value_is_not_stored(setting: Setting) -> None:
    """A retained message is of an unknown time, and no current value."""
    topic = f"N/{P}/{NINE['Voltage']}"
    send(setting, (topic, b'{"value":666.25}'), retain=True)
    device = Device(P)
    setting.venus(device)
    setting.daemon(Battery=GIVEN)
    wait("values", lambda: len(stored_values(setting, "Voltage")) >= 5)
    assert 666.25 not in [value for _, value in stored_values(setting, "Voltage")]


def test_a_topic_that_was_not_requested_is_not_stored(setting: Setting) -> None:
    """Publishes of other clients on other topics are not stored."""
    setting.venus(Device(P))
    setting.daemon(Battery=GIVEN)
    wait("values", setting.stored)
    topic = f"N/{P}/{NINE['Voltage']}"
    near = (topic + "/", topic + "/x", "/" + topic, topic.lower(), topic[:-1], "N", f"N/{P}")
    send(setting, *((each, b'{"value":666.25}') for each in near))
    before = len(stored_values(setting, "Voltage"))
    wait("more values", lambda: len(stored_values(setting, "Voltage")) >= before + 3)
    assert 666.25 not in [value for _, _, value in setting.stored()]


def test_a_flood_of_payloads_that_are_no_value_stops_nothing(feed: Feed) -> None:
    """After a hundred messages of every kind in a row no field misses values."""
    topic = f"N/{P}/{NINE['Soc']}"
    before = len(stored_values(feed.setting, "Soc"))
    send(feed.setting, *((topic, payload) for payload in list(NO_VALUES.values()) * 3))
    wait("values", lambda: len(stored_values(feed.setting, "Soc")) >= before + 5)
    assert feed.daemon.pid == feed.pid
    found = {value for _, value in stored_values(feed.setting, "Soc")}
    assert found <= {value for _, value in published(feed.device, NINE["Soc"])}
