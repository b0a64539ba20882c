"""Portal id and instances: discovered through the broker, set in the file, or left to the user."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from paho.mqtt import publish

from bat2influx.device.discovery import Discovery, UndecidedError
from bat2influx.device.wanted import Wanted
from bat2influx.venus.protocol import parse_field
from tests.standins.venus.device import Device
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.values import vebus
from tests.support.compare import NINE, stored_values
from tests.support.daemon import Daemon, Setting, wait

A, B = "c0619ab1c2d3", "0a1b2c3d4e5f"
QUICK = {"interval": 0.2, "soc_interval": 0.2}
EX_CONFIG = 78


def lines(daemon: Daemon, beginning: str) -> list[str]:
    """Return the log lines that begin like this."""
    return daemon.logged(f"^{beginning}")


@pytest.mark.parametrize("portal", [A, B])
def test_any_portal_id_is_found(setting: Setting, portal: str) -> None:
    """No id is built in: the id in the retained Serial's topic is used."""
    setting.venus(Device(portal))
    daemon = setting.daemon(Battery=QUICK)
    wait("values", setting.stored)
    assert daemon.logged(f"portal id {portal}, vebus 275")


def test_several_devices_are_an_error_that_lists_them(setting: Setting) -> None:
    """With two devices none is guessed: each has a line for the file, and that line works."""
    setting.venus(Device(A), Device(B))
    daemon = setting.daemon(Battery=QUICK)
    assert daemon.wait_for_end() == EX_CONFIG
    assert lines(daemon, "serial = ") == [f"serial = {B}", f"serial = {A}"]
    assert daemon.logged(
        "several devices at 127.0.0.1: put one of these lines under .Battery. in /"
    )
    chosen = setting.daemon(Battery={**QUICK, "serial": B})
    wait("values", setting.stored)
    assert chosen.logged(f"portal id {B}")


def test_several_multis_are_an_error_that_lists_them(setting: Setting) -> None:
    """With two vebus instances none is guessed: each has a line for the file, which works."""
    device = Device(A, ("vebus/276", "vebus/288", "system"))
    setting.venus(device)
    daemon = setting.daemon(Battery=QUICK)
    assert daemon.wait_for_end() == EX_CONFIG
    assert lines(daemon, "instance = ") == ["instance = 276", "instance = 288"]
    chosen = setting.daemon(Battery={**QUICK, "instance": 288})
    wait("values", setting.stored)
    assert chosen.running
    read = {r.topic for r in device.log.requests if "vebus" in r.topic}
    assert all(f"R/{A}/vebus/288/" in topic for topic in read)


def test_several_solar_chargers_are_an_error_with_a_line_for_each_name(setting: Setting) -> None:
    """With two solar chargers each field has its choices as lines to copy, which work."""
    setting.venus(Device(A, ("vebus", "system", "solarcharger/288", "solarcharger/289")))
    own = {"Pv": "solarcharger/Yield/Power", "Panel": "solarcharger/Pv/V"}
    daemon = setting.daemon(Battery=QUICK, Fields=own)
    assert daemon.wait_for_end() == EX_CONFIG
    choices = lines(daemon, "P(v|anel) = ")
    assert choices == [
        "Pv = solarcharger/288/Yield/Power",
        "Pv = solarcharger/289/Yield/Power",
        "Panel = solarcharger/288/Pv/V",
        "Panel = solarcharger/289/Pv/V",
    ]
    setting.daemon(Battery=QUICK, Fields=dict(line.split(" = ") for line in choices[1:3]))
    wait("both", lambda: {"Pv", "Panel"} <= {name for _, name, _ in setting.stored()})


def test_given_ids_are_used_without_a_request(setting: Setting) -> None:
    """With serial and instance in the file no keepalive is sent, only reads."""
    device = Device(A)
    setting.venus(device)
    setting.daemon(Battery={**QUICK, "serial": A, "instance": 275})
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 10)
    counters = device.log.counters
    assert (counters.keepalives, counters.republishes, counters.errors) == (0, 0, 0)


