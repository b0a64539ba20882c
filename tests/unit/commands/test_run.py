"""`bat2influx run`: what happens before the daemon starts, and after its end."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bat2influx.commands.run import register, run
from bat2influx.config.settings import ConfigError, Settings
from bat2influx.daemon import main
from bat2influx.service import journal
from tests import TOP
from tests.support.strangers import NOBODY, NOGROUP, needs_root, open_folder

EX_CONFIG, EX_SOFTWARE, EX_NOPERM = 78, 70, 77


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """The command line with a valid file; the program's log is unchanged."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(journal, "set_up", lambda: None)
    path = tmp_path / "bat2influx.ini"
    path.write_text("[Battery]\naddress = venus.local\n")
    return argparse.Namespace(config=path)


def test_the_daemons_exit_code_is_the_commands(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the settings, and a function to reload the file."""
    done: list[str] = []

    def daemon(settings: Settings, reload: Callable[[], Settings]) -> int:
        done.append(settings.batteries[0].address)
        options.config.write_text("[Battery]\naddress = 192.0.2.20\n")
        done.append(reload().batteries[0].address)
        options.config.write_text("[Battery]\nport = many\n")
        with pytest.raises(ConfigError):
            reload()
        return 42

    monkeypatch.setattr(journal, "set_up", lambda: done.append("log"))
    monkeypatch.setattr(main, "run", daemon)
    assert run(options) == 42
    assert done == ["log", "venus.local", "192.0.2.20"]


def test_garbage_is_collected_while_the_daemon_runs(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules imported at the start are excluded, permanently."""
    seen: list[tuple[bool, bool]] = []

    def daemon(*_: object) -> int:
        seen.append((gc.isenabled(), gc.get_freeze_count() > 1000))
        return os.EX_OK

    monkeypatch.setattr(main, "run", daemon)
    try:
        assert run(options) == os.EX_OK
    finally:
        gc.unfreeze()
    assert seen == [(True, True)]


def test_an_invalid_file_starts_nothing(
    options: argparse.Namespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its problems are printed, and with the exit code systemd does not retry."""
    monkeypatch.setattr(main, "run", None)
    options.config.write_text("[Battery]\nport = many\n")
    assert run(options) == EX_CONFIG
    assert "line 2: [Battery] port = many: must be" in capsys.readouterr().err


AT_ONCE = """
import argparse, pathlib, sys
from bat2influx.commands import run
run.run(argparse.Namespace(config=pathlib.Path("/nowhere/x.ini")))
print(*(name for name in sys.modules if name.startswith(("bat2influx.daemon", "paho", "requests"))))
"""


def test_an_invalid_file_is_reported_before_the_daemon_is_imported() -> None:
    """The import takes a quarter of a second, and more on a small machine."""
    command = [sys.executable, "-c", AT_ONCE]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    assert "/nowhere/x.ini: there is no such file\n" in done.stderr


def test_an_internal_error_is_logged_and_ends_the_daemon(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its traceback, as a separate event."""

    def broken(*_: object) -> int:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(main, "run", broken)
    monkeypatch.setattr(logging.getLogger("bat2influx"), "propagate", True)
    assert run(options) == EX_SOFTWARE
    (record,) = caplog.records
    assert (record.levelno, record.message) == (
        logging.CRITICAL,
        "exiting: internal error in bat2influx",
    )
    assert "ZeroDivisionError: of ours" in str(record.exc_text)
    assert vars(record)["MESSAGE_ID"] == journal.event("internal error")["MESSAGE_ID"]


AS_ROOT = """
import os
import sys
from pathlib import Path
from bat2influx.cli import main as command
from bat2influx.daemon import main

def daemon(settings, reload):
    Path(os.environ["STATE_DIRECTORY"], "spool.sqlite").touch()
    print(settings.batteries[0].address, *os.getresuid(), os.environ.get("XDG_RUNTIME_DIR"))
    return 42

main.run = daemon
sys.exit(command(sys.argv[1:]))
"""


def as_root(options: argparse.Namespace, state: Path, *by: str) -> subprocess.CompletedProcess[str]:
    """Let a process of root run the command, with a daemon that writes a file and ends."""
    return subprocess.run(
        [*by, sys.executable, "-c", AS_ROOT, "--config", str(options.config), "run"],
        cwd=TOP,
        env={**os.environ, "STATE_DIRECTORY": str(state), "XDG_RUNTIME_DIR": "/run/user/0"},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_root
def test_found_root_left_files_that_the_service_could_not_use(options: argparse.Namespace) -> None:
    """With another user's state directory it runs as that user, and logs that."""
    with open_folder() as state:
        os.chown(state, NOBODY, NOGROUP)
        done = as_root(options, state)
        assert done.returncode == 42
        assert done.stdout == f"venus.local {NOBODY} {NOBODY} {NOBODY} None\n"
        said = f"INFO: started by root; running as nobody, the owner of {state}\n"
        assert done.stderr == said
        assert (state / "spool.sqlite").stat().st_uid == NOBODY


@needs_root
def test_root_runs_with_its_own_state_directory(options: argparse.Namespace) -> None:
    """Without a change of the user, and without a log line."""
    with open_folder() as state:
        done = as_root(options, state)
        assert (done.returncode, done.stderr) == (42, "")
        assert done.stdout == "venus.local 0 0 0 /run/user/0\n"


@needs_root
def test_root_that_may_not_change_its_user_gets_the_command_to_run(
    options: argparse.Namespace,
) -> None:
    """As in a container without capabilities; no file is left."""
    with open_folder() as state:
        os.chown(state, NOBODY, NOGROUP)
        options.config.parent.chmod(0o755)
        done = as_root(options, state, "setpriv", "--bounding-set=-all", "--inh-caps=-all")
        assert done.returncode == EX_NOPERM
        assert done.stderr == (
            f"{state} belongs to nobody; root cannot switch to that user here (Operation not"
            f" permitted); run: runuser -u nobody -- bat2influx --config {options.config} run\n"
        )
        assert not [*state.iterdir()]


BEFORE_SERVICE = """
import os
import sys
from pathlib import Path
from bat2influx.cli import main as command
from bat2influx.config import paths
from bat2influx.daemon import main

paths.HOME, paths.STATE = Path(sys.argv[2]).parent, Path(sys.argv[4])
paths.SERVICE_USER = sys.argv[5]
main.run = lambda *_: print(os.geteuid()) or 42
sys.exit(command(sys.argv[1:4]))
"""


@needs_root
@pytest.mark.parametrize("made", [False, True])
def test_found_root_ran_below_a_directory_that_the_service_took(
    options: argparse.Namespace, made: bool
) -> None:
    """With the service's file, before its first start, the message is to start the service."""
    environment = {key: each for key, each in os.environ.items() if key != "STATE_DIRECTORY"}
    with open_folder() as folder:
        state = folder / "state"
        if made:
            state.mkdir()
        begin = [sys.executable, "-c", BEFORE_SERVICE, "--config", str(options.config), "run"]
        for user, code in (("nobody", EX_NOPERM), ("no-such-user", 42)):
            done = subprocess.run(
                [*begin, str(state), user],
                cwd=TOP,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code
            assert done.stdout == ("" if code == EX_NOPERM else "0\n")
            what = (
                f"{state} does not belong to the service yet, and root's files there would block it"
            )
            told = f"{what}; run: systemctl start bat2influx\n"
            assert done.stderr == (told if code == EX_NOPERM else "")
        assert state.exists() == made


def test_other_exceptions_pass(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as Ctrl-C."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(options)


def test_the_command_has_no_options() -> None:
    """The command is its function."""
    parser = argparse.ArgumentParser()
    register(parser)
    assert parser.parse_args([]).function is run
