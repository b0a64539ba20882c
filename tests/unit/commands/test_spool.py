"""`bat2influx spool`: what it prints of the queue on disk, and its requests to the daemon."""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.commands.spool import LONGEST, register, spool
from bat2influx.config.settings import Settings
from bat2influx.delivery import disk_format
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.influx.outcome import RejectedLine
from tests import TOP
from tests.support.strangers import NOBODY, NOGROUP, give_away, needs_root, open_folder
from tests.support.writing import DEFAULTS

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 0, 64, 69, 78
NOW = 1_795_000_000_000_000_000  # 2026-11-18 11:06:40 UTC, in ns


class State:
    """A state directory, and the clock for rejected values."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state"
        self.now = NOW

    def store(self, waiting: Sequence[bytes] = (), rejected: Sequence[RejectedLine] = ()) -> None:
        """Have these lines wait, and those rejected."""
        queue = DiskQueue(self.path, 10**7, linger=0.0, clock=lambda: self.now)
        with closing(queue):
            queue.open()
            if rejected:
                batch = queue.append([each.line for each in rejected])
                queue.settle(batch, [], rejected)
            queue.append(waiting)

    def files(self) -> dict[str, bytes]:
        """Return all files with what is in them."""
        return {path.name: path.read_bytes() for path in self.path.glob("*")}

    def run(
        self, *, export: bool = False, rejected: bool = False, retry: bool = False, policy: str = ""
    ) -> int:
        """Run the command."""
        influx = DEFAULTS._replace(retention_policy=policy)
        settings = Settings(Path("/etc/x.ini"), (), influx, 10**8)
        options = {"export": export, "rejected": rejected, "retry_rejected": retry}
        return spool(settings, self.path, **options)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty state directory."""
    return State(tmp_path)


def line(stamp: int, value: float = 1.5) -> bytes:
    """Return a line with this stamp."""
    return b"dc V=%r %d" % (value, stamp)


# What it shows