def test_a_device_is_found_with_one_full_republish(setting: Setting) -> None:
    """Discovering the instances takes a single keepalive; no other is sent while values come."""
    device = Device(A)
    setting.venus(device)
    setting.daemon(Battery=QUICK, Fields={"Grid": "system/Ac/Grid/L1/Power"})
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 10)
    counters = device.log.counters
    assert (counters.keepalives, counters.republishes, counters.errors) == (1, 1, 0)


@pytest.mark.parametrize("mode", ["poll", "notify"])
@pytest.mark.parametrize("firmware", [Firmware.SELECTIVE, Firmware.FIRST, Firmware.SERIAL_ALONE])
def test_found_firmware_before_3_20_was_called_silent_for_45_s(
    setting: Setting, firmware: Firmware, mode: str
) -> None:
    """A device that ignores the first kind of request gets the other kind before W/8."""
    device = Device(A, firmware=firmware)
    setting.venus(device)
    daemon = setting.daemon(watchdog=40, Battery={**QUICK, "mode": mode})
    wait("values", lambda: {name for _, name, _ in setting.stored()} == NINE.keys())
    first = device.log.requests[0].time
    reads = (r.time for r in device.log.requests if "/vebus/" in r.topic)
    assert next(reads, first) - first < 40 / 8
    assert not daemon.logged("WARNING|ERROR")


def test_a_missing_service_is_reported_and_the_others_are_read(setting: Setting) -> None:
    """STATUS and log (once) report a missing service; other fields are not affected."""
    device = Device(A)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify,
        watchdog=4,
        Battery=QUICK,
        Fields={"Pv": "solarcharger/Yield/Power", "Tank": "tank/Level"},
    )
    wait("the names in STATUS", lambda: "has no solarcharger, tank" in notify.status)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 10)
    wait("two more searches", lambda: device.log.counters.republishes >= 3)
    assert {name for _, name, _ in setting.stored()} == NINE.keys()
    assert len(daemon.logged("has no solarcharger, tank")) == 1
    searches = [r.time for r in device.log.requests if b"echo" in r.payload]
    assert searches[2] - searches[1] > 1.8, "more than one search in W/2"
    assert device.log.counters.errors == 0


def test_a_multi_that_is_switched_on_later_is_found(setting: Setting) -> None:
    """A GX without vebus is searched again, and read once the vebus appears."""
    device = Device(A, ("system",))
    setting.venus(device)
    notify = setting.notify_socket()
    own = {"Relay": "system/Relay/0/State"}
    setting.daemon(notify=notify, watchdog=4, Battery=QUICK, Fields=own)
    wait("the name in STATUS", lambda: "has no vebus" in notify.status)
    device.add_service("vebus", 261, vebus())
    wait("values", lambda: {name for _, name, _ in setting.stored()} == {*NINE, *own})
    wait("a good STATUS", lambda: "has no vebus" not in notify.status)


def test_a_device_that_appears_later_is_found(setting: Setting) -> None:
    """Without a retained Serial on the broker the daemon reports that and waits for one."""
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=4, Battery=QUICK)
    wait("its cause", lambda: "no device has published its portal id at 127.0.0.1" in notify.status)
    setting.venus(Device(A))
    wait("values", lambda: {name for _, name, _ in setting.stored()} == NINE.keys())
    daemon.wait_for_log(f"device {A} responds again")
    assert len(daemon.logged("no device has published its portal id")) == 1


def test_a_missing_instance_is_reported_and_seldom_read(setting: Setting) -> None:
    """Reads of a wrong instance, which fill the device's log, slow down to one every W/2."""
    device = Device(A)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify, watchdog=40, Battery={**QUICK, "serial": A, "instance": 999}
    )
    wait(
        "it in STATUS",
        lambda: "has no vebus 999, but vebus 275. Correct instance in" in notify.status,
    )
    reads = device.log.counters.reads
    daemon.wait_for_log("has no vebus 999, but vebus 275")
    wait("heartbeats", lambda: sum("heartbeat" in m.topic for m in device.log.sent) >= 2)
    assert device.log.counters.reads <= reads + 3
    assert not daemon.logged(f"device {A} at")


def test_a_serial_of_no_device_is_reported(setting: Setting) -> None:
    """A wrong portal id shows as a device that does not respond; the log says what to check."""
    setting.venus(Device(A))
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=4, Battery={**QUICK, "serial": B})
    other = f"no device {B} at 127.0.0.1: the device there has the portal id {A}. Set serial in "
    daemon.wait_for_log(other)
    wait("the same in STATUS", lambda: other in notify.status)
    assert daemon.running


