"""Upgrade from an earlier package, downgrade, and upgrade again, with the database down.

The earlier package is the last with format 1 of the spool, built from its commit. A service and two
instances read a device each, and a listener at the broker records the devices' publishes. At the
end these are compared with the stored values.

The tests of this module share a machine and are in the order of these steps.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import TOP
from tests.system import repository
from tests.system.package import build_from, repack, version
from tests.system.plant import INI, PORTAL, SECOND_PORTAL, STAND_IN, UNIT, Plant

LAST_WITH_FORMAT_1 = "7c6d843f736a22d5b7a33dd6dad32958ae74da5a"
EARLIER = "1.0.0~format1"  # for apt, as both are 1.0.0
MORE = 20  # values that the earlier version queues each time
STOPS = 5  # three for other versions, one for the file that is renamed back, one at the end
AT_A_STOP = 1e9  # ns within which a device may have answered a daemon that was stopping
# By default debconf asks questions, as dpkg does.
AS_A_PERSON = ("env", "-u", "DEBIAN_FRONTEND")
VOLTAGE = "vebus/275/Dc/0/Voltage"
HEARD = "/run/heard"
FROM_BEFORE = "values are queued on disk, from an earlier start"
TEMPLATE = "/usr/share/bat2influx/bat2influx.ini"
FORMAT_OF = """\
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(*db.execute("PRAGMA user_version").fetchone())
"""
WAY_BACK = re.search(  # the commands that README.Debian has
    r"    systemctl stop .*\n    cd .*\n    mv -n spool.format-2-TIME .*\n    systemctl start .*\n",
    (TOP / "debian/README.Debian").read_text(),
)
SET_ASIDE = (
    r"/spool\.sqlite is of format 2, written by a later bat2influx; it is kept as"
    r" (spool\.format-2-\d{8}T\d{6}\.\d{6}Z): with that version installed again, rename it back"
)


class Service(NamedTuple):
    """A service and its files."""

    unit: str
    ini: str
    state: str
    db: str
    portal: str

    @property
    def spool(self) -> str:
        """The spool file."""
        return f"{self.state}/spool.sqlite"


def instance(name: str, portal: str) -> Service:
    """Return an instance of the template."""
    return Service(
        unit=f"bat2influx@{name}.service",
        ini=f"/etc/bat2influx/{name}.ini",
        state=f"/var/lib/bat2influx/{name}",
        db=name,
        portal=portal,
    )


SERVICES = (
    Service(UNIT, INI, "/var/lib/bat2influx", "battery", PORTAL),
    instance("house", SECOND_PORTAL),
    instance("boat", "c0619ab1c2d5"),
)
UNITS = tuple(each.unit for each in SERVICES)


class Moment(NamedTuple):
    """The states of all services at one moment."""

    time: int
    processes: set[int]
    inis: list[str]
    waiting: list[int]


class Way:
    """The machine, and the states at each step."""

    def __init__(self, plant: Plant, template: str) -> None:
        self.plant = plant
        self.template = template  # the earlier package's ini, which is a conffile there
        self.before = self.moment()
        self.told = ""

    def moment(self) -> Moment:
        """Return the current states."""
        return Moment(
            self.plant.now(),
            {self.plant.main_pid(unit) for unit in UNITS},
            [self.plant.read(each.ini) for each in SERVICES],
            [on_disk(self.plant, each) for each in SERVICES],
        )

    def step(self, *command: str) -> None:
        """Record the states, and then run the change of the package."""
        self.before = self.moment()
        self.told = self.plant.run(*AS_A_PERSON, *command, timeout=300).stdout

    def version(self) -> str:
        """Return the installed and configured version."""
        shown = self.plant.run("dpkg-query", "-W", "-f", "${Status} ${Version}", "bat2influx")
        return shown.stdout.removeprefix("install ok installed ")


def on_disk(plant: Plant, service: Service) -> int:
    """Return how many values are queued on disk, by the installed version's command."""
    text = plant.run("bat2influx", "--config", service.ini, "spool").stdout
    found = re.match(r"(?:queued|waiting) +(\d+) values", text)
    assert found, text
    return int(found[1])


