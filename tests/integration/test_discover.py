"""`bat2influx discover HOST`: what it asks, what it lists, and whom it tells no secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bat2influx.config import settings as config_settings
from bat2influx.config.settings import Settings
from tests import TOP
from tests.standins.network import mqtt_peers
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.login import Profile
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.plugin import Publish
from tests.standins.venus.visitor import PASSWORD, Opener, doors
from tests.support.process import free_port

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 64, 69
A, B = "0a1b2c3d4e5f", "c0619ab1c2d3"


class Result(NamedTuple):
    """How the command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of the result."""
        return self.out.splitlines()


def discover(ini: Path, *arguments: str) -> Result:
    """Run the command to its end."""
    command = [sys.executable, "-m", "bat2influx", "--config", ini, "discover", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, cwd=TOP, timeout=300)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """Return the path of an ini file, which is not there yet."""
    return tmp_path / "bat2influx.ini"


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a device's front door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


def loaded(ini: Path, result: Result, more: str = "") -> Settings:
    """Load the result as the ini file that it is."""
    ini.write_text(result.out + more, encoding="utf-8")
    return config_settings.load(ini)


def requests(device: Device) -> list[tuple[str, bytes]]:
    """Return what the device was asked for."""
    return [(request.topic, request.payload) for request in device.log.requests]


def test_a_device_is_listed_by_one_full_republish(mosquitto: Mosquitto, ini: Path) -> None:
    """Names, values and lines that load are on stdout; nothing is asked for but the republish."""
    device = Device(B, ("vebus", "system", "battery", "solarcharger"))
    device.add_service("platform", 0, {"/Device/Model": "Cerbo GX", "/Number": 1})
    device.add_service("settings", 0, {"/Settings/SystemSetup/SystemName": "My boat", "/X": 2})
    with VenusRunner("127.0.0.1", mosquitto.port, device):
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert result.code == EX_OK
    heading = f'# Cerbo GX "My boat" at 127.0.0.1, portal id {B}'
    place = ["[Battery]", "address = 127.0.0.1", f"port = {mosquitto.port}"]
    assert result.lines[:4] == [heading, *place]
    assert '# vebus/275: "MultiPlus-II 48/3000/35-32", "Cellar №1"' in result.lines
    assert "platform/0" not in result.out
    assert "settings/0" not in result.out
    (battery,) = loaded(ini, result).batteries
    paths = {str(field) for field in battery.fields}
    assert {"vebus/Soc", "vebus/275/Ac/Out/L1/V", "solarcharger/288/Yield/Power"} < paths
    assert "# presets = battery, solar, system, phases" in result.lines
    ((topic, payload),) = requests(device)
    assert topic == f"R/{B}/keepalive"
    assert b"full-publish-completed-echo" in payload
    assert (device.log.counters.republishes, device.log.counters.errors) == (1, 0)
    assert f"{ini}: there is no such file; continuing without the file" in result.err


def test_its_lines_go_into_the_file(mosquitto: Mosquitto, ini: Path) -> None:
    """Beside what is there; the difference is the result, and a second time there is none."""
    where = f"127.0.0.1:{mosquitto.port}"
    ini.write_text("# mine\n[Battery]\nuser = me  # who\n\n[Influx]\ndb = boat\n")
    with VenusRunner("127.0.0.1", mosquitto.port, Device(B, ("vebus", "system", "battery"))):
        printed = discover(ini, where)
        result = discover(ini, "--write", where)
        again = discover(ini, "--write", where)
    assert result.code == EX_OK, result.err
    text = ini.read_text()
    assert text.startswith("# mine\n[Battery]\nuser = me  # who\naddress = 127.0.0.1\n")
    assert "[Influx]\ndb = boat\n" in text
    assert f"+port = {mosquitto.port}" in result.lines
    assert result.err.endswith(f"Now run: bat2influx --config {ini} check\n")
    (battery,) = config_settings.load(ini).batteries
    other = ini.with_name("other.ini")
    assert {str(f) for f in battery.fields} == {
        str(f) for f in loaded(other, printed).batteries[0].fields
    }
    assert (again.code, again.out) == (EX_OK, "")
    assert f"{ini} already has these lines" in again.err


def test_everything_is_listed_when_asked_for(mosquitto: Mosquitto, ini: Path) -> None:
    """Configuration and housekeeping are among the lines with --all, commented out."""
    device = Device(B)
    device.add_service("settings", 0, {"/Settings/SystemSetup/Limit": 2})
    with VenusRunner("127.0.0.1", mosquitto.port, device):
        result = discover(ini, "--all", f"127.0.0.1:{mosquitto.port}")
    (line,) = (line for line in result.lines if "settings/0/" in line)
    assert line == "# SettingsSystemSetupLimit = settings/0/Settings/SystemSetup/Limit  # 2"
    loaded(ini, result)


def test_several_devices_at_one_broker_are_each_listed(mosquitto: Mosquitto, ini: Path) -> None:
    """Each has its block with its portal id; the first is live, and so the whole of it loads."""
    devices = Device(A, ("vebus/276", "system")), Device(B, ("vebus/288", "system"))
    with VenusRunner("127.0.0.1", mosquitto.port, devices):
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert result.code == EX_OK
    assert loaded(ini, result).batteries[0].serial == A
    second = result.lines.index("########################################") + 1
    block = [line.removeprefix("#").removeprefix(" ") for line in result.lines[second:]]
    chosen = loaded(ini, Result(0, "\n".join(block), ""))
    assert chosen.batteries[0].serial == B
    assert [len(requests(device)) for device in devices] == [1, 1]


def test_a_hostile_device_writes_neither_lines_nor_to_the_terminal(
    mosquitto: Mosquitto, ini: Path
) -> None:
    """What it has in names and paths is a plain comment at most."""
    bad = "x\"'#, \x1b[2J\r\n[Influx]\naddress = evil\u2028\u202e\u0085"
    device = Device(B)
    device.set_value("vebus", "/ProductName", bad)
    device.set_value("vebus", "/CustomName", bad)
    device.add_service("platform", 0, {"/Device/Model": bad})
    paths = {f"/a{bad.replace('/', '')}": 1, "/Token": 2, "/Level": 3}
    device.add_service("tank", 1, {path: value for path, value in paths.items() if "#" not in path})
    with VenusRunner("127.0.0.1", mosquitto.port, device):
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert all(line.isprintable() for line in result.out.split("\n"))
    settings = loaded(ini, result, "\n[Influx]\naddress = db.example\n")
    assert settings.influx.address == "db.example"


class Old(Device):
    """A device whose firmware knows no echo, and does not say when it is through."""

    def _republish(self, echo: str | None, now: float) -> list[Publish]:
        return super()._republish(None, now)[:-1]


def test_a_device_that_does_not_say_when_it_is_through_is_listed(
    mosquitto: Mosquitto, ini: Path
) -> None:
    """It is through when nothing new comes any more, however many changes do."""
    with VenusRunner("127.0.0.1", mosquitto.port, Old(B)):
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert result.code == EX_OK
    assert "did not confirm that the list is complete" in result.err
    assert "vebus/275/Dc/0/Voltage" in result.out


@pytest.mark.parametrize("firmware", [Firmware.SELECTIVE, Firmware.FIRST, Firmware.SERIAL_ALONE])
def test_found_firmware_before_3_20_was_listed_empty(
    mosquitto: Mosquitto, ini: Path, firmware: Firmware
) -> None:
    """Asleep or awake, it is listed whole, and asked at most once in each way."""
    device = Device(B, ("vebus", "system", "solarcharger"), firmware=firmware)
    with VenusRunner("127.0.0.1", mosquitto.port, device):
        for _ in range(2):
            result = discover(ini, f"127.0.0.1:{mosquitto.port}")
            assert result.code == EX_OK
            assert "not responding" not in result.err
            assert "questions are not answered" not in result.err
            (battery,) = loaded(ini, result).batteries
            paths = {str(field) for field in battery.fields}
            assert {"vebus/Soc", "vebus/275/Ac/Out/L1/V", "solarcharger/288/Yield/Power"} < paths
            ini.unlink()
    asked = [topic.rpartition("/")[2] for topic, _ in requests(device)]
    assert asked.count("keepalive") == 2
    assert asked.count("Serial") <= 1


def test_a_silent_device_is_listed_with_what_is_known(mosquitto: Mosquitto, ini: Path) -> None:
    """Its portal id is retained in the broker, so that it is there, and says nothing."""
    device = Device(B)
    with VenusRunner("127.0.0.1", mosquitto.port, device):
        device.silence()
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert result.code == EX_OK
    assert (
        f"device {B} at 127.0.0.1:{mosquitto.port} does not respond; check that it is on"
        in result.err
    )
    assert loaded(ini, result).batteries[0].port == mosquitto.port


def test_what_is_no_venus_device_is_unavailable(mosquitto: Mosquitto, ini: Path) -> None:
    """A broker without a device, a port that is closed, one that speaks no MQTT: 69, and why."""
    with mqtt_peers.Talker(b"SSH-2.0-OpenSSH_9.2p1\r\n", ends=True) as talker:
        for port, why in (
            (mosquitto.port, "no device has published its portal id"),
            (free_port(), "connection refused by"),
            (talker.port, "check that address and port are the device's"),
        ):
            result = discover(ini, f"127.0.0.1:{port}")
            assert (result.code, result.out) == (EX_UNAVAILABLE, "")
            assert why in result.err


@pytest.mark.parametrize(
    "host",
    ["", ":1883", "a b", "host:0", "host:65536", "host:x", "mqtt://host", "192.168.1", "a,b"],
)
def test_a_host_that_is_none_is_a_mistake_in_the_command(ini: Path, host: str) -> None:
    """It says what a host is, and asks nobody."""
    result = discover(ini, host)
    assert (result.code, result.out) == (EX_USAGE, "")
    assert "must be" in result.err


def test_a_bad_file_is_no_obstacle(mosquitto: Mosquitto, ini: Path) -> None:
    """Its first problem is told in a line, and it goes on without the file."""
    ini.write_text("[Battery]\nport = many\nbogus = 1\n")
    with VenusRunner("127.0.0.1", mosquitto.port, Device(B)):
        result = discover(ini, f"127.0.0.1:{mosquitto.port}")
    assert result.code == EX_OK
    first = f"{ini}, line 2: [Battery] port = many: must be a whole number from 1 to 65535"
    assert result.err.splitlines()[0] == f"{first} (and 1 more); continuing without the file"


# Logins and TLS.


def test_behind_tls_it_gives_the_fingerprint(
    opened: Opener, mosquitto: Mosquitto, ini: Path
) -> None:
    """A port that speaks TLS is asked by TLS; the lines have what the next connection pins."""
    door = opened(Profile.UNSECURED)
    with VenusRunner("127.0.0.1", mosquitto.port, Device(B)):
        result = discover(ini, f"127.0.0.1:{door.tls_port}")
    assert result.code == EX_OK
    place = ["[Battery]", "address = 127.0.0.1", f"port = {door.tls_port}", "tls = yes"]
    assert result.lines[1:6] == [*place, f"fingerprint = {door.certificate.fingerprint}"]
    tls = loaded(ini, result).batteries[0].tls
    assert tls is not None
    assert tls.fingerprint == door.certificate.fingerprint


def test_where_a_login_is_wanted_it_says_what_to_write(
    opened: Opener, mosquitto: Mosquitto, ini: Path
) -> None:
    """The lines load; with the password in them the same command lists the device."""
    door = opened(Profile.SECURED)
    where = f"127.0.0.1:{door.tls_port}"
    with VenusRunner("127.0.0.1", mosquitto.port, Device(B)):
        asked = discover(ini, where)
        assert asked.code == EX_OK
        assert asked.lines == [
            "# a Venus device at 127.0.0.1: it requires a password",
            "# (on it: Settings, General, Access & Security). Write it below, put these lines into",
            f"# {ini}, and run: bat2influx discover {where}",
            '# Under its security profile "Paired devices only" a token replaces the password:',
            f"# bat2influx --config {ini} pair 127.0.0.1",
            "[Battery]",
            "address = 127.0.0.1",
            f"port = {door.tls_port}",
            "tls = yes",
            f"fingerprint = {door.certificate.fingerprint}",
            "password =",
        ]
        loaded(ini, asked)
        assert [attempt.given for attempt in door.attempts] == [False]
        ini.write_text(asked.out.replace("password =", f"password = {PASSWORD}"))
        for host in (where, "127.0.0.1"):
            result = discover(ini, host)
            assert result.code == EX_OK
            assert "vebus/275/Dc/0/Voltage" in result.out
            assert PASSWORD not in result.out + result.err
            assert f"# user and password: keep them as they are in {ini}" in result.lines
            loaded(ini.with_name("other.ini"), result)
    assert [attempt.right for attempt in door.attempts[1:]] == [True, True]


def test_a_wrong_password_is_tried_once(opened: Opener, mosquitto: Mosquitto, ini: Path) -> None:
    """The device's lock against guessing counts, so that it is told and left at that."""
    door = opened(Profile.SECURED)
    ini.write_text(
        f"[Battery]\naddress = 127.0.0.1\nport = {door.tls_port}\npassword = wrong-one\ntls = yes\n"
        f"fingerprint = {door.certificate.fingerprint}\n"
    )
    result = discover(ini, "127.0.0.1")
    assert result.code == EX_OK
    assert "it rejects the password in the ini file" in result.lines[0]
    assert "wrong-one" not in result.out + result.err
    assert [attempt.given for attempt in door.attempts] == [True]


