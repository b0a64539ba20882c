"""The whole daemon while the database is missing, down, hangs or rejects: no value is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.venus.device import Device
from tests.support.compare import NINE, answered, assert_complete, missing_values, stored_values
from tests.support.daemon import Daemon, Setting, wait

P = "c0619ab1c2d3"
W = 32.0  # s: a POST then has 8 s, and a stall of this machine does not count as an outage
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}
TROUBLE = (
    r"WARNING: .*(is unreachable|does not answer|answers|rejects|requires a login|does not allow)"
)


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that never sends a number twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    return made


def start(setting: Setting, **influx: object) -> Daemon:
    """Start the daemon, with a short deadline for requests."""
    return setting.daemon(watchdog=W, Battery=QUICK, Influx=influx)


def reads(device: Device, more: int) -> Callable[[], bool]:
    """Return the condition that the device has got so many more read requests than now."""
    target = device.log.counters.reads + more
    return lambda: device.log.counters.reads >= target


def nine(setting: Setting) -> Callable[[], bool]:
    """Return the condition that all fields are stored."""
    return lambda: {field for _, field, _ in setting.stored()} == NINE.keys()


def is_complete(setting: Setting, device: Device, field: str) -> bool:
    """Return whether no value of a field is missing since its first stored one."""
    stored, spoken = stored_values(setting, field), answered(device, NINE[field])
    numbers = [value for _, value in spoken]
    return bool(stored) and not missing_values(spoken[numbers.index(stored[0][1]) :], stored)


def wait_for_all(setting: Setting, device: Device, *but: str) -> None:
    """Stop the device's messages, and wait until all its answers are stored."""
    device.silence()

    fields = NINE.keys() - {*but}
    wait("all values", lambda: all(is_complete(setting, device, field) for field in fields))


def assert_all_arrives(setting: Setting, device: Device, *but: str) -> None:
    """The same, from the very first value on, and with the times; without the fields in `but`."""
    wait_for_all(setting, device, *but)
    for field in NINE.keys() - {*but}:
        assert_complete(setting, device, field, NINE[field])


def test_a_database_that_is_down_at_the_start(setting: Setting, device: Device) -> None:
    """The device is read from the first second on; values are stored once the database is up."""
    setting.influxdb.stop()
    daemon = start(setting)
    daemon.wait_for_log(r"WARNING: .*is unreachable \(connection refused\)")
    wait("some reads", reads(device, 30))
    setting.influxdb.start()
    daemon.wait_for_log("is reachable again")
    assert_all_arrives(setting, device)
    assert len(daemon.logged(TROUBLE)) == len(daemon.logged("is reachable again")) == 1
    assert daemon.stop() == 0
    assert daemon.logged("every value is stored")


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_database_that_stops_and_restarts(setting: Setting, device: Device, way: str) -> None:
    """Twice it is down for a while, by a normal stop or a power cut, and no value is missing."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    for times in (1, 2):
        getattr(setting.influxdb, way)()
        wait("trouble", lambda times=times: len(daemon.logged("is unreachable")) == times)
        wait("some reads", reads(device, 30))
        setting.influxdb.start()
        wait("recovery", lambda times=times: len(daemon.logged("is reachable again")) == times)
    assert_all_arrives(setting, device)
    assert daemon.stop() == 0


def test_a_field_that_the_database_has_as_an_integer(setting: Setting, device: Device) -> None:
    """Only this field is rejected, which is logged once; the eight others have no gap."""
    setting.influxdb.query("CREATE DATABASE battery")
    setting.influxdb.write("dc Power=1i", "battery")
    daemon = start(setting)
    said_so = daemon.wait_for_log("ERROR: value rejected by the database")
    assert 'input field "Power" on measurement "dc" is type float' in said_so
    wait("some values", lambda: len(stored_values(setting, "Soc")) >= 15)
    assert_all_arrives(setting, device, "Power")
    assert [value for _, value in stored_values(setting, "Power")] == [1]
    assert len(daemon.logged("rejected by the database")) == 1
    assert not daemon.logged(TROUBLE)
    assert daemon.stop() == 0
    kept_aside = (
        r"stopped; [0-9]+ rejected values are quarantined \(`bat2influx spool` lists them\)"
    )
    assert daemon.logged(kept_aside + "; [0-9]+ values are stored")
    assert not daemon.logged("every value is stored")


def test_a_retention_policy_that_is_missing(setting: Setting, device: Device) -> None:
    """Nothing is lost until it is created, and the log has its name."""
    setting.influxdb.query("CREATE DATABASE battery")
    daemon = start(setting, retention_policy="years")
    daemon.wait_for_log("has no retention policy 'years'")
    wait("some reads", reads(device, 15))
    setting.influxdb.query(
        "CREATE RETENTION POLICY years ON battery DURATION INF REPLICATION 1 DEFAULT"
    )
    daemon.wait_for_log("is reachable again")
    assert_all_arrives(setting, device)


def test_a_rejected_login(setting: Setting, device: Device) -> None:
    """Values from before the user has the right to write are stored after the grant."""
    setting.influxdb.stop()
    with InfluxDB(setting.directory / "closed", auth=True) as closed:
        setting.influxdb = closed
        closed.create_admin()
        closed.query("CREATE DATABASE battery; CREATE USER bat WITH PASSWORD 'gehe1m'")
        daemon = start(setting, port=closed.port, user="bat", password="gehe1m")
        daemon.wait_for_log(
            r"WARNING: .*does not allow user 'bat' to write \(.*not authorized to write"
        )
        wait("some reads", reads(device, 15))
        closed.query("GRANT WRITE ON battery TO bat")
        daemon.wait_for_log("is reachable again")
        assert_all_arrives(setting, device)
        assert len(daemon.logged(TROUBLE)) == 1
        assert not daemon.logged("gehe1m")
        assert daemon.stop() == 0


def test_sigterm_delivers_the_queue(setting: Setting, device: Device) -> None:
    """If the database has just recovered, queued values are stored before the program ends."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    setting.influxdb.kill()
    daemon.wait_for_log("is unreachable")
    wait("some reads", reads(device, 60))
    setting.influxdb.start()
    assert daemon.stop(10.0) == 0
    assert daemon.logged("every value is stored")
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_sigterm_without_a_database_leaves_the_queue_for_the_next_start(
    setting: Setting, device: Device, fault: str
) -> None:
    """It ends within 10 s, with 0, and logs the number of values on disk."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    getattr(setting.influxdb, fault)()
    wait("some reads", reads(device, 30))
    device.silence()
    daemon.wait_for_log("WARNING: device .* does not respond")  # and no value is under way
    assert daemon.stop(10.0) == 0
    assert int(daemon.wait_for_log("values are queued on disk").split()[2]) >= 9
    assert not daemon.logged("are lost")
    setting.influxdb.kill()  # requests in the buffers of a frozen server do not count
    setting.influxdb.start()
    daemon = start(setting)
    device.speak()
    assert_all_arrives(setting, device)
