"""The daemon under a service manager: readiness, status, watchdog, reload, and its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.standins.databases.http_peers import HttpPeer, Silent, answer
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.venus.device import Device
from tests.support.compare import NINE, answered, assert_complete, kept, lacking
from tests.support.daemon import Daemon, NotifySocket, Setting, wait

P = "c0619ab1c2d3"
W = 4.0  # s; a ping comes each half second, a request may take one, a thread two
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}


def pings(notify: NotifySocket, more: int) -> Callable[[], bool]:
    """Return the condition that so many more pings have come than now."""
    target = len(notify.times("WATCHDOG")) + more
    return lambda: len(notify.times("WATCHDOG")) >= target


def pings_stopped(notify: NotifySocket) -> Callable[[], bool]:
    """Return the condition that a service manager would have lost its patience."""
    return lambda: time.monotonic() - notify.times("WATCHDOG")[-1] > W


def first(notify: NotifySocket, name: str) -> dict[str, str]:
    """Wait for the first notification with `name`, and return it."""
    wait(name, lambda: notify.times(name))
    return next(values for _, values in notify.received if name in values)


def hup(daemon: Daemon) -> None:
    """Have the daemon reload its file."""
    os.kill(daemon.pid, signal.SIGHUP)


def all_of_soc(setting: Setting, device: Device, *measurements: str) -> Callable[[], bool]:
    """Return the condition that every Soc answered is stored once, in whatever measurement."""

    def complete() -> bool:
        stored = [kept(setting, "Soc", measurement=name) for name in measurements or ("dc",)]
        together = [each for one in stored for each in one]
        numbers = [number for _, number in together]
        spoken = answered(device, NINE["Soc"])
        known = [number for _, number in spoken if number in numbers]
        return numbers == known and not lacking(spoken, together)

    return complete


# Readiness and status


def test_ready_is_told_with_the_first_reading(setting: Setting) -> None:
    """READY=1 comes when a value has passed decoding, and STATUS= shows values with it."""
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=120.0, Battery=QUICK)
    device = Device(P)
    device.silence()
    setting.venus(device)
    wait("some status", lambda: "STATUS" in str(notify.received))
    assert not notify.times("READY")
    device.speak()
    ready = first(notify, "READY")
    assert ready["READY"] == "1"
    assert "values/s" in ready["STATUS"]
    assert any(name in ready["STATUS"] for name in NINE)
    wait("the next status", lambda: "Voltage" in notify.status and "0 waiting" in notify.status)
    assert len(notify.times("READY")) == 1
    assert not notify.values("WATCHDOG_USEC")


def test_without_a_device_ready_is_told_after_ten_seconds_with_what_is_waited_for(
    setting: Setting,
) -> None:
    """A start does not hold up the boot: after 10 s it is ready, and the broker is named."""
    setting.mosquitto.stop()
    notify = setting.notify_socket()
    began = time.monotonic()
    setting.daemon(notify=notify, Battery=QUICK)
    ready = first(notify, "READY")
    assert notify.times("READY")[0] - began > 9.0
    assert f"127.0.0.1 refuses port {setting.mosquitto.port}" in ready["STATUS"]
    assert not notify.times("WATCHDOG")


def test_a_watchdog_shorter_than_that_has_ready_told_sooner(setting: Setting) -> None:
    """With a device that says nothing, READY=1 comes after W/12 and names what is missing."""
    notify = setting.notify_socket()
    began = time.monotonic()
    setting.daemon(notify=notify, watchdog=12.0, Battery={**QUICK, "serial": ""})
    ready = first(notify, "READY")
    assert notify.times("READY")[0] - began > 0.9
    assert "127.0.0.1" in ready["STATUS"]
    wait("the reason", lambda: "no device has published its portal id" in notify.status)


def test_what_is_wrong_with_the_database_is_in_the_status(setting: Setting) -> None:
    """STATUS= names the trouble and how much waits, and is clean again afterwards."""
    setting.influxdb.stop()
    notify = setting.notify_socket()
    setting.venus(Device(P))
    setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("the trouble", lambda: "cannot be reached (connection refused)" in notify.status)
    wait("a number", lambda: not notify.status.endswith("values/s, 0 waiting"))
    setting.influxdb.start()
    wait("recovery", lambda: "cannot be reached" not in notify.status)
    wait("delivery", lambda: notify.status.endswith(" 0 waiting"))


# Watchdog


def test_no_message_no_ping(setting: Setting) -> None:
    """A device that falls silent has the pings stop and the reads, too; they go on with it."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("pings", pings(notify, 4))
    device.silence()
    daemon.wait_for_log("WARNING: device .* does not respond")
    wait("the pings' end", pings_stopped(notify))
    asked = len(device.log.requests)
    silent = time.monotonic()
    wait("some keepalives", lambda: len(device.log.requests) >= asked + 3)
    later = device.log.requests[asked:]
    assert {request.topic for request in later} == {f"R/{P}/keepalive"}
    assert time.monotonic() - silent > W / 2  # one each W/2, so that two lie between three
    device.speak()
    wait("pings again", pings(notify, 4))
    assert daemon.says("INFO: .*responds again")
    assert len(notify.times("READY")) == 1


