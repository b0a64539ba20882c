"""Mode notify: the device publishes its changes, and the stored values equal those of a poll."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from bat2influx.reading import NS
from tests.standins.venus.device import Device
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.mqtt import steady_unix_time
from tests.support.compare import NINE, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
NOTIFY = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275, "mode": "notify"}
POLL = {**NOTIFY, "mode": "poll"}
CHANGES = b'{"keepalive-options":["suppress-republish"]}'
LATE = 20  # ticks
APART = 0.1  # s between a change and a read, so that both modes have the same value


def sent(device: Device, place: str) -> list[tuple[float, bytes]]:
    """Return times and payloads of requests to the device whose topic ends like this."""
    return [(r.time, r.payload) for r in device.log.requests if r.topic.endswith(place)]


def more(setting: Setting, count: int, **place: str) -> Callable[[], bool]:
    """Return the condition that so many more values of the voltage are stored than now."""
    before = len(stored_values(setting, "Voltage", **place))
    return lambda: len(stored_values(setting, "Voltage", **place)) >= before + count


def test_all_is_read_once_and_then_changes_are_published(setting: Setting) -> None:
    """No full republish is requested, and each change of a value is stored once."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=40, Battery=NOTIFY)
    wait("the nine", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
    wait("changes", more(setting, 15))
    asked = sent(device, "/keepalive")
    assert {payload for _, payload in asked} == {CHANGES}
    once = Counter(r.topic.removeprefix(f"R/{P}/vebus/275/") for r in device.log.requests)
    assert [once[each] for each in ("Dc/0", "Ac/ActiveIn/L1", "Soc")] == [1, 1, 1]
    assert once.keys() == {"Dc/0", "Ac/ActiveIn/L1", "Soc", "Ac/ActiveIn/L1/S", f"R/{P}/keepalive"}
    assert daemon.stop() == 0
    values = [value for _, value in stored_values(setting, "Voltage")]
    assert all(later != sooner for sooner, later in pairwise(values))
    assert not daemon.logged("WARNING|ERROR")


def test_apparent_power_is_read_now_and_then(setting: Setting) -> None:
    """A device sends no notification of its changes; without reads it would stay constant."""
    device = Device(P)
    setting.venus(device)
    device.stale("vebus", "/Ac/ActiveIn/L1/S")
    setting.daemon(watchdog=16, Battery=NOTIFY)
    wait("changes", lambda: len({value for _, value in stored_values(setting, "S")}) >= 3)


def test_no_full_republish_twice_in_half_w(setting: Setting) -> None:
    """After a reconnect the fields are read once instead, so that no change is missed."""
    device = Device(P)
    runner = setting.venus(device)
    since = steady_unix_time()
    setting.daemon(watchdog=100, Battery=NOTIFY)
    wait("values", lambda: stored_values(setting, "Voltage"))
    for number in range(3):
        device.set_value("vebus", "/Dc/0/Voltage", 50.0 + number)
        setting.mosquitto.restart()
        assert runner.wait_attached()
        wait("it", lambda n=number: stored_values(setting, "Voltage")[-1][1] == 50.0 + n)
    assert device.log.counters.republishes <= (steady_unix_time() - since) / 50.0 + 1
    assert device.log.counters.reads >= 1


def test_reads_of_other_clients_add_no_values(setting: Setting) -> None:
    """Another client that reads all the time adds no values while nothing changes."""
    device = Device(P)
    setting.venus(device)
    device.set_value("vebus", "/Dc/0/Voltage", 52.5)
    device.foreign(40, ["vebus/275/Dc/0"], keepalive=True)
    setting.daemon(Battery={**NOTIFY, "interval": 30})
    wait("values", lambda: stored_values(setting, "Voltage"))
    wait("reads of the other client", lambda: device.log.counters.foreign >= 200)
    ticks = {when // (30 * NS) for when, _ in stored_values(setting, "Voltage")}
    assert len(stored_values(setting, "Voltage")) <= len(ticks) + 1


@pytest.mark.parametrize("timestamps", ["arrival", "tick"])
def test_forward_filled_it_equals_a_poll_at_every_tick(setting: Setting, timestamps: str) -> None:
    """If a value has changed just at its read, the tick is left out."""
    device = Device(P)
    setting.venus(device)
    daemons = []
    for measurement, battery in {"polled": POLL, "told": NOTIFY}.items():
        influx = {"measurement": measurement, "timestamps": timestamps}
        daemons.append(setting.daemon(Battery=battery, Influx=influx))
        wait("the nine", lambda m=measurement: len(nine_of(setting, m)) == len(NINE))
    wait("a while", more(setting, 100, measurement="polled"))
    assert [daemon.stop() for daemon in reversed(daemons)] == [0, 0]
    compared = 0
    for field, leaf in NINE.items():
        told = [message for message in device.log.sent if message.topic == f"N/{P}/{leaf}"]
        changes = [b.time for a, b in pairwise(told) if a.payload != b.payload]
        compared += compare(
            stored_values(setting, field, measurement="polled"),
            stored_values(setting, field, measurement="told"),
            changes,
            tick=0.2 if timestamps == "tick" else 0.0,
        )
    assert compared > 300


def nine_of(setting: Setting, measurement: str) -> set[str]:
    """Return the stored fields of a measurement."""
    return {field for _, field, _ in setting.stored(measurement=measurement)}


def compare(
    polled: list[tuple[int, float]],
    told: list[tuple[int, float]],
    changes: list[float],
    tick: float,
) -> int:
    """Compare at each polled time after the first change; return the number of times.

    On a machine that stalls, one of the two may get a change some ticks before the other: that is
    permitted if it is rare.
    """
    times = [when for when, _ in told]
    compared = late = 0
    for number, (when, value) in enumerate(polled):
        asked = when / NS + tick / 2
        if when < told[0][0] or any(abs(asked - change) < APART + tick for change in changes):
            continue
        filled = told[bisect_right(times, when) - 1][1]
        if filled != value:
            late += 1
            assert filled in {each for _, each in polled[max(0, number - LATE) : number + LATE]}
        compared += 1
    assert late <= compared / 20
    return compared


@pytest.mark.parametrize("firmware", [Firmware.SELECTIVE, Firmware.FIRST, Firmware.SERIAL_ALONE])
def test_firmware_without_the_current_keepalive(setting: Setting, firmware: Firmware) -> None:
    """Reads of its serial number keep it awake as long as the daemon runs."""
    device = Device(P, firmware=firmware)
    setting.venus(device)
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=16, Battery=NOTIFY)
    wait("the old kind of keepalive", lambda: len(sent(device, "/system/0/Serial")) >= 4)
    wait("changes", more(setting, 10))
    since = steady_unix_time()
    before = len(sent(device, "/keepalive"))
    wait("two more", lambda: len(sent(device, "/system/0/Serial")) >= 6)
    assert len(sent(device, "/keepalive")) == before
    assert {field for _, field, _ in setting.stored()} == NINE.keys()
    assert device.alive
    assert steady_unix_time() > since


@pytest.mark.parametrize(
    ("firmware", "given"),
    [(Firmware.FIRST, True), (Firmware.SELECTIVE, False), (Firmware.SERIAL_ALONE, False)],
)
def test_old_firmware_is_polled_leaf_by_leaf(
    setting: Setting, firmware: Firmware, given: bool
) -> None:
    """It answers a sub-tree with an object, from which no value would be read."""
    device = Device(P, firmware=firmware)
    setting.venus(device)
    battery = POLL if given else {"interval": 0.2, "soc_interval": 0.2}
    daemon = setting.daemon(watchdog=16, Battery=battery)
    wait("the nine", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
    wait("more", more(setting, 10))
    reads = device.log.counters.reads
    wait("reads", lambda: device.log.counters.reads >= reads + 50)
    assert daemon.stop() == 0
    again = setting.daemon(watchdog=16, Battery=battery)
    wait("more", more(setting, 10))
    assert again.stop() == 0
