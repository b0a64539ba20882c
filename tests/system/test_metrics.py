"""The file for the node exporter, written in the unit's confinement, read by another user."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.node_exporter import samples
from tests.system.plant import PORTAL, QUICK, SECOND_PORTAL, UNIT, Plant

HOUSE = "bat2influx@house.service"
FILES = {UNIT: "/run/bat2influx/bat2influx.prom", HOUSE: "/run/bat2influx-house/house.prom"}
INI = {UNIT: "/etc/bat2influx/bat2influx.ini", HOUSE: "/etc/bat2influx/house.ini"}
EXPORTER = "/opt/prometheus-node-exporter"
LINKS = "/var/lib/prometheus/node-exporter"  # the directory that Debian's package reads
PORT = 9100
SCRAPE = f"""\
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:{PORT}/metrics").read().decode())
"""


@pytest.fixture(scope="module")
def running(shared_machine: Plant, package: Path) -> Plant:
    """A machine on which the service and an instance of it publish their metrics."""
    machine = shared_machine
    machine.install(package)
    machine.start_servers(devices=2)
    for path, portal, db in (
        (INI[UNIT], PORTAL, "battery"),
        (INI[HOUSE], SECOND_PORTAL, "house"),
    ):
        machine.configure(
            path,
            Battery={**QUICK, "serial": portal},
            Influx={"db": db, "self_measurement": "itself"},
            Metrics={"textfile": "yes"},
        )
    machine.systemctl("enable", "--now", "--quiet", UNIT, HOUSE)
    for db in ("battery", "house"):
        machine.wait_for_values(db=db)
    return machine


def as_another(machine: Plant, path: str) -> dict[str, float]:
    """Return the numbers of a file, read by a user without any rights; {} while it is missing."""
    done = machine.run("runuser", "-u", "nobody", "--", "cat", path, check=False)
    return samples(done.stdout)


def wait_for_file(machine: Plant, unit: str) -> dict[str, float]:
    """Wait until the file of a unit has the device's values, and return the numbers."""

    def found() -> dict[str, float]:
        numbers = as_another(machine, FILES[unit])
        return numbers if any("_last_value_" in name for name in numbers) else {}

    return machine.wait(f"the file of {unit}", found)


@pytest.mark.parametrize("unit", FILES)
def test_another_user_can_read_the_file(running: Plant, unit: str) -> None:
    """File and directory belong to the daemon, and all users can read them."""
    numbers = wait_for_file(running, unit)
    label = "" if unit == UNIT else '{config="house"}'
    assert numbers[f"bat2influx_values_stored_total{label}"] > 0
    assert numbers[f"bat2influx_database_up{label}"] == 1
    assert 10e6 < numbers[f"bat2influx_memory_bytes{label}"] < 200e6
    paths = [str(Path(FILES[unit]).parent), FILES[unit]]
    stat = running.run("stat", "-c", "%a %U", *paths).stdout.splitlines()
    assert stat == ["755 bat2influx", "644 bat2influx"]
    names = {Path(FILES[unit]).stem + suffix for suffix in (".prom", ".health")}
    found = running.run("ls", "-A", paths[0]).stdout.split()
    assert {name.removesuffix(".new") for name in found} == names


@pytest.mark.parametrize("unit", FILES)
def test_another_user_can_check_its_health(running: Plant, unit: str) -> None:
    """By the path of the ini, which that user cannot read."""
    ini = INI[unit]
    asked = f"runuser -u nobody -- bat2influx --config {ini} health"
    running.wait("its health", lambda: running.run(asked, check=False).returncode == 0)
    assert "values/s, " in running.run(asked).stdout
    assert "Permission denied" in running.run(f"runuser -u nobody cat {ini}", check=False).stderr


def test_the_node_exporter_has_the_numbers_of_both(running: Plant) -> None:
    """As a separate user, by links in the directory that Debian's package reads."""
    for unit in FILES:
        wait_for_file(running, unit)
    running.copy_in(programs.find("prometheus-node-exporter").path, EXPORTER)
    running.run("mkdir", "-p", LINKS)
    running.run("ln", "-s", *FILES.values(), f"{LINKS}/")
    options = ("--collector.disable-defaults", "--collector.textfile")
    options += (f"--collector.textfile.directory={LINKS}", f"--web.listen-address=127.0.0.1:{PORT}")
    run = ("systemd-run", "--quiet", "--unit=node-exporter", "--property=User=nobody", "--collect")
    running.run(*run, EXPORTER, *options)
    try:

        def scraped() -> dict[str, float]:
            return samples(running.run("python3", "-c", SCRAPE, check=False).stdout)

        found = running.wait("a scrape", scraped)
        assert found["node_textfile_scrape_error"] == 0
        assert found["bat2influx_broker_up"] == 1
        assert found['bat2influx_broker_up{config="house"}'] == 1
    finally:
        running.systemctl("stop", "node-exporter.service")
        running.run("rm", "-r", LINKS)


def test_it_is_in_the_database_too(running: Plant) -> None:
    """Every 10 s, with the kernel's data of the process."""

    def rows() -> list[int]:
        found = running.influx("SELECT memory FROM itself")
        return [row["time"] for row in found] if len(found) >= 3 else []

    times = running.wait("three reports", rows)
    assert all(later - earlier > 9e9 for earlier, later in pairwise(times))


def test_a_stop_removes_the_units_file_and_no_other(running: Plant) -> None:
    """No number outlives its process; those of the other unit are in another directory."""
    for unit, other in ((HOUSE, UNIT), (UNIT, HOUSE)):
        wait_for_file(running, unit)
        wait_for_file(running, other)
        running.systemctl("stop", unit)
        assert not running.exists(str(Path(FILES[unit]).parent))
        assert as_another(running, FILES[other])
        running.systemctl("start", unit)


def test_a_kill_leaves_no_file_either(running: Plant) -> None:
    """The service manager removes the directory, and creates it for the next process."""
    wait_for_file(running, UNIT)
    running.signal(UNIT, "KILL")
    running.wait("no file", lambda: not running.exists(FILES[UNIT]))
    numbers = wait_for_file(running, UNIT)
    assert numbers["bat2influx_uptime_seconds"] < 60
