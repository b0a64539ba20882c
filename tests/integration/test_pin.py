"""`bat2influx pin HOST`: prints the lines that trust a certificate, and sends no data."""

from __future__ import annotations

import os
import random
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from bat2influx.config import settings as config_settings
from bat2influx.config.settings import Battery
from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.certificates import (
    EXPIRED,
    NOT_YET,
    Certificate,
    authority,
    device_certificate,
    signed_certificate,
)
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import Peer
from tests.standins.venus.device import Device
from tests.standins.venus.login import Outcome
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.visitor import PASSWORD, Opener, doors
from tests.support.daemon import Setting, wait
from tests.support.process import free_port

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 64, 69
PORTS = 1883, 8883


class Result(NamedTuple):
    """The exit code of the command, and its output."""

    code: int
    out: str
    err: str


def run(
    *arguments: str | Path, ini: Path | str = "/nowhere/x.ini", environment: Mapping[str, str] = {}
) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", ini, *arguments],
        capture_output=True,
        check=False,
        cwd=TOP,
        env={**os.environ, **environment},
        timeout=300,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a device's front door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


def loopback() -> str:
    """Return an address of this machine at which the usual ports are free."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def pasted(directory: Path, result: Result, host: str = "127.0.0.1", more: str = "") -> Battery:
    """Write an ini with the lines under [Battery], and load it."""
    path = directory / "bat2influx.ini"
    text = f"[Battery]\naddress = {host}\npassword = {PASSWORD}\n{result.out}{more}"
    path.write_text(text, encoding="utf-8")
    return config_settings.load(path).batteries[0]


def comments(result: Result) -> list[str]:
    """Return its comments; every other line is a setting."""
    lines = result.out.splitlines()
    settings = [line for line in lines if re.fullmatch(r"(port|tls|fingerprint) = \S+", line)]
    told = [line for line in lines if line.startswith("# ") and line.isprintable()]
    assert len(settings) + len(told) == len(lines)
    return told


# The output


def test_check_connects_with_the_lines(
    opened: Opener, tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB
) -> None:
    """Pasted under [Battery], with the password, they are enough for `check`."""
    door = opened()
    result = run("pin", f"127.0.0.1:{door.tls_port}")
    assert (result.code, result.err) == (EX_OK, "")
    battery = pasted(tmp_path, result, more=f"[Influx]\nport = {influxdb.port}\n")
    assert battery.tls
    assert battery.tls.fingerprint == device_certificate(tmp_path).fingerprint
    assert battery.port == door.tls_port
    assert not door.attempts
    with VenusRunner("127.0.0.1", mosquitto.port, Device()):
        checked = run("check", ini=tmp_path / "bat2influx.ini")
    assert checked.code == EX_OK, checked.out
    assert "the certificate is the pinned one" in checked.out
    assert [attempt.outcome for attempt in door.attempts] == [Outcome.ACCEPTED]


def test_the_daemon_connects_with_the_lines(opened: Opener, setting: Setting) -> None:
    """The daemon accepts them unchanged."""
    door = opened()
    result = run("pin", f"127.0.0.1:{door.tls_port}")
    setting.venus(Device())
    lines = dict(line.split(" = ") for line in result.out.splitlines() if line[0] != "#")
    setting.daemon(Battery={**lines, "password": PASSWORD})
    wait("values", setting.stored)
    assert all(attempt.tls for attempt in door.attempts)


def test_the_usual_port_needs_no_line(opened: Opener, tmp_path: Path) -> None:
    """8883 is the default of `tls = yes`; it is used without a line, and not printed."""
    host = loopback()
    opened(host=host, ports=PORTS)
    for target in (host, f"{host}:8883"):
        result = run("pin", target)
        assert "port" not in result.out
        assert pasted(tmp_path, result, host).port == 8883


def test_the_certificates_data_are_one_comment(opened: Opener, tmp_path: Path) -> None:
    """Subject, issuer and end of validity, uncut, before the lines."""
    door = opened()
    target = f"127.0.0.1:{door.tls_port}"
    (told,) = comments(run("pin", target))
    assert told.startswith(
        "# the certificate of 127.0.0.1: CN=venus.local, self-signed, valid until "
    )
    assert re.search(r"[A-Z][a-z]{2} [ 0-3]?[0-9] [0-9:]{8} 20[0-9]{2} GMT$", told)
    door.certificate = signed_certificate(tmp_path, authority(tmp_path), names=("gx.example",))
    (told,) = comments(run("pin", target))
    assert "CN=gx.example, signed by CN=Test authority, valid until " in told


@pytest.mark.parametrize(
    ("days", "what"), [(EXPIRED, "has expired"), (NOT_YET, "is not valid yet")]
)
def test_a_certificate_out_of_date_is_pinned_with_a_warning(
    opened: Opener, tmp_path: Path, days: tuple[int, int], what: str
) -> None:
    """The lines are printed and work; the comment has the problem."""
    made = device_certificate(tmp_path, days=days)
    door = opened(certificate=made)
    result = run("pin", f"127.0.0.1:{door.tls_port}")
    assert result.code == EX_OK
    (told,) = comments(result)
    assert f"the certificate of 127.0.0.1 {what}" in told
    tls = pasted(tmp_path, result).tls
    assert tls
    assert tls.fingerprint == made.fingerprint


SUBJECTS = [
    "/CN=venus\ntls = no",
    "/CN=a\r\nport = 1\r\n[Influx]\r\npassword = x",
    "/CN=\x1b[2J\x1b]0;title\x07red",
    "/CN=\u202egnp.exe\u2028tls = no\u2029\x85port = 7",
    "/CN=#; [Battery]\x0b\x0c\x1c",
    "/CN=" + "x" * 60 + "/O=" + "y" * 60 + "/OU=" + "z" * 60,
    "/C=DE/O=Müller & Söhne, \\/ 電池 🔋/CN=a = b",
    "/CN=%(here)s {0} $HOME",
    "/",
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_an_odd_subject_is_a_comment_and_nothing_else(tmp_path: Path, subject: str) -> None:
    """A hostile certificate injects no line into the file, and no escape sequence."""
    cert, key = tmp_path / "odd.pem", tmp_path / "odd.key"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8", "-days", "9"]
    made += ["-subj", subject, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True)
    with Listener(Certificate(cert, key, "")) as server:
        result = run("pin", f"127.0.0.1:{server.port}")
    assert result.code == EX_OK
    (told,) = comments(result)
    assert len(told) < 250
    battery = pasted(tmp_path, result)
    assert battery.tls
    assert battery.port == server.port


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_cannot_show_a_name_gets_the_lines(tmp_path: Path, encoding: str) -> None:
    """A letter outside its encoding does not prevent the output of the fingerprint."""
    cert, key = tmp_path / "odd.pem", tmp_path / "odd.key"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8"]
    made += ["-subj", "/CN=電池", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True)
    with Listener(Certificate(cert, key, "")) as server:
        target = f"127.0.0.1:{server.port}"
        result = run("pin", target, environment={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert result.code == EX_OK, result.err
    assert pasted(tmp_path, result).tls


# Sent data


class Listener(Peer):
    """A TLS server that records all received bytes."""

    def __init__(self, certificate: Certificate) -> None:
        self.heard: list[bytes] = []  # after the handshake, one per client
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.cert, certificate.key)
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Listen to one client."""
        with self._context.wrap_socket(connection, server_side=True) as secured:
            heard = b""
            try:
                while data := secured.recv(4096):
                    heard += data
            finally:
                self.heard.append(heard)