def test_another_certificate_than_the_pinned_gets_no_password(opened: Opener, ini: Path) -> None:
    """It is told, and nobody is asked in another way."""
    door = opened(Profile.SECURED)
    ini.write_text(
        f"[Battery]\naddress = 127.0.0.1\nport = {door.tls_port}\npassword = {PASSWORD}\n"
        f"tls = yes\nfingerprint = {'00' * 32}\n"
    )
    result = discover(ini, "127.0.0.1")
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert door.certificate.fingerprint in result.err
    assert not door.attempts


@pytest.mark.parametrize(("address", "off"), [("127.0.0.1", 1), ("localhost", 0), ("127.1.1.1", 0)])
def test_the_files_password_is_for_the_files_address_alone(
    ini: Path, address: str, off: int
) -> None:
    """Another port or another name is another host, to which neither user nor password is sent."""
    with mqtt_peers.Refusing(0.0) as spy:
        ini.write_text(
            f"[Battery]\naddress = {address}\nport = {spy.port + off}\nuser = somebody\n"
            "password = sesame\n"
        )
        discover(ini, f"127.0.0.1:{spy.port}")
        assert spy.logins
        assert not any(b"sesame" in login or b"somebody" in login for login in spy.logins)


def test_the_files_password_is_used_at_the_files_address(ini: Path) -> None:
    """As the daemon would use it, so that the test of the others proves something."""
    with mqtt_peers.Refusing(0.0) as spy:
        ini.write_text(f"[Battery]\naddress = 127.0.0.1\nport = {spy.port}\npassword = sesame\n")
        discover(ini, "127.0.0.1")
        first, *logins = [login for login in spy.logins if b"MQTT" in login]
        assert b"sesame" not in first  # to see that the port takes MQTT in clear
        assert b"sesame" in logins[0]
        assert all(b"sesame" not in login for login in logins[1:])
