"""The steps of the README: install with apt, edit the file, enable, read the journal.

The tests of this module share a machine and are in the order of these steps.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bat2influx.daemon.status import FIRST_STEPS
from tests.system.package import program_version, version
from tests.system.plant import INI, NINE, UNIT, Plant

UNRESOLVED = "cannot resolve venus.local; install libnss-mdns, or set address in"


@pytest.fixture(scope="module")
def installed(shared_machine: Plant, package: Path) -> Plant:
    """A machine with the installed package, and no other change."""
    shared_machine.install(package)
    return shared_machine


@pytest.fixture(scope="module")
def running(installed: Plant) -> Plant:
    """The same with a device and a database, the address set in the file, and enabled."""
    installed.start_servers()
    installed.run("sed", "-i", "s/^address = venus.local$/address = 127.0.0.1/", INI)
    installed.start()
    return installed


def test_the_package_is_installed_from_the_file(installed: Plant, package: Path) -> None:
    """apt installs the file, and the command prints the version of the program in it."""
    state = installed.run("dpkg-query", "-W", "-f", "${Status} ${Version}", "bat2influx").stdout
    assert state == f"install ok installed {version(package)}"
    told = installed.run("bat2influx", "--version").stdout
    assert told == f"bat2influx {program_version(package)}\n"


def test_the_user_is_a_system_user_that_cannot_log_in(installed: Plant) -> None:
    """The installation has created a system user, without shell and password."""
    _, _, number, _, _, home, shell = installed.run("getent", "passwd", "bat2influx").stdout.split(
        ":"
    )
    assert int(number) < 1000
    assert home == "/var/lib/bat2influx"
    assert shell.strip() == "/usr/sbin/nologin"
    assert re.match(r"bat2influx:[!*]", installed.run("getent", "shadow", "bat2influx").stdout)
    assert installed.run("id", "-nG", "bat2influx").stdout.split() == ["bat2influx"]


def test_nothing_is_enabled_or_started(installed: Plant) -> None:
    """The admin decides when the service runs, now and after a boot."""
    assert installed.systemctl("is-enabled", UNIT, check=False).stdout.strip() == "disabled"
    assert installed.systemctl("is-active", UNIT, check=False).stdout.strip() == "inactive"
    assert not installed.exists("/var/lib/bat2influx")


def test_the_status_leads_to_the_first_steps(installed: Plant) -> None:
    """Even before the first start, by the one line that the installation has logged."""
    assert installed.messages(UNIT) == [f"not configured yet; {FIRST_STEPS}"]
    assert FIRST_STEPS in installed.systemctl("status", UNIT, check=False).stdout


def test_the_configuration_is_for_root_and_the_daemon_alone(installed: Plant) -> None:
    """The file is a copy of the template: root may write it, the daemon read, no other user."""
    stat = ("stat", "-c", "%a %U:%G", "/etc/bat2influx", INI)
    assert installed.run(*stat).stdout.splitlines() == [
        "750 root:bat2influx",
        "640 root:bat2influx",
    ]
    assert installed.read(INI) == installed.read("/usr/share/bat2influx/bat2influx.ini")
    # For a conffile that both have changed dpkg asks, which stops unattended upgrades.
    assert installed.run("dpkg-query", "-W", "-f", "${Conffiles}", "bat2influx").stdout == ""
    assert installed.run("runuser", "-u", "bat2influx", "--", "cat", INI).stdout
    refused = installed.run("runuser", "-u", "nobody", "--", "cat", INI, check=False)
    assert "Permission denied" in refused.stderr
    assert refused.stdout == ""


def test_the_shipped_file_is_a_good_one(installed: Plant) -> None:
    """The installed file passes the program's own check."""
    assert installed.run("bat2influx", "check", "--offline").stdout == f"{INI}: ok\n"


def test_systemd_reports_no_problem(installed: Plant) -> None:
    """`systemd-analyze verify` prints nothing for the service and the template."""
    verify = ("systemd-analyze", "--man=no", "verify", UNIT, "bat2influx@house.service")
    verified = installed.run(*verify)
    assert verified.stdout + verified.stderr == ""


def test_with_the_unedited_file_the_log_has_the_setting_to_edit(installed: Plant) -> None:
    """Without a device venus.local the start succeeds, and status and journal report it."""
    installed.systemctl("enable", "--now", UNIT)
    assert installed.systemctl("is-active", UNIT).stdout == "active\n"
    installed.wait("the status", lambda: UNRESOLVED in installed.status())
    assert UNRESOLVED in installed.systemctl("status", UNIT).stdout
    assert FIRST_STEPS in installed.status()
    assert len(installed.logged(re.escape(UNRESOLVED))) == 1
    assert installed.restarts() == 0
    installed.systemctl("disable", "--now", UNIT)


