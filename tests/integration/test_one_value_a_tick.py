"""In mode poll a field has one value per tick: the first on its topic after the tick's request.

Another client keeps the device alive throughout, so that it publishes every change, and republishes
all its values now and then. The tests count the stored values between two reads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from bat2influx.venus.protocol import NoValue
from tests.integration.test_check import Check
from tests.standins.venus.device import Device
from tests.standins.venus.log import Why
from tests.standins.venus.mqtt import steady_unix_time
from tests.standins.venus.values import OFF_GRID
from tests.support.compare import FAST, NINE, assert_one_a_tick, read_times, stored_values
from tests.support.daemon import Daemon, Setting, wait
from tests.support.node_exporter import samples

P = "c0619ab1c2d3"
HASTY = "tests.support.hasty"
CHANGES = 5  # per second; none is near the middle of a second, where the ticks are
NS = 10**9

pytestmark = pytest.mark.long


def every(interval: float, soc_interval: float | None = None) -> dict[str, object]:
    """Return the ini of a device with given ids, polled at this interval."""
    known = {"serial": P, "instance": 275}
    return {**known, "interval": interval, "soc_interval": soc_interval or interval}


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that publishes a new number of each path five times per second, none twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    made.quicken(CHANGES)
    return made


def more_asked(device: Device, count: int) -> Callable[[], bool]:
    """Return the condition that the voltage was read so many more times than now."""
    leaf = NINE["Voltage"]
    before = len(read_times(device, leaf))
    return lambda: len(read_times(device, leaf)) >= before + count


def start(setting: Setting, interval: float, soc_interval: float | None = None) -> Daemon:
    """Start a daemon that writes its metrics often, and wait until all is stored."""
    daemon = setting.daemon(
        module=HASTY,
        environment={"RUNTIME_DIRECTORY": str(setting.directory)},
        Battery=every(interval, soc_interval),
        Metrics={"textfile": "yes"},
    )
    wait("nine fields", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
    return daemon


def let_go(setting: Setting, reason: NoValue) -> float:
    """Return how many messages the metrics count as no value for this reason."""
    try:
        text = (setting.directory / "bat2influx.prom").read_text()
    except FileNotFoundError:
        return 0.0
    name = f'bat2influx_messages_without_value_total{{reason="{reason.value}"}}'
    return samples(text).get(name, 0.0)


@pytest.mark.parametrize(("interval", "ticks"), [(1.0, 20), (5.0, 4)])
def test_messages_caused_by_other_clients_are_counted_and_not_stored(
    setting: Setting, device: Device, interval: float, ticks: int
) -> None:
    """Each field has one value between two reads, whatever is notified, read or republished.

    The state of charge is read at every second tick, and has no value at the others.
    """
    device.foreign(2, ["vebus/275/Dc/0", "vebus/275/Ac/ActiveIn/L1"], full_interval=7.0)
    daemon = start(setting, interval, 2 * interval)
    since, before = steady_unix_time(), let_go(setting, NoValue.NO_TICK)
    wait("the ticks", more_asked(device, ticks + 3))
    until = steady_unix_time() - 0.5  # so that the answers to the reads before it are stored
    wait(
        "the last values", lambda: all(stored_values(setting, f)[-1][0] / NS >= until for f in NINE)
    )
    assert device.log.counters.republishes >= 3
    for field, leaf in NINE.items():
        stored = stored_values(setting, field)
        counted = assert_one_a_tick(device, leaf, stored, field, since=since, until=until)
        assert counted >= (ticks // 2 - 1 if field == "Soc" else ticks), field
    unasked = ticks * interval * CHANGES * len(FAST)
    wait("the count", lambda: let_go(setting, NoValue.NO_TICK) - before > 0.8 * unasked)
    assert daemon.stop() == 0


def test_a_service_that_hangs_has_no_value_whatever_is_republished(
    setting: Setting, device: Device
) -> None:
    """Its values in the plugin's cache are no answers: the log does not report that it responds."""
    device.foreign(1, ["system/0/Relay/0/State"], full_interval=3.0)
    daemon = setting.daemon(
        watchdog=16, Battery=every(1.0), Fields={"Load": "system/Ac/Consumption/L1/Power"}
    )
    wait("ten fields", lambda: {field for _, field, _ in setting.stored()} == {*NINE, "Load"})
    device.hang("vebus")
    since, republished = steady_unix_time(), device.log.counters.republishes
    wait("republishes", lambda: device.log.counters.republishes >= republished + 6)
    until = steady_unix_time()
    assert not daemon.logged("every field is answered")
    for field in NINE:
        late = [value for at, value in stored_values(setting, field) if since < at / NS < until]
        assert len(late) <= 1, f"{field} has {late} while its service hangs"
    load = "system/0/Ac/Consumption/L1/Power"
    stored = stored_values(setting, "Load")
    assert assert_one_a_tick(device, load, stored, "Load", since=since, until=until - 2.0) >= 9
    device.resume("vebus")
    wait("values again", lambda: stored_values(setting, "Voltage")[-1][0] / NS > until)
    daemon.wait_for_log("every field is answered")
    assert daemon.stop() == 0
    assert len(daemon.logged("every field is answered")) == 1