def test_it_sends_nothing(tmp_path: Path) -> None:
    """Not a byte follows the handshakes, though the file has a password for this very host."""
    with Listener(device_certificate(tmp_path)) as server:
        ini = tmp_path / "full.ini"
        lines = "address = 127.0.0.1", f"port = {server.port}", f"password = {PASSWORD}"
        ini.write_text("\n".join(["[Battery]", *lines, ""]))
        result = run("pin", f"127.0.0.1:{server.port}", ini=ini)
        assert result.code == EX_OK
        wait("the ends", lambda: len(server.heard) == len(server.calls))
        assert set(server.heard) == {b""}
    assert PASSWORD not in result.out + result.err


def test_no_file_is_needed(opened: Opener) -> None:
    """It can run before the file is written, or while the file has errors."""
    door = opened()
    assert run("pin", f"127.0.0.1:{door.tls_port}", ini="/dev/null/x").code == EX_OK


# Faults


def test_a_port_without_tls(mosquitto: Mosquitto) -> None:
    """It is reported as such, with nothing on stdout."""
    result = run("pin", f"127.0.0.1:{mosquitto.port}")
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert f"127.0.0.1 port {mosquitto.port} does not use TLS" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_port_that_is_closed() -> None:
    """It is told as that."""
    port = free_port()
    result = run("pin", f"127.0.0.1:{port}")
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert (
        result.err
        == f"connection refused by 127.0.0.1 port {port}; check that a server listens there\n"
    )


def test_a_device_that_is_too_old_for_tls(tmp_path: Path) -> None:
    """8883 closed and 1883 open: there is nothing to pin, and the text names plain MQTT."""
    host = loopback()
    with Mosquitto(tmp_path / "old", config=f"listener 1883 {host}"):
        result = run("pin", host)
    assert result.code == EX_UNAVAILABLE
    assert (
        f"connection refused by {host} port 8883, and port 1883 (without TLS) is open" in result.err
    )


def test_a_name_that_cannot_be_resolved() -> None:
    """It is reported as such, with the file to correct."""
    result = run("pin", "nowhere.invalid", ini="/nowhere/x.ini")
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert result.err.startswith("cannot resolve nowhere.invalid; ")


@pytest.mark.parametrize(
    "host",
    ["", ":8883", "a b", "host:0", "host:65536", "host:x", "mqtts://host", "192.168.1", "a\x1b"],
)
def test_an_invalid_host_is_a_usage_error(host: str) -> None:
    """It is rejected at once, without a connection, and the output has no escape sequences."""
    result = run("pin", host)
    assert (result.code, result.out) == (EX_USAGE, "")
    assert result.err.startswith("bat2influx pin: ")
    assert result.err.replace("\n", "").isprintable()


def test_it_takes_one_host() -> None:
    """Without one, or with two, the usage is printed."""
    for arguments in ((), ("a", "b")):
        result = run("pin", *arguments)
        assert (result.code, result.out) == (EX_USAGE, "")
        assert result.err.startswith("usage: bat2influx ")
