"""`bat2influx watch`: the output, the log, the remembered devices, and the end."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands.watch import command
from bat2influx.commands.watch.command import LOG_LINES, LogCapture, _Known, register, watch
from bat2influx.commands.watch.model import Level
from bat2influx.config.settings import Settings
from bat2influx.device.remembered import DeviceRecord, RememberedDevices
from bat2influx.service.ownership import Owner, OwnerError
from tests.support.writing import DEFAULTS
from tests.unit.commands.session_by_hand import OTHER, P, battery

EX_OK, EX_USAGE, EX_NOPERM, EX_CONFIG = 0, 64, 77, 78
SETTINGS = Settings(Path("/home/me/x.ini"), (battery(),), DEFAULTS, 10**8)


def test_the_latest_of_the_log_is_kept() -> None:
    """Printable, with its time, and a warning as a note."""
    log_entries = LogCapture()
    for number, level in enumerate((logging.INFO, logging.INFO, logging.WARNING)):
        record = {"msg": f"event\n{number}", "levelno": level, "created": 0.0}
        log_entries.emit(logging.makeLogRecord(record))
    assert len(log_entries.latest) == LOG_LINES
    assert [(fact.text, fact.level) for fact in log_entries.latest] == [
        ("event 1", Level.OK),
        ("event 2", Level.NOTE),
    ]
    assert {fact.label[-3:] for fact in log_entries.latest} == {":00"}


def test_an_invalid_log_entry_is_ignored() -> None:
    """As in logging itself."""
    log_entries = LogCapture()
    log_entries.emit(logging.makeLogRecord({"msg": "%d", "args": ("x",), "levelno": 20}))
    assert not log_entries.latest


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The program's logger, left as it was."""
    made = logging.getLogger("bat2influx")
    before = made.handlers[:], made.level, made.propagate
    yield made
    made.handlers[:], made.level, made.propagate = before


def test_without_a_terminal_the_log_goes_to_stderr(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Except troubles, which have separate lines."""
    LogCapture().forward()
    logging.getLogger("bat2influx.device").info("reading %s", "venus.local")
    log.warning("cannot reach it", extra={"COUNT": "1"})
    log.debug("nothing for people")
    assert capsys.readouterr() == ("", "INFO: reading venus.local\n")


def test_in_a_terminal_the_log_is_collected(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else writes to it."""
    log_entries = LogCapture()
    log_entries.collect()
    log.warning("reading")
    assert [fact.text for fact in log_entries.latest] == ["reading"]
    assert capsys.readouterr() == ("", "")


# What is remembered


def test_what_the_daemon_has_discovered_is_read_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no message about an unreadable file."""
    file = tmp_path / "devices.json"
    remembered = RememberedDevices(tmp_path)
    remembered.keep("venus.local:1883", DeviceRecord(P))
    remembered.flush(60.0)
    before = file.read_bytes()
    known = _Known(tmp_path)
    assert known.recall("venus.local:1883") == DeviceRecord(P)
    known.keep("venus.local:1883", DeviceRecord(OTHER))
    assert file.read_bytes() == before
    file.write_text(json.dumps({"format": "?"}))
    assert _Known(tmp_path).recall("venus.local:1883") is None
    assert not caplog.records


# The command


class Shown:
    """Which face was shown, and what became of the log, of signals and of the parts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fit: bool, fails: bool = False) -> None:
        self.done: list[str] = []
        self.fails, self.refused = fails, False
        for name in ("Screen", "Lines"):
            monkeypatch.setattr(command, name, self._face(name))
        monkeypatch.setattr(command, "is_fit", lambda _: fit)
        monkeypatch.setattr(command, "Watch", self._watch)
        monkeypatch.setattr(command, "unreadable_secrets", self._unseen)
        monkeypatch.setattr(command, "become_owner", self._become)
        for name in ("collect", "forward"):
            note = self._note(name)
            monkeypatch.setattr(LogCapture, name, lambda _, note=note: note())

    def _note(self, what: str) -> Callable[[], None]:
        return lambda: self.done.append(what)

    def _face(self, name: str) -> Callable[..., Any]:
        @contextmanager
        def shown(_: object) -> Iterator[str]:
            self.done.append(name)
            try:
                yield name
            finally:
                self.done.append(f"end of {name}")

        return shown

    def _unseen(self, settings: Settings, _: object, **options: str) -> Iterator[str]:
        assert options == {"command": "watch", "by": "--pty"}
        self.done.append("look for secrets")
        yield "not seen: a password"

    def _become(self, state: Path, user: str) -> None:
        assert user == ""  # of a directory that is given, and of a file that is not the service's
        self.done.append(f"become the owner of {state}")
        if self.refused:
            raise OwnerError(Owner(1, 1, "nobody", state), PermissionError(1, "refused"))

    def _watch(self, *given: object) -> SimpleNamespace:
        assert given[-1] == ["not seen: a password"]

        def run(_: object) -> None:
            self.done.append("run")
            if self.fails:
                raise ZeroDivisionError

        signals, close = self._note("signals"), self._note("close")
        return SimpleNamespace(catch_signals=signals, run=run, close=close)


