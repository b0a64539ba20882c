"""`bat2influx pair --write` with real names, ports and /etc."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from bat2influx.config import settings as config_settings
from tests import TOP
from tests.standins.network import own_network
from tests.standins.network.own_network import CONFIG

EX_OK, EX_CONFIG = 0, 78
STORE = "/etc/credstore"
SECRET, INI = f"{STORE}/bat2influx.mqtt-password", str(CONFIG)


class Result(NamedTuple):
    """Exit code and output of the command, and mode and text of each file afterwards."""

    code: int
    out: str
    err: str
    files: dict[str, list[str]]


class Home(NamedTuple):
    """The results of all runs; `tokens` are those of the device at the end."""

    results: dict[str, Result]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Run all of it once."""
    if not own_network.is_possible():
        pytest.fail("no namespaces here")
    command = own_network.command("tests.support.pairing_home", tmp_path_factory.mktemp("home"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    assert done.returncode == 0, done.stderr
    *lines, tokens = map(json.loads, done.stdout.splitlines())
    return Home({what: Result(*rest) for what, *rest in lines}, tokens)


def test_a_first_pairing_needs_nothing_else(home: Home, tmp_path: Path) -> None:
    """Secret, user, certificate: the shipped file gets three more settings."""
    result = home.results["first"]
    assert result.code == EX_OK, result.err
    assert result.err.endswith(
        "venus.local accepted the login. Now run: systemctl restart bat2influx\n"
    )
    mode, secret = result.files[SECRET]
    assert mode == "600"
    assert secret.strip() not in result.out + result.err
    mode, text = result.files[INI]
    assert mode == "640"
    shipped = (TOP / "etc/bat2influx.ini").read_text()
    old, new = shipped.splitlines(), text.splitlines()
    changed = [b for a, b in zip(old, new, strict=True) if a != b]
    assert [line.partition(" = ")[0] for line in changed] == ["tls", "fingerprint", "user"]
    assert [f"+{line}" in result.out for line in changed] == [True] * 3
    (tmp_path / "x.ini").write_text(text)
    (tmp_path / "mqtt-password").write_text(secret)
    (battery,) = config_settings.load(tmp_path / "x.ini", credentials=tmp_path).batteries
    assert battery.user in home.tokens
    assert battery.password == secret.strip()


def test_a_second_time_needs_yes(home: Home) -> None:
    """Without --yes nothing is sent or changed; with it the token is replaced."""
    first, again, confirmed = (home.results[each] for each in ("first", "again", "confirmed"))
    assert again.code == EX_CONFIG
    assert f"{SECRET} already holds a password; --yes" in again.err
    assert again.files == first.files
    assert confirmed.code == EX_OK, confirmed.err
    assert "is the one pinned in the file" in confirmed.err
    assert confirmed.files[SECRET] != first.files[SECRET]
    assert confirmed.files[INI] == first.files[INI]


def test_an_instance_has_its_own(home: Home) -> None:
    """A new file, a credential of its name, and a separate name at the device."""
    result = home.results["instance"]
    assert result.code == EX_OK, result.err
    assert "systemctl restart bat2influx@boat" in result.err
    mode, secret = result.files[f"{STORE}/bat2influx@boat.mqtt-password"]
    assert mode == "600"
    mode, text = result.files["/etc/bat2influx/boat.ini"]
    assert mode == "640"
    user = text.partition("user = ")[2].splitlines()[0]
    assert home.tokens[user] == secret.strip()
    assert f"user = {user}\n" not in result.files[INI][1]


def test_a_named_device_has_a_drop_in(home: Home) -> None:
    """Its section is found by the address; the other one is unchanged."""
    result = home.results["named"]
    assert result.code == EX_OK, result.err
    assert "systemctl daemon-reload && systemctl restart bat2influx" in result.err
    drop_in = "/etc/systemd/system/bat2influx.service.d/mqtt-password-boat.conf"
    mode, text = result.files[drop_in]
    assert mode == "644"
    assert "LoadCredential=mqtt-password-boat:bat2influx.mqtt-password-boat\n" in text
    text = result.files[INI][1]
    assert text.startswith("[Battery house]\naddress = 192.168.1.99\n\n[Battery boat]  # mine\n")
    assert result.files[f"{SECRET}-boat"][0] == "600"


def test_files_that_cannot_be_written_are_detected_before_a_request(home: Home) -> None:
    """Nothing is changed, and no token is lost."""
    result = home.results["no room"]
    assert result.code == EX_CONFIG
    assert "fingerprint" not in result.err
    assert result.files[INI] == ["640", "[Battery]\n"]
    assert "/etc/credstore" in result.err
