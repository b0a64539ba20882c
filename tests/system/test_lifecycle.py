"""The package's life cycle on a machine: upgraded, removed, purged, installed again.

The service and an instance of its template go through all of it, with an edited configuration.
"""

from __future__ import annotations

from pathlib import Path

from bat2influx.daemon.status import FIRST_STEPS
from tests.system.package import program_version, repack
from tests.system.plant import INI, UNIT, Plant

BOAT = "bat2influx@boat.service"
BOAT_INI = "/etc/bat2influx/boat.ini"
# Where the system itself records all changes.
RECORDS = (
    "/proc /sys /dev /run /tmp /root /opt/stand-in /var/tmp /var/log /var/cache /var/lib/apt"
    " /var/lib/dpkg /var/lib/influxdb /var/lib/mosquitto /var/lib/systemd/timers"
)


def start_both(plant: Plant) -> None:
    """Configure, enable and start the service and the instance."""
    plant.configure()
    plant.configure(BOAT_INI, Influx={"db": "boat"})
    since = plant.now()
    plant.systemctl("enable", "--now", "--quiet", UNIT, BOAT)
    for db in ("battery", "boat"):
        plant.wait_for_values(since=since, db=db)


def files(plant: Plant) -> set[str]:
    """Return all paths except those of records."""
    pruned = " -o ".join(f"-path {place}" for place in RECORDS.split())
    return {*plant.run(f"find / \\( {pruned} \\) -prune -o -print").stdout.splitlines()}


def apt(plant: Plant, verb: str) -> None:
    """Remove or purge the package."""
    plant.run("apt-get", "-q", "-y", verb, "bat2influx")


def states(plant: Plant) -> list[str]:
    """Return the states of service and instance: active, inactive or failed."""
    return plant.systemctl("is-active", UNIT, BOAT, check=False).stdout.split()


def processes(plant: Plant) -> list[int]:
    """Return the main processes of the service and the instance."""
    return [plant.main_pid(UNIT), plant.main_pid(BOAT)]


def test_an_upgrade(machine: Plant, package: Path, tmp_path: Path) -> None:
    """Running services are restarted with the new version; edited files stay, without a prompt."""
    machine.install(repack(package, "0.9", tmp_path, template_line="# 0.9 had this line.\n"))
    machine.start_servers()
    start_both(machine)
    before = processes(machine)
    texts = [machine.read(INI), machine.read(BOAT_INI)]
    assert machine.run("bat2influx", "--version").stdout == "bat2influx 0.9\n"

    machine.install(package)
    since = machine.now()
    told = machine.run("bat2influx", "--version").stdout
    assert told == f"bat2influx {program_version(package)}\n"
    assert states(machine) == ["active", "active"]
    assert not {*before} & {*processes(machine)}
    for db in ("battery", "boat"):
        machine.wait_for_values(since=since, db=db)
    assert [machine.read(INI), machine.read(BOAT_INI)] == texts
    stat = ("stat", "-c", "%a %U:%G", INI, BOAT_INI)
    assert machine.run(*stat).stdout.splitlines() == ["640 root:bat2influx"] * 2
    for unit in (UNIT, BOAT):
        assert machine.systemctl("is-enabled", unit).stdout == "enabled\n"
        assert machine.logged("every value is stored", unit)


def test_an_upgrade_of_stopped_services(machine: Plant, package: Path, tmp_path: Path) -> None:
    """A service that is not enabled is not started, and a deleted file is not created."""
    machine.install(repack(package, "0.9", tmp_path))
    machine.run("rm", INI)
    machine.install(package)
    assert not machine.exists(INI)
    assert states(machine) == ["inactive", "inactive"]
    assert machine.systemctl("is-enabled", UNIT, check=False).stdout == "disabled\n"
    assert machine.messages(UNIT) == [f"not configured yet; {FIRST_STEPS}"]  # by the first one


def test_a_removal_and_a_new_installation(machine: Plant, package: Path) -> None:
    """A removal stops all and keeps configuration and data; installed again, all continue."""
    before = files(machine)
    machine.install(package)
    machine.start_servers()
    machine.enable_servers()
    start_both(machine)
    texts = [machine.read(INI), machine.read(BOAT_INI)]
    apt(machine, "remove")
    assert states(machine) == ["inactive", "inactive"]
    assert machine.run("pgrep", "-u", "bat2influx", check=False).stdout == ""
    assert not machine.exists("/usr/bin/bat2influx")
    assert not machine.exists("/usr/lib/python3/dist-packages/bat2influx")
    assert [machine.read(INI), machine.read(BOAT_INI)] == texts
    assert machine.exists("/var/lib/bat2influx")
    for unit in (UNIT, BOAT):
        assert machine.logged("every value is stored", unit)

    machine.install(package)
    assert [machine.read(INI), machine.read(BOAT_INI)] == texts
    since = machine.now()
    machine.reboot()
    assert states(machine) == ["active", "active"]
    for db in ("battery", "boat"):
        machine.wait_for_values(since=since, db=db)

    apt(machine, "remove")
    apt(machine, "purge")
    assert {path for path in files(machine) - before if "bat2influx" in path} == set()


def test_a_purge_leaves_nothing_but_the_user(machine: Plant, package: Path) -> None:
    """After a start of all, a purge removes every file; a new installation begins from nothing."""
    machine.start_servers()
    before = files(machine)
    machine.install(package)
    start_both(machine)
    assert machine.exists("/var/lib/bat2influx/boat")
    apt(machine, "purge")
    assert files(machine) ^ before == set()
    assert machine.run("getent", "passwd", "bat2influx").stdout
    assert machine.run("pgrep", "-u", "bat2influx", check=False).stdout == ""
    assert states(machine) == ["inactive", "inactive"]
    assert machine.run("dpkg-query", "-W", "bat2influx", check=False).returncode != 0
    assert "bat2influx" not in machine.systemctl("list-unit-files").stdout

    machine.install(package)
    assert machine.systemctl("is-enabled", UNIT, check=False).stdout == "disabled\n"
    assert "address = venus.local" in machine.read(INI)
    start_both(machine)