def test_without_a_file_nothing_is_queued(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    """And none is created."""
    assert state.run() == EX_OK
    assert capsys.readouterr() == ("queued    0 values\nrejected  0 values\n", "")
    assert not state.path.exists()


def test_queued_values_have_their_age_and_size(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """The oldest stamp in UTC, and the directory; the file is unchanged."""
    state.store([line(NOW), line(NOW + 10**9)])
    before = state.files()
    assert state.run() == EX_OK
    assert capsys.readouterr().out == (
        f"queued    2 values, the oldest from 2026-11-18 11:06:40 UTC, 0.0 MB in {state.path}\n"
        "rejected  0 values\n"
    )
    assert state.files() == before


def test_rejected_points_are_printed_by_reason(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """The most frequent first, with the first and the last time; a reason is one printable line."""
    hostile = "no\nport = 1\x1b[2J " + "x" * 400
    state.store(rejected=[RejectedLine(line(n), "field type conflict") for n in range(2)])
    state.now = NOW - 10**9
    state.store(rejected=[RejectedLine(line(9), "field type conflict")])
    state.store(rejected=[RejectedLine(line(10), hostile)])
    assert state.run() == EX_OK
    waiting, rejected, first, second = capsys.readouterr().out.splitlines()
    assert waiting.startswith("queued    0 values, ")
    assert rejected == "rejected  4 values"
    assert first == (
        "          3, the first at 2026-11-18 11:06:39 UTC, the latest at 2026-11-18 11:06:40 UTC:"
        " field type conflict"
    )
    shown = second.rpartition(" UTC: ")[2]
    assert shown.startswith("no port = 1 [2J xxx")
    assert len(shown) == LONGEST


@pytest.mark.parametrize(
    ("stamp", "when"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (2**63 - 1, "2262-04-11 23:47:16 UTC"),
        (10**19 - 1, "2286-11-20 17:46:39 UTC"),
    ],
)
def test_a_stamp_outside_of_dates_is_printed(
    state: State, capsys: pytest.CaptureFixture[str], stamp: int, when: str
) -> None:
    """A clock that was never set produces such stamps."""
    state.store([line(stamp)])
    assert state.run() == EX_OK
    assert f"queued    1 value, the oldest from {when}, " in capsys.readouterr().out


# What it exports


@pytest.mark.parametrize(
    ("policy", "context"), [("", b""), ("mine", b"# CONTEXT-RETENTION-POLICY: mine\n")]
)
@pytest.mark.parametrize("rejected", [False, True])
def test_an_export_is_a_file_for_influx_import(
    state: State,
    capsysbinary: pytest.CaptureFixture[bytes],
    policy: str,
    context: bytes,
    rejected: bool,
) -> None:
    """With database and policy in its header, and either the queued or the rejected lines."""
    odd = "dc,site=Größe V=1.5 7".encode()
    state.store([line(1), odd], [RejectedLine(line(2), "bad"), RejectedLine(line(3), "worse")])
    before = state.files()
    assert state.run(export=True, rejected=rejected, policy=policy) == EX_OK
    body = [line(2), line(3)] if rejected else [line(1), odd]
    head = b"# DML\n# CONTEXT-DATABASE: battery\n" + context
    assert capsysbinary.readouterr().out == head + b"".join(b"%b\n" % each for each in body)
    assert state.files() == before


# What it asks for


def test_the_daemon_retries_rejected_points_on_request(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command leaves the request, and the values stay where they are."""
    state.store([line(1)], [RejectedLine(line(2), "bad"), RejectedLine(line(3), "bad")])
    assert state.run(retry=True) == EX_OK
    text = "requested: bat2influx retries 2 values, at once if it is running\n"
    assert capsys.readouterr() == (text, "")
    assert "retry-rejected" in state.files()
    with closing(DiskQueue(state.path, 10**7)) as queue:
        queue.open()
        assert queue.rejected_count == 2


def test_without_rejected_points_there_is_no_request(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a file and without one."""
    assert state.run(retry=True) == EX_OK
    state.store([line(1)])
    assert state.run(retry=True) == EX_OK
    assert capsys.readouterr().out == "there are no rejected values\n" * 2
    assert "retry-rejected" not in state.files()


# What is in the way


@pytest.mark.parametrize(
    "what", [{}, {"export": True}, {"retry": True}], ids=["show", "export", "retry"]
)
def test_a_file_of_a_later_version_is_reported(
    state: State, capsys: pytest.CaptureFixture[str], what: dict[str, bool]
) -> None:
    """The exit code is that of an unavailable file, and the output does not look empty."""
    state.store([line(1)])
    file = state.path / disk_format.NAME
    with closing(sqlite3.connect(file)) as db:
        for table in ("waiting", "rejected"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN more")
        db.execute(f"PRAGMA user_version = {disk_format.FORMAT + 1}")
    assert state.run(**what) == EX_UNAVAILABLE
    version = disk_format.FORMAT + 1
    text = f"bat2influx spool: {file} has format {version} of a later bat2influx\n"
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize("name", ["spool.sqlite", "spool.sqlite-wal", "spool.sqlite-journal"])
def test_a_path_that_could_block_sqlite_is_named(
    state: State, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A FIFO in place of a file would block the command for ever."""
    state.store([line(1)])
    (state.path / name).unlink(missing_ok=True)
    os.mkfifo(state.path / name)
    assert state.run() == EX_UNAVAILABLE
    text = f"bat2influx spool: {state.path / name} is not a regular file; remove it\n"
    assert capsys.readouterr() == ("", text)


# Run by root, beside a daemon of another user


def as_root(state: State, ini: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Let a process of root run the command with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", str(ini), "spool", *arguments],
        cwd=TOP,
        env={**os.environ, "STATE_DIRECTORY": str(state.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60.0,
    )


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[tuple[State, Path]]:
    """A state directory of nobody's with a rejected row, and a configuration that root reads."""
    ini = tmp_path / "bat2influx.ini"
    ini.write_text("[Battery]\naddress = venus.local\n")
    with open_folder() as folder:
        made = State(folder)
        made.store([line(1)], [RejectedLine(line(2), "bad\x1b[2J")])
        give_away(made.path)
        yield made, ini


@needs_root
def test_root_asks_as_the_owner_of_the_state(theirs: tuple[State, Path]) -> None:
    """The request is the daemon's to remove, and all files stay the daemon's."""
    state, ini = theirs
    assert as_root(state, ini).stdout.endswith("UTC: bad [2J\n")
    assert as_root(state, ini, "--export").stdout.endswith("\ndc V=1.5 1\n")
    done = as_root(state, ini, "--retry-rejected")
    assert (done.stdout, done.stderr) == (
        "requested: bat2influx retries 1 value, at once if it is running\n",
        "",
    )
    owners = {path.name: path.stat().st_uid for path in state.path.iterdir()}
    assert owners == dict.fromkeys(("spool.sqlite", "retry-rejected"), NOBODY)


@needs_root
def test_found_root_made_the_target_of_a_link(theirs: tuple[State, Path]) -> None:
    """With /etc/nologin as the target nobody could have logged in any more."""
    state, ini = theirs
    target = state.path.parent / "nologin"
    (state.path / "retry-rejected").symlink_to(target)
    done = as_root(state, ini, "--retry-rejected")
    assert done.returncode == EX_UNAVAILABLE
    assert "retry-rejected is not a regular file; remove it" in done.stderr
    assert not target.exists()


@needs_root
def test_root_reads_no_file_that_the_owner_could_not(theirs: tuple[State, Path]) -> None:
    """A link in the place of the state directory, or of the file, leads nowhere else."""
    state, ini = theirs
    secret = state.path.parent / "secret"
    secret.mkdir(mode=0o700)
    (state.path / disk_format.NAME).rename(secret / disk_format.NAME)
    (secret / disk_format.NAME).chmod(0o600)
    os.chown(secret / disk_format.NAME, 0, 0)
    (state.path / disk_format.NAME).symlink_to(secret / disk_format.NAME)
    linked = as_root(state, ini, "--export")
    shutil.rmtree(state.path)
    state.path.symlink_to(secret)
    os.chown(state.path, NOBODY, NOGROUP, follow_symlinks=False)
    for done in (linked, as_root(state, ini, "--export")):
        assert "dc V" not in done.stdout
        assert done.returncode == EX_UNAVAILABLE


# The command line


def run(*arguments: str, config: Path) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    register(parser)
    options = parser.parse_args([*arguments])
    options.config = config
    return int(options.function(options))


def test_the_state_directory_is_that_of_the_file(
    state: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the daemon has it; a credential is not read, for no secret is needed."""
    state.store([line(1)])
    ini = tmp_path / "bat2influx.ini"
    ini.write_text("[Battery]\naddress = venus.local\n")
    (tmp_path / "mqtt-password").write_text("two\nlines\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(state.path))
    assert run(config=ini) == EX_OK
    assert capsys.readouterr().out.startswith("queued    1 value, ")
    assert run("--retry-rejected", config=ini) == EX_OK
    assert capsys.readouterr().out == "there are no rejected values\n"


def test_rejected_goes_with_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone it is a mistake in the command, whatever the file."""
    gone = tmp_path / "gone.ini"
    assert run("--rejected", config=gone) == EX_USAGE
    assert run("--rejected", "--retry-rejected", config=gone) == EX_USAGE
    text = "bat2influx spool: --rejected needs --export\n"
    assert capsys.readouterr() == ("", text * 2)
    with pytest.raises(argparse.ArgumentError, match="not allowed with"):
        run("--export", "--retry-rejected", config=gone)


def test_a_bad_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it nobody knows which database the export is for."""
    gone = tmp_path / "gone.ini"
    assert run(config=gone) == EX_CONFIG
    assert capsys.readouterr().err.startswith(f"{gone}: there is no such file\n1. ")


@pytest.mark.parametrize("options", [{}, {"export": True}, {"rejected": True, "export": True}])
def test_found_a_flipped_bit_in_the_schema_was_a_traceback(
    state: State, capsys: pytest.CaptureFixture[str], options: dict[str, bool]
) -> None:
    """It is a damaged file, which the daemon sees to."""
    state.store([b"dc V=1.0 1"], [RejectedLine(b"dc V=1.0 2", "bad")])
    path = state.path / disk_format.NAME
    content = path.read_bytes()
    at = content.index(b"PRIMARY KEY, crc", content.index(b"TABLE waiting")) + 2
    path.write_bytes(content[:at] + b"H" + content[at + 1 :])
    assert state.run(**options) == EX_UNAVAILABLE
    told = capsys.readouterr()
    assert told.err.startswith(f"bat2influx spool: {path} is damaged (")
    assert told.out == ""
