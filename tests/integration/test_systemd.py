"""The daemon under a service manager: readiness, status, watchdog, reload, and exit."""

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
from tests.support.compare import NINE, answered, assert_complete, missing_values, stored_values
from tests.support.daemon import Daemon, NotifySocket, Setting, wait

P = "c0619ab1c2d3"
W = 4.0  # s; a ping comes every half second, a request may take 1 s, a thread 2 s
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}


def pings(notify: NotifySocket, more: int) -> Callable[[], bool]:
    """Return the condition that so many more pings have come than now."""
    target = len(notify.times("WATCHDOG")) + more
    return lambda: len(notify.times("WATCHDOG")) >= target


def pings_stopped(notify: NotifySocket) -> Callable[[], bool]:
    """Return the condition that a service manager's watchdog would have expired."""
    return lambda: time.monotonic() - notify.times("WATCHDOG")[-1] > W


def first(notify: NotifySocket, name: str) -> dict[str, str]:
    """Wait for the first notification with `name`, and return it."""
    wait(name, lambda: notify.times(name))
    return next(values for _, values in notify.received if name in values)


def hup(daemon: Daemon) -> None:
    """Make the daemon reload its file."""
    os.kill(daemon.pid, signal.SIGHUP)


def all_of_soc(setting: Setting, device: Device, *measurements: str) -> Callable[[], bool]:
    """Return the condition that every answered Soc is stored once, in any measurement."""

    def complete() -> bool:
        stored = [
            stored_values(setting, "Soc", measurement=name) for name in measurements or ("dc",)
        ]
        together = [each for one in stored for each in one]
        numbers = [number for _, number in together]
        spoken = answered(device, NINE["Soc"])
        known = [number for _, number in spoken if number in numbers]
        return numbers == known and not missing_values(spoken, together)

    return complete


# Readiness and status


def test_ready_is_sent_with_the_first_value(setting: Setting) -> None:
    """READY=1 comes with the first decoded value, and with values in STATUS=."""
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
    wait("the next status", lambda: "Voltage" in notify.status and "0 queued" in notify.status)
    assert len(notify.times("READY")) == 1
    assert not notify.values("WATCHDOG_USEC")


def test_without_a_device_ready_is_sent_after_ten_seconds_with_the_cause(
    setting: Setting,
) -> None:
    """A start does not delay the boot: after 10 s it is ready, and STATUS= names the broker."""
    setting.mosquitto.stop()
    notify = setting.notify_socket()
    began = time.monotonic()
    setting.daemon(notify=notify, Battery=QUICK)
    ready = first(notify, "READY")
    assert notify.times("READY")[0] - began > 9.0
    assert f"connection refused by 127.0.0.1 port {setting.mosquitto.port}" in ready["STATUS"]
    assert not notify.times("WATCHDOG")


def test_with_a_shorter_watchdog_ready_is_sent_sooner(setting: Setting) -> None:
    """If the device does not respond, READY=1 comes after W/12 and STATUS= has the cause."""
    notify = setting.notify_socket()
    began = time.monotonic()
    setting.daemon(notify=notify, watchdog=12.0, Battery={**QUICK, "serial": ""})
    ready = first(notify, "READY")
    assert notify.times("READY")[0] - began > 0.9
    assert "127.0.0.1" in ready["STATUS"]
    wait("the reason", lambda: "no device has published its portal id" in notify.status)


def test_a_fault_of_the_database_is_in_the_status(setting: Setting) -> None:
    """STATUS= has the fault and the number of queued values, until the fault ends."""
    setting.influxdb.stop()
    notify = setting.notify_socket()
    setting.venus(Device(P))
    setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("the trouble", lambda: "is unreachable (connection refused)" in notify.status)
    wait("a number", lambda: not notify.status.endswith("values/s, 0 queued"))
    setting.influxdb.start()
    wait("recovery", lambda: "is unreachable" not in notify.status)
    wait("delivery", lambda: notify.status.endswith(" 0 queued"))


# Watchdog


def test_no_message_no_ping(setting: Setting) -> None:
    """If a device stops responding, pings and reads stop; they resume with its messages."""
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
    assert time.monotonic() - silent > W / 2  # one every W/2, so that three span two intervals
    device.speak()
    wait("pings again", pings(notify, 4))
    assert daemon.logged("INFO: .*responds again")
    assert len(notify.times("READY")) == 1


def test_a_start_without_a_device_sets_a_longer_watchdog(setting: Setting) -> None:
    """A device that is off causes a restart every 7.5 W; its first message restores W."""
    notify = setting.notify_socket()
    setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("a longer interval", lambda: notify.values("WATCHDOG_USEC") == ["30000000"])
    wait("some status lines", lambda: len(notify.times("STATUS")) >= 2)
    assert not notify.times("WATCHDOG")
    setting.venus(Device(P))
    wait("the usual interval", lambda: notify.values("WATCHDOG_USEC") == ["30000000", "4000000"])
    wait("pings", pings(notify, 3))
    assert len(notify.values("WATCHDOG_USEC")) == 2


@pytest.mark.parametrize("part", ["sender", "keeper", "main loop"])
def test_a_part_that_hangs_stops_the_pings(setting: Setting, part: str) -> None:
    """Messages still come, but no ping; SIGABRT, which follows, logs where it hangs."""
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
    if part != "main loop":  # the main loop continues
        wait("more", lambda: notify.received[-1][0] > notify.times("WATCHDOG")[-1] + W)
    os.kill(daemon.pid, signal.SIGABRT)
    assert daemon.wait_for_end() == -signal.SIGABRT
    assert daemon.logged("Fatal Python error: Aborted")
    assert daemon.logged("in hang_here_for_ever")
    assert len(daemon.logged("^(Current t|T)hread 0x")) >= 3


