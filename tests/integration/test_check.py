"""`bat2influx check` as users run it, with a valid file."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.certificates import device_certificate
from tests.standins.venus.device import Device
from tests.standins.venus.door import Door
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.login import Profile
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.process import free_port

A, B = "c0619ab1c2d3", "0a1b2c3d4e5f"
SECRET = "hunter2-Geheimnis"
EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78


class Check:
    """One run: `lines` as (state, label, text)."""

    def __init__(self, ini: Path, *options: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bat2influx", "--config", ini, "check", *options],
            cwd=TOP,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.code = done.returncode
        self.output = done.stdout
        assert not done.stderr, done.stderr
        self.lines = [
            (line[:6].strip(), line[6:20].strip(), line[20:]) for line in done.stdout.splitlines()
        ]

    def of(self, state: str) -> list[str]:
        """Return the labels of the lines in this state."""
        return [label for each, label, _ in self.lines if each == state]

    def text(self, label: str) -> str:
        """Return the text of a step."""
        return "\n".join(text for _, each, text in self.lines if each == label)

    def below(self, section: str) -> list[tuple[str, str]]:
        """Return state and label of the lines below a section's heading."""
        lines = self.output.partition(f"\n\n[{section}]\n")[2].partition("\n\n")[0].splitlines()
        return [(line[:6].strip(), line[6:20].strip()) for line in lines]


@pytest.fixture
def door(setting: Setting, tmp_path: Path) -> Iterator[Door]:
    """A device under the profile Secured."""
    certificate = device_certificate(tmp_path)
    port = setting.mosquitto.port
    with Door(Profile.SECURED, port, certificate=certificate, password=SECRET) as opened:
        setting.ini["Battery"] = {
            "address": "127.0.0.1",
            "port": opened.tls_port,
            "tls": "yes",
            "fingerprint": certificate.fingerprint,
            "password": SECRET,
        }
        yield opened


def test_each_step_is_a_line_with_ok(setting: Setting, door: Door) -> None:
    """From the file to the right to write, in the order in which things happen."""
    setting.venus(Device(A))
    setting.influxdb.query("CREATE DATABASE battery")
    check = Check(setting.write_ini())
    steps = ["file", "port", "TLS", "login", "portal id", "instance", *NINE, "InfluxDB", "database"]
    assert check.of("ok") == steps, check.output
    assert len(check.lines) == len(steps)
    assert check.code == EX_OK
    assert check.text("TLS") == "TLSv1.3, the certificate is the pinned one"
    assert check.text("portal id") == A
    assert check.text("instance") == "vebus 275"
    assert re.fullmatch(r"[0-9.]+ V \(vebus/275/Dc/0/Voltage\)", check.text("Voltage"))
    assert check.text("database") == "'battery' exists, and writing is permitted"
    assert "\x1b" not in check.output
    assert [attempt.outcome.name for attempt in door.attempts] == ["ACCEPTED"]


def test_nothing_is_stored_or_created(setting: Setting) -> None:
    """It creates no value, no database and no state directory."""
    setting.venus(Device(A))
    assert Check(setting.write_ini()).code == EX_OK
    assert {row["name"] for row in setting.influxdb.query("SHOW DATABASES")} <= {"_internal"}
    setting.influxdb.query("CREATE DATABASE battery")
    assert "writing is permitted" in Check(setting.write_ini()).text("database")
    assert not setting.influxdb.query("SHOW MEASUREMENTS", "battery")
    assert not (setting.directory / "state").exists()


def test_a_running_daemon_is_not_disturbed(setting: Setting) -> None:
    """Its client id is separate; nothing is written to the device, and nothing read twice."""
    device = Device(A)
    setting.venus(device)
    notify = setting.notify_socket()
    daemon = setting.daemon(notify=notify, Battery={"interval": 0.2})
    wait("values", lambda: len(setting.stored()) > 20)
    assert Check(setting.write_ini()).code == EX_OK
    stored = len(setting.stored())
    wait("more values", lambda: len(setting.stored()) > stored + 20)
    assert not daemon.logged("ended the connection")
    counters = device.log.counters
    assert (counters.writes, counters.wildcards, counters.errors) == (0, 0, 0)


