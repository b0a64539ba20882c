"""The watchdog of a real systemd: whatever part hangs, systemd stops and restarts the service.

A drop-in shortens the interval; all time spans in the daemon are fractions of it. The hanging part
is resumed after the restart, and values have to flow again without other help. At the same time a
second service, an instance of the template, reads a device that is always off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.system.plant import (
    INI,
    PORTAL,
    QUICK,
    SECOND_PORTAL,
    UNIT,
    Plant,
    assert_contiguous,
)

W = 4.0  # s
W_OFF = 2.0  # s, of the service whose device is off
OFF = "bat2influx@off.service"
WEDGED = "/usr/lib/python3/wedged.py"
TRAP = "/var/lib/bat2influx/trap"


@pytest.fixture(scope="module")
def equipped(shared_machine: Plant, package: Path) -> Plant:
    """A machine on which the service has a short watchdog interval."""
    shared_machine.install(package)
    shared_machine.start_servers(devices=2)
    shared_machine.drop_in(UNIT, "quick", "[Service]", f"WatchdogSec={W}", "RestartSec=100ms")
    shared_machine.configure(Battery={**QUICK, "serial": PORTAL})
    shared_machine.drop_in(OFF, "quick", "[Service]", f"WatchdogSec={W_OFF}", "RestartSec=100ms")
    shared_machine.configure(
        "/etc/bat2influx/off.ini",
        Battery={**QUICK, "serial": SECOND_PORTAL},
        Influx={"db": "off"},
    )
    shared_machine.systemctl("start", OFF)
    shared_machine.wait_for_values(db="off", count=5)
    shared_machine.silence(SECOND_PORTAL)
    return shared_machine


@pytest.fixture
def running(equipped: Plant) -> Iterator[Plant]:
    """The same, with the service just started and its journal empty."""
    equipped.systemctl("stop", UNIT)
    equipped.systemctl("reset-failed", UNIT, check=False)
    equipped.start()
    yield equipped
    equipped.systemctl("stop", UNIT)


def assert_restarted(
    plant: Plant,
    halt: Callable[[], object],
    go_on: Callable[[], object],
    *,
    may_be_torn: bool = False,
) -> None:
    """Halt a part; assert that the watchdog restarts the service, and that values then flow."""
    process = plant.main_pid(UNIT)
    halted = plant.now()
    halt()
    [expired] = plant.wait_for_message("Watchdog timeout", since=halted)
    assert f"(limit {W:.0f}s)!" in expired["MESSAGE"]
    # A message may have come just before, and a ping is delayed until the next one, up to W/8.
    assert int(expired["__REALTIME_TIMESTAMP"]) * 1000 - halted > (W - W / 8 - 0.5) * 1e9
    plant.wait_for_message("Failed with result 'watchdog'", since=halted)
    plant.wait_for_message("Scheduled restart job, restart counter is at 1", since=halted)
    assert_stacks(plant, process, may_be_torn=may_be_torn)
    go_on()
    plant.wait("the next start", lambda: plant.main_pid(UNIT) not in {0, process})
    plant.wait_for_values(since=plant.now(), count=5)
    assert plant.restarts() == 1
    assert plant.systemctl("is-active", UNIT).stdout == "active\n"


def assert_stacks(plant: Plant, process: int, *, may_be_torn: bool) -> None:
    """Assert that the journal has the stack of every thread of the process at its end.

    If it `may_be_torn`, one thread is enough after a crash of the interpreter in the others.
    """

    def said() -> str:
        entries = plant.journal(UNIT, f"_PID={process}")
        return "\n".join(str(entry.get("MESSAGE")) for entry in entries)

    plant.wait("the stacks", lambda: "Extension modules" in said())
    text = said()
    assert "Fatal Python error: Aborted" in text
    assert re.search(r'File ".*bat2influx/[\w/]+.py", line \d+ in \w+', text), text
    if may_be_torn and "Segmentation fault" in text:
        return
    assert len(re.findall(r"(?m)^(Current t|T)hread 0x\w+ ", text)) >= 3, text
    for place in ("bat2influx/daemon/main.py", "bat2influx/delivery/delivery.py"):
        assert re.search(rf'File ".*{place}", line \d+ in \w+', text), text


def test_a_device_that_does_not_respond_with_its_broker_up(running: Plant) -> None:
    """A device that stops responding while its broker runs causes one restart."""
    assert_restarted(running, running.silence, running.speak)
    assert running.logged("has been silent for|does not respond")


def test_a_frozen_broker(running: Plant) -> None:
    """A broker that keeps its connections and answers nothing causes one restart."""
    assert_restarted(
        running,
        lambda: running.signal("mosquitto", "STOP"),
        lambda: running.signal("mosquitto", "CONT"),
    )


def test_a_frozen_daemon(running: Plant) -> None:
    """A frozen daemon is killed, with its stacks in the journal, and restarted."""
    # It resumes at the very moment at which one of its threads has to print the others' stacks.
    assert_restarted(running, lambda: running.signal(UNIT, "STOP"), lambda: None, may_be_torn=True)


def test_a_stuck_sender(running: Plant) -> None:
    """If the sender hangs in a way that no deadline ends, pings stop, though values are read."""
    running.copy_in(Path(__file__).with_name("wedged.py"), WEDGED)
    command = f"/usr/bin/python3 -B {WEDGED} {TRAP} -- --config {INI} run"
    running.drop_in(UNIT, "wedged", "[Service]", "ExecStart=", f"ExecStart={command}")
    try:
        running.systemctl("restart", UNIT)
        running.wait_for_values(since=running.now(), count=5)
        assert_restarted(running, lambda: running.run("touch", TRAP), lambda: None)
        sender = [str(each["MESSAGE"]) for each in running.logged(WEDGED)]
        assert [line for line in sender if "in wedged" in line], sender
    finally:
        running.run("rm", f"/etc/systemd/system/{UNIT}.d/wedged.conf")
        running.systemctl("daemon-reload")


def test_a_frozen_database_is_no_reason_to_restart(running: Plant) -> None:
    """While the database does not answer the daemon continues, and stores all values later."""
    since = running.now()
    pid = running.main_pid(UNIT)
    running.signal("influxdb", "STOP")
    running.wait("the status", lambda: "does not answer within" in running.status())
    enough = 9 / QUICK["interval"] * 1.5 * W  # values of one and a half intervals
    running.wait("many to wait", lambda: running.waiting() > enough)
    running.signal("influxdb", "CONT")
    running.wait("few to wait", lambda: running.waiting() < enough / 4)
    assert running.main_pid(UNIT) == pid
    assert running.restarts() == 0
    assert_contiguous(running.values(since=since))


def test_a_device_that_is_off_causes_few_restarts(running: Plant) -> None:
    """One restart after W, then one every 7.5 W; in between the service counts as running."""
    expired = running.wait_for_message("Watchdog timeout", OFF, count=3)
    limits = [re.sub(r".*\(limit (.*)\)!", r"\1", entry["MESSAGE"]) for entry in expired]
    assert limits[:3] == [f"{W_OFF:.0f}s", f"{7.5 * W_OFF:.0f}s", f"{7.5 * W_OFF:.0f}s"]
    times = [int(entry["__REALTIME_TIMESTAMP"]) / 1e6 for entry in expired]
    for before, after in pairwise(times):
        assert after - before >= 7.5 * W_OFF
    assert running.logged("does not respond|has been silent|no device has published", OFF)
    running.wait("the next start", lambda: running.show(OFF, "ActiveState") == "active")
    since = running.now()
    running.speak(SECOND_PORTAL)
    running.wait_for_values(since=since, db="off", count=5)
    assert running.show(OFF, "WatchdogUSec") == f"{W_OFF:.0f}s"
