"""The older releases of Venus OS that the stand-in can be.

The facts are those of dbus-mqtt and of the README of dbus-flashmq (standins/venus/firmware.py).
"""

import json
from contextlib import closing
from typing import Any

import pytest

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.tests.test_venus import Clock, Listener, mark
from tests.standins.venus.device import Device
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.plugin import Publish

P = "c0619ab1c2d3"
NOW = 1795350000.25
SUPPRESSED = b'{"keepalive-options":["suppress-republish"]}'
ECHO = b'{"keepalive-options":[{"full-publish-completed-echo":"x"}]}'
SERIAL = f"N/{P}/system/0/Serial"
OLD = [Firmware.SELECTIVE, Firmware.FIRST, Firmware.SERIAL_ALONE]


def ask(device: Device, path: str, payload: bytes = b"", now: float = NOW) -> list[Publish]:
    return device.handle(f"R/{P}/{path}", payload, now)


def value(publish: Publish) -> Any:
    return json.loads(publish.payload)["value"]


def test_before_3_50_the_end_of_a_republish_has_no_echo() -> None:
    """The request for an echo is ignored; all else is as in current firmware."""
    *out, completed, heartbeat = ask(Device(P, firmware=Firmware.NO_ECHO), "keepalive", ECHO)
    *newer, _, _ = ask(Device(P), "keepalive", ECHO)
    assert sorted(out, key=repr) == sorted(newer, key=repr)
    assert completed == Publish(f"N/{P}/full_publish_completed", b'{"value":%d}' % int(NOW))
    assert heartbeat.topic == f"N/{P}/heartbeat"


@pytest.mark.parametrize("firmware", OLD)
def test_the_serial_wakes_an_old_device_which_says_everything_once(firmware: Firmware) -> None:
    """The first read gives all values, retained; later ones prolong. No end, no heartbeat."""
    device = Device(P, firmware=firmware)
    topics = [publish.topic for publish in ask(device, "system/0/Serial")]
    assert len(topics) > 50
    assert device.alive
    assert not {f"N/{P}/full_publish_completed", f"N/{P}/heartbeat"} & set(topics)
    again = ask(device, "system/0/Serial")
    assert {publish.topic for publish in again} <= {SERIAL}
    later = device.advance(NOW + 10.0)
    assert later
    assert {publish.retain for publish in later} == {True}
    assert f"N/{P}/heartbeat" not in {publish.topic for publish in later}
    ask(device, "system/0/Serial", now=NOW + 50.0)
    device.advance(NOW + 100.0)
    assert device.alive
    assert device.log.counters.republishes == 1


@pytest.mark.parametrize("firmware", OLD)
def test_an_old_device_that_falls_asleep_takes_back_what_is_retained(firmware: Firmware) -> None:
    """After 60 s each topic except the Serial gets an empty message, and nothing follows."""
    device = Device(P, firmware=firmware)
    said = {publish.topic for publish in ask(device, "system/0/Serial")}
    device.advance(NOW + 59.5)
    last = [each for each in device.advance(NOW + 60.5) if not each.payload]
    assert {publish.topic for publish in last} == said - {SERIAL}
    assert {publish.retain for publish in last} == {True}
    assert device.advance(NOW + 300.0) == []


@pytest.mark.parametrize("payload", [SUPPRESSED, ECHO])
def test_a_selective_one_interprets_options_as_topics_of_interest(payload: bytes) -> None:
    """No such topics exist, so nothing happens, without an error; without options all wakes."""
    device = Device(P, firmware=Firmware.SELECTIVE)
    assert ask(device, "keepalive", payload) == []
    assert not device.alive
    assert device.log.counters.errors == 0
    assert len(ask(device, "keepalive")) > 50
    assert device.alive
    assert Publish(f"N/{P}/keepalive", b'{"value": 1}', retain=True) in device.announce()


@pytest.mark.parametrize("payload", [b"", SUPPRESSED, ECHO])
def test_where_the_serial_alone_counts_a_keepalive_is_an_unknown_path(payload: bytes) -> None:
    """The device logs an error, and the keepalive has no effect."""
    device = Device(P, firmware=Firmware.SERIAL_ALONE)
    assert ask(device, "keepalive", payload) == []
    counters = device.log.counters
    assert (device.alive, counters.errors, counters.keepalives) == (False, 1, 0)


@pytest.mark.parametrize("path", ["keepalive", "vebus/275/Soc", "vebus/999/Nope"])
def test_any_request_wakes_the_first_firmware(path: str) -> None:
    """A wrong one, such as /keepalive, also makes the device log an error."""
    device = Device(P, firmware=Firmware.FIRST)
    assert len(ask(device, path, SUPPRESSED)) > 50
    assert device.alive
    assert device.log.counters.errors == (not path.endswith("Soc"))


@pytest.mark.parametrize("firmware", OLD)
def test_old_payloads_have_blanks_and_lists_for_null(firmware: Firmware) -> None:
    """A read has [] for null, a notification has null; settings come without their limits."""
    device = Device(P, firmware=firmware)
    everything = {each.topic: each.payload for each in ask(device, "system/0/Serial")}
    null, mode = f"N/{P}/vebus/275/Ac/Out/L2/P", f"N/{P}/vebus/275/Mode"
    assert everything[null] == b'{"value": null}'
    assert everything[mode] == b'{"value": 3}'
    assert ask(device, "vebus/275/Ac/Out/L2/P") == [Publish(null, b'{"value": []}')]


@pytest.mark.parametrize("firmware", OLD)
def test_an_old_device_answers_a_sub_tree_in_one_message(firmware: Firmware) -> None:
    """The message is on the sub-tree's topic, and no leaf is published."""
    device = Device(P, firmware=firmware)
    ask(device, "system/0/Serial")
    (answer,) = ask(device, "vebus/275/Dc")
    assert answer.topic == f"N/{P}/vebus/275/Dc"
    (voltage,) = ask(device, "vebus/275/Dc/0/Voltage")
    assert value(answer)["0/Voltage"] == value(voltage)
    assert len(value(answer)) == 5
    assert ask(device, "vebus/275/Dc/0/") == []


def test_values_of_an_old_device_are_retained(mosquitto: Mosquitto) -> None:
    """While it is awake the broker retains its values, and afterwards the Serial alone."""
    clock, device = Clock(), Device(P, firmware=Firmware.FIRST)

    def told(move: float) -> set[str]:
        """Return a new subscriber's messages, after waking the device and advancing its time."""
        with closing(Listener(mosquitto.port, f"N/{P}/#", "N/mark/#")) as listener:
            there = {m.topic for m in listener.settle() if m.retain}
            if not device.alive:
                listener.ask("system/0/Serial")
            listener.settle()
            clock.now += move
            runner.wake()
            listener.settle()
        return there

    with VenusRunner("127.0.0.1", mosquitto.port, [device, mark()], clock=clock) as runner:
        assert told(0.0) == {SERIAL}
        assert told(61.0) > {SERIAL, f"N/{P}/vebus/275/Soc"}
        assert told(0.0) == {SERIAL}