def test_a_device_that_does_not_respond_gets_one_keepalive_each_way(setting: Setting) -> None:
    """One keepalive in each of the two ways, and no read that would not be answered."""
    device = Device(A)
    device.silence()
    setting.venus(device)
    check = Check(setting.write_ini())
    assert check.of("wrong") == ["device"]
    assert f"device {A} at 127.0.0.1 does not respond" in check.text("device")
    assert check.code == EX_UNAVAILABLE
    assert [request.topic for request in device.log.requests] == [
        f"R/{A}/keepalive",
        f"R/{A}/system/0/Serial",
    ]


def test_several_devices_are_a_choice_with_lines_for_the_file(setting: Setting) -> None:
    """As the daemon, it guesses nothing; it checks the database all the same."""
    setting.venus(Device(A), Device(B))
    check = Check(setting.write_ini())
    assert check.code == EX_CONFIG
    assert check.of("wrong") == ["choice"]
    assert [text for *_, text in check.lines if text.startswith("serial = ")] == [
        f"serial = {B}",
        f"serial = {A}",
    ]
    assert check.of("ok")[-1] == "database"
    assert Check(setting.write_ini(Battery={"serial": B})).code == EX_OK


@pytest.fixture
def fleet(setting: Setting) -> Setting:
    """Two devices in one file, each by its portal id."""
    del setting.ini["Battery"]
    for name, serial in (("home", A), ("boat", B)):
        battery = {"address": "127.0.0.1", "port": setting.mosquitto.port, "serial": serial}
        setting.ini[f"Battery {name}"] = battery
    return setting


@pytest.mark.parametrize("missing", ["home", "boat"])
def test_each_of_several_devices_has_separate_lines(fleet: Setting, missing: str) -> None:
    """If one is switched off, the other and the database are checked all the same: 69."""
    fleet.venus(Device(A), Device(B))
    port = free_port()
    there = {"home": "boat", "boat": "home"}[missing]
    check = Check(fleet.write_ini(**{f"Battery {missing}": {"port": port}}))
    assert check.code == EX_UNAVAILABLE, check.output
    assert check.below(f"Battery {missing}") == [("wrong", "port")]
    steps = ["port", "login", "portal id", "instance", *NINE]
    assert check.below(f"Battery {there}") == [("ok", step) for step in steps]
    assert check.below("Influx") == [("ok", "InfluxDB"), ("ok", "database")]
    assert f"connection refused by 127.0.0.1 port {port}" in check.text("port")


def test_with_several_devices_all_is_ok_if_each_is(fleet: Setting) -> None:
    """Each has a separate result; an open choice of one is reported below it: 78."""
    fleet.venus(Device(A), Device(B, ("vebus", "vebus/276", "system")))
    open_ = Check(fleet.write_ini())
    assert open_.code == EX_CONFIG, open_.output
    assert open_.below("Battery home")[-1] == ("ok", "F")
    assert ("wrong", "choice") in open_.below("Battery boat")
    settled = Check(fleet.write_ini(**{"Battery boat": {"instance": 276}}))
    assert settled.code == EX_OK, settled.output
    assert settled.below("Battery boat")[-1] == ("ok", "F")


def test_an_older_firmware_without_an_echo_works(setting: Setting) -> None:
    """Before Venus OS 3.50 no message marks the end of the list: it ends after some seconds."""
    device = Device(A)
    setting.venus(device)
    device._faults.silent.add("full_publish_completed")
    check = Check(setting.write_ini())
    assert check.code == EX_OK, check.output
    assert check.text("instance") == "vebus 275"


OLD = [Firmware.SELECTIVE, Firmware.FIRST, Firmware.SERIAL_ALONE]


@pytest.mark.parametrize("instance", ["", 275])
@pytest.mark.parametrize("firmware", OLD, ids=lambda firmware: firmware.value)
def test_found_firmware_before_3_20_was_called_silent(
    setting: Setting, firmware: Firmware, instance: object
) -> None:
    """Asleep, it gets its kind of request; awake, it does not republish: a read detects it."""
    device = Device(A, firmware=firmware)
    setting.venus(device)
    fields = {"Grid": "system/Ac/Grid/L1/Power", "Load": "system/Ac/Consumption/L1/Power"}
    ini = setting.write_ini(Battery={"instance": instance} if instance else {}, Fields=fields)
    for _ in range(2):
        check = Check(ini)
        assert (check.code, check.of("wrong")) == (EX_OK, []), check.output
        assert check.of("ok")[4:-2] == ["instance", "instance", *NINE, *fields]


