"""`bat2influx health --json`: one object, whatever is known of the daemon."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands import health
from bat2influx.commands.health import HealthRecord, record_of, register, report_health
from bat2influx.daemon.health import Condition, Health, HealthFigures, HealthFile
from bat2influx.reading import NS

EX_OK, EX_UNAVAILABLE, EX_NOPERM = 0, 69, 77
INI = Path("/etc/bat2influx/bat2influx.ini")
NOW = 1000.0  # s, by the monotonic clock
WALL = 1_795_000_000 * NS  # 2026-11-18T11:06:40Z
FIGURES = HealthFigures(
    last_value_ns=WALL - 1_250_000_000,
    queued=3,
    on_disk=2,
    stored=7,
    rejected=1,
    dropped=4,
    rejected_dropped=5,
    spool_used=0.25,
    database_up=False,
)
FIELDS = (
    "queued",
    "on_disk",
    "stored",
    "rejected",
    "dropped",
    "rejected_dropped",
    "spool_used",
    "database_up",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory, as a unit has it, at the times NOW and WALL."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    clocks = SimpleNamespace(monotonic=lambda: NOW, time_ns=lambda: WALL)
    monkeypatch.setattr(health, "time", clocks)
    return tmp_path


def printed(run: Path, capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    """Return the object that the command prints."""
    assert report_health(INI, {"RUNTIME_DIRECTORY": str(run)}, as_json=True) == code
    out, err = capsys.readouterr()
    assert err == ""
    (line,) = out.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found.pop("kind") == "health"
    assert found["healthy"] is (code == EX_OK)
    return found


def test_a_healthy_daemon_is_an_object_with_its_figures(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ages to a tenth of a second, the status line printable."""
    HealthFile(INI, 120.0).write(NOW - 0.5, NOW - 0.26, "Voltage 52.6\x1b[2J", FIGURES)
    assert printed(run, capsys, EX_OK) == {
        "state": "healthy",
        "healthy": True,
        "problem": None,
        "status": "Voltage 52.6 [2J",
        "message_age_s": 0.3,
        "last_value_time": "2026-11-18T11:06:38Z",
        "last_value_age_s": 1.2,
        **{name: FIGURES._asdict()[name] for name in FIELDS},
    }


def test_an_earlier_daemon_has_no_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are null while it runs beside a command that was upgraded."""
    HealthFile(INI, 120.0).write(NOW, NOW, "fine")
    found = printed(run, capsys, EX_OK)
    assert {found[name] for name in (*FIELDS, "last_value_time", "last_value_age_s")} == {None}


@pytest.mark.parametrize(
    ("at", "alive", "state", "age"),
    [
        (0.0, None, "starting", None),
        (0.0, -121.0, "not_responding", 121.0),
        (-11.0, -11.0, "stalled", 11.0),
        (1e6, 1e6, "stale", None),
    ],
)
def test_what_is_wrong_has_a_word_and_a_text(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    at: float,
    alive: float | None,
    state: str,
    age: float | None,
) -> None:
    """The exit code is that of the other output; times are in s after now."""
    HealthFile(INI, 120.0).write(NOW + at, None if alive is None else NOW + alive, "fine", FIGURES)
    found = printed(run, capsys, EX_UNAVAILABLE)
    assert (found["state"], found["message_age_s"]) == (state, age)
    assert found["problem"]
    assert (found["status"], found["queued"]) == ("fine", 3)


def test_without_a_daemon_the_problem_is_an_object(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All else is null."""
    found = printed(run, capsys, EX_UNAVAILABLE)
    assert found["problem"].startswith(f"no daemon is running with {INI}")
    assert {*found} == {*asdict(HealthRecord("", healthy=False, problem=None))}
    assert found.pop("state") == "not_running"
    assert {each for key, each in found.items() if key not in ("healthy", "problem")} == {None}


def test_a_file_that_cannot_be_used_is_unknown(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not show whether a daemon runs."""
    (run / "bat2influx.health").write_text("x")
    found = printed(run, capsys, EX_UNAVAILABLE)
    assert found["state"] == "unknown"
    assert "bat2influx.health is damaged" in found["problem"]


def test_a_directory_that_cannot_be_used_is_unknown(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code for a lack of permission."""

    def refuse(_: Path) -> None:
        raise PermissionError("no right to it")

    monkeypatch.setattr(health, "become_owner", refuse)
    found = printed(run, capsys, EX_NOPERM)
    assert (found["state"], found["problem"]) == ("unknown", "no right to it")


@pytest.mark.parametrize(("last", "age"), [(WALL + NS, 0.0), (None, None), (WALL - 90 * NS, 90.0)])
def test_the_age_of_a_value_is_never_negative(last: int | None, age: float | None) -> None:
    """A clock may have been set back since."""
    figures = HealthFigures(**{**FIGURES._asdict(), "last_value_ns": last})
    record = record_of(Health(NOW, NOW, 120.0, "", figures), NOW, WALL)
    assert record.last_value_age_s == age


def test_a_state_is_a_fixed_word() -> None:
    """In lower case: those of a Condition, and two of the command."""
    words = {each.value for each in Condition} | {health.NOT_RUNNING, health.UNKNOWN}
    assert all(word.replace("_", "").islower() for word in words)
    assert len(words) == len(Condition) + 2


def test_the_command_line_asks_for_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the option it is a line for people."""
    parser = argparse.ArgumentParser()
    register(parser)
    HealthFile(INI, 120.0).write(NOW, NOW, "fine")
    for arguments, said in (([], "fine\n"), (["--json"], '{"kind": "health", "state": "hea')):
        options = parser.parse_args(arguments)
        options.config = INI
        assert options.function(options) == EX_OK
        assert capsys.readouterr().out.startswith(said)
