"""`bat2influx pair` and a device: button, password, refusals, and a removed token."""

from __future__ import annotations

import os
import pty
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bat2influx.config import settings as config_settings
from tests import TOP
from tests.standins.network.certificates import device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.door import Door
from tests.standins.venus.login import Outcome, Profile
from tests.standins.venus.mqtt import VenusRunner
from tests.standins.venus.pairing import PairingPage
from tests.standins.venus.visitor import PASSWORD
from tests.support.compare import stored_values
from tests.support.daemon import Setting, wait

EX_OK, EX_UNAVAILABLE = 0, 69
PORTS = 1883, 8883


class Result(NamedTuple):
    """The exit code of the command, and its output."""

    code: int
    out: str
    err: str


class Gx:
    """A device at a separate address, with the usual ports for MQTT and one for pairing."""

    def __init__(self, directory: Path, broker: Mosquitto, stack: ExitStack) -> None:
        self.host = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.9"
        self.own = device_certificate(directory)
        self.other = device_certificate(directory, name="other")
        self.ini = directory / "bat2influx.ini"
        self.tokens: dict[str, str] = {}
        self._broker = broker
        self._stack = stack

    def open(self, profile: Profile = Profile.PAIRED, **page: Any) -> tuple[Door, PairingPage]:
        """Open door and page, until the test ends."""
        door = Door(
            profile,
            self._broker.port,
            certificate=self.own,
            password=PASSWORD,
            tokens=self.tokens,
            host=self.host,
            ports=PORTS,
            refusal_delay=(0, 0),
        )
        self._stack.enter_context(door)
        made = PairingPage(
            self.tokens, self.own, password=PASSWORD, door=door, host=self.host, **page
        )
        return door, self._stack.enter_context(made)

    def command(self, page: PairingPage, *arguments: str) -> list[str]:
        """Return the command that pairs with it."""
        target = f"{self.host}:{page.port}"
        start = [sys.executable, "-m", "bat2influx", "--config", str(self.ini)]
        return [*start, "pair", target, *arguments]

    def pair(self, page: PairingPage, *arguments: str, credentials: Path | None = None) -> Result:
        """Run the pairing to its end."""
        environment = dict(os.environ)
        if credentials:
            environment["CREDENTIALS_DIRECTORY"] = str(credentials)
        done = subprocess.run(
            self.command(page, *arguments),
            capture_output=True,
            check=False,
            cwd=TOP,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # without a terminal
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def gx(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Gx]:
    """A device that is not open yet."""
    with ExitStack() as stack:
        yield Gx(tmp_path, mosquitto, stack)


def presses_at(page: PairingPage, request: int) -> None:
    """Press the button when the request of this number comes; the first is 1."""
    came: list[int] = []

    def count() -> None:
        came.append(1)
        if len(came) == request:
            page.press()

    page.on_request = count


def test_a_device_is_paired_by_its_button(gx: Gx, mosquitto: Mosquitto) -> None:
    """MQTT was off; the printed lines are valid, and `check` logs in with them."""
    door, page = gx.open(Profile.OFF)
    presses_at(page, 2)
    result = gx.pair(page)
    assert result.code == EX_OK, result.err
    assert gx.own.fingerprint in result.err
    assert f'{gx.host} answers: "Pairing mode is off"' in result.err
    assert "waiting for the device, 2:00 left" in result.err
    assert result.err.replace("\n", "").isprintable()
    ((user, password),) = gx.tokens.items()
    assert password not in result.err
    gx.ini.write_text(result.out)
    (battery,) = config_settings.load(gx.ini).batteries
    assert (battery.user, battery.password, battery.port) == (user, password, 8883)
    assert [each.outcome for each in door.attempts] == [Outcome.ACCEPTED]
    assert [each.status for each in page.asked] == [403, 200]
    with VenusRunner("127.0.0.1", mosquitto.port, Device()):
        command = [sys.executable, "-m", "bat2influx", "--config", str(gx.ini), "check"]
        checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    assert f"ok    login         as '{user}', with a password" in checked.stdout


def test_a_device_is_paired_by_its_password(gx: Gx, tmp_path: Path) -> None:
    """From a credential; no output has it, and it is sent once."""
    _, page = gx.open()
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/device-password").write_text(f"{PASSWORD}\n")
    result = gx.pair(page, "--password", credentials=tmp_path / "credentials")
    assert result.code == EX_OK, result.err
    assert [(each.right, each.status) for each in page.asked] == [(True, 200)]
    assert PASSWORD not in result.out + result.err


def test_a_typed_password_is_not_echoed(gx: Gx) -> None:
    """The terminal shows the prompt, and the fingerprint above it."""
    _, page = gx.open()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(TOP)
        command = gx.command(page, "--password")
        os.execv(command[0], command)
    shown = b""
    while f"Password of {gx.host}: ".encode() not in shown:
        shown += os.read(terminal, 4096)
    assert gx.own.fingerprint.encode() in shown
    os.write(terminal, f"{PASSWORD}\n".encode())
    try:
        while more := os.read(terminal, 4096):
            shown += more
    except OSError:  # its end
        pass
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == EX_OK, shown
    assert PASSWORD.encode() not in shown
    assert b"password = " in shown
    assert [each.right for each in page.asked] == [True]


def test_a_wrong_password_is_rejected_once(gx: Gx, tmp_path: Path) -> None:
    """There is advice, no part of the answer is quoted, and no MQTT connection is tried."""
    door, page = gx.open()
    (tmp_path / "device-password").write_text("an old one")
    result = gx.pair(page, "--password", credentials=tmp_path)
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert f"{gx.host} rejects the password; use that of its security profile" in result.err
    assert "Wrong password" not in result.err  # an answer may repeat the request
    assert [each.right for each in page.asked] == [False]
    assert door.attempts == []


def test_without_a_terminal_there_is_no_prompt(gx: Gx) -> None:
    """The text names the credential, and nothing is sent."""
    _, page = gx.open()
    result = gx.pair(page, "--password")
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert "the credential device-password" in result.err
    assert page.asked == []


def test_a_device_that_is_too_old_is_reported(gx: Gx) -> None:
    """It has no pairing page."""
    _, page = gx.open()
    page.answers.append((404, b"<h1>404 Not Found</h1>"))
    result = gx.pair(page)
    assert result.code == EX_UNAVAILABLE
    assert "update it to Venus OS 3.80 or later" in result.err


def test_a_changed_certificate_gets_nothing(gx: Gx) -> None:
    """Another server has the address: not a byte is sent, and both fingerprints are printed."""
    door, page = gx.open()

    def changes() -> None:
        page.certificate = gx.other

    page.on_request = changes
    page.press()
    page.answers.append((403, b""))
    result = gx.pair(page)
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    which = f"{gx.other.fingerprint} instead of {gx.own.fingerprint}"
    assert f"during the pairing: {which}" in result.err
    assert len(page.asked) == 1
    assert door.attempts == []


def test_a_broker_with_another_certificate_gets_no_token(gx: Gx) -> None:
    """It is not the server that issued the token."""
    door, page = gx.open()
    door.certificate = gx.other
    page.press()
    result = gx.pair(page)
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert "has changed its certificate during the pairing" in result.err
    assert door.attempts == []


def test_the_certificate_in_the_file_is_required(gx: Gx) -> None:
    """A server with another certificate gets no request."""
    _, page = gx.open()
    lines = f"address = {gx.host}", "tls = yes", f"fingerprint = {gx.other.fingerprint}"
    gx.ini.write_text("\n".join(["[Battery]", *lines]))
    page.press()
    result = gx.pair(page)
    assert (result.code, result.out) == (EX_UNAVAILABLE, "")
    assert f"than the one pinned in {gx.ini}" in result.err
    assert page.asked == []


def test_a_removed_token_is_reported_with_the_command_for_a_new_one(
    gx: Gx, setting: Setting, tmp_path: Path
) -> None:
    """The daemon is disconnected and rejected; the journal has the command."""
    _, page = gx.open()
    setting.venus(Device())
    page.press()
    result = gx.pair(page)
    assert result.code == EX_OK, result.err
    lines = dict(line.split(" = ", 1) for line in result.out.splitlines()[1:])
    setting.ini["Battery"] = {}
    daemon = setting.daemon(Battery={key: value.strip('"') for key, value in lines.items()})
    wait("values", lambda: stored_values(setting, "Voltage"))
    page.remove(lines["user"])
    line = daemon.wait_for_log("rejected the login of 'token/bat2influx/")
    assert "the token was removed at the device; pair again: 'bat2influx --config" in line
    assert f"pair {gx.host}'" in line
