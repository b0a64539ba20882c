"""What an attacker could do inside a compromised daemon, and what other users can see of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.system.plant import INI, UNIT, Plant

TELL = "/opt/told"
MOST = 1.1  # maximum of the exposure that systemd-analyze security computes; 10 is worst
NOT_RUN = {"PermissionError", "ChildProcessError"}
DENIED = {"PermissionError", "OSError", "FileNotFoundError"}


@pytest.fixture(scope="module")
def running(shared_machine: Plant, package: Path) -> Plant:
    """A machine on which the service stores values."""
    shared_machine.install(package)
    shared_machine.start_servers()
    shared_machine.configure()
    shared_machine.start()
    return shared_machine


@pytest.fixture(scope="module")
def told(running: Plant) -> dict[str, Any]:
    """The results of tests/system/probe.py, run in place of the daemon."""
    running.copy_in(Path(__file__).with_name("probe.py"), "/opt/probe.py")
    running.run("mkdir", "-p", "/home/somebody")
    running.run("install", "-m", "666", "/dev/null", TELL)
    running.drop_in(
        UNIT,
        "probe",
        "[Service]",
        "Type=exec",
        "ExecStart=",
        "ExecStart=/usr/bin/python3 -I -B /opt/probe.py",
        f"StandardOutput=truncate:{TELL}",
        "Restart=no",
    )
    try:
        running.systemctl("restart", UNIT)
        running.wait("the probe's end", lambda: running.show(UNIT, "SubState") != "running")
        assert running.show(UNIT, "Result") == "success", running.journal_tail()
        answer: dict[str, Any] = json.loads(running.read(TELL))
        return answer
    finally:
        running.run("rm", f"/etc/systemd/system/{UNIT}.d/probe.conf")
        running.systemctl("daemon-reload")
        running.systemctl("restart", UNIT)


@pytest.mark.parametrize("unit", [UNIT, "bat2influx@house.service"])
def test_the_exposure_is_low(running: Plant, unit: str) -> None:
    """The loaded unit and the template have an exposure of 1.1 or less."""
    text = running.run("systemd-analyze", "security", "--no-pager", unit).stdout
    found = re.search(r"exposure level for \S+: ([\d.]+)", text)
    assert found, text
    assert float(found[1]) <= MOST


@pytest.mark.parametrize("unit", [UNIT, "bat2influx@house.service"])
def test_memory_and_tasks_have_a_bound(running: Plant, unit: str) -> None:
    """As systemd has read them; with the controllers, the kernel enforces them."""
    mib = 2**20
    for name, bound in (
        ("MemoryHigh", 192 * mib),
        ("MemoryMax", 256 * mib),
        ("MemorySwapMax", 64 * mib),
        ("TasksMax", 512),
    ):
        assert int(running.show(unit, name)) == bound, name


def test_the_kernel_enforces_the_bound_of_tasks_and_memory(running: Plant) -> None:
    """If the controllers exist, the service's cgroup has the limits and stays below them."""
    group = f"/sys/fs/cgroup{running.show(UNIT, 'ControlGroup')}"
    for name, bound in (("memory.max", 256 * 2**20), ("pids.max", 512)):
        if running.run("test", "-e", f"{group}/{name}", check=False).returncode:
            continue  # the host of the tests delegates no controllers
        assert int(running.read(f"{group}/{name}")) == bound
        used = running.read(f"{group}/{name.replace('max', 'current')}")
        assert 0 < int(used) < bound / 2


def test_the_daemon_runs_only_as_its_user(running: Plant) -> None:
    """All processes of the service are the user's, without capabilities or a way to get them."""
    pid = running.main_pid(UNIT)
    user = running.run("id", "-u", "bat2influx").stdout.strip()
    status = dict(
        line.split(":", 1) for line in running.read(f"/proc/{pid}/status").splitlines() if line
    )
    assert status["Uid"].split() == [user] * 4
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


def test_the_daemon_has_private_namespaces(running: Plant) -> None:
    """Mounts, users and IPC are private, the network is the machine's."""
    pid = running.main_pid(UNIT)

    def own(name: str) -> bool:
        links = [running.run("readlink", f"/proc/{each}/ns/{name}").stdout for each in (1, pid)]
        return links[0] != links[1]

    assert own("mnt")
    assert own("user")
    assert own("ipc")
    assert not own("net")


