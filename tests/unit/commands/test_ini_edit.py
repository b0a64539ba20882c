"""A command's settings in the configuration file: shown first, and no chosen setting is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.commands import ini_edit
from bat2influx.commands.file_changes import ChangeError, apply
from bat2influx.commands.ini_edit import UnconfirmedError, edited, is_at, section_for
from bat2influx.config.settings import ConfigError
from tests import TOP
from tests.unit.commands.session_by_hand import battery

WANTED = {"Battery": {"user": "new", "tls": "yes"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the file, which does not exist yet."""
    return tmp_path / "x.ini"


def test_settings_of_the_shipped_file_are_replaced(path: Path) -> None:
    """Its defaults need no confirmation, and the difference is shown."""
    path.write_bytes((TOP / "etc/bat2influx.ini").read_bytes())
    edit = edited(path, WANTED, confirmed=False)
    assert [line for line in edit.diff if line[0] in "+-"][2:] == [
        "-tls =",
        "+tls = yes",
        "-user =",
        "+user = new",
    ]
    assert edit.change
    apply([edit.change])
    again = edited(path, WANTED, confirmed=False)
    assert (again.change, again.diff) == (None, ())


def test_a_missing_file_is_created(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others cannot read it; the service's user can read that of the service, by its group."""
    edit = edited(path, WANTED, confirmed=False)
    assert edit.change
    assert (edit.change.before, edit.change.mode) == (None, 0o600)
    assert edit.change.after == b"[Battery]\nuser = new\ntls = yes\n"
    monkeypatch.setattr(ini_edit, "is_of_service", lambda path: True)
    edit = edited(path, WANTED, confirmed=False)
    assert edit.change
    assert edit.change.mode == 0o640


def test_a_chosen_setting_is_replaced_only_after_a_confirmation(path: Path) -> None:
    """The settings are named, and no value is shown."""
    path.write_text("[Battery]\nuser = old\ntls = yes\npassword = hunter2\n")
    wanted = {"Battery": {**WANTED["Battery"], "password": ""}}
    with pytest.raises(UnconfirmedError) as raised:
        edited(path, wanted, confirmed=False)
    assert str(raised.value) == (
        f"{path} already has values for [Battery] user, [Battery] password; --yes replaces them"
    )
    edit = edited(path, wanted, confirmed=True)
    assert edit.change
    assert edit.change.after == b"[Battery]\nuser = new\ntls = yes\npassword =\n"
    assert "hunter2" not in "\n".join(edit.diff)


@pytest.mark.parametrize("data", [b"[Battery]\nuser = \xff\n", b"\0"])
def test_a_file_that_is_no_text_is_unchanged(path: Path, data: bytes) -> None:
    """An error says so."""
    path.write_bytes(data)
    with pytest.raises((ChangeError, ConfigError)):
        edited(path, WANTED, confirmed=True)


def test_an_invalid_file_is_unchanged(path: Path) -> None:
    """The error has the usual message."""
    path.write_text("[Battery]\nport = x\n")
    with pytest.raises(ConfigError, match="line 2"):
        edited(path, WANTED, confirmed=True)


def test_a_change_that_would_make_the_file_invalid_is_not_written(path: Path) -> None:
    """Settings that are valid alone may be invalid together."""
    path.write_text("[Battery]\nca_file = /etc/ssl/none.pem\ntls = no\n".replace("ca_file", "# x"))
    wanted = {"Battery": {"fingerprint": ":".join(["AB"] * 32)}}
    with pytest.raises(ConfigError, match="the changed file would have errors"):
        edited(path, wanted, confirmed=True)


def test_a_section_is_found_by_its_address() -> None:
    """In any spelling; otherwise it is the only one, and of several none."""
    a, b = battery(name="a", address="gx1"), battery(name="b", address="Gx2.")
    assert is_at(b, "gX2")
    assert section_for([a, b], "gx2") is b
    assert section_for([a], "gx9") is a
    assert section_for([a], None) is a
    assert section_for([], "gx1") is None
    for host in (None, "gx9"):
        with pytest.raises(ConfigError, match="the file has several devices"):
            section_for([a, b], host)