def let_wait(plant: Plant) -> None:
    """Wait until each service has more values on disk than now."""
    for service in SERVICES:
        enough = on_disk(plant, service) + MORE
        plant.wait("values on disk", lambda each=service, n=enough: on_disk(plant, each) >= n)


def format_of(plant: Plant, spool: str) -> int:
    """Return the format number in a spool."""
    return int(plant.run("/usr/bin/python3", "-c", FORMAT_OF, spool).stdout)


def listen(plant: Plant) -> None:
    """Start recording the devices' publishes."""
    plant.copy_in(TOP / "tests/system/listener.py", f"{STAND_IN}/listener.py")
    plant.run(
        f"exec systemd-run -q --unit=listener -p StandardOutput=file:{HEARD}"
        f" -E PYTHONPATH={STAND_IN} /usr/bin/python3 -B {STAND_IN}/listener.py {VOLTAGE}"
    )
    plant.wait("the listener", lambda: plant.exists(HEARD) and "ready" in plant.read(HEARD))


def heard(plant: Plant, portal: str) -> dict[float, int]:
    """Return each number that a device has answered, and its first time, in ns.

    0 is left out: a device publishes it before its first read.
    """
    numbers: dict[float, int] = {}
    for line in plant.read(HEARD).splitlines()[1:]:
        whose, time, number = line.split()
        if whose == portal and float(number) > 0:
            numbers.setdefault(float(number), int(time))
    return numbers


def stops(plant: Plant, unit: str) -> list[int]:
    """Return when systemd has stopped a unit, in ns."""
    found = plant.logged("^Stopping ", unit)
    return [int(entry["__REALTIME_TIMESTAMP"]) * 1000 for entry in found]


def put_back(plant: Plant, service: Service) -> None:
    """Run README.Debian's commands for the one file that was renamed."""
    aside = plant.run(f"cd {service.state} && ls -d spool.format-2-*").stdout.strip()
    assert WAY_BACK
    commands = WAY_BACK[0].replace("spool.format-2-TIME", aside)
    commands = commands.replace("/var/lib/bat2influx", service.state)
    commands = re.sub(r"(systemctl \w+) bat2influx\b", rf"\1 {service.unit}", commands)
    plant.run("/bin/sh", "-exc", commands)
    assert not plant.exists(f"{service.state}/{aside}")


def test_without_the_history_the_error_names_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the checkout does not have the earlier package's commit, the error names both."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    commit = "0" * 40
    with pytest.raises(AssertionError, match=f"commit {commit}, which this checkout does not have"):
        build_from(commit)
    assert not [*tmp_path.rglob("*.deb")]


