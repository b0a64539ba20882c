"""All devices behind one broker: by one daemon, and by two that share the work."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pytest

from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.support.compare import LATEST, NINE, published
from tests.support.daemon import Daemon, Setting, wait

FLEET = {"serial": "*", "mode": "notify"}
SHARED = {**FLEET, "share_group": "store"}
INSTANCE = 275
Kept = dict[tuple[str, str], dict[float, int]]  # by portal id, field: times in ns


def portals(number: int) -> list[str]:
    """Return so many portal ids."""
    return [f"c0619ab1{each:04}" for each in range(number)]


def fleet(number: int) -> list[Device]:
    """Return so many devices with values that never repeat."""
    return [Device(portal, counted=True) for portal in portals(number)]


def kept(setting: Setting) -> Kept:
    """Return the stored values; each value of a field occurs once."""
    found: Kept = defaultdict(dict)
    for row in setting.rows():
        assert row["instance"] == str(INSTANCE)
        for field in NINE:
            if row.get(field) is not None:  # None until a device has the field
                found[row["portal"], field][row[field]] = row["time"]
    return found


def missing(setting: Setting, devices: Sequence[Device]) -> list[tuple[float, str, float]]:
    """Return (Unix time, field, value) of all published values that are not stored."""
    stored = kept(setting)
    return [
        (when, field, value)
        for device in devices
        for field, leaf in NINE.items()
        for when, value in published(device, leaf)
        if value not in stored[device.portal_id, field]
    ]


def hush(devices: Sequence[Device]) -> None:
    """Stop their messages."""
    for device in devices:
        device.silence()


def speak(devices: Sequence[Device]) -> None:
    """Resume their messages."""
    for device in devices:
        device.speak()


def more(devices: Sequence[Device], count: int) -> None:
    """Wait until each device has published its voltage so many more times."""
    before = {device: len(published(device, NINE["Voltage"])) for device in devices}
    wait(
        "more of each",
        lambda: all(
            len(published(each, NINE["Voltage"])) >= n + count for each, n in before.items()
        ),
    )


def senders(mosquitto: Mosquitto, portal: str) -> list[str]:
    """Return the ids of the clients that sent a keepalive to a device, by the broker's log."""
    line = re.compile(rf"Received PUBLISH from (\S+) \(.*'R/{portal}/keepalive'")
    return line.findall(mosquitto.log.read_text())


def pair(setting: Setting, *watchdogs: float) -> tuple[Daemon, Daemon]:
    """Start two daemons of one group, each with a separate state directory."""
    setting.mosquitto.config = "log_type all"
    setting.mosquitto.restart()
    setting.influxdb.query("CREATE DATABASE battery")
    one, other = (
        setting.daemon(
            Battery=SHARED,
            watchdog=watchdog,
            environment={"STATE_DIRECTORY": str(setting.directory / f"state-{number}")},
        )
        for number, watchdog in enumerate(watchdogs)
    )
    for daemon in (one, other):
        daemon.wait_for_log("in the group store")
    return one, other


def test_every_value_of_every_device_is_stored(setting: Setting) -> None:
    """Under its portal id, once, with its time; one full republish each, and no other request."""
    devices = fleet(20)
    setting.venus(*devices)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=64, Battery=FLEET)
    wait("all fields of all", lambda: len(kept(setting)) == 20 * len(NINE))
    more(devices, 8)
    assert "20 devices" in notify.status
    hush(devices)
    wait("all published values", lambda: not missing(setting, devices))
    assert daemon.stop() == 0
    stored = kept(setting)
    assert {portal for portal, _ in stored} == {*portals(20)}
    for device in devices:
        for field, leaf in NINE.items():
            own = stored[device.portal_id, field]
            spoken = published(device, leaf)
            assert own.keys() == {value for _, value in spoken}
            first = {value: when for when, value in reversed(spoken)}
            for value, stamp in own.items():
                assert -0.1 < stamp / 1e9 - first[value] < LATEST
        asked = [
            request.topic.partition(f"R/{device.portal_id}/")[2] for request in device.log.requests
        ]
        assert {*asked} <= {"keepalive", f"vebus/{INSTANCE}/Ac/ActiveIn/L1/S"}
        assert device.log.requests[0].payload == b""
    assert not daemon.logged("WARNING|ERROR")


def test_a_row_for_each_second_and_device(setting: Setting) -> None:
    """With timestamps = tick the fields of a device share a row, and only those."""
    devices = fleet(3)
    setting.venus(*devices)
    daemon = setting.daemon(watchdog=16, Battery=FLEET, Influx={"timestamps": "tick"})
    wait("all fields of all", lambda: len(kept(setting)) == 3 * len(NINE))
    more(devices, 6)
    assert daemon.stop() == 0
    rows = setting.rows()
    assert {row["time"] % 10**9 for row in rows} == {0}
    places = Counter((row["time"], row["portal"]) for row in rows)
    assert {*places.values()} == {1}
    full = [row for row in rows if all(row[field] is not None for field in NINE)]
    assert {row["portal"] for row in full} == {*portals(3)}


