"""The queue on disk, without namespaces: a healthy system, and a disk that is missing at first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import TOP
from tests.standins.venus.device import Device
from tests.support.compare import NINE, assert_complete, stored_values
from tests.support.daemon import Setting, wait

P = "c0619ab1c2d3"
QUICK = {"serial": P, "instance": 275, "interval": 0.2, "soc_interval": 0.2}


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that never sends a number twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    return made


def state(setting: Setting) -> Path:
    """Return the daemon's state directory."""
    return setting.directory / "state"


def spool(setting: Setting, *options: str) -> str:
    """Run `bat2influx spool` as users do, while the daemon runs."""
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
    """Return how many values are queued on disk."""
    return int(spool(setting).split()[1])


def reads(device: Device) -> int:
    """Return how many reads of the battery's voltage the device has answered."""
    return sum(sent.topic.endswith("Dc/0/Voltage") for sent in device.log.sent)


def more_reads(device: Device, count: int) -> None:
    """Wait for so many more."""
    before = reads(device)
    wait("reads", lambda: reads(device) >= before + count)


def test_a_healthy_system_leaves_nothing_on_disk(setting: Setting, device: Device) -> None:
    """During and after the run the only file is that of the discovered ids."""
    daemon = setting.daemon(Battery={"interval": 0.2, "soc_interval": 0.2})
    wait("values", lambda: len(stored_values(setting, "Voltage")) >= 20)
    assert {path.name for path in state(setting).iterdir()} == {"devices.json"}
    assert daemon.stop() == 0
    assert {path.name for path in state(setting).iterdir()} == {"devices.json"}
    assert daemon.logged("every value is stored")


def test_a_disk_that_does_not_work_is_logged_and_loses_nothing(
    setting: Setting, device: Device
) -> None:
    """The queue stays in memory; when the disk works again, it is put on disk."""
    setting.directory.joinpath("state").touch()  # a file, where the directory is to be
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, Battery=QUICK)
    wait("values", lambda: len(stored_values(setting, "Soc")) >= 3)
    setting.influxdb.stop()
    daemon.wait_for_log(r"WARNING: .*spool\.sqlite.*values are queued in memory")
    more_reads(device, 10)
    setting.directory.joinpath("state").unlink()
    daemon.wait_for_log("queued values are safe on disk again")
    wait("values on disk", lambda: on_disk(setting) >= 10 * 9)
    setting.influxdb.start()
    daemon.wait_for_log("is reachable again")
    wait("an empty disk", lambda: on_disk(setting) == 0)
    assert daemon.stop() == 0
    for field, leaf in NINE.items():
        assert_complete(setting, device, field, leaf)