@pytest.fixture(scope="module")
def way(shared_machine: Plant, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """The earlier package, edited files, queued values, and a repository with both packages."""
    plant = shared_machine
    folder = tmp_path_factory.mktemp("earlier")
    earlier = repack(build_from(LAST_WITH_FORMAT_1), EARLIER, folder)
    repository.offer(plant, earlier, package)
    plant.install(earlier)
    template = plant.read(INI)
    plant.start_servers(devices=len(SERVICES))
    listen(plant)
    for each in SERVICES:
        battery = {"serial": each.portal, "interval": 0.5}
        plant.configure(each.ini, Battery=battery, Influx={"db": each.db})
    plant.systemctl("enable", "--now", "--quiet", *UNITS)
    for each in SERVICES:
        plant.wait_for_values(db=each.db, count=3)
    plant.systemctl("stop", "influxdb")
    way = Way(plant, template)
    assert way.version() == EARLIER
    let_wait(plant)
    assert [format_of(plant, each.spool) for each in SERVICES] == [1, 1, 1]
    return way


@pytest.fixture(scope="module")
def upgraded(way: Way) -> Way:
    """The same, after a nightly unattended upgrade."""
    way.step("unattended-upgrade", "-v")
    return way


@pytest.fixture(scope="module")
def gone_back(upgraded: Way) -> Way:
    """The same, with the earlier package installed over this one."""
    upgraded.step("apt-get", "-q", "-y", "--allow-downgrades", "install", f"bat2influx={EARLIER}")
    let_wait(upgraded.plant)
    return upgraded


@pytest.fixture(scope="module")
def upgraded_again(gone_back: Way) -> Way:
    """The same, after an upgrade by hand, with dpkg's default options."""
    gone_back.step("apt-get", "-q", "-y", "upgrade")
    return gone_back


def assert_all_go_on(way: Way) -> None:
    """Assert that each has been restarted with its file unchanged, and has lost nothing."""
    after = way.moment()
    states = way.plant.systemctl("is-active", *UNITS, check=False).stdout.split()
    assert states == ["active"] * len(UNITS)
    assert not way.before.processes & {*after.processes, 0}
    assert after.inis == way.before.inis
    for each in SERVICES:
        assert way.plant.restarts(each.unit) == 0
        assert way.plant.logged("^reading 127.0.0.1, portal", each.unit, since=way.before.time)


def test_an_unattended_upgrade_installs_it(upgraded: Way, package: Path) -> None:
    """unattended-upgrades does not hold it back because of a prompt."""
    assert upgraded.version() == version(package), upgraded.told


def test_all_services_run_the_new_version(upgraded: Way) -> None:
    """The service and its instances are restarted, each with its owner's file unchanged."""
    assert_all_go_on(upgraded)


def test_queued_values_are_read(upgraded: Way) -> None:
    """Values that the earlier version has left on disk stay queued, in a file of format 2."""
    plant = upgraded.plant
    for each, before in zip(SERVICES, upgraded.before.waiting, strict=True):
        assert plant.logged(FROM_BEFORE, each.unit, since=upgraded.before.time)
        assert on_disk(plant, each) >= before
        assert format_of(plant, each.spool) == 2


def test_the_earlier_version_sets_the_newer_spool_aside(gone_back: Way) -> None:
    """After a downgrade each logs where its values are and how to restore them, and continues."""
    assert gone_back.version() == EARLIER
    assert_all_go_on(gone_back)
    plant = gone_back.plant
    for each in SERVICES:
        [entry] = plant.logged(SET_ASIDE, each.unit, since=gone_back.before.time)
        found = re.search(SET_ASIDE, str(entry["MESSAGE"]))
        assert found
        assert format_of(plant, f"{each.state}/{found[1]}") == 2
        assert format_of(plant, each.spool) == 1


def test_an_upgrade_by_hand_asks_nothing(upgraded_again: Way, package: Path) -> None:
    """apt and dpkg do not prompt, though both owner and package have changed the file."""
    assert upgraded_again.template not in upgraded_again.before.inis
    assert upgraded_again.template != upgraded_again.plant.read(TEMPLATE)
    assert upgraded_again.version() == version(package)
    assert_all_go_on(upgraded_again)
    for each, before in zip(SERVICES, upgraded_again.before.waiting, strict=True):
        assert on_disk(upgraded_again.plant, each) >= before


def test_no_value_is_missing_or_stored_twice(upgraded_again: Way) -> None:
    """After the renamed files are restored, each published value is stored once."""
    plant = upgraded_again.plant
    plant.systemctl("start", "influxdb")
    for each in SERVICES:
        plant.wait("an empty queue", lambda each=each: not on_disk(plant, each))
        shown = plant.run("bat2influx", "--config", each.ini, "spool").stdout
        assert "set aside spool.format-2-" in shown
        since = plant.now()
        put_back(plant, each)
        plant.wait_for_message(FROM_BEFORE, each.unit, since=since)
        plant.wait("an empty queue", lambda each=each: not on_disk(plant, each))
    plant.systemctl("stop", *UNITS)
    for each in SERVICES:
        said, when = heard(plant, each.portal), stops(plant, each.unit)
        stored = [number for _, number in plant.values(db=each.db)]
        missing = {*said} - {*stored}
        print(f"{each.db}: {len(said)} said, {len(stored)} stored, missing: {sorted(missing)}")
        assert len(stored) == len({*stored})
        assert {*stored} <= {*said}
        assert len(when) == STOPS
        # An answer may be under way while the daemon that sent the read is stopped.
        assert len(missing) <= STOPS
        for number in missing:
            assert min(abs(said[number] - stop) for stop in when) < AT_A_STOP
