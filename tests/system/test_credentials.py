"""Passwords outside the ini: credentials, plain and encrypted.

The broker requires a password, and rejects a wrong one without delay.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.plant import INI, PASSWORD, UNIT, USER, Plant

STORE, ENCRYPTED = "/etc/credstore", "/etc/credstore.encrypted"
MQTT = "bat2influx.mqtt-password"
BOAT, BOAT_INI = "bat2influx@boat.service", "/etc/bat2influx/boat.ini"
EX_UNAVAILABLE = 69
EXAMPLE = "/usr/share/doc/bat2influx/examples/encrypted-password.conf"


@pytest.fixture(scope="module")
def equipped(shared_machine: Plant, package: Path) -> Plant:
    """A machine with a broker that rejects logins without the password."""
    shared_machine.install(package)
    shared_machine.start_servers(password=PASSWORD)
    return shared_machine


@pytest.fixture
def secured(equipped: Plant) -> Iterator[Plant]:
    """The same, the service stopped and without a password in its file."""
    equipped.systemctl("stop", UNIT, BOAT)
    equipped.configure(Battery={"user": USER})
    yield equipped
    equipped.run("rm", "-rf", STORE, ENCRYPTED, f"/etc/systemd/system/{UNIT}.d")
    equipped.systemctl("daemon-reload")


def store(plant: Plant, name: str, secret: str) -> None:
    """Write a credential as README.Debian describes it."""
    plant.run("mkdir", "-p", "-m", "700", STORE)
    plant.write(f"{STORE}/{name}", f"{secret}\n", mode="600")


def encrypt(plant: Plant, name: str, secret: str) -> None:
    """Write an encrypted credential as the example describes it."""
    path = f"{ENCRYPTED}/bat2influx.{name}"
    plant.run("mkdir", "-p", "-m", "700", ENCRYPTED)
    command = ("systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", path)
    plant.run(*command, input=secret)


def test_without_the_password_the_status_has_the_advice(secured: Plant) -> None:
    """Status and journal report the rejected login, with the setting to change."""
    secured.systemctl("start", "--no-block", UNIT)
    [entry] = secured.wait_for_message("rejected the login")
    assert "set password in /etc/bat2influx/bat2influx.ini" in entry["MESSAGE"]
    secured.wait("the status", lambda: "rejected the login" in secured.status())


def test_a_plain_credential_is_used(secured: Plant) -> None:
    """A file in /etc/credstore, which only root can read, replaces the password."""
    store(secured, MQTT, PASSWORD)
    secured.start()
    private = secured.run("ls", "-l", f"{STORE}/{MQTT}").stdout
    assert private.startswith("-rw------- 1 root root")


def test_a_credential_wins_over_the_file(secured: Plant) -> None:
    """With a wrong password in the ini, that of the credential is used."""
    secured.configure(Battery={"user": USER, "password": "wrong"})
    store(secured, MQTT, PASSWORD)
    secured.start()


def test_a_reload_with_a_credential_is_accepted(secured: Plant) -> None:
    """A reload still uses the credential, and applies the changes of the file."""
    store(secured, MQTT, PASSWORD)
    secured.start()
    secured.configure(Battery={"user": USER}, Influx={"db": "reloaded"})
    secured.systemctl("reload", UNIT)
    secured.wait_for_values(db="reloaded")
    assert secured.restarts() == 0


def test_a_rotated_credential_is_used_after_a_restart(secured: Plant) -> None:
    """Another password in the credential's file takes effect at the next start."""
    store(secured, MQTT, "the old one")
    since = secured.now()
    secured.systemctl("start", "--no-block", UNIT)
    secured.wait_for_message("rejected the login", since=since)
    store(secured, MQTT, PASSWORD)
    since = secured.now()
    secured.systemctl("restart", UNIT)
    secured.wait_for_values(since=since)


def test_an_instance_has_a_separate_credential(secured: Plant) -> None:
    """The file with the instance's name applies to it, and that of the service does not."""
    store(secured, MQTT, "wrong")
    store(secured, "bat2influx@boat.mqtt-password", PASSWORD)
    secured.configure(BOAT_INI, Battery={"user": USER}, Influx={"db": "boat"})
    secured.systemctl("start", BOAT)
    secured.wait_for_values(db="boat")


