"""The whole daemon while the database is absent, dies, hangs or refuses: no value is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.venus.device import Device
from tests.support.compare import NINE, answered, assert_complete, kept, lacking
from tests.support.daemon import Daemon, Setting, wait

P = "c0619ab1c2d3"
W = 32.0  # s: a POST then has 8 s, and a stall of this machine is not yet a silent device
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}
TROUBLE = (
    r"WARNING: .*(is unreachable|does not answer|answers|rejects|requires a login|does not allow)"
)


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that never says a number twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    return made


def start(setting: Setting, **influx: object) -> Daemon:
    """Start the daemon, with a short deadline for requests."""
    return setting.daemon(watchdog=W, Battery=QUICK, Influx=influx)


def reads(device: Device, more: int) -> Callable[[], bool]:
    """Return the condition that the device has had so many more read requests than now."""
    target = device.log.counters.reads + more
    return lambda: device.log.counters.reads >= target


def nine(setting: Setting) -> Callable[[], bool]:
    """Return the condition that all fields are stored."""
    return lambda: {field for _, field, _ in setting.stored()} == NINE.keys()


def is_complete(setting: Setting, device: Device, field: str) -> bool:
    """Tell whether nothing is missing of a field since the first that is stored of it."""
    stored, spoken = kept(setting, field), answered(device, NINE[field])
    numbers = [value for _, value in spoken]
    return bool(stored) and not lacking(spoken[numbers.index(stored[0][1]) :], stored)


def wait_for_all(setting: Setting, device: Device, *but: str) -> None:
    """Let the device say no more, and wait until all that it has said is stored."""
    device.silence()

    fields = NINE.keys() - {*but}
    wait("all values", lambda: all(is_complete(setting, device, field) for field in fields))


def assert_all_arrives(setting: Setting, device: Device, *but: str) -> None:
    """The same, from the very first value on and with its time stamps; of each field `but` some."""
    wait_for_all(setting, device, *but)
    for field in NINE.keys() - {*but}:
        assert_complete(setting, device, field, NINE[field])


def test_a_database_that_is_not_there_at_the_start(setting: Setting, device: Device) -> None:
    """The device is read from the first second on; what it says is stored when the database is."""
    setting.influxdb.stop()
    daemon = start(setting)
    daemon.wait_for_log(r"WARNING: .*is unreachable \(connection refused\)")
    wait("some reads", reads(device, 30))
    setting.influxdb.start()
    daemon.wait_for_log("is reachable again")
    assert_all_arrives(setting, device)
    assert len(daemon.says(TROUBLE)) == len(daemon.says("is reachable again")) == 1
    assert daemon.stop() == 0
    assert daemon.says("every value is stored")


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_database_that_goes_and_comes_back(setting: Setting, device: Device, way: str) -> None:
    """Twice it is away for a while, in good order or by a power cut, and nothing is missing."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    for times in (1, 2):
        getattr(setting.influxdb, way)()
        wait("trouble", lambda times=times: len(daemon.says("is unreachable")) == times)
        wait("some reads", reads(device, 30))
        setting.influxdb.start()
        wait("recovery", lambda times=times: len(daemon.says("is reachable again")) == times)
    assert_all_arrives(setting, device)
    assert daemon.stop() == 0


def test_a_field_that_the_database_has_as_an_integer(setting: Setting, device: Device) -> None:
    """It alone is refused, which is said once; the eight others are stored without a gap."""
    setting.influxdb.query("CREATE DATABASE battery")
    setting.influxdb.write("dc Power=1i", "battery")
    daemon = start(setting)
    said_so = daemon.wait_for_log("ERROR: value rejected by the database")
    assert 'input field "Power" on measurement "dc" is type float' in said_so
    wait("some values", lambda: len(kept(setting, "Soc")) >= 15)
    assert_all_arrives(setting, device, "Power")
    assert [value for _, value in kept(setting, "Power")] == [1]
    assert len(daemon.says("rejected by the database")) == 1
    assert not daemon.says(TROUBLE)
    assert daemon.stop() == 0
    kept_aside = (
        r"stopped; [0-9]+ rejected values are quarantined \(`bat2influx spool` lists them\)"
    )
    assert daemon.says(kept_aside + "; [0-9]+ values are stored")
    assert not daemon.says("every value is stored")


def test_a_retention_policy_that_is_missing(setting: Setting, device: Device) -> None:
    """Nothing is lost until it is made, and its name is in the log."""
    setting.influxdb.query("CREATE DATABASE battery")
    daemon = start(setting, retention_policy="years")
    daemon.wait_for_log("has no retention policy 'years'")
    wait("some reads", reads(device, 15))
    setting.influxdb.query(
        "CREATE RETENTION POLICY years ON battery DURATION INF REPLICATION 1 DEFAULT"
    )
    daemon.wait_for_log("is reachable again")
    assert_all_arrives(setting, device)


def test_a_login_that_is_refused(setting: Setting, device: Device) -> None:
    """What comes before the user has the right to write is stored once he has."""
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
        assert len(daemon.says(TROUBLE)) == 1
        assert not daemon.says("gehe1m")
        assert daemon.stop() == 0


def test_sigterm_delivers_what_waits(setting: Setting, device: Device) -> None:
    """Values that wait for a database just come back are stored before the program ends."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    setting.influxdb.kill()
    daemon.wait_for_log("is unreachable")
    wait("some reads", reads(device, 60))
    setting.influxdb.start()
    assert daemon.stop(10.0) == 0
    assert daemon.says("every value is stored")
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_sigterm_without_a_database_leaves_what_waits_for_the_next_start(
    setting: Setting, device: Device, fault: str
) -> None:
    """It ends by itself within 10 s, with 0 and the number of values that are on disk."""
    daemon = start(setting)
    wait("the first values", nine(setting))
    getattr(setting.influxdb, fault)()
    wait("some reads", reads(device, 30))
    device.silence()
    daemon.wait_for_log("WARNING: .*silent")  # and has nothing under way any more
    assert daemon.stop(10.0) == 0
    assert int(daemon.wait_for_log("values are queued on disk").split()[2]) >= 9
    assert not daemon.says("are lost")
    setting.influxdb.kill()  # what lies in the buffers of a frozen server does not count
    setting.influxdb.start()
    daemon = start(setting)
    device.speak()
    assert_all_arrives(setting, device)