def test_a_start_without_a_device_sets_itself_a_longer_watchdog(setting: Setting) -> None:
    """A device that is off costs a restart each 7.5 W; its first message brings W back."""
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("more patience", lambda: notify.values("WATCHDOG_USEC") == ["30000000"])
    wait("some status lines", lambda: len(notify.times("STATUS")) >= 2)
    assert not notify.times("WATCHDOG")
    setting.venus(Device(P))
    wait("the usual patience", lambda: notify.values("WATCHDOG_USEC") == ["30000000", "4000000"])
    wait("pings", pings(notify, 3))
    assert len(notify.values("WATCHDOG_USEC")) == 2


@pytest.mark.parametrize("part", ["sender", "keeper", "main loop"])
def test_a_part_that_is_stuck_has_the_pings_stop(setting: Setting, part: str) -> None:
    """Messages still come, and yet no ping; SIGABRT, which follows, shows where it is stuck."""
    device = Device(P)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(
        notify=notify,
        watchdog=W,
        module="tests.support.wedged",
        environment={"WEDGE": part},
        Battery=QUICK,
    )
    wait("pings", pings(notify, 4))
    os.kill(daemon.pid, signal.SIGUSR1)
    wait("the pings' end", pings_stopped(notify))
    if part != "main loop":  # that goes on
        wait("more", lambda: notify.received[-1][0] > notify.times("WATCHDOG")[-1] + W)
    os.kill(daemon.pid, signal.SIGABRT)
    assert daemon.wait_for_end() == -signal.SIGABRT
    assert daemon.says("Fatal Python error: Aborted")
    assert daemon.says("in hang_here_for_ever")
    assert len(daemon.says("^(Current t|T)hread 0x")) >= 3


@pytest.mark.parametrize("fault", ["absent", "frozen", "refusing", "silent"])
def test_a_database_in_trouble_does_not_stop_the_pings(setting: Setting, fault: str) -> None:
    """A restart would not help the database and would lose the values that wait."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    peers = {
        "refusing": lambda: HttpPeer(answer("401 Unauthorized", '{"error":"no"}')),
        "silent": Silent,
    }
    peer = peers[fault]() if fault in peers else None
    port = peer.port if peer else setting.influxdb.port
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK, Influx={"port": port})
    wait("a ping", pings(notify, 1))
    if fault == "absent":
        setting.influxdb.kill()
    if fault == "frozen":
        setting.influxdb.freeze()
    daemon.wait_for_log("WARNING: .*(InfluxDB)")
    wait("more pings than fit into W", pings(notify, 9))
    assert daemon.running
    if peer:
        peer.close()


def test_pings_are_for_the_process_that_is_watched(setting: Setting) -> None:
    """With another process in WATCHDOG_PID nothing is said of the watchdog, and all else is."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    setting.daemon(notify=notify, watchdog=W, environment={"WATCHDOG_PID": "1"}, Battery=QUICK)
    wait("some status lines", lambda: len(notify.times("STATUS")) >= 4)
    assert notify.times("READY")
    assert not notify.times("WATCHDOG")
    assert not notify.times("WATCHDOG_USEC")