def test_devices_that_appear_and_that_stop_responding(setting: Setting) -> None:
    """A new one is read at once; one line counts the stopped ones, and names a few."""
    devices = fleet(8)
    setting.venus(*devices[:1])
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=16, Battery=FLEET)
    wait("the first", lambda: "1 device;" in notify.status)
    setting.venus(*devices[1:])
    wait("all", lambda: "8 devices;" in notify.status)
    wait("all fields of all", lambda: len(kept(setting)) == 8 * len(NINE))
    hush(devices[:5])
    wait("them to be reported", lambda: "8 devices, 5 not responding (" in notify.status)
    named = re.search(r"not responding \((.*), …\)", notify.status)
    assert named
    assert {*named[1].split(", ")} <= {*portals(5)}
    assert len(named[1].split(", ")) == 3
    speak(devices)
    wait("their return", lambda: "8 devices;" in notify.status)
    assert len(daemon.logged("WARNING.* not respond")) == 1
    assert daemon.logged("every device at 127.0.0.1 responds again, after")
    assert daemon.stop() == 0


def test_after_an_outage_of_the_broker_all_continues(setting: Setting) -> None:
    """With the values that have changed during the outage."""
    devices = fleet(4)
    runner = setting.venus(*devices)
    setting.daemon(watchdog=32, Battery=FLEET)
    wait("all fields of all", lambda: len(kept(setting)) == 4 * len(NINE))
    setting.mosquitto.restart()
    assert runner.wait_attached()
    begun = steady_unix_time()
    more(devices, 3)
    hush(devices)

    def all_since() -> bool:
        return all(when < begun for when, _, _ in missing(setting, devices))

    wait("all published values since", all_since)


@pytest.mark.long
def test_one_of_two_daemons_is_killed(setting: Setting) -> None:
    """Only values that the broker has sent to it are missing, and none is stored twice."""
    devices = fleet(10)
    one, other = pair(setting, 64, 64)
    setting.venus(*devices)
    wait("all fields of all", lambda: len(kept(setting)) == 10 * len(NINE))
    more(devices, 3)
    hush(devices)
    wait("all published values", lambda: not missing(setting, devices))
    other.freeze()
    frozen = steady_unix_time()
    ends = "closed its connection|Socket error|not connected|disconnect"
    before = len(re.findall(ends, setting.mosquitto.log.read_text()))
    speak(devices)
    more(devices, 3)
    other.kill()
    wait("its end", lambda: len(re.findall(ends, setting.mosquitto.log.read_text())) > before)
    over = steady_unix_time()
    more(devices, 5)
    hush(devices)

    def only_what_it_had() -> bool:
        return all(frozen <= when <= over for when, _, _ in missing(setting, devices))

    wait("all but the values of the killed one", only_what_it_had)
    lost = missing(setting, devices)
    held = sum(
        frozen <= when <= over
        for each in devices
        for leaf in NINE.values()
        for when, _ in published(each, leaf)
    )
    assert 0 < len(lost) < held  # the other one got its share all the time
    assert one.stop() == 0
    rows = sum(row[field] is not None for row in setting.rows() for field in NINE)
    assert rows <= sum(len(published(each, leaf)) for each in devices for leaf in NINE.values())


@pytest.mark.long
def test_one_of_two_keeps_the_devices_awake_and_then_the_other(setting: Setting) -> None:
    """The second one sends hardly any keepalives, until the first one stops."""
    devices = fleet(5)
    setting.venus(*devices)
    hasty, patient = pair(setting, 16, 64)  # due every 4 s, and every 16 s

    def by_each() -> list[Counter[str]]:
        return [Counter(senders(setting.mosquitto, portal)) for portal in portals(5)]

    wait("keepalives", lambda: all(each.total() >= 5 for each in by_each()))
    ((leader, most), *others) = sum(by_each(), Counter[str]()).most_common()
    assert 4 * sum(count for _, count in others) <= most
    hasty.kill()
    wait("the other's", lambda: all(each.keys() - {leader} for each in by_each()))
    assert all(device.alive for device in devices)
    assert patient.stop() == 0