@pytest.mark.parametrize("who", ["daemon", "broker"])
def test_a_burst_after_a_freeze_is_one_value(setting: Setting, device: Device, who: str) -> None:
    """Messages queued during the freeze are old, and count as one value in their second."""
    device.foreign(1, ["system/0/Relay/0/State"], keepalive=True)
    daemon = start(setting, 1.0)
    wait("ticks", more_asked(device, 3))
    if who == "daemon":
        daemon.freeze()
        said = notifications(device)
        wait("notifications", lambda: notifications(device) >= said + 5 * CHANGES)
    else:
        device.stall()
        until = steady_unix_time() + 5.0
        wait("a while", lambda: steady_unix_time() > until)
    wait("the moment after a tick", lambda: 0.6 <= time.time() % 1.0 < 0.7)
    daemon.thaw() if who == "daemon" else device.go_on()
    wait("more ticks", more_asked(device, 6))
    assert daemon.stop() == 0
    assert notifications(device) >= 5 * CHANGES
    for field in NINE:
        stamps = [at for at, _ in stored_values(setting, field)]
        ticks = Counter(_tick(at) for at in stamps)
        near = [at for at in stamps if ticks[_tick(at)] > 1]
        assert not near, f"{field} has more than one value in a tick: {near}"


def _tick(stamp_ns: int) -> int:
    """Return the second with the tick of a value in its middle; an answer may be late."""
    return (stamp_ns - NS // 2) // NS


def notifications(device: Device) -> int:
    """Return how often the device has published a change of the voltage."""
    topic = f"N/{P}/{NINE['Voltage']}"
    return sum(m.why is Why.NOTIFICATION and m.topic == topic for m in device.log.sent)


# Three chargers, two batteries and no vebus. The test adds the ports and the database.
FIVE_LINES = """\
[Battery]
address = 127.0.0.1
[Fields]
defaults = no
presets = battery, solar
instances = tag
"""
INI = FIVE_LINES.replace("127.0.0.1\n", "127.0.0.1\nport = {mqtt}\n") + (
    "[Influx]\naddress = 127.0.0.1\nport = {influx}\n"
)
EACH_TICK = {
    **{f"solarcharger/{n}/Yield/Power": ("SolarPower", n) for n in (288, 289, 290)},
    **{f"battery/{n}/Dc/0/Voltage": ("BatteryVoltage", n) for n in (512, 513)},
}
GONE = "solarcharger/289/Yield/Power"


def of(setting: Setting, leaf: str) -> list[tuple[int, float]]:
    """Return (time in ns, number) of the stored values of a leaf."""
    field, instance = EACH_TICK[leaf]
    return [
        (int(row["time"]), float(row[field]))
        for row in setting.rows()
        if row.get("instance") == str(instance) and row.get(field) is not None
    ]


def all_of(setting: Setting, leaves: Sequence[str]) -> bool:
    """Return whether each of these has a value."""
    return all(of(setting, leaf) for leaf in leaves)


def test_a_charger_is_switched_off_and_on_in_a_system_without_vebus(setting: Setting) -> None:
    """`check` reports ok; the others miss no tick, and log and status name the missing one."""
    device = Device(P, OFF_GRID, counted=True)
    setting.venus(device)
    device.foreign(1, full_interval=10.0)
    text = INI.format(mqtt=setting.mosquitto.port, influx=setting.influxdb.port)
    ini = setting.write_ini()
    ini.write_text(text)
    check = Check(ini)
    assert (check.code, check.of("WRONG")) == (0, []), check.output
    notify = setting.notify_socket()
    daemon = setting.daemon(text=text, notify=notify, watchdog=24)
    wait("values of all", lambda: all_of(setting, [*EACH_TICK]))
    since = steady_unix_time()
    device.vanish("solarcharger/289")
    daemon.wait_for_log("solarcharger 289")
    wait("its name in STATUS", lambda: "solarcharger 289" in notify.status)
    others = [leaf for leaf in EACH_TICK if leaf != GONE]
    asked_before = len(read_times(device, others[0]))
    wait("ticks without it", lambda: len(read_times(device, others[0])) >= asked_before + 5)
    away = len(of(setting, GONE))
    device.come_back("solarcharger/289")
    wait("its values", lambda: len(of(setting, GONE)) >= away + 3)
    wait("a good STATUS", lambda: "solarcharger 289" not in notify.status)
    assert daemon.running
    assert daemon.stop() == 0
    assert not daemon.logged("ERROR|several instances|no such path")
    for leaf in others:
        assert assert_one_a_tick(device, leaf, of(setting, leaf), leaf, since=since) >= 5
