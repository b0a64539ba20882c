"""Where a token is stored: in which files, all or none, and what prevents it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bat2influx.commands.file_changes import ChangeError
from bat2influx.commands.ini_edit import UnconfirmedError
from bat2influx.commands.pair import placing
from bat2influx.commands.pair.placing import Login, Place, lines, obstacles, write
from bat2influx.config import paths
from bat2influx.config.settings import load
from bat2influx.venus.pairing import Token
from tests import TOP

PIN = ":".join(["AB"] * 32)
TOKEN = Token("token/bat2influx/pi1", "s3cret")
LOGIN = Login("venus.local", 8883, PIN, TOKEN)
SECRET = "etc/credstore/bat2influx.mqtt-password"
INI = "etc/bat2influx/bat2influx.ini"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a file system with what the package installs, and be root."""
    (tmp_path / "etc/bat2influx").mkdir(parents=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / INI).write_bytes((TOP / "etc/bat2influx.ini").read_bytes())
    (tmp_path / INI).chmod(0o640)
    monkeypatch.setattr(paths, "HOME", tmp_path / "etc/bat2influx")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    """Return all that is there, by its place."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def mode(path: Path) -> int:
    """Return the mode of a file."""
    return path.stat().st_mode & 0o777


def test_a_login_goes_into_file_and_credential(root: Path) -> None:
    """Only root can read the secret, and no output has it; the file is valid."""
    shown = write(Place(root / INI, root=root), LOGIN, confirmed=False)
    assert (root / SECRET).read_bytes() == b"s3cret\n"
    assert mode(root / SECRET) == 0o600
    assert mode(root / "etc/credstore") == 0o700
    assert mode(root / INI) == 0o640
    (battery,) = load(root / INI).batteries
    assert (battery.user, battery.password, battery.port) == (TOKEN.user, "", 8883)
    assert battery.tls
    assert battery.tls.fingerprint == PIN
    assert f"+user = {TOKEN.user}" in shown
    assert shown[-1].startswith(f"{root / SECRET}: the password of {TOKEN.user}")
    assert TOKEN.password not in "\n".join(shown)
    assert files(root).keys() == {INI, SECRET}


def test_an_instance_has_its_own_credential_and_file(root: Path) -> None:
    """The file need not exist before."""
    place = Place(root / "etc/bat2influx/boat.ini", root=root)
    assert [*obstacles(place, LOGIN, confirmed=False)] == []
    write(place, LOGIN, confirmed=False)
    assert (root / "etc/credstore/bat2influx@boat.mqtt-password").read_bytes() == b"s3cret\n"
    (battery,) = load(place.config).batteries
    assert battery.user == TOKEN.user
    assert mode(place.config) == 0o640
    assert place.next_command == "systemctl restart bat2influx@boat"


def test_a_named_device_has_a_drop_in_that_loads_its_credential(root: Path) -> None:
    """Because the unit loads only the one of [Battery]; a second pairing keeps the drop-in."""
    config = root / INI
    config.write_text("[Battery]\naddress = a\n[Battery my boat]\naddress = venus.local\n")
    place = Place(config, "my boat", root)
    shown = write(place, LOGIN, confirmed=False)
    loaded = "LoadCredential=mqtt-password-my_boat:bat2influx.mqtt-password-my_boat"
    drop_in = root / "etc/systemd/system/bat2influx.service.d/mqtt-password-my_boat.conf"
    assert drop_in.read_text().splitlines()[1:] == ["[Service]", loaded]
    assert mode(drop_in) == 0o644
    assert mode(drop_in.parent) == 0o755
    assert (root / "etc/credstore/bat2influx.mqtt-password-my_boat").exists()
    assert f"{drop_in}: {loaded}" in shown
    assert place.next_command == "systemctl daemon-reload && systemctl restart bat2influx"
    assert [battery.user for battery in load(config).batteries] == ["bat2influx", TOKEN.user]
    assert f"{drop_in}: {loaded}" not in write(place, LOGIN, confirmed=False)


def test_other_trust_and_an_old_password_are_removed(root: Path) -> None:
    """They would contradict the fingerprint, or remain unused."""
    own = "address = 10.0.0.9", "port = 1884", "tls = yes", "verify_host = yes # x"
    old = "password = 'old'  # mine"
    (root / INI).write_text("\n".join(["[Battery]", *own, old, "serial = c0619ab1c2d3", ""]))
    with pytest.raises(UnconfirmedError):
        write(Place(root / INI, root=root), LOGIN, confirmed=False)
    assert files(root).keys() == {INI}
    write(Place(root / INI, root=root), LOGIN, confirmed=True)
    text = (root / INI).read_text()
    assert "port =\n" in text
    assert "password = # mine\n" in text
    (battery,) = load(root / INI).batteries
    assert (battery.address, battery.serial) == ("venus.local", "c0619ab1c2d3")


@pytest.mark.parametrize("taken", ["etc/credstore", "etc/systemd/system/bat2influx.service.d"])
def test_if_one_file_cannot_be_written_none_is(root: Path, taken: str) -> None:
    """A secret without its user is useless, and so is a user without a secret."""
    config = root / INI
    config.write_text("[Battery boat]\n")
    (root / taken).write_text("a file, where a directory belongs")
    before = files(root)
    with pytest.raises(ChangeError):
        write(Place(config, "boat", root), LOGIN, confirmed=True)
    assert files(root) == before


def test_found_a_token_in_a_file_that_everybody_could_read(root: Path) -> None:
    """The mode of an existing file, even an empty one, does not apply to the new one."""
    (root / "etc/credstore").mkdir(mode=0o755)
    (root / SECRET).write_text("")
    (root / SECRET).chmod(0o644)
    write(Place(root / INI, root=root), LOGIN, confirmed=False)
    assert (root / SECRET).read_bytes() == b"s3cret\n"
    assert mode(root / SECRET) == 0o600


@pytest.mark.parametrize("name", ["bat2influx.old", "boat.conf"])
def test_found_a_file_that_no_unit_reads_took_the_password_of_one(root: Path, name: str) -> None:
    """A copy beside the file has the stem of its unit."""
    place = Place(root / "etc/bat2influx" / name, root=root)
    (found,) = obstacles(place, LOGIN, confirmed=True)
    assert "is not: leave out --write" in found


def test_a_drop_in_with_other_lines_is_an_obstacle(root: Path) -> None:
    """Without --yes; one written by pair is not."""
    place = Place(root / INI, "boat", root)
    assert place.drop_in
    place.drop_in.parent.mkdir(parents=True)
    place.drop_in.write_bytes(place.drop_in_text)
    assert [*obstacles(place, LOGIN, confirmed=False)] == []
    place.drop_in.write_text("[Service]\nNice=5\n")
    (found,) = obstacles(place, LOGIN, confirmed=False)
    assert "already has other lines" in found
    assert [*obstacles(place, LOGIN, confirmed=True)] == []


def test_a_first_pairing_has_no_obstacle(root: Path) -> None:
    """With the files of the package."""
    assert [*obstacles(Place(root / INI, root=root), LOGIN, confirmed=False)] == []


def test_an_existing_password_is_an_obstacle(root: Path) -> None:
    """In the credential and in the file, each named; --yes overrides both."""
    place = Place(root / INI, root=root)
    (root / "etc/credstore").mkdir()
    (root / SECRET).write_text("old\n")
    (root / INI).write_text("[Battery]\npassword = old\n")
    found = [*obstacles(place, LOGIN, confirmed=False)]
    assert found == [
        f"{root / SECRET} already holds a password; --yes replaces it",
        f"{root / INI} already has a value for [Battery] password; --yes replaces it",
    ]
    assert [*obstacles(place, LOGIN, confirmed=True)] == []
    (root / SECRET).write_text("\n")
    assert len([*obstacles(place, LOGIN, confirmed=False)]) == 1


def test_an_encrypted_password_is_an_obstacle(root: Path) -> None:
    """The service could not load the plain one beside it, also with --yes."""
    (root / "etc/credstore.encrypted").mkdir()
    (root / "etc/credstore.encrypted/bat2influx.mqtt-password").write_text("x")
    (found,) = obstacles(Place(root / INI, root=root), LOGIN, confirmed=True)
    assert "encrypt the new password with systemd-creds" in found


def test_only_root_writes_and_only_for_the_service(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere no unit would load the credential."""
    (found,) = obstacles(Place(root / "try.ini", root=root), LOGIN, confirmed=True)
    assert "leave out --write to print the lines" in found
    monkeypatch.setattr(placing.os, "geteuid", lambda: 1000)
    (found,) = obstacles(Place(root / INI, root=root), LOGIN, confirmed=True)
    assert found.endswith("run the command as root")


def test_a_name_that_no_credential_can_have_is_an_obstacle(root: Path) -> None:
    """systemd's names are ASCII."""
    place = Place(root / INI, "Böötchen", root)
    assert any("rename it" in each for each in obstacles(place, LOGIN, confirmed=True))


@pytest.mark.parametrize("password", ["s3cret", "a#b", "a'b", 'a"b', "a'b\"c", "a;b=c"])
def test_the_lines_are_read_as_they_are_meant(tmp_path: Path, password: str) -> None:
    """Pasted into an empty file; a password that the file cannot hold is a comment."""
    place = Place(tmp_path / "x.ini")
    text = "\n".join(lines(place, Login("10.0.0.1", 8884, PIN, Token(TOKEN.user, password))))
    place.config.write_text(text)
    (battery,) = load(place.config).batteries
    both = {*"\"'"} <= {*password}
    assert battery.password == ("" if both else password)
    assert password in text
    assert (battery.port, battery.address, battery.user) == (8884, "10.0.0.1", TOKEN.user)
