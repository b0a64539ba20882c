"""`bat2influx health`: the status line, or the problem, and the exit code."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bat2influx.commands import health
from bat2influx.commands.health import LONGEST, register, report_health
from bat2influx.daemon.health import HealthFile
from tests import TOP
from tests.support.strangers import NOBODY, NOGROUP, needs_root, open_folder

EX_OK, EX_UNAVAILABLE = 0, 69
INI = Path("/etc/bat2influx/bat2influx.ini")
NOW = 1000.0  # s, by the monotonic clock
SILENT = "no device has sent a message"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory, as a unit has it, at the time NOW."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: NOW))
    return tmp_path


def ask(run: Path) -> int:
    """Ask for the health of the daemon with the usual ini."""
    return report_health(INI, {"RUNTIME_DIRECTORY": str(run)})


def test_the_daemons_status_is_printed_while_it_runs(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status line and 0 if it is healthy; no status once it has ended."""
    writer = HealthFile(INI, 120.0)
    writer.write(NOW, None, "looking for venus.local")
    assert ask(run) == EX_UNAVAILABLE
    said = "no device has sent a message yet; looking for venus.local\n"
    assert capsys.readouterr() == (said, "")
    writer.write(NOW, NOW, "Voltage 52.6\x1b[2J; 9.0 values/s")
    assert ask(run) == EX_OK
    assert capsys.readouterr() == ("Voltage 52.6 [2J; 9.0 values/s\n", "")
    (path,) = run.iterdir()
    writer.close()
    assert ask(run) == EX_UNAVAILABLE
    text = f"bat2influx health: no daemon is running with {INI} as this user (no file {path})\n"
    assert capsys.readouterr() == ("", text)


def put(run: Path, at: float, alive: float | None, status: str = "fine") -> None:
    """Write a daemon's health file, with these times by the monotonic clock, in s."""
    content = {"format": 1, "at": at, "alive": alive, "within": 120.0, "status": status}
    (run / "bat2influx.health").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("at", "alive", "status", "told"),
    [
        (0.0, 0.0, "fine", "fine"),
        (-10.0, -10.0, "fine", "fine"),
        (0.0, 0.0, "", ""),
        (0.0, -121.0, "fine", f"{SILENT}, or a worker thread has hung, for 121 s; fine"),
        (0.0, None, "fine", f"{SILENT} yet; fine"),
        (0.0, None, "", f"{SILENT} yet"),
        (-11.0, 0.0, "fine", "the daemon hung or was killed 11 s ago; fine"),
    ],
)
def test_the_problem_is_printed_before_the_status(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    at: float,
    alive: float | None,
    status: str,
    told: str,
) -> None:
    """The exit code is that of the problem; times are before now, in s."""
    put(run, NOW + at, None if alive is None else NOW + alive, status)
    assert ask(run) == (EX_OK if told == status else EX_UNAVAILABLE)
    assert capsys.readouterr() == (f"{told}\n", "")


def test_a_time_in_the_future_is_no_health(run: Path) -> None:
    """A file of another boot does not count."""
    put(run, NOW + 1e6, NOW + 1e6)
    assert ask(run) == EX_UNAVAILABLE


def test_a_status_has_a_limit(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However many fields there are."""
    put(run, NOW, NOW, "x" * 5000)
    assert ask(run) == EX_OK
    assert len(capsys.readouterr().out) == LONGEST + len("\n")


def test_a_file_that_cannot_be_used_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found: a FIFO blocked the command, and a long file was treated as no daemon."""
    path = run / "bat2influx.health"
    os.mkfifo(path)
    assert ask(run) == EX_UNAVAILABLE
    path.unlink()
    path.write_text("x" * 180_000)
    assert ask(run) == EX_UNAVAILABLE
    end = "; a running daemon replaces it every second\n"
    assert capsys.readouterr().err == (
        f"bat2influx health: cannot read {path} (it is not a regular file){end}"
        f"bat2influx health: {path} is longer than 64 KiB{end}"
    )


@needs_root
def test_root_asks_as_the_owner_of_the_directory() -> None:
    """A link to a file that the owner may not read is not followed, and nothing is disclosed."""
    with open_folder() as folder:
        secret = folder / "secret"
        secret.write_text('{"format": 1, "at": 0, "alive": 0, "within": 1, "status": "secret"}')
        secret.chmod(0o600)
        state = folder / "run"
        state.mkdir()
        (state / "bat2influx.health").hardlink_to(secret)
        os.chown(state, NOBODY, NOGROUP)
        done = subprocess.run(
            [sys.executable, "-m", "bat2influx", "health"],
            cwd=TOP,
            env={**os.environ, "RUNTIME_DIRECTORY": str(state)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == EX_UNAVAILABLE
        assert "bat2influx.health (Permission denied)" in done.stderr
        assert "secret" not in done.stdout


def test_without_a_directory_the_missing_variables_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The question is answered by what is missing."""
    assert health.report_health(Path("/home/me/mine.ini"), {}) == EX_UNAVAILABLE
    assert capsys.readouterr().err == (
        "bat2influx health: no daemon is running with /home/me/mine.ini as this user"
        " (neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set)\n"
    )


def test_the_command_has_no_options(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It uses the file and this environment."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([])
    options.config = Path("/home/me/mine.ini")
    assert options.function(options) == EX_UNAVAILABLE
    assert f"(no file {run}/mine.health)" in capsys.readouterr().err
