"""A real minute at the default interval, with a hanging database and, beside it, a rejected login.

All tests of this file share one run, because it takes a minute. Seconds in which the machine itself
stalled are left out: `Pulse` records them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import Refusing
from tests.standins.venus.device import Device
from tests.support.compare import FAST, NINE, assert_complete, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait
from tests.support.process import free_port

P = "c0619ab1c2d3"
SECONDS = 62  # the first and the last are incomplete
STALL = 0.25  # s; a tick late by half an interval is skipped; this is half of that


class Pulse(threading.Thread):
    """Records the seconds (Unix time) in which a thread that only sleeps was delayed."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stalled: set[int] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        """Sleep and read the clock."""
        before = time.time()
        while not self.ended.wait(0.02):
            now = time.time()
            if now - before > STALL:
                self.stalled.update(range(int(before), int(now) + 1))
            before = now


@dataclass
class Minute:
    """The results of the minute."""

    setting: Setting
    device: Device
    daemon: Daemon
    seconds: range  # Unix time
    stalled: set[int]
    waiting: list[str]  # STATUS= during it
    refused: Daemon
    refused_notify: NotifySocket
    attempts: list[float]  # monotonic, s
    logins: list[bytes]


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minute]:
    """Run it: the database is frozen after the first values are stored, and later resumed."""
    directory, beside = tmp_path_factory.mktemp("minute"), tmp_path_factory.mktemp("refused")
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as setting,
        Refusing(3.0, 6.0) as refusing,
        Setting(beside, Mosquitto(beside / "m"), InfluxDB(beside / "i")) as other,
    ):
        device = Device(P, counted=True)
        setting.venus(device)
        refused_notify = other.notify_socket()
        refused = other.daemon(
            notify=refused_notify,
            Battery={"port": refusing.port, "password": "pass-Word1"},
            Influx={"port": free_port()},
        )
        notify = setting.notify_socket()
        daemon = setting.daemon(notify=notify)
        wait("nine fields", lambda: {field for _, field, _ in setting.stored()} == NINE.keys())
        pulse = Pulse()
        pulse.start()
        database.freeze()
        told, start = len(notify.received), int(time.time()) + 1
        wait("the minute", lambda: time.time() >= start + SECONDS, 2 * SECONDS)
        seconds = range(start, start + SECONDS - 1)
        waiting = notify.values("STATUS")[told:]
        attempts, logins = list(refusing.calls), list(refusing.logins)
        database.thaw()
        wait("all of it", lambda: _is_in(setting, seconds[-1]))
        pulse.ended.set()
        assert daemon.stop() == 0
        yield Minute(
            setting,
            device,
            daemon,
            seconds,
            pulse.stalled,
            waiting,
            refused,
            refused_notify,
            attempts,
            logins,
        )


def _is_in(setting: Setting, second: int) -> bool:
    return any(when // 10**9 > second for when, _ in stored_values(setting, "Voltage"))


def test_every_second_has_its_requests(minute: Minute) -> None:
    """While the database hangs, the device is read once every second, and not in bursts."""
    for place in ("Dc/0", "Ac/ActiveIn/L1"):
        asked = Counter(
            int(request.time) for request in minute.device.log.requests if place in request.topic
        )
        empty = set(minute.seconds) - asked.keys() - minute.stalled
        assert not empty, f"{place} was not read in {sorted(empty)}"
        twice = {second for second in minute.seconds if asked[second] > 1} - minute.stalled
        assert not twice, f"{place} was read twice in {sorted(twice)}"


def test_every_second_has_every_fast_field(minute: Minute) -> None:
    """After the database resumes, each second of the minute has each value with its time."""
    assert len(minute.seconds) >= 60
    assert len(minute.stalled & set(minute.seconds)) <= 20, "this machine stalls too often"
    for field in FAST:
        held = {when // 10**9 for when, _ in stored_values(minute.setting, field)}
        empty = set(minute.seconds) - held - minute.stalled
        assert not empty, f"{field} has no value in {sorted(empty)}"


def test_every_ten_seconds_have_the_state_of_charge(minute: Minute) -> None:
    """The slow field comes at its default interval of 10 s."""
    held = {when // 10**10 for when, _ in stored_values(minute.setting, "Soc")}
    tens = {second // 10 for second in minute.seconds if second % 10 == 0}
    assert set(sorted(tens)[:-1]) <= held


def test_a_hanging_database_loses_no_value(minute: Minute) -> None:
    """All values of the device are stored, once, in order, with the time of arrival."""
    for field, leaf in NINE.items():
        assert_complete(minute.setting, minute.device, field, leaf)


def test_ticks_fall_in_the_middle_of_the_second(minute: Minute) -> None:
    """Reads come half a second from either end of a second, so that no answer crosses it."""
    phases = sorted(
        request.time % 1.0
        for request in minute.device.log.requests
        if request.topic.endswith("Dc/0") and int(request.time) in minute.seconds
    )
    assert 0.45 < phases[len(phases) // 2] < 0.6
    assert phases[0] > 0.4


def test_the_hanging_database_is_reported(minute: Minute) -> None:
    """STATUS= has the fault and the growing number of queued values; the log has it once."""
    assert any("InfluxDB at 127.0.0.1" in status for status in minute.waiting)
    assert "queued" in minute.waiting[-1]
    assert len(minute.daemon.logged("does not answer within")) == 1
    assert minute.daemon.logged("is reachable again")
    assert minute.daemon.logged("every value is stored")


def test_a_rejected_login_is_retried_at_most_twice_per_minute(minute: Minute) -> None:
    """A device locks out after many attempts, and the user has to act."""
    look, *logins = [login for login in minute.logins if b"MQTT" in login]
    assert b"pass-Word1" not in look  # whether the port has plain MQTT
    assert 1 <= len(logins) <= 2
    assert len(minute.attempts) <= len(logins) + 2  # the first one tests whether the port has TLS
    assert all(b"pass-Word1" in login for login in logins)


def test_a_login_rejected_after_six_seconds_is_no_network_fault(minute: Minute) -> None:
    """It is logged once, with advice, however long the device takes to reject it."""
    said = minute.refused.logged("WARNING")
    assert len(said) == 1
    assert "127.0.0.1 rejected the login of 'bat2influx': the password is wrong" in said[0]
    assert f"set password in {minute.refused_notify.path.parent}/bat2influx.ini" in said[0]
    assert "rejected the login" in minute.refused_notify.status
    assert "pass-Word1" not in minute.refused.log.read_text() + minute.refused_notify.status
    assert minute.refused.stop() == 0