def test_a_device_by_name_has_a_credential_by_an_added_line_in_the_unit(secured: Plant) -> None:
    """Until the unit has the line, `check` prints it."""
    name = "mqtt-password-boat"
    secured.write(INI, f"[Battery boat]\naddress = 127.0.0.1\nuser = {USER}\n")
    store(secured, f"bat2influx.{name}", PASSWORD)
    secured.systemctl("start", "--no-block", UNIT)
    secured.wait_for_message("rejected the login")
    [hint] = secured.run("bat2influx check | grep 'does not load'").stdout.splitlines()
    line = hint.partition(": write ")[2].partition(" below [Service]")[0]
    assert line == f"LoadCredential={name}:bat2influx.{name}"
    secured.drop_in(UNIT, "boat", "[Service]", line)
    since = secured.now()
    secured.systemctl("restart", UNIT)
    secured.wait_for_values(since=since)
    assert "does not load" not in secured.run("bat2influx", "check").stdout


def test_an_encrypted_credential_is_used(secured: Plant) -> None:
    """With the example drop-in, a password that is encrypted on disk is used."""
    encrypt(secured, "mqtt-password", PASSWORD)
    assert PASSWORD not in secured.read(f"{ENCRYPTED}/{MQTT}")
    secured.run("mkdir", "-p", f"/etc/systemd/system/{UNIT}.d")
    secured.run("cp", EXAMPLE, f"/etc/systemd/system/{UNIT}.d/")
    secured.start()


def test_a_token_of_the_database_is_named_among_what_check_cannot_read(secured: Plant) -> None:
    """One line lists all encrypted credentials."""
    encrypt(secured, "mqtt-password", PASSWORD)
    encrypt(secured, "influx-token", "t0ken")
    by_hand = secured.run("bat2influx", "check", check=False)
    assert "has its password for MQTT and token for InfluxDB in a credential" in by_hand.stdout
    assert "-p LoadCredentialEncrypted=influx-token:bat2influx.influx-token " in by_hand.stdout
    assert "t0ken" not in by_hand.stdout


def test_check_by_hand_reads_a_plain_credential(secured: Plant) -> None:
    """As root; found when `check` rejected the login that `pair --write` had stored."""
    store(secured, MQTT, PASSWORD)
    by_hand = secured.run("bat2influx", "check").stdout
    assert "with a password" in by_hand
    assert "cannot read" not in by_hand
    assert PASSWORD not in by_hand


def test_check_by_hand_reports_what_it_cannot_read_and_how_to(secured: Plant) -> None:
    """Without an encrypted credential the login is rejected; the printed command has it."""
    encrypt(secured, "mqtt-password", PASSWORD)
    by_hand = secured.run("bat2influx", "check", check=False)
    assert by_hand.returncode == EX_UNAVAILABLE, by_hand.stdout
    assert "not tested: the device rejected the login" in by_hand.stdout
    assert "requires a password" not in by_hand.stdout
    hint = next(line for line in by_hand.stdout.splitlines() if line.startswith("note"))
    assert "bat2influx has its password for MQTT in a credential" in hint
    as_told = secured.run(*hint.partition("; to use it, run: ")[2].split(), check=False)
    assert as_told.returncode == 0, as_told.stdout + as_told.stderr
    assert "with a password" in as_told.stdout
    assert "which this command cannot read" not in as_told.stdout


def test_the_password_of_the_database_is_a_credential_too(secured: Plant) -> None:
    """The login to the database is the user of the ini with the credential's password."""
    query = f"CREATE USER bat WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
    secured.run("influx", "-execute", query)
    secured.drop_in(
        "influxdb.service", "login", "[Service]", "Environment=INFLUXDB_HTTP_AUTH_ENABLED=true"
    )
    secured.systemctl("restart", "influxdb")
    store(secured, MQTT, PASSWORD)
    store(secured, "bat2influx.influx-password", PASSWORD)
    secured.configure(Battery={"user": USER}, Influx={"user": "bat", "db": "locked"})
    secured.systemctl("start", UNIT)
    login = ("influx", "-username", "bat", "-password", PASSWORD, "-database", "locked")

    def stored() -> bool:
        asked = secured.run(*login, "-execute", "SELECT * FROM dc LIMIT 1", check=False)
        return "Voltage" in asked.stdout

    secured.wait("values", stored)
