"""A new configuration: applied without losing a value, or rejected and reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.plant import INI, NINE, QUICK, UNIT, Plant, assert_contiguous

MISTAKE = {"interval": "often"}
NAMED = rf"^{INI}, line \d+: \[Battery\] interval = often: must be"


@pytest.fixture(scope="module")
def equipped(shared_machine: Plant, package: Path) -> Plant:
    """A machine with all that the service needs."""
    shared_machine.install(package)
    shared_machine.start_servers()
    return shared_machine


@pytest.fixture
def running(equipped: Plant) -> Plant:
    """The same, with the service just started, reading once per second."""
    equipped.systemctl("stop", UNIT)
    equipped.systemctl("reset-failed", UNIT, check=False)
    equipped.configure()
    equipped.start()
    return equipped


def test_a_good_file_is_in_effect_when_the_reload_has_ended(running: Plant) -> None:
    """A new interval applies at once; the process stays, and no value is lost."""
    running.configure(Battery={"interval": 5})
    running.systemctl("restart", UNIT)
    since, process = running.now(), running.main_pid(UNIT)
    running.wait_for_values(since=since, count=2)
    running.configure(Battery=QUICK)
    running.systemctl("reload", UNIT)
    assert running.show(UNIT, "SubState") == "running"
    assert running.logged("configuration reloaded", since=since)
    values = running.wait_for_values(since=running.now(), count=26)
    # 5 s with the new interval; with the old one it would be 125 s.
    assert (values[25][0] - values[0][0]) / 1e9 < 15
    assert running.main_pid(UNIT) == process
    assert_contiguous(running.values(since=since))


def test_another_database_takes_over_between_two_values(running: Plant) -> None:
    """Values after the reload go to the new database, those before to the old one."""
    since = running.now()
    running.wait_for_values(since=since, count=2)
    running.configure(Battery=QUICK, Influx={"db": "second"})
    running.systemctl("reload", UNIT)
    running.wait_for_values(db="second", count=5)
    values = [*running.values(since=since), *running.values(db="second")]
    assert_contiguous(sorted(values))


def test_a_bad_file_is_rejected(running: Plant) -> None:
    """The reload fails and reports the error; the old settings stay, and no value is lost."""
    since, process = running.now(), running.main_pid(UNIT)
    running.wait_for_values(since=since, count=2)
    running.configure(Battery=MISTAKE)
    reload = running.systemctl("reload", UNIT, check=False)
    assert reload.returncode != 0
    assert running.logged(NAMED, since=since)
    assert running.show(UNIT, "SubState") == "running"
    assert running.main_pid(UNIT) == process
    running.wait_for_values(since=running.now(), count=3)
    assert_contiguous(running.values(since=since))
    assert running.restarts() == 0


def test_after_a_rejected_reload_a_good_one_is_accepted(running: Plant) -> None:
    """A corrected error has no further effect."""
    running.configure(Battery=MISTAKE)
    assert running.systemctl("reload", UNIT, check=False).returncode != 0
    running.configure(Influx={"db": "corrected"})
    running.systemctl("reload", UNIT)
    running.wait_for_values(db="corrected")


def test_a_signal_with_a_bad_file_changes_nothing(running: Plant) -> None:
    """SIGHUP by hand, without the unit's check, is rejected with a line in the journal."""
    since = running.now()
    running.configure(Battery=MISTAKE)
    running.signal(UNIT, "HUP")
    running.wait_for_message(NAMED, since=since)
    running.wait_for_message("was not reloaded", since=since)
    running.wait("the end of it", lambda: running.show(UNIT, "SubState") == "running")
    running.wait_for_values(since=running.now(), count=3)
    assert_contiguous(running.values(since=since))


def test_the_address_can_be_corrected_while_it_runs(running: Plant) -> None:
    """An edit and a reload repair a file with the name of a device that does not exist."""
    since, process = running.now(), running.main_pid(UNIT)
    running.configure(Battery={"address": "nowhere.invalid"})
    running.systemctl("reload", UNIT)
    running.wait_for_message("cannot resolve nowhere.invalid; set ", since=since)
    since = running.now()
    running.configure()
    running.systemctl("reload", UNIT)
    for field in NINE:
        running.wait_for_values(field, since=since)
    assert running.main_pid(UNIT) == process


def test_a_start_with_a_bad_file_is_the_only_one(running: Plant) -> None:
    """The service fails at once, with exit code 78 and the reason, and is not restarted."""
    running.systemctl("stop", UNIT)
    since = running.now()
    running.configure(Battery=MISTAKE)
    assert running.systemctl("start", UNIT, check=False).returncode != 0
    assert running.systemctl("is-failed", UNIT).stdout == "failed\n"
    assert running.show(UNIT, "ExecMainStatus") == "78"
    assert running.show(UNIT, "NRestarts") == "0"
    [entry] = running.logged(NAMED, since=since)
    assert entry["PRIORITY"] == "3"
    assert entry["SYSLOG_IDENTIFIER"] == "bat2influx"
    assert not running.logged("Scheduled restart job", since=since)


def test_a_restart_while_the_database_is_down_loses_nothing(running: Plant) -> None:
    """The state directory has the queue, for the service's user alone, until it is stored."""
    since = running.now()
    running.systemctl("stop", "influxdb")
    running.wait("queued values", lambda: running.waiting() > 40)
    running.systemctl("restart", UNIT)
    running.wait_for_message("values are queued on disk, from an earlier start", since=since)
    spool = "/var/lib/bat2influx/spool.sqlite"
    status = running.run("stat", "-c", "%a %U", spool).stdout
    assert status == "600 bat2influx\n"
    assert running.run("bat2influx", "spool").stdout.startswith("queued    ")
    running.systemctl("start", "influxdb")
    running.wait_for_message("is reachable again", since=since)
    running.wait("an empty queue", lambda: running.waiting() == 0)
    running.wait_for_values(since=running.now())
    assert running.run("bat2influx", "spool").stdout.startswith("queued    0 values")
    assert running.restarts() == 0