def test_found_a_withdrawn_serial_was_taken_for_a_device(setting: Setting) -> None:
    """The empty message that removes a retained Serial from the broker is no device."""
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=4, Battery=QUICK)
    wait("its cause", lambda: "no device has published its portal id" in notify.status)
    topic, port = f"N/{B}/system/0/Serial", setting.mosquitto.port
    publish.single(topic, b"", retain=True, hostname="127.0.0.1", port=port)
    setting.venus(Device(A))
    wait("values", setting.stored)
    assert daemon.logged(f"portal id {A}")


def old_firmware() -> Device:
    """Return a device that does not mark the end of a republish, as before Venus OS 3.50."""
    device = Device(A)
    device._faults.silent.add("full_publish_completed")
    return device


def test_older_firmware_is_found_too(setting: Setting) -> None:
    """Without the end of the republish, the instances are known after some seconds."""
    setting.venus(old_firmware())
    setting.daemon(Battery=QUICK)
    wait("values", lambda: {name for _, name, _ in setting.stored()} == NINE.keys())


def test_found_older_firmware_without_one_service_was_not_read_at_all(setting: Setting) -> None:
    """There too a missing service does not affect the others; the device counts as responding."""
    setting.venus(old_firmware())
    notify = setting.notify_socket()
    own = {"Pv": "solarcharger/Yield/Power"}
    daemon = setting.daemon(notify=notify, watchdog=24, Battery=QUICK, Fields=own)
    wait("the others", lambda: {name for _, name, _ in setting.stored()} == NINE.keys(), 20)
    wait("its name in STATUS", lambda: "has no solarcharger" in notify.status)
    assert not daemon.logged("does not respond")


class Questions:
    """Replaces a connection: confirms every subscription, and records requests."""

    def __init__(self) -> None:
        self.acknowledged = {1}
        self.echoes: list[str] = []

    def subscribe(self, topics: Iterable[str]) -> int:
        """Confirm the subscription."""
        return 1

    unsubscribe = subscribe

    def publish(self, topic: str, payload: bytes, *, checked: bool = False) -> None:
        """Record the requested echo."""
        self.echoes += [o["full-publish-completed-echo"] for o in json.loads(payload).popitem()[1]]


def test_found_the_first_of_two_that_appear_was_taken_for_the_only_one() -> None:
    """An unasked message does not end a search; only the answer to a request does."""
    wanted = Wanted((parse_field("Pv", "solarcharger/Yield/Power"),), portal=A)
    discovery = Discovery(wanted, retry_interval=60.0, config="c")
    connection: Any = Questions()
    discovery.start(connection)
    assert not discovery.step(connection, 0.0)
    assert not discovery.step(connection, 0.0)
    done = json.dumps({"full-publish-completed-echo": connection.echoes[0], "value": 1}).encode()
    discovery.process(f"N/{A}/full_publish_completed", done, 0.1)
    assert discovery.step(connection, 0.1)
    assert discovery.missing == ("solarcharger",)
    assert not discovery.step(connection, 0.1)
    discovery.process(f"N/{A}/solarcharger/288/ProductId", b'{"value":41056}', 10.0)
    assert not discovery.step(connection, 10.0)
    discovery.process(f"N/{A}/solarcharger/289/ProductId", b'{"value":41056}', 60.0)
    assert not discovery.step(connection, 60.0)
    assert len(connection.echoes) == 2
    discovery.process(f"N/{A}/full_publish_completed", done.replace(b"value", b"more"), 66.0)
    with pytest.raises(UndecidedError, match="Pv = solarcharger/289/Yield/Power"):
        discovery.step(connection, 66.0)


def test_a_removed_retained_product_id_of_a_multi_is_no_candidate(setting: Setting) -> None:
    """An empty ProductId, the farewell of a service, does not count as a second instance."""
    device = Device(A, ("vebus", "system"))
    setting.venus(device)
    device.add_service("vebus", 276, vebus())
    device.vanish("vebus/276")
    daemon = setting.daemon(Battery=QUICK)
    wait("values", setting.stored)
    assert daemon.logged("vebus 275")
