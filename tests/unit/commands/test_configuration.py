"""The configuration as a command reads it, and how its problems are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.commands.configuration import complain, first_steps, read, read_or_complain
from bat2influx.config.paths import DEFAULT_CONFIG
from bat2influx.config.settings import ConfigError
from bat2influx.service import journal


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good file, of a process without credentials."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "bat2influx.ini"
    path.write_text("[Battery]\naddress = venus.local\npassword = of the file\n")
    return path


@pytest.mark.parametrize(
    ("directory", "password"), [("credentials", "of systemd"), ("", "of the file")]
)
def test_a_credential_of_the_process_replaces_that_of_the_file(
    ini: Path, monkeypatch: pytest.MonkeyPatch, directory: str, password: str
) -> None:
    """An empty variable names no directory."""
    folder = ini.parent / "credentials"
    folder.mkdir()
    (folder / "mqtt-password").write_text("of systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder) if directory else "")
    (battery,) = read(ini).batteries
    assert battery.password == password


def test_a_password_that_the_file_cannot_hold_is_read_from_a_credential(
    ini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last space, as an editor leaves it in the file that the message names."""
    secret = " a\"b'c#d, e ; f "
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ini.parent))
    ini.write_text(f"[Battery]\npassword = {secret}\n")
    with pytest.raises(ConfigError, match="only line of the file mqtt-password in the directory"):
        read(ini)
    ini.write_text("[Battery]\npassword =\n")
    (ini.parent / "mqtt-password").write_text(f"{secret}\n")
    (battery,) = read(ini).batteries
    assert battery.password == secret


def test_a_valid_file_is_read_without_output(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both functions return the same settings."""
    assert read_or_complain(ini) == read(ini)
    assert capsys.readouterr() == ("", "")


def test_all_problems_of_an_invalid_file_are_printed(
    ini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line each, on stderr, in the order of the file."""
    ini.write_text("[Battery]\nport = many\nbogus = 1\n")
    assert read_or_complain(ini) is None
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{ini}, line 2", f"{ini}, line 3"]
    assert out == ""
    with pytest.raises(ConfigError) as raised:
        read(ini)
    assert list(raised.value.problems) == lines


def test_a_file_that_does_not_exist_is_answered_with_the_first_steps(
    ini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three lines, with the commands for this file."""
    gone = ini.with_name("my boat.ini")
    assert read_or_complain(gone) is None
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == (
        "",
        [
            f"{gone}: there is no such file",
            f"1. Find the device:  bat2influx --config '{gone}' discover",
            f"2. Edit the file:    {gone} (template: /usr/share/bat2influx/bat2influx.ini)",
            f"3. Test each step:   bat2influx --config '{gone}' check",
        ],
    )


def test_the_first_steps_with_the_usual_file_need_no_option() -> None:
    """They are short there."""
    steps = [line.partition(":")[2].split(" (")[0].strip() for line in first_steps(DEFAULT_CONFIG)]
    assert steps == ["bat2influx discover", str(DEFAULT_CONFIG), "bat2influx check"]


@pytest.mark.parametrize(("in_journal", "priority"), [(True, "<3>"), (False, "")])
def test_each_line_is_an_error_in_the_journal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    in_journal: bool,
    priority: str,
) -> None:
    """By the prefix of every line, also within one problem; on a terminal there is none."""
    monkeypatch.setattr(journal, "stderr_is_journal", lambda: in_journal)
    complain(["one\ntwo", "three"])
    lines = "".join(f"{priority}{line}\n" for line in ("one", "two", "three"))
    assert capsys.readouterr() == ("", lines)
