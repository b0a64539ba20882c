"""`bat2influx spool`: what an earlier version has set aside, and the way back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bat2influx.commands.spool import spool
from bat2influx.config.settings import Settings
from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_queue import DiskQueue
from tests.support.writing import DEFAULTS

SETTINGS = Settings(Path("/etc/x.ini"), (), DEFAULTS._replace(), 10**8)


def shown(state: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that the command prints."""
    assert spool(SETTINGS, state, export=False, rejected=False, retry_rejected=False) == 0
    return capsys.readouterr().out.splitlines()


def test_a_file_that_was_set_aside_is_shown_and_can_be_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name, its size with its log, and what to do; after that its values are queued."""
    with closing(DiskQueue(tmp_path, 10**7)) as queue:
        queue.append([b"dc V=1.5 1", b"dc V=1.5 2"])
    aside = salvage.quarantine(tmp_path / disk_format.NAME, "format-2")
    disk_format.companion(aside, "-wal").write_bytes(b"x" * 200_000)
    assert shown(tmp_path, capsys) == [
        "queued    0 values",
        f"set aside {aside.name}, 0.2 MB; with the version that wrote it, and once no value"
        " is queued, stop the service and rename it to spool.sqlite",
        "rejected  0 values",
    ]
    disk_format.companion(aside, "-wal").unlink()
    aside.rename(tmp_path / "spool.sqlite")
    waiting, rejected = shown(tmp_path, capsys)
    assert waiting.startswith("queued    2 values, ")
    assert rejected == "rejected  0 values"


def test_several_are_shown_from_the_oldest_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a line; a damaged file is none of them."""
    names = ["spool.format-2-20260101T000000.000000Z", "spool.format-2-20260102T000000.000000Z"]
    for name in (*reversed(names), "spool.damaged-20260101T000000.000000Z"):
        (tmp_path / name).touch()
    found = [each for each in shown(tmp_path, capsys) if each.startswith("set aside")]
    assert [each.split()[2] for each in found] == [f"{name}," for name in names]
