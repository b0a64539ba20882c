"""What `check` says of credentials that the service has and a person's own process has not."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path

import pytest

from bat2influx.commands.credentials import unseen_secrets
from bat2influx.config.settings import Settings, load

INI = Path("/etc/bat2influx/bat2influx.ini")
TWO = "[Battery]\naddress = 192.0.2.20\n[Battery boat]\naddress = 192.0.2.21\n"
BOAT = "mqtt-password-boat"


def configured(directory: Path, text: str, path: Path = INI) -> Settings:
    """Return the settings of a file with this text, as if it were at `path`."""
    written = directory / "written.ini"
    written.write_text(text)
    return dataclasses.replace(load(written), path=path)


def holding(root: Path, *names: str, folder: str = "etc/credstore", text: str = "s3cret\n") -> None:
    """Write files into a folder below `root`."""
    for name in names:
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def hints(root: Path, settings: Settings) -> list[str]:
    """Return what is said with `root` as the beginning of the file system."""
    return [*unseen_secrets(settings, {}, root)]


def test_each_device_has_a_credential_of_its_own(tmp_path: Path) -> None:
    """What is said names the device, and the command that it ends with has all credentials."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, f"bat2influx.{BOAT}", "bat2influx.mqtt-password")
    holding(tmp_path, "bat2influx.influx-token", folder="etc/credstore.encrypted")
    (hint,) = hints(tmp_path, settings)
    assert hint.startswith(
        "bat2influx has its password for MQTT, password for MQTT of [Battery boat] and token for"
        " InfluxDB in a credential, which this command cannot read; to use it, run: "
    )
    assert shlex.split(hint.partition("; to use it, run: ")[2]) == [
        *("systemd-run", "--pipe", "--quiet", "--wait"),
        *("-p", "LoadCredential=mqtt-password:bat2influx.mqtt-password"),
        *("-p", f"LoadCredential={BOAT}:bat2influx.{BOAT}"),
        *("-p", "LoadCredentialEncrypted=influx-token:bat2influx.influx-token"),
        *("bat2influx", "check"),
    ]
    assert "s3cret" not in hint


@pytest.mark.parametrize("name", ["boat", "it.s-2"])
def test_an_instance_of_the_template_has_its_own(tmp_path: Path, name: str) -> None:
    """Its name is in front of them, and its file in the command."""
    settings = configured(tmp_path, f"[Battery {name}]\n", INI.with_name("sea.ini"))
    holding(tmp_path, f"bat2influx@sea.mqtt-password-{name}", f"bat2influx.mqtt-password-{name}")
    (hint,) = hints(tmp_path, settings)
    assert shlex.split(hint.partition("; to use it, run: ")[2])[4:] == [
        *("-p", f"LoadCredential=mqtt-password-{name}:bat2influx@sea.mqtt-password-{name}"),
        *("bat2influx", "--config", "/etc/bat2influx/sea.ini", "check"),
    ]


@pytest.mark.parametrize("name", ["the boat", "boût"])
def test_a_name_that_systemd_does_not_take_has_no_credential(tmp_path: Path, name: str) -> None:
    """A line for it in the unit would be passed over, or keep the service from starting."""
    settings = configured(tmp_path, f"[Battery {name}]\n")
    holding(tmp_path, f"bat2influx.mqtt-password-{name}")
    assert hints(tmp_path, settings) == []


def test_a_credential_of_a_device_that_there_is_not_is_nobodys(tmp_path: Path) -> None:
    """Neither that of [Battery] where each has a name, nor that of a name that nobody has."""
    settings = configured(tmp_path, "[Battery boat]\n")
    holding(tmp_path, "bat2influx.mqtt-password", "bat2influx.mqtt-password-house")
    assert hints(tmp_path, settings) == []


def test_one_that_the_running_service_does_not_load_is_told_with_the_line(tmp_path: Path) -> None:
    """The unit has those with fixed names; for a device's own somebody has to add a line."""
    settings = configured(tmp_path, TWO)
    running = "run/credentials/bat2influx.service"
    holding(tmp_path, f"bat2influx.{BOAT}")
    holding(tmp_path, "mqtt-password", folder=running)
    unloaded, unseen = hints(tmp_path, settings)
    assert unloaded == (
        f"bat2influx does not load bat2influx.{BOAT}, the password for MQTT of [Battery boat]:"
        f" write LoadCredential={BOAT}:bat2influx.{BOAT} below [Service] with systemctl edit"
        " bat2influx, and restart the service"
    )
    assert unseen.startswith("bat2influx has its password for MQTT in a credential")
    assert f"-p LoadCredential={BOAT}:bat2influx.{BOAT} bat2influx check" in unseen
    holding(tmp_path, BOAT, folder=running)
    (hint,) = hints(tmp_path, settings)
    assert "password for MQTT of [Battery boat]" in hint
    assert "does not load" not in hint


def test_an_empty_credential_is_none(tmp_path: Path) -> None:
    """The unit sets one for each that is not there."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, "mqtt-password", BOAT, folder="run/credentials/bat2influx.service", text="\n")
    assert hints(tmp_path, settings) == []


def test_what_the_daemons_user_has_put_there_holds_nothing_up(tmp_path: Path) -> None:
    """Root runs `check`; a FIFO in the place of a credential would be waited for."""
    settings = configured(tmp_path, TWO)
    given = tmp_path / "run/credentials/bat2influx.service"
    given.mkdir(parents=True)
    os.mkfifo(given / "mqtt-password")
    (given / BOAT).symlink_to("/etc/hostname")
    assert hints(tmp_path, settings) == []


def test_the_service_itself_and_another_file_are_told_nothing(tmp_path: Path) -> None:
    """The one has its credentials, and the other is no service's."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, "bat2influx.mqtt-password")
    assert [*unseen_secrets(settings, {"CREDENTIALS_DIRECTORY": "/x"}, tmp_path)] == []
    assert hints(tmp_path, dataclasses.replace(settings, path=tmp_path / "bat2influx.ini")) == []
