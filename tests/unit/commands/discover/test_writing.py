"""The result of `discover` in the file: one device, and no chosen setting is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.commands.discover import writing
from bat2influx.commands.discover.writing import Writing
from bat2influx.config.settings import load
from bat2influx.service.ownership import Owner, OwnerError
from tests.unit.commands.session_by_hand import battery

EX_OK, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 0, 69, 77, 78
PIN = ":".join(["AB"] * 32)
BLOCK = [
    "# Cerbo GX at gx, portal id c0619ab1c2d3",
    "[Battery]",
    "address = gx",
    "port = 1884",
    "",
    "[Fields]",
    "# presets = battery",
    "# battery/512",
    "Soh  = battery/512/Soh  # 99 %",
    "# Other = battery/512/Dc/0/Voltage  # 52 V",
]
LOCKED = [
    "# a Venus device at gx: it requires a password",
    "[Battery]",
    "address = gx",
    "tls = yes",
    f"fingerprint = {PIN}",
    "password =",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file is, which is not there yet."""
    return tmp_path / "x.ini"


def test_the_active_lines_are_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No comment is; the next command is printed."""
    assert Writing(path).write([("gx", BLOCK)], ()) == EX_OK
    assert path.read_text() == (
        "[Battery]\naddress = gx\nport = 1884\n\n[Fields]\nSoh = battery/512/Soh\n"
    )
    assert capsys.readouterr().err == f"Now run: bat2influx --config {path} check\n"


def test_a_named_device_has_its_own_sections(path: Path) -> None:
    """The one with that address."""
    path.write_text("[Battery house]\naddress = a\n[Battery boat]\naddress = gx\n")
    batteries = load(path).batteries
    assert Writing(path).write([("gx", BLOCK)], batteries) == EX_OK
    text = path.read_text()
    assert "[Battery boat]\naddress = gx\nport = 1884\n" in text
    assert "[Fields boat]\nSoh = battery/512/Soh\n" in text
    house, boat = load(path).batteries
    assert (house.port, boat.port) == (1883, 1884)


@pytest.mark.parametrize(
    ("hosts", "how"),
    [
        (("a", "b"), "choose one of a, b: bat2influx discover"),
        (("a", "a"), "copy the lines of one"),
    ],
)
def test_of_several_devices_none_is_chosen(
    path: Path, capsys: pytest.CaptureFixture[str], hosts: tuple[str, str], how: str
) -> None:
    """Whether they are apart, or behind one broker."""
    assert Writing(path).write([(host, BLOCK) for host in hosts], ()) == EX_CONFIG
    assert how in capsys.readouterr().err
    assert not path.exists()


def test_a_device_without_lines_does_not_count(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its description is printed; beside another device it is ignored."""
    silent = ["# a Venus device at gx: MQTT is switched off on it"]
    assert Writing(path).write([("gx", silent)], ()) == EX_UNAVAILABLE
    assert capsys.readouterr().out == f"{silent[0]}\n"
    assert not path.exists()
    assert Writing(path).write([("gx", silent), ("gx2", BLOCK)], ()) == EX_OK


def test_a_device_that_requires_a_login(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its certificate is written, and an existing password is kept."""
    path.write_text("[Battery]\npassword = mine\n")
    assert Writing(path).write([("gx", LOCKED)], (battery(),)) == EX_OK
    assert "password = mine\n" in path.read_text()
    assert f"fingerprint = {PIN}\n" in path.read_text()
    err = capsys.readouterr().err
    assert "gx requires a login: write its password into" in err
    assert f"run 'bat2influx --config {path} pair gx'" in err


def test_a_chosen_setting_needs_a_confirmation(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a field of that name with another path."""
    path.write_text("[Fields]\nSoh = battery/513/Soh\n")
    assert Writing(path).write([("gx", BLOCK)], ()) == EX_CONFIG
    assert "[Fields] Soh; --yes" in capsys.readouterr().err
    assert path.read_text() == "[Fields]\nSoh = battery/513/Soh\n"
    assert Writing(path, confirmed=True).write([("gx", BLOCK)], ()) == EX_OK
    assert "Soh = battery/512/Soh\n" in path.read_text()


@pytest.mark.parametrize(
    "text", ["[Battery a]\naddress = a\n[Battery b]\naddress = b\n", "[Battery]\nport = x\n"]
)
def test_unclear_and_invalid_cases_are_reported(
    path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """And the file is unchanged."""
    path.write_text(text)
    batteries = load(path).batteries if "Battery a" in text else ()
    assert Writing(path).write([("gx", BLOCK)], batteries) == EX_CONFIG
    assert capsys.readouterr().err
    assert path.read_text() == text


def test_the_same_again_changes_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so."""
    Writing(path).write([("gx", BLOCK)], ())
    before = path.stat()
    capsys.readouterr()
    assert Writing(path).write([("gx", BLOCK)], load(path).batteries) == EX_OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "already has these lines" in err
    assert path.stat().st_ino == before.st_ino


def test_root_writes_as_the_owner_of_the_directory_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise the owner could redirect root's write."""
    asked: list[Path] = []

    def refuse(wanted: Path) -> None:
        asked.append(wanted)
        raise OwnerError(Owner(1, 1, "me", path), OSError(1, "Operation not permitted"))

    monkeypatch.setattr(writing, "become_owner", refuse)
    assert Writing(path).write([("gx", BLOCK)], ()) == EX_NOPERM
    assert asked == [path]
    assert "root cannot switch to that user here" in capsys.readouterr().err
    assert not path.exists()
