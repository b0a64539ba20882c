"""The container of etc/docker: built, run and health-checked by podman, as in compose.yml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.container import INI, NAME, PACKAGES, Harbour
from tests.system.plant import PASSWORD, QUICK, USER
from tests.system.trees import tree

RELEASE = "trixie"
BASE = "docker.io/library/debian:trixie-slim"
BATTERY = {**QUICK, "user": USER}


@pytest.fixture(scope="module")
def harbour(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    """A machine with the built image, and all but a running container."""
    with (
        tree(RELEASE, PACKAGES) as debian,
        tree(RELEASE) as base,
        Harbour(debian, RELEASE) as machine,
    ):
        machine.take_base(base, BASE)
        machine.lay_out(package, tmp_path_factory.mktemp("harbour"))
        machine.secret("mqtt-password", PASSWORD)
        machine.secret("influx-password", "unused: the database needs no login")
        machine.compose("build")
        machine.start_servers(password=PASSWORD)
        yield machine


def write_ini(harbour: Harbour, mode: str = "640", group: str = "500") -> None:
    """Write the ini, with the file mode that compose.yml requires."""
    text = "".join(f"{key} = {value}\n" for key, value in BATTERY.items())
    harbour.write(INI, f"[Battery]\naddress = 127.0.0.1\n{text}[Influx]\nuser = writer\n")
    harbour.run("chgrp", group, INI)
    harbour.run("chmod", mode, INI)


@pytest.fixture
def running(harbour: Harbour) -> Iterator[Harbour]:
    """The machine with the container running and storing values."""
    write_ini(harbour)
    since = harbour.now()
    try:
        harbour.compose("up", "-d")
        harbour.wait_for_values(since=since)
        yield harbour
    finally:
        harbour.compose("down", check=False)


def test_it_has_few_rights(running: Harbour) -> None:
    """No root, no capability; only its volume and its runtime directory are writable."""
    process = running.process()
    assert process["Uid"].split() == process["Gid"].split() == ["500"] * 4
    assert {process[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert process["NoNewPrivs"] == "1"
    assert process["NSpid"].split()[-1] == "1"
    written = running.inside(
        "for each in / /etc /usr /var /var/lib/bat2influx /run/bat2influx;"
        " do touch $each/x && echo $each; rm -f $each/x; done 2>/dev/null"
    )
    assert written.stdout.split() == ["/var/lib/bat2influx", "/run/bat2influx"]
    assert running.inside("ls /tmp /var/lib/apt/lists /etc/bat2influx").stdout.split() == [
        *("/etc/bat2influx:", "bat2influx.ini", "/tmp:", "/var/lib/apt/lists:")
    ]
    said = running.logs()
    assert "INFO: reading 127.0.0.1" in said
    assert PASSWORD not in said
    assert PASSWORD not in str(running.inspect(NAME))


def test_its_health_check_shows_the_daemons_health(harbour: Harbour) -> None:
    """It is unhealthy, with the reason, before the first value, and healthy from then on."""
    write_ini(harbour)
    harbour.silence()
    try:
        harbour.compose("up", "-d")
        asked = "bat2influx health"
        ill = "no device has sent a message yet"
        harbour.wait("word of it", lambda: ill in harbour.inside(asked).stdout)
        assert not harbour.is_well()
        harbour.speak()
        harbour.wait("its health", harbour.is_well)
        assert harbour.state()["Health"]["Status"] == "healthy"
        assert "values/s" in harbour.inside(asked).stdout
    finally:
        harbour.speak()
        harbour.compose("down", check=False)


def test_it_stops_in_order(running: Harbour) -> None:
    """SIGTERM reaches the daemon itself, which stores its queue, and exits with 0."""
    running.compose("stop")
    assert running.state()["ExitCode"] == 0
    assert running.logs().splitlines()[-1] == "INFO: stopped; every value is stored"


def test_queued_values_outlive_the_container(running: Harbour) -> None:
    """The next container stores the values that a removed one has not stored."""

    def waiting() -> set[tuple[int, float]]:
        exported = running.inside("bat2influx spool --export").stdout
        found = re.findall(r"(?m) Voltage=(\S+) (\d+)$", exported)
        return {(int(time), float(value)) for value, time in found}

    running.systemctl("stop", "influxdb")
    waited = running.wait("values on disk", waiting)
    running.compose("down")
    assert running.run("podman", "ps", "-aq").stdout == ""
    running.systemctl("start", "influxdb")
    running.compose("up", "-d")
    running.wait("the queued values", lambda: {*running.values()} >= waited)


def test_an_ini_that_it_may_not_read_is_named(harbour: Harbour) -> None:
    """With the reason, as by the service; with the file mode of compose.yml it is read."""
    write_ini(harbour, "600", "0")
    asked = ("run", "--rm", "-T", "bat2influx", "check", "--offline")
    refused = harbour.compose(*asked, check=False)
    said = refused.stdout + refused.stderr
    assert "/etc/bat2influx/bat2influx.ini: cannot be read: Permission denied" in said
    assert refused.returncode == 78
    write_ini(harbour)
    assert harbour.compose(*asked).stdout == "/etc/bat2influx/bat2influx.ini: ok\n"