@pytest.mark.parametrize("firmware", [Firmware.CURRENT, Firmware.NO_ECHO, Firmware.SELECTIVE])
def test_a_system_without_an_inverter_gets_the_needed_lines(
    setting: Setting, firmware: Firmware
) -> None:
    """Its services are listed, and the printed lines make a file that passes `check`."""
    services = ("battery/512", "solarcharger/288", "solarcharger/289", "system")
    setting.venus(Device(A, services, firmware=firmware))
    check = Check(setting.write_ini())
    assert check.code == EX_UNAVAILABLE
    assert check.of("wrong") == ["instance"], check.output
    assert "has no vebus" in check.text("instance")
    assert "it has battery 512, solarcharger 288 and 289." in check.text("instance")
    lines = check.output.partition("[Fields]\n")[2].partition("\nok ")[0].splitlines()
    own = dict(line.strip().split(" = ", 1) for line in lines)
    own = {name.strip(): path.partition("#")[0].strip() for name, path in own.items()}
    assert own["defaults"] == "no"
    assert {"battery/512/Soc", "solarcharger/289/Yield/Power"} < {*own.values()}
    followed = Check(setting.write_ini(Fields=own))
    assert (followed.code, followed.of("wrong")) == (EX_OK, []), followed.output


def test_each_of_more_fields_is_checked(setting: Setting) -> None:
    """One that answers, one that is null, one that is text, one that does not exist."""
    setting.venus(Device(A))
    fields = {
        "Grid": "system/Ac/Grid/L1/Power",
        "P2": "vebus/Ac/ActiveIn/L2/P",
        "Name": "vebus/ProductName",
        "Typo": "vebus/Dc/0/Volts",
    }
    check = Check(setting.write_ini(Fields=fields))
    assert check.code == EX_UNAVAILABLE
    assert check.of("note") == ["P2"]
    assert check.of("wrong") == ["Name", "Typo"]
    assert "has no value (null) for P2 (vebus/275/Ac/ActiveIn/L2/P)" in check.text("P2")
    assert "has text for Name (vebus/275/ProductName), not a number" in check.text("Name")
    assert "does not answer for Typo (vebus/275/Dc/0/Volts)" in check.text("Typo")
    assert "retrying" not in check.output


def test_no_secret_is_shown(setting: Setting, door: Door, tmp_path: Path) -> None:
    """Neither a right password nor a wrong one."""
    setting.venus(Device(A))
    with InfluxDB(tmp_path / "secured", auth=True) as database:
        database.create_admin("me", "another-Geheimnis")
        influx = {"port": database.port, "user": "me"}
        for right in (True, False):
            ending = "" if right else "x"
            check = Check(
                setting.write_ini(
                    Battery={"password": SECRET + ending},
                    Influx={**influx, "password": f"another-Geheimnis{ending}"},
                )
            )
            assert "Geheimnis" not in check.output
            assert check.of("wrong") == ([] if right else ["login", "login"]), check.output


@pytest.mark.parametrize(("variable", "coloured"), [("X=1", True), ("NO_COLOR=1", False)])
def test_colours_are_for_terminals(setting: Setting, variable: str, coloured: bool) -> None:
    """On a terminal the states are coloured, unless the user disables colours."""
    setting.venus(Device(A))
    ours, theirs = pty.openpty()
    name, _, value = variable.partition("=")
    environment = {**os.environ, "TERM": "xterm", name: value}
    command = [sys.executable, "-m", "bat2influx", "--config", setting.write_ini(), "check"]
    run = subprocess.Popen(command, cwd=TOP, stdout=theirs, env=environment)
    os.close(theirs)
    output = b""
    while data := _read(ours):
        output += data
    os.close(ours)
    assert run.wait(60) == EX_OK
    assert (b"\x1b[32mok" in output) == coloured
    assert (b"\x1b" in output) == coloured
    assert b"Voltage" in output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the end of a terminal without a writer
        return b""


def test_offline_it_checks_the_file_alone(setting: Setting) -> None:
    """No network, whatever the file contains."""
    check = Check(setting.write_ini(Battery={"address": "nowhere.invalid"}), "--offline")
    assert check.code == EX_OK
    assert check.output == f"{setting.directory / 'bat2influx.ini'}: ok\n"