# Signals


def test_stopping_is_told(setting: Setting) -> None:
    """STOPPING=1 comes with SIGTERM, and is the last that is heard."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("pings", pings(notify, 1))
    assert not notify.times("STOPPING")
    assert daemon.stop(10.0) == 0
    wait("its word", lambda: notify.times("STOPPING"))
    assert notify.received[-1][1]["STOPPING"] == "1"
    assert notify.received[-1][1]["STATUS"]


def test_sigint_ends_it_like_sigterm(setting: Setting) -> None:
    """Ctrl-C stores what waits and exits with 0, without a traceback."""
    setting.venus(Device(P))
    daemon = setting.daemon(Battery=QUICK)
    wait("values", setting.stored)
    os.kill(daemon.pid, signal.SIGINT)
    assert daemon.wait_for_end() == 0
    assert daemon.says("every value is stored")
    assert not daemon.says("Traceback")


def test_without_a_service_manager_nothing_is_missing(setting: Setting) -> None:
    """Without NOTIFY_SOCKET and a watchdog it runs, reloads and ends as ever."""
    setting.venus(Device(P))
    daemon = setting.daemon(Battery=QUICK)
    assert "NOTIFY_SOCKET" not in (daemon.environment or {})
    wait("values", setting.stored)
    hup(daemon)
    daemon.wait_for_log("configuration reloaded")
    assert daemon.stop() == 0


@pytest.mark.parametrize("part", ["sender", "keeper"])
def test_a_thread_that_dies_ends_the_program(setting: Setting, part: str) -> None:
    """Exit code 70, the traceback in the log, and what has become of the values."""
    setting.venus(Device(P))
    daemon = setting.daemon(
        module="tests.support.wedged", environment={"WEDGE": f"{part} dies"}, Battery=QUICK
    )
    wait("values", setting.stored)
    os.kill(daemon.pid, signal.SIGUSR1)
    assert daemon.wait_for_end() == 70
    assert daemon.says("CRITICAL: ")
    assert daemon.says("^Traceback")
    assert daemon.says("ZeroDivisionError: made to die by SIGUSR1")
    assert daemon.says("in die_here")
    assert daemon.says(f"stopped because the {part} thread failed; ")
    assert not daemon.says("every value is stored")


# Reload


def test_a_reload_is_told_from_its_begin_to_its_end(setting: Setting) -> None:
    """RELOADING=1 carries the moment, in us of the monotonic clock, and READY=1 ends it."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    first(notify, "READY")
    before = time.monotonic_ns() // 1000
    hup(daemon)
    reloading = first(notify, "RELOADING")
    wait("the end", lambda: len(notify.times("READY")) == 2)
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert notify.times("RELOADING")[0] <= notify.times("READY")[1]
    assert notify.values("STATUS")[-1]
    wait("pings", pings(notify, 2))


