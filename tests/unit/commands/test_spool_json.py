"""`bat2influx spool --json`: the objects of each of its modes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.spool import register, spool
from bat2influx.config.settings import Settings
from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.influx.outcome import RejectedLine
from tests.support.writing import DEFAULTS

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 0, 64, 69, 78
NOW = 1_795_000_000_000_000_000  # 2026-11-18T11:06:40Z, in ns
MAX_SIZE = 10**8  # bytes
SETTINGS = Settings(Path("/etc/x.ini"), (), DEFAULTS._replace(), MAX_SIZE)


def store(
    state: Path, queued: Sequence[bytes] = (), rejected: Sequence[RejectedLine] = (), now: int = NOW
) -> None:
    """Have these lines queued, and those quarantined at the time `now`."""
    with closing(DiskQueue(state, 10**7, linger=0.0, clock=lambda: now)) as queue:
        queue.open()
        if rejected:
            batch = queue.append([each.line for each in rejected])
            queue.settle(batch, [], rejected)
        queue.append(queued)


def objects(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    export: bool = False,
    rejected: bool = False,
    retry: bool = False,
    code: int = EX_OK,
) -> list[dict[str, Any]]:
    """Return the objects that the command prints."""
    options = {"export": export, "rejected": rejected, "retry_rejected": retry}
    assert spool(SETTINGS, state, **options, as_json=True) == code
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def test_an_empty_spool_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without times, and no file is created."""
    state = tmp_path / "state"
    assert objects(state, capsys) == [
        {
            "kind": "spool",
            "directory": str(state),
            "queued": 0,
            "oldest_time": None,
            "newest_time": None,
            "quarantined": 0,
            "bytes": 0,
            "max_bytes": MAX_SIZE,
            "set_aside": 0,
        }
    ]
    assert not state.exists()


def test_queued_values_have_their_first_and_last_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the bytes that they take on disk."""
    store(tmp_path, [b"dc V=1.5 %d" % (NOW + n * 10**9) for n in range(3)])
    (found,) = objects(tmp_path, capsys)
    assert found["queued"] == 3
    assert found["oldest_time"] == "2026-11-18T11:06:40Z"
    assert found["newest_time"] == "2026-11-18T11:06:42Z"
    assert found["bytes"] == disk_format.total_size(tmp_path / disk_format.NAME) > 0


def test_each_reason_and_each_file_that_was_set_aside_is_an_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind that of the spool, which counts them; a reason is printable."""
    store(tmp_path, [b"dc V=1.5 1"])
    aside = salvage.quarantine(tmp_path / disk_format.NAME, "format-2")
    store(tmp_path, rejected=[RejectedLine(b"dc V=1.5 %d" % n, "conflict") for n in range(2)])
    store(tmp_path, rejected=[RejectedLine(b"dc V=1.5 3", "conflict")], now=NOW - 10**9)
    store(tmp_path, rejected=[RejectedLine(b"dc V=1.5 4", "no\x1b[2J")])
    first, file, *reasons = objects(tmp_path, capsys)
    assert (first["queued"], first["quarantined"], first["set_aside"]) == (0, 4, 1)
    size = disk_format.total_size(aside)
    assert file == {"kind": "set_aside", "name": aside.name, "bytes": size}
    assert reasons == [
        {
            "kind": "rejection",
            "reason": "conflict",
            "count": 3,
            "first_time": "2026-11-18T11:06:39Z",
            "latest_time": "2026-11-18T11:06:40Z",
        },
        {
            "kind": "rejection",
            "reason": "no [2J",
            "count": 1,
            "first_time": "2026-11-18T11:06:40Z",
            "latest_time": "2026-11-18T11:06:40Z",
        },
    ]


def test_an_export_is_an_object_for_each_queued_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line as the database would get it; one without a stamp has no time."""
    lines = [b"dc V=1.5 %d" % NOW, "dc,site=Größe V=1.5".encode()]
    store(tmp_path, lines)
    nothing = {"reason": None, "rejected_time": None}
    assert objects(tmp_path, capsys, export=True) == [
        {"kind": "value", "line": lines[0].decode(), "time": "2026-11-18T11:06:40Z", **nothing},
        {"kind": "value", "line": lines[1].decode(), "time": None, **nothing},
    ]


def test_an_export_of_rejected_values_has_their_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And when the database rejected each."""
    store(tmp_path, [b"dc V=1.5 1"], [RejectedLine(b"dc V=1.5 0", "field type conflict")])
    assert objects(tmp_path, capsys, export=True, rejected=True) == [
        {
            "kind": "value",
            "line": "dc V=1.5 0",
            "time": "1970-01-01T00:00:00Z",
            "reason": "field type conflict",
            "rejected_time": "2026-11-18T11:06:40Z",
        }
    ]


def test_a_retry_is_requested_where_there_is_something_to_retry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object says whether, and for how many values."""
    store(tmp_path, [b"dc V=1.5 1"])
    nothing = {"kind": "retry", "requested": False, "quarantined": 0}
    assert objects(tmp_path, capsys, retry=True) == [nothing]
    assert not (tmp_path / "retry-rejected").exists()
    store(tmp_path, rejected=[RejectedLine(b"dc V=1.5 2", "bad")])
    wanted = {"kind": "retry", "requested": True, "quarantined": 1}
    assert objects(tmp_path, capsys, retry=True) == [wanted]
    assert (tmp_path / "retry-rejected").exists()


@pytest.mark.parametrize("mode", [{}, {"export": True}, {"retry": True}])
def test_a_file_that_cannot_be_read_is_an_error_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: dict[str, bool]
) -> None:
    """With the exit code of the command, and nothing on stderr."""
    (tmp_path / disk_format.NAME).mkdir()
    (found,) = objects(tmp_path, capsys, **mode, code=EX_UNAVAILABLE)
    assert (found["kind"], found["command"], found["exit_code"]) == ("error", "spool", 69)
    assert found["text"].endswith("is not a regular file; remove it")


# The command line


def run(config: Path, *arguments: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args(["--json", *arguments])
    options.config = config
    return int(options.function(options))


def test_a_bad_file_is_an_error_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of the other output; wrong use stays a message on stderr."""
    gone = tmp_path / "gone.ini"
    assert run(gone) == EX_CONFIG
    assert json.loads(capsys.readouterr().out) == {
        "kind": "error",
        "command": "spool",
        "exit_code": EX_CONFIG,
        "text": f"{gone}: there is no such file",
    }
    assert run(gone, "--rejected") == EX_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "--rejected needs --export" in err


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ([], ["spool", "rejection"]),
        (["--export"], ["value"]),
        (["--export", "--rejected"], ["value"]),
        (["--retry-rejected"], ["retry"]),
    ],
)
def test_the_command_line_asks_for_json_in_each_mode(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    kinds: list[str],
) -> None:
    """With the state directory of the daemon."""
    state = tmp_path / "state"
    store(state, [b"dc V=1.5 1"], [RejectedLine(b"dc V=1.5 2", "bad")])
    ini = tmp_path / "bat2influx.ini"
    ini.write_text("[Battery]\naddress = venus.local\n")
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    assert run(ini, *options) == EX_OK
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(each)["kind"] for each in lines] == kinds
