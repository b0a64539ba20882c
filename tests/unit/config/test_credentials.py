"""Secrets in separate files: their names, their content, and how to create one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.credentials import (
    CREDENTIALS,
    credential_hint,
    credential_of,
    take_credentials,
)

SERVICE = Path("/etc/bat2influx/bat2influx.ini")
SECRET = "hunter-Zq7"
Config = dict[str, dict[str, str]]


def taken(directory: Path, name: str, content: str) -> tuple[Config, list[str]]:
    """Return the secrets after a file of this content has been read, and its problems."""
    (directory / name).write_bytes(content.encode())
    config = {
        "Battery": {"password": "of the ini"},
        "Battery boat": {"password": "of the ini"},
        "Influx": {"password": "of the ini", "token": "of-the-ini"},
    }
    problems = [*take_credentials(config, ["Battery", "Battery boat"], directory)]
    return config, problems


@pytest.mark.parametrize(
    ("name", "section", "key"),
    [
        ("mqtt-password", "Battery", "password"),
        ("mqtt-password-boat", "Battery boat", "password"),
        ("influx-password", "Influx", "password"),
        ("influx-token", "Influx", "token"),
    ],
)
def test_each_file_replaces_one_secret(tmp_path: Path, name: str, section: str, key: str) -> None:
    """The others are those of the ini file."""
    config, problems = taken(tmp_path, name, f"{SECRET}\n")
    assert not problems
    changed = [(s, k) for s, keys in config.items() for k, value in keys.items() if value == SECRET]
    assert changed == [(section, key)]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize(
    "secret",
    [
        "a\"b'c#d",
        '"a\'b" # c, d; e = %(f)s',
        "'\"#",
        '"it\'s" #1',
        "  a\"b' #c\t ",
        "# a",
        ", ;",
        "[Battery]",
        "'''\"\"\"",
        "grün\\n$x",
    ],
)
def test_any_password_is_possible(tmp_path: Path, secret: str, end: str) -> None:
    """No character has a meaning, spaces around it are kept, and its newline is removed."""
    config, problems = taken(tmp_path, "mqtt-password", secret + end)
    assert (config["Battery"]["password"], problems) == (secret, [])


@pytest.mark.parametrize("empty", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", ["mqtt-password", *CREDENTIALS])
def test_an_empty_file_is_ignored(tmp_path: Path, name: str, empty: str) -> None:
    """systemd sets an empty credential if there is no file."""
    config, problems = taken(tmp_path, name, empty)
    assert {value for keys in config.values() for value in keys.values()} <= {
        "of the ini",
        "of-the-ini",
    }
    assert not problems


@pytest.mark.parametrize("written", [f"{SECRET}\n\n", f"\n{SECRET}", f" {SECRET} \n\t\n"])
def test_blank_lines_around_a_token_are_removed(tmp_path: Path, written: str) -> None:
    """A token is one word; in a password they are an error."""
    config, problems = taken(tmp_path, "influx-token", written)
    assert (config["Influx"]["token"], problems) == (SECRET, [])
    _, problems = taken(tmp_path, "influx-password", written)
    path = tmp_path / "influx-password"
    assert problems == [f"{path}: holds more than one line; a credential is one line"]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (f"{SECRET}\n{SECRET}\n", "holds more than one line; a credential is one line"),
        ("Token\n", "holds nothing but 'Token'; write the token alone"),
        (f"my {SECRET}", "holds a space; write the token alone"),
    ],
)
def test_an_invalid_token_is_reported_with_its_file(
    tmp_path: Path, written: str, problem: str
) -> None:
    """It replaces nothing, and is not shown."""
    config, (told,) = taken(tmp_path, "influx-token", written)
    assert told.startswith(f"{tmp_path / 'influx-token'}: ")
    assert told.endswith(problem)
    assert SECRET not in told
    assert config["Influx"]["token"] == "of-the-ini"


@pytest.mark.parametrize(
    ("name", "credential"),
    [("", "mqtt-password"), ("boat", "mqtt-password-boat"), ("a b", "mqtt-password-a_b")],
)
def test_the_credential_of_a_device_has_its_name(name: str, credential: str) -> None:
    """Without a space, which systemd rejects in it."""
    assert credential_of(name) == credential


@pytest.mark.parametrize(
    ("config", "section", "key", "way"),
    [
        (
            SERVICE,
            "Battery",
            "password",
            "/etc/credstore/bat2influx.mqtt-password (mode 600); then restart bat2influx",
        ),
        (
            SERVICE,
            "Influx",
            "password",
            "/etc/credstore/bat2influx.influx-password (mode 600); then restart bat2influx",
        ),
        (
            SERVICE.with_name("hut.ini"),
            "Influx",
            "token",
            "/etc/credstore/bat2influx@hut.influx-token (mode 600); then restart bat2influx@hut",
        ),
        (
            SERVICE,
            "Battery my boat",
            "password",
            "/etc/credstore/bat2influx.mqtt-password-my_boat (mode 600), with"
            " LoadCredential=mqtt-password-my_boat:bat2influx.mqtt-password-my_boat below [Service]"
            " by systemctl edit bat2influx; then restart bat2influx",
        ),
        (
            Path("/home/me/b.ini"),
            "Battery",
            "password",
            "mqtt-password in the directory that CREDENTIALS_DIRECTORY names",
        ),
    ],
)
def test_a_secret_outside_the_ini_file_has_the_name_of_its_file(
    config: Path, section: str, key: str, way: str
) -> None:
    """With its mode, the lines for the unit, and the command that applies it."""
    assert credential_hint(config, section, key) == f"the file {way}"


def test_a_credential_can_be_any_file(tmp_path: Path) -> None:
    """A command of root reads the files of the service, whose names begin with the unit."""
    file = tmp_path / "bat2influx.mqtt-password"
    file.write_text(f"{SECRET}\n")
    config = {"Battery": {"password": ""}, "Influx": {"password": "", "token": ""}}
    assert not [*take_credentials(config, ["Battery"], {"mqtt-password": file})]
    assert config["Battery"]["password"] == SECRET
    assert config["Influx"] == {"password": "", "token": ""}
