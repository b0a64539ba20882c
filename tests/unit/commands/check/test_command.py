"""`bat2influx check` on its command line: the file only, or everything."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from bat2influx.commands.check import every_step
from bat2influx.commands.check.command import register
from bat2influx.config.settings import Settings
from tests import TOP

EX_OK, EX_CONFIG = 0, 78


def run(*arguments: str, config: Path) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([*arguments])
    options.config = config
    return int(options.function(options))


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """A file that is valid as long as no credential is read."""
    path = tmp_path / "bat2influx.ini"
    path.write_text("[Battery]\naddress = venus.local\n")
    return path


def test_offline_only_the_file_is_checked(
    ini: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No credential is read, which a reload may not do, and no connection is made."""
    monkeypatch.setattr(every_step, "check", None)
    (ini.parent / "mqtt-password").write_text("two\nlines\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ini.parent))
    assert run("--offline", config=ini) == EX_OK
    assert capsys.readouterr().out == f"{ini}: ok\n"


def test_offline_reports_text_around_the_token(
    ini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is valid nevertheless."""
    ini.write_text("[Influx]\ntoken = Bearer s3cret\n")
    assert run("--offline", config=ini) == EX_OK
    note, end = capsys.readouterr().out.splitlines()
    assert note.startswith(f"note: {ini}, line 2: [Influx] token: ignored, because not part of it")
    assert "s3cret" not in note
    assert end == f"{ini}: ok"


def test_online_the_credentials_are_used(
    ini: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A valid one is used for the steps, and an invalid one is a configuration error."""
    seen: list[Settings] = []
    monkeypatch.setattr(every_step, "check", lambda settings, _: seen.append(settings) or 7)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ini.parent))
    (ini.parent / "mqtt-password").write_text("s3cret\n")
    assert run(config=ini) == 7
    assert seen[0].batteries[0].password == "s3cret"
    (ini.parent / "mqtt-password").write_text("two\nlines\n")
    assert run(config=ini) == EX_CONFIG
    assert "holds more than one line" in capsys.readouterr().err
    assert len(seen) == 1


@pytest.mark.parametrize("offline", [(), ("--offline",)])
def test_an_invalid_file_is_reported_without_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: tuple[str, ...]
) -> None:
    """All of its problems are on stderr, with the exit code of a configuration error."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[Battery]\nport = many\nbogus = 1\n")
    assert run(*offline, config=bad) == EX_CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == [
        f"{bad}, line 2",
        f"{bad}, line 3",
    ]


def test_offline_needs_no_import_of_the_steps(ini: Path) -> None:
    """It runs at each reload, on small machines."""
    code = f"""
import sys
from bat2influx import cli
code = cli.main(["--config", {str(ini)!r}, "check", "--offline"])
print(code, *sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "0"
    assert not {"paho", "influxdb", "requests", "sqlite3", "bat2influx.mqtt"} & {*last}