@pytest.mark.parametrize(
    ("fit", "name", "log"), [(True, "Screen", "collect"), (False, "Lines", "forward")]
)
def test_a_terminal_has_a_screen_and_a_pipe_has_lines(
    monkeypatch: pytest.MonkeyPatch, fit: bool, name: str, log: str
) -> None:
    """The log goes to the one and beside the other; signals are caught before curses does it."""
    shown = Shown(monkeypatch, fit=fit)
    assert watch(SETTINGS, {"STATE_DIRECTORY": "/state"}) == EX_OK
    before = ["look for secrets", "become the owner of /state"]
    assert shown.done == [*before, log, "signals", name, "run", f"end of {name}", "close"]


def test_root_that_may_not_become_the_owner_of_the_state_watches_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hints about secrets are made before that, because the owner cannot read them."""
    shown = Shown(monkeypatch, fit=True)
    shown.refused = True
    assert watch(SETTINGS, {"STATE_DIRECTORY": "/state"}) == EX_NOPERM
    assert shown.done == ["look for secrets", "become the owner of /state"]
    text = "/state belongs to nobody; root cannot switch to that user here (refused)"
    assert capsys.readouterr().err == f"bat2influx watch: {text}\n"


def test_an_error_restores_the_terminal_and_closes_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exception passes to the caller."""
    shown = Shown(monkeypatch, fit=True, fails=True)
    with pytest.raises(ZeroDivisionError):
        watch(SETTINGS, {})
    assert shown.done[-2:] == ["end of Screen", "close"]


def run(config: Path, *arguments: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([*arguments])
    options.config = config
    return int(options.function(options))


@pytest.mark.parametrize(
    ("serial", "arguments", "code", "log_entries"),
    [
        ("", [], 7, ""),
        ("*", [P], 7, ""),
        ("", [P], EX_USAGE, "bat2influx watch: a portal id is used with serial = *"),
        ("*", [], EX_USAGE, "bat2influx watch: serial = * is every device behind venus.local"),
        ("*", ["a/b"], EX_USAGE, "bat2influx watch: serial = * is every device behind"),
        ("a/b", [], EX_CONFIG, "line 3: [Battery] serial = a/b: must be a portal id"),
    ],
)
def test_of_a_fleet_one_device_is_watched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    serial: str,
    arguments: list[str],
    code: int,
    log_entries: str,
) -> None:
    """It is named on the command line, and only there; an invalid file is reported."""
    seen: list[Settings] = []
    monkeypatch.setattr(command, "watch", lambda settings, _: seen.append(settings) or 7)
    ini = tmp_path / "x.ini"
    ini.write_text(f"[Battery]\naddress = venus.local\nserial = {serial}\nmode = notify\n")
    assert run(ini, *arguments) == code
    start = f"{ini}, " if code == EX_CONFIG else ""
    assert capsys.readouterr().err.startswith(f"{start}{log_entries}")
    assert [each.batteries[0].serial for each in seen] == (
        ["".join(arguments)] if code == 7 else []
    )
