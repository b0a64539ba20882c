"""From a fresh installation to values in the database, for a device that requires pairing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.standins.network.certificates import device_certificate
from tests.system.plant import BROKER, INI, STAND_IN, UNIT, Plant

GX = "/opt/gx"
HOST = "127.0.0.2"  # of the device; its broker has another address, for the device alone
GX_UNIT = f"""\
[Unit]
After=mosquitto.service
[Service]
WorkingDirectory={STAND_IN}
StandardOutput=file:{GX}/said
ExecStartPre=/bin/rm -f {GX}/said
ExecStart=/usr/bin/python3 -B -m tests.standins.venus.gx {GX} --host {HOST}
ExecStartPost=/bin/sh -c 'until grep -q ready {GX}/said; do sleep 0.05; done'
"""


@pytest.fixture
def paired(machine: Plant, tmp_path: Path) -> Plant:
    """A machine with a device in its network whose MQTT is switched off."""
    machine.start_servers()
    own = BROKER.replace("0.0.0.0", "127.0.0.1") + "allow_anonymous true\n"
    machine.write("/etc/mosquitto/conf.d/venus.conf", own)
    machine.systemctl("restart", "mosquitto", "venus")
    certificate = device_certificate(tmp_path)
    machine.run("mkdir", "-p", GX)
    machine.write(f"{GX}/device.pem", certificate.cert.read_text())
    machine.write(f"{GX}/device.key", certificate.key.read_text(), mode="600")
    machine.write("/etc/hosts", f"127.0.0.1 localhost\n{HOST} venus.local\n")
    machine.write("/etc/systemd/system/gx.service", GX_UNIT)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "gx")
    return machine


def test_a_paired_device_is_read_after_two_commands(paired: Plant, package: Path) -> None:
    """Installed, paired, restarted: values are stored. After its removal a token can be renewed."""
    paired.install(package)
    done = paired.run("bat2influx", "pair", "--write")
    assert "+user = token/bat2influx/" in done.stdout
    assert done.stderr.endswith(
        "venus.local accepted the login. Now run: systemctl restart bat2influx\n"
    )
    listed = paired.run("ls", "-l", "/etc/credstore/bat2influx.mqtt-password").stdout
    assert listed.startswith("-rw------- 1 root root ")
    listed = paired.run("ls", "-l", INI).stdout
    assert listed.startswith("-rw-r----- 1 root bat2influx ")
    secret = paired.read("/etc/credstore/bat2influx.mqtt-password").strip()
    assert secret not in done.stdout + done.stderr

    checked = paired.run("bat2influx", "check").stdout
    assert re.search("^ok +login +as 'token/bat2influx/", checked, re.MULTILINE), checked

    since = paired.now()
    paired.systemctl("restart", UNIT)
    paired.wait_for_values(since=since, count=3)
    paired.run("bat2influx", "health")

    paired.systemctl("kill", "--kill-whom=main", "--signal=USR1", "gx")
    [entry] = paired.wait_for_message("rejected the login of 'token/bat2influx/")
    assert "pair again: 'bat2influx pair venus.local --write --yes'" in entry["MESSAGE"]
    paired.systemctl("restart", "gx")
    paired.run("bat2influx", "pair", "venus.local", "--write", "--yes")
    since = paired.now()
    paired.systemctl("restart", UNIT)
    paired.wait_for_values(since=since, count=3)