def test_a_user_who_may_not_receive_keepalives(setting: Setting) -> None:
    """It is logged once, and the daemon works without them."""
    rules = setting.directory / "rules"
    rules.write_text(
        "topic readwrite N/#\ntopic readwrite R/#\nuser deaf\ntopic read N/#\ntopic write R/#\n"
    )
    setting.mosquitto.config = f"acl_file {rules}"
    setting.mosquitto.restart()
    devices = fleet(2)
    setting.venus(*devices)
    daemon = setting.daemon(watchdog=16, Battery={**FLEET, "user": "deaf"})
    daemon.wait_for_log("does not allow 'deaf' to read R/[+]/keepalive")
    wait("all fields of all", lambda: len(kept(setting)) == 2 * len(NINE))
    asked = [device.log.counters.keepalives for device in devices]
    wait(
        "keepalives",
        lambda: all(d.log.counters.keepalives > n + 1 for d, n in zip(devices, asked, strict=True)),
    )
    assert len(daemon.logged("WARNING|ERROR")) == 1


def test_a_user_who_may_not_publish(setting: Setting) -> None:
    """The rejected keepalive is reported; values that come all the same are stored."""
    rules = setting.directory / "rules"
    rules.write_text(
        "topic readwrite N/#\ntopic readwrite R/#\nuser mute\ntopic read N/#\ntopic read R/#\n"
    )
    setting.mosquitto.config = f"acl_file {rules}"
    setting.mosquitto.restart()
    (device,) = devices = fleet(1)
    setting.venus(device)
    device.foreign(5, keepalive=True)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=16, Battery={**FLEET, "user": "mute"})
    refusal = f"rejected the publish of 'mute' to R/{devices[0].portal_id}/keepalive"
    daemon.wait_for_log(refusal)
    wait("values", lambda: len(kept(setting)) == len(NINE))
    wait("it in STATUS", lambda: refusal in notify.status)
    assert len(daemon.logged(refusal)) == 1


def test_no_device_behind_the_broker(setting: Setting) -> None:
    """Daemon and check report what they wait for."""
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=16, Battery=FLEET)
    what = "no device has published its portal id at 127.0.0.1"
    wait("it in STATUS", lambda: what in notify.status)
    check = setting.daemon(Battery=FLEET, options=("check",))
    assert check.wait_for_end() == 69
    assert check.logged(f"wrong *portal id *{what}")


def test_check_reads_one_of_them(setting: Setting) -> None:
    """It prints their number, and the values of one that responds, if any does."""
    devices = fleet(3)
    setting.venus(*devices)
    devices[2].foreign(5, keepalive=True)
    check = setting.daemon(Battery=FLEET, options=("check",))
    assert check.wait_for_end() == 0, check.log.read_text()
    assert check.logged(f"ok *devices *3 devices; checking {portals(3)[2]}")
    assert check.logged("ok *Voltage .* V ")


def test_watch_shows_one_of_them(setting: Setting) -> None:
    """The named one, while the daemons of the group get all messages."""
    devices = fleet(2)
    setting.venus(*devices)
    daemon = setting.daemon(watchdog=64, Battery=SHARED)
    wait("all fields of all", lambda: len(kept(setting)) == 2 * len(NINE))
    nameless = setting.daemon(Battery=SHARED, options=("watch",))
    assert nameless.wait_for_end() == 64
    assert nameless.logged("every device behind 127.0.0.1; give the portal id of one")
    watch = setting.daemon(Battery=SHARED, options=("watch", portals(2)[1]))
    watch.wait_for_log("Voltage [0-9.]+ V")
    watch.stop()
    more(devices, 2)
    hush(devices)
    wait("all published values", lambda: not missing(setting, devices))
    assert daemon.stop() == 0


def test_a_reload(setting: Setting) -> None:
    """A new interval keeps the connection; new fields, and one device, reconnect."""
    devices = fleet(3)
    setting.venus(*devices)
    daemon = setting.daemon(watchdog=64, Battery=FLEET)
    wait("all fields of all", lambda: len(kept(setting)) == 3 * len(NINE))

    def reload(**sections: Mapping[str, object]) -> None:
        before = len(daemon.logged("configuration reloaded"))
        setting.write_ini(**sections)
        os.kill(daemon.pid, signal.SIGHUP)
        wait("the reload", lambda: len(daemon.logged("configuration reloaded")) > before)

    reload(Battery={**FLEET, "interval": 2})
    assert len(daemon.logged("receiving changes")) == 1
    reload(Battery=FLEET, Fields={"Mode": "vebus/Mode"})
    everybody = {*portals(3)}
    wait("the new field", lambda: {r["portal"] for r in setting.rows("Mode, portal")} >= everybody)
    reload(Battery={"serial": portals(3)[0]})
    daemon.wait_for_log(f"reading .* {portals(3)[0]}")
    assert daemon.stop() == 0
    assert not daemon.logged("WARNING|ERROR")