def test_another_interval_keeps_the_connection_and_every_reading(setting: Setting) -> None:
    """A reload with a new interval is in force at once, over the same MQTT connection."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery={**QUICK, "interval": 1.0, "soc_interval": 1.0})
    wait("values", lambda: len(kept(setting, "Soc")) >= 3)

    def connections() -> int:
        return setting.mosquitto.log.read_text().count("New client connected")

    def ticks() -> list[float]:
        return [each.time for each in device.log.requests if each.topic.endswith("/Soc")]

    connected = connections()
    assert connected > 0
    setting.write_ini(Battery=QUICK)
    hup(daemon)
    daemon.wait_for_log("configuration reloaded")
    asked = len(ticks())
    wait("quick reads", lambda: sum(b - a < 0.4 for a, b in pairwise(ticks()[asked:])) >= 10)
    device.silence()
    wait("all", all_of_soc(setting, device))
    assert connections() == connected
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)


def test_a_bad_file_is_refused_and_the_old_one_kept(setting: Setting) -> None:
    """Each problem is in the log, the reload ends, and reading goes on as before."""
    notify = setting.notify_socket()
    device = Device(P)
    setting.venus(device)
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    first(notify, "READY")
    setting.write_ini(Battery={"interval": "fast", "adress": "x"})
    hup(daemon)
    daemon.wait_for_log("ERROR: .*line .*interval")
    daemon.wait_for_log("ERROR: .*line .*adress")
    daemon.wait_for_log("ERROR: .*was not reloaded")
    wait("the end", lambda: len(notify.times("READY")) == 2)
    before = len(setting.stored())
    wait("values", lambda: len(setting.stored()) > before + 20)
    wait("pings", pings(notify, 2))
    (setting.directory / "bat2influx.ini").unlink()
    hup(daemon)
    wait("it again", lambda: len(notify.times("READY")) == 3)
    assert len(daemon.says("was not reloaded")) == 2
    assert not daemon.says("configuration reloaded")
    assert daemon.running


def test_another_database_takes_over_what_waits(setting: Setting) -> None:
    """After a reload values go to the new address, those included that the old one never took."""
    device = Device(P, counted=True)
    setting.venus(device)
    with InfluxDB(setting.directory / "other") as other:
        setting.influxdb.stop()
        daemon = setting.daemon(Battery=QUICK)
        daemon.wait_for_log("cannot be reached")
        wait("reads", lambda: device.log.counters.reads >= 60)
        setting.influxdb = other
        setting.write_ini(Battery=QUICK, Influx={"port": other.port})
        hup(daemon)
        wait("the oldest value", lambda: len(setting.stored()) >= 60)
        device.silence()
        wait("all", all_of_soc(setting, device))
        for field, leaf in NINE.items():
            assert_complete(setting, device, field, leaf)
        assert daemon.stop() == 0


def test_another_measurement_and_tag_count_from_the_next_reading(setting: Setting) -> None:
    """No value is lost between the old name and the new one, nor is one stored under both."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery=QUICK)
    wait("values", lambda: len(kept(setting, "Soc")) >= 5)
    setting.write_ini(Battery=QUICK, Influx={"measurement": "house", "tags": "room:cellar"})
    hup(daemon)
    wait("values", lambda: len(kept(setting, "Soc", measurement="house")) >= 5)
    device.silence()
    wait("all", all_of_soc(setting, device, "dc", "house"))
    assert {row["room"] for row in setting.rows(measurement="house")} == {"cellar"}
    assert daemon.stop() == 0


def test_other_fields_are_read_after_a_reload(setting: Setting) -> None:
    """A field that is added is asked for, and one that is taken away is not stored any more."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(
        Battery=QUICK,
        Fields={"defaults": "no", "Level": "vebus/Soc", "Volts": "vebus/Dc/0/Voltage"},
    )
    wait("both", lambda: {name for _, name, _ in setting.stored()} == {"Level", "Volts"})
    ini = setting.directory / "bat2influx.ini"
    ini.write_text(ini.read_text().replace("Level = vebus/Soc", "Watts = vebus/Dc/0/Power"))
    hup(daemon)
    wait("the new one", lambda: len(kept(setting, "Watts")) >= 3)
    levels = kept(setting, "Level")
    wait("more", lambda: len(kept(setting, "Watts")) >= 10)
    assert kept(setting, "Level") == levels
    assert kept(setting, "Volts")[-1][0] > levels[-1][0]
    assert daemon.stop() == 0