@pytest.mark.parametrize(
    "attempt",
    [
        "run /bin/sh",
        "run /bin/bash",
        "run /usr/bin/perl",
        "run a shell by the loader",
        "run a shell from the state directory",
        "run a shell from the runtime directory",
        "run a shell from /tmp",
        "run a shell from /dev/shm",
        "run a shell from memory",
    ],
)
def test_no_shell_can_be_started(told: dict[str, Any], attempt: str) -> None:
    """From within the service no shell runs: not the system's, no copy, not indirectly."""
    assert told[attempt] in NOT_RUN


@pytest.mark.parametrize(
    "attempt",
    [
        "write the configuration",
        "write /etc",
        "write /usr",
        "write /var",
        "read /etc/shadow",
        "read /root",
        "read /home",
        "read /proc/meminfo",
        "open a netlink socket",
        "open a packet socket",
        "open a kernel crypto socket",
        "listen on a low port",
        "make a user namespace",
        "map memory to write and run",
        "set the clock",
        "become root",
        "change the root",
        "make a device node",
        "run in real time",
        "make a set-user-id file",
        "signal process 1",
    ],
)
def test_what_it_does_not_need_it_cannot_do(told: dict[str, Any], attempt: str) -> None:
    """From within the service, nothing of the system can be changed, and little read."""
    assert told[attempt] in DENIED


def test_what_it_needs_it_can_do(told: dict[str, Any]) -> None:
    """It reads its configuration, writes its private state directory, and connects."""
    for attempt in (
        "read the configuration",
        "write the state directory",
        "open an internet socket",
    ):
        assert told[attempt] == "done", attempt
    assert told["modes"] == {"state directory": "0o700"}


def test_it_sees_no_process_but_its_own(told: dict[str, Any]) -> None:
    """/proc has the service alone; /dev has no disk and no terminal."""
    assert told["processes"] == [told["pid"]]
    assert not [name for name in told["devices"] if re.match("sd|vd|nvme|loop|mem$|kmsg", name)]


def test_root_by_hand_leaves_files_that_the_service_can_use(running: Plant) -> None:
    """Found: spool.sqlite became root's, and the service lost queued values at each stop."""
    state = "/var/lib/bat2influx"
    running.systemctl("stop", UNIT)
    running.systemctl("stop", "influxdb")
    try:
        done = running.run("timeout", "--signal=TERM", "20", "bat2influx", "run", check=False)
        said = done.stdout + done.stderr
        assert "INFO: started by root; running as bat2influx, the owner of " + state in said
        waiting = running.run("bat2influx", "spool").stdout
        assert not waiting.startswith("queued    0"), said
        owners = running.run("find", state, "-printf", "%u\n").stdout.split()
        assert {*owners} == {"bat2influx"}
    finally:
        running.systemctl("start", "influxdb")
        since = running.now()
        running.systemctl("start", UNIT)
        running.wait_for_values(since=since)
    running.wait("an empty queue", lambda: running.waiting() == 0)


def test_health_waits_for_no_fifo(running: Plant) -> None:
    """Whatever the daemon's user has put in place of the file."""
    path = "/run/bat2influx/bat2influx.health"
    running.systemctl("kill", "--signal=STOP", UNIT)  # which would replace it within a second
    try:
        running.run("rm", path)
        running.run("runuser", "-u", "bat2influx", "--", "mkfifo", path)
        done = running.run("timeout", "20", "bat2influx", "health", check=False)
        assert done.returncode == 69
        assert "bat2influx.health (it is not a regular file)" in done.stderr
    finally:
        running.systemctl("kill", "--signal=CONT", UNIT)


def test_a_password_is_seen_by_nobody(running: Plant) -> None:
    """No other user can read a password of the file anywhere, and the journal does not have it."""
    secret = "Pa55word-of-mine"
    running.configure(Battery={"password": secret})
    running.systemctl("restart", UNIT)
    running.wait_for_values(since=running.now())
    pid = running.main_pid(UNIT)
    for path in (INI, f"/proc/{pid}/environ"):
        shown = running.run("runuser", "-u", "nobody", "--", "cat", path, check=False)
        assert "Permission denied" in shown.stderr
        assert secret not in shown.stdout
    seen = [
        running.run("ps", "-ef", "ww").stdout,
        running.run("journalctl", "--no-pager", "-o", "verbose").stdout,
        running.systemctl("status", UNIT).stdout,
        running.systemctl("show", UNIT).stdout,
    ]
    assert not [text for text in seen if secret in text]
