"""What `check` prints about credentials that the service has and this process does not."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from bat2influx.commands.credentials import (
    stored_secrets,
    unreadable_names,
    unreadable_secrets,
)
from bat2influx.config.settings import Settings, load

INI = Path("/etc/bat2influx/bat2influx.ini")
TWO = "[Battery]\naddress = 192.0.2.20\n[Battery boat]\naddress = 192.0.2.21\n"
BOAT = "mqtt-password-boat"


def configured(directory: Path, text: str, path: Path = INI) -> Settings:
    """Return the settings of a file with this text, as if it were at `path`."""
    written = directory / "written.ini"
    written.write_text(text)
    return load(written)._replace(path=path)


def holding(root: Path, *names: str, folder: str = "etc/credstore", text: str = "s3cret\n") -> None:
    """Write files into a folder below `root`."""
    for name in names:
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def hints(root: Path, settings: Settings) -> list[str]:
    """Return the hints with `root` as the root of the file system."""
    return [*unreadable_secrets(settings, {}, root)]


@pytest.mark.parametrize(
    ("peers", "what"),
    [(("mqtt",), "password for MQTT"), (("influx",), "token for InfluxDB"), (("other",), "")],
)
def test_a_command_of_one_peer_looks_for_its_secrets(
    tmp_path: Path, peers: tuple[str, ...], what: str
) -> None:
    """That of the other is neither named nor loaded."""
    settings = configured(tmp_path, "[Battery]\naddress = 192.0.2.20\n")
    names = ("bat2influx.mqtt-password", "bat2influx.influx-token")
    holding(tmp_path, *names, folder="etc/credstore.encrypted")
    found = [*unreadable_secrets(settings, {}, tmp_path, peers=peers)]
    assert len(found) == bool(what)
    for hint in found:
        assert hint.startswith(f"bat2influx has its {what} in a credential")
        assert hint.count("LoadCredentialEncrypted=") == 1


def test_each_device_has_its_own_credential(tmp_path: Path) -> None:
    """The hint names the device, and its command has all credentials."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, f"bat2influx.{BOAT}", "bat2influx.mqtt-password")
    holding(tmp_path, "bat2influx.influx-token", folder="etc/credstore.encrypted")
    (hint,) = hints(tmp_path, settings)
    assert hint.startswith(
        "bat2influx has its token for InfluxDB in a credential, which this command cannot read; to"
        " use it, run: "
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
    own = f"mqtt-password-{name}"
    holding(
        tmp_path,
        f"bat2influx@sea.mqtt-password-{name}",
        f"bat2influx.mqtt-password-{name}",
        folder="etc/credstore.encrypted",
    )
    (hint,) = hints(tmp_path, settings)
    assert shlex.split(hint.partition("; to use it, run: ")[2])[4:] == [
        *("-p", f"LoadCredentialEncrypted={own}:bat2influx@sea.{own}"),
        *("bat2influx", "--config", "/etc/bat2influx/sea.ini", "check"),
    ]


@pytest.mark.parametrize("name", ["the boat", "boût"])
def test_a_name_that_systemd_rejects_has_no_credential(tmp_path: Path, name: str) -> None:
    """The unit would ignore a line for it, or not start."""
    settings = configured(tmp_path, f"[Battery {name}]\n")
    holding(tmp_path, f"bat2influx.mqtt-password-{name}")
    assert hints(tmp_path, settings) == []


def test_a_credential_of_an_unknown_device_is_ignored(tmp_path: Path) -> None:
    """That of [Battery] if each device has a name, and that of a name without a section."""
    settings = configured(tmp_path, "[Battery boat]\n")
    holding(tmp_path, "bat2influx.mqtt-password", "bat2influx.mqtt-password-house")
    assert hints(tmp_path, settings) == []


def test_a_credential_that_the_running_service_does_not_load_is_reported_with_the_line(
    tmp_path: Path,
) -> None:
    """The unit loads those with fixed names; a device's own needs an added line."""
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
    assert "[Battery boat]" not in hint  # root reads its file
    assert "does not load" not in hint


def test_an_empty_credential_is_ignored(tmp_path: Path) -> None:
    """The unit sets an empty one for each that does not exist."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, "mqtt-password", BOAT, folder="run/credentials/bat2influx.service", text="\n")
    assert hints(tmp_path, settings) == []


def test_a_fifo_of_the_daemons_user_does_not_block_the_check(tmp_path: Path) -> None:
    """Root runs `check`, which must not wait for the FIFO."""
    settings = configured(tmp_path, TWO)
    given = tmp_path / "run/credentials/bat2influx.service"
    given.mkdir(parents=True)
    os.mkfifo(given / "mqtt-password")
    (given / BOAT).symlink_to("/etc/hostname")
    assert hints(tmp_path, settings) == []


def test_the_service_itself_and_another_file_have_no_hint(tmp_path: Path) -> None:
    """The service has its credentials, and the other file belongs to no service."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, "bat2influx.mqtt-password")
    assert [*unreadable_secrets(settings, {"CREDENTIALS_DIRECTORY": "/x"}, tmp_path)] == []
    assert hints(tmp_path, settings._replace(path=tmp_path / "bat2influx.ini")) == []


def test_only_secrets_that_the_service_alone_has_are_unreadable(tmp_path: Path) -> None:
    """Encrypted ones, and those that were given to it otherwise; not one that it does not load."""
    settings = configured(tmp_path, TWO)
    holding(tmp_path, "bat2influx.mqtt-password")
    assert unreadable_names(settings, {}, tmp_path) == frozenset()
    holding(tmp_path, "bat2influx.mqtt-password", folder="etc/credstore.encrypted")
    holding(tmp_path, f"bat2influx.{BOAT}", folder="etc/credstore.encrypted")
    assert unreadable_names(settings, {}, tmp_path) == {"mqtt-password", BOAT}
    running = "run/credentials/bat2influx.service"
    holding(tmp_path, "mqtt-password", "influx-token", folder=running)
    assert unreadable_names(settings, {}, tmp_path) == {"mqtt-password", "influx-token"}
    assert not unreadable_names(settings, {"CREDENTIALS_DIRECTORY": "/x"}, tmp_path)


def test_root_reads_the_files_of_the_services_credentials(tmp_path: Path) -> None:
    """By their names; found when `check` rejected the login that `pair --write` had stored."""
    holding(tmp_path, "bat2influx.mqtt-password", f"bat2influx.{BOAT}", "bat2influx@sea.other")
    holding(tmp_path, "bat2influx.influx-token", text="\n")
    store = tmp_path / "etc/credstore"
    assert stored_secrets(INI, tmp_path) == {
        "mqtt-password": store / "bat2influx.mqtt-password",
        BOAT: store / f"bat2influx.{BOAT}",
    }
    sea = INI.with_name("sea.ini")
    assert stored_secrets(sea, tmp_path) == {"other": store / "bat2influx@sea.other"}


def test_an_encrypted_credential_wins_over_a_file(tmp_path: Path) -> None:
    """The unit loads that one; it is not readable."""
    holding(tmp_path, "bat2influx.mqtt-password")
    holding(tmp_path, "bat2influx.mqtt-password", folder="etc/credstore.encrypted")
    assert stored_secrets(INI, tmp_path) == {}


def test_no_credentials_are_read_for_a_file_of_no_service(tmp_path: Path) -> None:
    """Nor where there is no such folder."""
    holding(tmp_path, "bat2influx.mqtt-password")
    assert stored_secrets(tmp_path / "bat2influx.ini", tmp_path) == {}
    assert stored_secrets(INI, tmp_path / "other") == {}
