"""`bat2influx discover` in a separate network: which devices it lists, which get a password."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bat2influx.config import settings
from tests.integration.test_discover import EX_OK, EX_UNAVAILABLE, A, B, Result, loaded
from tests.standins.network import lan
from tests.standins.network.certificates import Certificate, device_certificate
from tests.standins.network.lan import ALIAS, ELSEWHERE, GX, HOME, SECOND_GX, Lan
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.ssdp_responder import FAULTS
from tests.support.process import Process

PYTHON = sys.executable
SERVICES = "vebus,system,battery"


class Network(Lan):
    """The network with its devices."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._directory = directory
        self.ini = directory / "bat2influx.ini"

    def responder(self, address: str, portal: str, *options: str) -> None:
        """Start a device at `address` that answers searches."""
        command = [PYTHON, "-m", "tests.standins.venus.ssdp_responder", "--address", address]
        portal_id = "--portal-id", portal
        self.start("gx", f"ssdp-{address}", [*command, *portal_id, *options], "ready")

    def broker(
        self,
        address: str,
        *,
        port: int = 1883,
        users: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """Start a Mosquitto at `address`, and, with `certificate`, at port 8883 by TLS."""
        more = ["user root"] if os.geteuid() else []  # as all processes are in there
        if port:
            more.append(f"listener {port} {address}")
        if certificate:
            more.append(f"listener 8883 {address}")
            more.append(f"certfile {certificate.cert}\nkeyfile {certificate.key}")
        server = Mosquitto(
            self._directory / f"mosquitto-{address}",
            port=11_883,
            config="\n".join(more),
            users=users,
        )
        server.configure()
        self.start("gx", f"broker-{address}", server.command, " running", server.environment)

    def device(self, portal: str, *options: str) -> Process:
        """Attach a stand-in to the broker; its log has each request as a line of JSON."""
        command = [PYTHON, "-m", "tests.standins.venus.mqtt", "--port", "11883", "--log"]
        more = "--portal-id", portal, "--services", SERVICES, *options
        return self.start("gx", f"venus-{portal}", [*command, *more], '"ready": true')

    def discover(self, *arguments: str) -> Result:
        """Run the command at home to its end."""
        command = [PYTHON, "-m", "bat2influx", "--config", self.ini, "discover", *arguments]
        done = self.run("home", command)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A separate network for the test."""
    if not lan.is_possible():
        pytest.skip("a separate network needs root, or user namespaces")
    with Network(tmp_path) as made:
        yield made


def test_a_device_is_found_and_listed(network: Network) -> None:
    """By SSDP on all interfaces, then by MQTT; the output is a valid ini file."""
    network.responder(GX, B, "--name", "My boat")
    network.broker(GX)
    device = network.device(B)
    result = network.discover()
    assert result.code == EX_OK
    assert all(f"({address})" in result.err for address in (HOME, ALIAS, ELSEWHERE))
    assert result.out.count("[Battery]") == 1
    heading = f'# Cerbo GX "My boat" at {GX}, portal id {B}'
    assert result.lines[:3] == [heading, "[Battery]", f"address = {GX}"]
    paths = {str(field) for field in loaded(network.ini, result).batteries[0].fields}
    assert {"vebus/Soc", "battery/512/Soh"} < paths
    said = [json.loads(line) for line in device.log.read_text().splitlines()]
    assert [line["topic"] for line in said if "topic" in line] == [f"R/{B}/keepalive"]


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"other vendor", "duplicates", "garbage"}))
def test_a_device_with_a_faulty_description_is_read_all_the_same(
    network: Network, fault: str
) -> None:
    """The fault is reported and does no harm; the other facts come by MQTT."""
    network.responder(GX, A, "--fault", fault)
    network.responder(SECOND_GX, B)
    network.broker(GX)
    network.device(A)
    result = network.discover()
    assert result.code == EX_OK
    assert f"at {GX}, portal id {A}" in result.lines[0]
    known = f'# Cerbo GX "Cerbo GX ({B})" at {SECOND_GX}, portal id {B}'
    assert result.lines[-1] == f"{known}: MQTT is unreachable"
    assert all(line.isprintable() for line in result.out.split("\n"))
    assert loaded(network.ini, result).batteries[0].address == GX
    if fault != "hostile":
        assert f"{GX} answered as a Venus device, but" in result.err
    if fault == "elsewhere":
        assert "192.0.2.99" in result.err


@pytest.mark.parametrize("fault", ["duplicates", "garbage"])
def test_a_device_that_answers_too_much_is_listed_once(network: Network, fault: str) -> None:
    """Each device has one entry, however often it answers, and whatever else it sends."""
    network.responder(GX, B, "--fault", fault)
    network.broker(GX)
    network.device(B)
    result = network.discover()
    assert result.code == EX_OK
    assert result.out.count("[Battery]") == 1
    assert result.err.count(f"connecting to {GX}") == 1


def test_a_device_of_another_vendor_is_ignored(network: Network) -> None:
    """The output is "no device found", with advice."""
    network.responder(GX, B, "--fault", "other vendor")
    result = network.discover()
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert "no Venus device has answered" in result.err
    assert "firewall" in result.err
    assert "bat2influx discover HOST" in result.err


def test_a_device_without_mqtt_is_reported_as_such(network: Network) -> None:
    """Its description has that, and the portal id, which is printed."""
    network.responder(GX, B, "--mqtt-off")
    result = network.discover()
    assert result.code == EX_UNAVAILABLE
    assert result.lines == [
        f'# Cerbo GX "Cerbo GX ({B})" at {GX}, portal id {B}: MQTT is switched off on it:'
        " Settings, Services or Integrations"
    ]


def test_a_password_goes_to_the_files_address_and_to_no_other_device_found(
    network: Network, tmp_path: Path
) -> None:
    """The impostor gets none, and accepts all logins; the real device requires one."""
    network.responder(GX, B)
    network.responder(SECOND_GX, A)
    network.broker(GX, users={"bat2influx": "sesame", "venus": "inside"})
    network.device(B, "--user", "venus", "--password", "inside")
    heard = tmp_path / "heard"
    spy = (
        "import socket, sys\n"
        f"server = socket.create_server(('{SECOND_GX}', 1883))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    connection = server.accept()[0]\n"
        f"    with open({str(heard)!r}, 'ab') as file:\n"
        "        file.write(connection.recv(4096))\n"
        "    connection.sendall(bytes([32, 2, 0, 5]))\n"
        "    connection.close()\n"
    )
    network.start("gx", "spy", [PYTHON, "-c", spy], "ready")
    network.ini.write_text(f"[Battery]\naddress = {GX}\npassword = sesame\n")
    result = network.discover()
    assert result.code == EX_OK
    assert "vebus/275/Dc/0/Voltage" in result.out
    assert f"at {SECOND_GX}, portal id {A}: it requires a password" in result.out
    assert b"MQTT" in heard.read_bytes()
    assert b"sesame" not in heard.read_bytes()
    assert "sesame" not in result.out + result.err


@pytest.mark.parametrize("port", [0, 1883])
def test_a_device_that_requires_a_login_is_listed_with_its_certificate(
    network: Network, tmp_path: Path, port: int
) -> None:
    """Whether it has TLS alone or both, the lines are those for TLS, and the next run lists it."""
    certificate = device_certificate(tmp_path)
    network.responder(GX, B)
    users = {"bat2influx": "sesame", "venus": "inside"}
    network.broker(GX, port=port, users=users, certificate=certificate)
    network.device(B, "--user", "venus", "--password", "inside")
    asked = network.discover()
    assert asked.code == EX_OK
    assert asked.lines[-5:] == [
        "[Battery]",
        f"address = {GX}",
        "tls = yes",
        f"fingerprint = {certificate.fingerprint}",
        "password =",
    ]
    assert f"and run: bat2influx discover {GX}" in asked.out
    network.ini.write_text(asked.out.replace("password =", "password = sesame"))
    assert settings.load(network.ini).batteries[0].tls
    for arguments in ((GX,), ()):
        result = network.discover(*arguments)
        assert result.code == EX_OK
        assert "vebus/275/Dc/0/Voltage" in result.out
        assert f"fingerprint = {certificate.fingerprint}" in result.lines