@pytest.mark.parametrize("fault", ["absent", "frozen", "refusing", "silent"])
def test_a_database_in_trouble_does_not_stop_the_pings(setting: Setting, fault: str) -> None:
    """A restart would not help the database, and would lose queued values."""
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


def test_only_the_watched_process_sends_pings(setting: Setting) -> None:
    """With another process in WATCHDOG_PID no ping is sent, and all else is."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    setting.daemon(notify=notify, watchdog=W, environment={"WATCHDOG_PID": "1"}, Battery=QUICK)
    wait("some status lines", lambda: len(notify.times("STATUS")) >= 4)
    assert notify.times("READY")
    assert not notify.times("WATCHDOG")
    assert not notify.times("WATCHDOG_USEC")


# Signals


def test_stopping_is_sent(setting: Setting) -> None:
    """STOPPING=1 comes with SIGTERM, and is the last message."""
    notify = setting.notify_socket()
    setting.venus(Device(P))
    daemon = setting.daemon(notify=notify, watchdog=W, Battery=QUICK)
    wait("pings", pings(notify, 1))
    assert not notify.times("STOPPING")
    assert daemon.stop(10.0) == 0
    wait("STOPPING=1", lambda: notify.times("STOPPING"))
    assert notify.received[-1][1]["STOPPING"] == "1"
    assert notify.received[-1][1]["STATUS"]


def test_sigint_ends_it_like_sigterm(setting: Setting) -> None:
    """Ctrl-C stores the queue and exits with 0, without a traceback."""
    setting.venus(Device(P))
    daemon = setting.daemon(Battery=QUICK)
    wait("values", setting.stored)
    os.kill(daemon.pid, signal.SIGINT)
    assert daemon.wait_for_end() == 0
    assert daemon.logged("every value is stored")
    assert not daemon.logged("Traceback")


def test_without_a_service_manager_all_works(setting: Setting) -> None:
    """Without NOTIFY_SOCKET and a watchdog it runs, reloads and exits as usual."""
    setting.venus(Device(P))
    daemon = setting.daemon(Battery=QUICK)
    assert "NOTIFY_SOCKET" not in (daemon.environment or {})
    wait("values", setting.stored)
    hup(daemon)
    daemon.wait_for_log("configuration reloaded")
    assert daemon.stop() == 0


@pytest.mark.parametrize("part", ["sender", "keeper"])
def test_a_failed_thread_ends_the_program(setting: Setting, part: str) -> None:
    """Exit code 70; the log has the traceback, and the number of queued values."""
    setting.venus(Device(P))
    daemon = setting.daemon(
        module="tests.support.wedged", environment={"WEDGE": f"{part} dies"}, Battery=QUICK
    )
    wait("values", setting.stored)
    os.kill(daemon.pid, signal.SIGUSR1)
    assert daemon.wait_for_end() == 70
    assert daemon.logged("CRITICAL: ")
    assert daemon.logged("^Traceback")
    assert daemon.logged("ZeroDivisionError: made to fail by SIGUSR1")
    assert daemon.logged("in die_here")
    assert daemon.logged(f"stopped because worker thread '{part}' failed; ")
    assert not daemon.logged("every value is stored")


# Reload


def test_a_reload_is_reported_from_begin_to_end(setting: Setting) -> None:
    """RELOADING=1 has the time, in us of the monotonic clock, and READY=1 ends it."""
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


def test_another_interval_keeps_the_connection_and_every_value(setting: Setting) -> None:
    """A reload with a new interval takes effect at once, over the same MQTT connection."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery={**QUICK, "interval": 1.0, "soc_interval": 1.0})
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)

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


def test_a_bad_file_is_rejected_and_the_old_one_stays(setting: Setting) -> None:
    """Each problem is in the log, the reload ends, and reads continue as before."""
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
    assert len(daemon.logged("was not reloaded")) == 2
    assert not daemon.logged("configuration reloaded")
    assert daemon.running


def test_another_database_gets_the_queued_values(setting: Setting) -> None:
    """After a reload values go to the new address, also those that the old one never stored."""
    device = Device(P, counted=True)
    setting.venus(device)
    with InfluxDB(setting.directory / "other") as other:
        setting.influxdb.stop()
        daemon = setting.daemon(Battery=QUICK)
        daemon.wait_for_log("is unreachable")
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


def test_another_measurement_and_tag_apply_from_the_next_value(setting: Setting) -> None:
    """No value is lost between the old name and the new one, nor is one stored under both."""
    device = Device(P, counted=True)
    setting.venus(device)
    daemon = setting.daemon(Battery=QUICK)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 5)
    setting.write_ini(Battery=QUICK, Influx={"measurement": "house", "tags": "room:cellar"})
    hup(daemon)
    wait("values", lambda: len(stored_values(setting, "Soc", measurement="house")) >= 5)
    device.silence()
    wait("all", all_of_soc(setting, device, "dc", "house"))
    assert {row["room"] for row in setting.rows(measurement="house")} == {"cellar"}
    assert daemon.stop() == 0


def test_other_fields_are_read_after_a_reload(setting: Setting) -> None:
    """An added field is read, and a removed one is no longer stored."""
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
    wait("the new one", lambda: len(stored_values(setting, "Watts")) >= 3)
    levels = stored_values(setting, "Level")
    wait("more", lambda: len(stored_values(setting, "Watts")) >= 10)
    assert stored_values(setting, "Level") == levels
    assert stored_values(setting, "Volts")[-1][0] > levels[-1][0]
    assert daemon.stop() == 0
