"""What waits for the database outlives the daemon: ends of every kind, and the disk itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.compare import NINE, assert_complete, kept, said
from tests.parts.daemon import TOP, Daemon, Setting, wait
from tests.parts.venus import Device
from tests.parts.venus_mqtt import steady_unix_time

P = "c0619ab1c2d3"
QUICK = {"serial": P, "instance": 275, "interval": 0.2, "soc_interval": 0.2}


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that never says a number twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    return made


def state(setting: Setting) -> Path:
    """Return the daemon's state directory."""
    return setting.directory / "state"


def spool(setting: Setting, *options: str) -> str:
    """Run `bat2influx spool` as people do, beside the daemon."""
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", setting.write_ini(), "spool", *options],
        cwd=TOP,
        env={**os.environ, "STATE_DIRECTORY": str(state(setting))},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def on_disk(setting: Setting) -> int:
    """Return how many values wait on disk."""
    return int(spool(setting).split()[1])


def reads(device: Device) -> int:
    """Return how often the battery's voltage has been answered."""
    return sum(sent.topic.endswith("Dc/0/Voltage") for sent in device.log.sent)


def more_reads(device: Device, count: int) -> None:
    """Wait for so many more."""
    before = reads(device)
    wait("reads", lambda: reads(device) >= before + count)


def values(setting: Setting, field: str) -> list[float]:
    """Return what is stored of a field."""
    return [value for _, value in kept(setting, field)]


def test_a_healthy_system_leaves_nothing_on_disk(setting: Setting, device: Device) -> None:
    """Neither while it runs nor at its end is there a file but what was found of the device."""
    daemon = setting.daemon(Battery={"interval": 0.2, "soc_interval": 0.2})
    wait("values", lambda: len(kept(setting, "Voltage")) >= 20)
    assert {path.name for path in state(setting).iterdir()} == {"devices.json"}
    assert daemon.stop() == 0
    assert {path.name for path in state(setting).iterdir()} == {"devices.json"}
    assert daemon.says("every value is stored")


def test_nothing_is_missing_after_sigterm_while_the_database_is_away(
    setting: Setting, device: Device
) -> None:
    """What waits at the end is stored after the next start, value for value, and the file goes."""
    daemon = setting.daemon(Battery=QUICK)
    wait("values", lambda: len(kept(setting, "Soc")) >= 3)
    setting.influxdb.stop()
    more_reads(device, 20)
    asked = steady_unix_time()
    assert daemon.stop() == 0
    ended = steady_unix_time()
    assert daemon.says(r"stopped; \d+ values wait on disk")
    waiting = on_disk(setting)
    assert waiting >= 15 * 9  # the last ones were under way from the device
    daemon = setting.daemon(Battery=QUICK)
    daemon.wait_for_log(f"{waiting} values wait on disk, from before")
    more_reads(device, 10)
    setting.influxdb.start()
    daemon.wait_for_log("takes values again")
    wait("an empty disk", lambda: on_disk(setting) == 0)
    assert daemon.stop() == 0
    last = steady_unix_time()
    for field, leaf in NINE.items():
        stored = values(setting, field)
        assert len(stored) == len(set(stored)), f"{field} holds a value twice"
        missing = [when for when, value in said(device, leaf) if value not in stored]
        # But for answers that were under way from the device when the daemon left it.
        assert all(asked - 0.5 < when < ended or when > last - 0.5 for when in missing), field
    assert {path.name for path in state(setting).iterdir()} <= {"devices.json"}


def test_at_most_the_last_second_is_missing_after_sigkill(setting: Setting, device: Device) -> None:
    """Killed three times while the database is away: the last second of each, and none twice."""
    daemon = setting.daemon(Battery=QUICK)
    wait("values", lambda: len(kept(setting, "Soc")) >= 3)
    setting.influxdb.stop()
    lost: list[set[float]] = []
    for _ in range(3):
        more_reads(device, 15)
        daemon.kill()
        killed = [sent for sent in device.log.sent if sent.topic.endswith("Dc/0/Voltage")]
        last = killed[-1].time
        lost.append({_number(sent.payload) for sent in killed if sent.time > last - 2.0})
        daemon = setting.daemon(Battery=QUICK)
    more_reads(device, 10)
    setting.influxdb.start()
    daemon.wait_for_log("takes values again")
    wait("an empty disk", lambda: on_disk(setting) == 0)
    assert daemon.stop() == 0
    stored = values(setting, "Voltage")
    assert len(stored) == len(set(stored)), "a value is stored twice"
    sent = [s for s in device.log.sent if s.topic.endswith("Dc/0/Voltage")]
    missing = {_number(each.payload) for each in sent} - set(stored)
    assert missing <= set().union(*lost), "more than the last moments before a kill are missing"


def _number(payload: bytes) -> float:
    return float(json.loads(payload)["value"])


def test_a_disk_that_does_not_work_is_said_and_costs_nothing(
    setting: Setting, device: Device
) -> None:
    """The memory goes on; when the disk is there again what waits is put on it."""
    setting.directory.joinpath("state").touch()  # a file, where the directory is to be
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, Battery=QUICK)
    wait("values", lambda: len(kept(setting, "Soc")) >= 3)
    setting.influxdb.stop()
    daemon.wait_for_log(r"WARNING: .*spool\.sqlite.*values wait in memory")
    more_reads(device, 10)
    setting.directory.joinpath("state").unlink()
    daemon.wait_for_log("what waits is safe again")
    wait("it on disk", lambda: on_disk(setting) >= 10 * 9)
    setting.influxdb.start()
    daemon.wait_for_log("takes values again")
    wait("an empty disk", lambda: on_disk(setting) == 0)
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)


def test_refused_rows_are_listed_exported_and_tried_again(setting: Setting, device: Device) -> None:
    """A field of another type costs that field alone, and not for ever."""
    setting.influxdb.query("CREATE DATABASE battery")
    setting.influxdb.write("dc Voltage=1i", "battery")
    daemon = setting.daemon(Battery=QUICK)
    daemon.wait_for_log("refuses a row, which is kept aside: .*field type conflict")
    wait("the others", lambda: len(kept(setting, "Soc")) >= 10)
    wait("some refused", lambda: _rejected(setting) >= 5)
    assert "field type conflict" in spool(setting)
    exported = spool(setting, "--export", "--rejected").splitlines()
    assert exported[:2] == ["# DML", "# CONTEXT-DATABASE: battery"]
    assert all(line.startswith("dc Voltage=") for line in exported[2:])
    setting.influxdb.query("DROP MEASUREMENT dc", "battery")
    spool(setting, "--retry-rejected")
    daemon.wait_for_log(r"[0-9]+ refused rows are tried again, as asked for")
    wait("no refused", lambda: _rejected(setting) == 0)
    stored = set(values(setting, "Voltage"))
    assert {float(line.split("=")[1].split()[0]) for line in exported[2:]} <= stored
    _end(daemon)


def _rejected(setting: Setting) -> int:
    return int(spool(setting).splitlines()[1].split()[1])


def _end(daemon: Daemon) -> None:
    assert daemon.stop() == 0
