"""More than one device: instances of the template, each with its file, state and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.plant import PORTAL, QUICK, SECOND_PORTAL, UNIT, Plant, assert_contiguous

HOUSE, BOAT = "bat2influx@house.service", "bat2influx@boat.service"


@pytest.fixture(scope="module")
def running(shared_machine: Plant, package: Path) -> Plant:
    """A machine with two devices, each read by an instance."""
    shared_machine.install(package)
    shared_machine.start_servers(devices=2)
    for name, portal in (("house", PORTAL), ("boat", SECOND_PORTAL)):
        path = f"/etc/bat2influx/{name}.ini"
        battery = {**QUICK, "serial": portal}
        shared_machine.configure(path, Battery=battery, Influx={"db": name})
    since = shared_machine.now()
    shared_machine.systemctl("enable", "--now", "--quiet", HOUSE, BOAT)
    for name in ("house", "boat"):
        shared_machine.wait_for_values(since=since, db=name)
    return shared_machine


def test_each_reads_its_own_device(running: Plant) -> None:
    """Each instance stores its device's values, and logs which device it reads."""
    for name, unit, portal in (("house", HOUSE, PORTAL), ("boat", BOAT, SECOND_PORTAL)):
        values = running.wait_for_values(db=name, count=10)
        assert_contiguous(values)
        assert running.logged(f"^reading 127.0.0.1, portal id {portal}", unit)
    assert running.systemctl("is-active", UNIT, check=False).stdout == "inactive\n"


def test_each_has_a_separate_state_directory(running: Plant) -> None:
    """The state of an instance is in a folder with its name, readable by the user alone."""
    paths = ["/var/lib/bat2influx/house", "/var/lib/bat2influx/boat"]
    stat = running.run("stat", "-c", "%a %U:%G", *paths).stdout.splitlines()
    assert stat == ["700 bat2influx:bat2influx"] * 2


def test_a_failed_one_does_not_affect_the_other(running: Plant) -> None:
    """An error in one file, and a device that stops responding, concern one instance."""
    since, boat = running.now(), running.main_pid(BOAT)
    good = running.read("/etc/bat2influx/house.ini")
    running.write("/etc/bat2influx/house.ini", "[Battery]\ninterval = often\n")
    assert running.systemctl("reload", HOUSE, check=False).returncode != 0
    assert running.systemctl("restart", HOUSE, check=False).returncode != 0
    assert running.show(HOUSE, "ExecMainStatus") == "78"
    running.wait_for_values(since=running.now(), db="boat", count=5)
    assert running.main_pid(BOAT) == boat
    assert_contiguous(running.values(since=since, db="boat"))
    running.write("/etc/bat2influx/house.ini", good)
    running.systemctl("start", HOUSE)
    running.wait_for_values(since=running.now(), db="house")


def test_a_wildcard_applies_to_all(running: Plant) -> None:
    """One command reloads, and one restarts, every running instance."""
    before = [running.main_pid(unit) for unit in (HOUSE, BOAT)]
    since = running.now()
    running.systemctl("reload", "bat2influx@*")
    assert [running.main_pid(unit) for unit in (HOUSE, BOAT)] == before
    for unit in (HOUSE, BOAT):
        assert running.logged("configuration reloaded", unit, since=since)
    running.systemctl("restart", "bat2influx@*")
    assert not {*before} & {running.main_pid(unit) for unit in (HOUSE, BOAT)}


def test_an_instance_without_a_file_reports_it(running: Plant) -> None:
    """An instance without its file fails at once, logs the file's path, and is not restarted."""
    unit = "bat2influx@garage.service"
    assert running.systemctl("start", unit, check=False).returncode != 0
    assert running.show(unit, "ExecMainStatus") == "78"
    assert running.show(unit, "NRestarts") == "0"
    assert running.logged("/etc/bat2influx/garage.ini", unit)