def test_with_the_address_written_the_values_are_stored(running: Plant) -> None:
    """Nine fields arrive in the database, each once per read, by default every second."""
    for field in NINE:
        running.wait_for_values(field, count=1 if field == "Soc" else 3)
    keys = running.influx("SHOW FIELD KEYS FROM dc")
    assert {row["fieldKey"]: row["fieldType"] for row in keys} == dict.fromkeys(NINE, "float")


def test_the_status_shows_the_values(running: Plant) -> None:
    """`systemctl status` has a line with the latest values and the values per second."""
    each = re.compile(r"(\w+) -?[\d.]+(?=[,;])")
    running.wait("all values", lambda: {*each.findall(running.status())} == NINE)
    text = running.systemctl("status", UNIT).stdout
    assert re.search(r"Active: active \(running\)", text)
    status = re.search(r'Status: "(.*)"', text)
    assert status, text
    assert {*each.findall(status[1])} == NINE
    assert re.search(r"; [\d.]+ values/s, \d+ queued$", status[1])


def test_the_journal_names_the_device(running: Plant) -> None:
    """One line has device, portal id and instance, under the program's name, at level info."""
    [entry] = running.wait_for_message("^reading 127.0.0.1, portal id c0619ab1c2d3, vebus 275")
    assert entry["SYSLOG_IDENTIFIER"] == "bat2influx"
    assert entry["PRIORITY"] == "6"
    assert entry["PORTAL_ID"] == "c0619ab1c2d3"
    assert entry["PEER"] == "127.0.0.1"


def test_nothing_else_is_in_the_journal_of_the_service(running: Plant) -> None:
    """All lines there come from the daemon, or are systemd's usual lines of any unit."""
    speakers = {str(entry["SYSLOG_IDENTIFIER"]) for entry in running.journal(UNIT)}
    assert speakers == {"bat2influx", "systemd"}


def test_healthy_operation_logs_nothing(running: Plant) -> None:
    """Values and requests leave no trace in the journal."""
    before = len(running.journal(UNIT))
    running.wait_for_values(since=running.now(), count=5)
    assert len(running.journal(UNIT)) == before


def test_the_catalog_explains_what_has_happened(running: Plant) -> None:
    """`journalctl -x` has advice for a name that is not resolved, with its fields filled in."""
    text = running.run("journalctl", "--no-pager", "-x", "-u", UNIT).stdout
    explained = text[text.index("cannot resolve venus.local") :]
    assert "Subject: Cannot resolve the name of the device" in explained
    assert "libnss-mdns" in explained
    assert "Subject: A device is being read" in explained
    assert re.findall("@[A-Z_]+@", text) == []


def test_a_boot_with_the_device_off_is_not_delayed(running: Plant) -> None:
    """The boot ends soon, with the service active; values come as soon as the device is on."""
    running.enable_servers()
    running.systemctl("disable", "--quiet", "mosquitto", "venus")
    running.reboot()
    assert (
        running.systemctl("is-active", UNIT, "multi-user.target").stdout.split() == ["active"] * 2
    )
    ended = running.systemctl("show", "--value", "-p", "FinishTimestampMonotonic").stdout
    began = running.systemctl("show", "--value", "-p", "UserspaceTimestampMonotonic").stdout
    assert (int(ended) - int(began)) / 1e6 < 40  # s; expected are 10, the watchdog has 120
    status = "connection refused by 127.0.0.1 port 1883"
    running.wait("the status", lambda: status in running.status())
    since = running.now()
    running.systemctl("start", "mosquitto", "venus")
    running.wait_for_values(since=since)
    assert running.restarts() == 0


def test_the_device_is_found_by_its_own_name(running: Plant) -> None:
    """With the shipped file and a device that announces its name by mDNS, values come."""
    running.systemctl("stop", UNIT)
    running.run("sed", "-i", "s/^address = 127.0.0.1$/address = venus.local/", INI)
    running.write("/etc/avahi/hosts", "127.0.0.2 venus.local\n")
    running.systemctl("start", "avahi-daemon")
    running.start()
    assert running.logged("^reading venus.local, portal id c0619ab1c2d3")
