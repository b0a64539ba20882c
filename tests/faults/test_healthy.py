"""A system without faults does not write to its SD card."""

from __future__ import annotations

from pathlib import Path

from tests.support.changes import Changes
from tests.tools import outage

ATTEMPTS = 4  # on a machine with other loads


def test_a_healthy_daemon_does_not_touch_the_state_directory(tmp_path: Path) -> None:
    """No file is created, written, opened or removed there after the device's discovery."""
    for attempt in range(ATTEMPTS):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        try:
            assert outage.healthy(directory, 5.0, 0.2)
        except outage.UnhealthyError:
            continue  # one good attempt is enough: a fault of the daemon would show in each
        except AssertionError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            break


def test_every_change_there_is_detected(tmp_path: Path) -> None:
    """A created, read, renamed or removed file is reported by its name."""
    with Changes(tmp_path) as changes:
        assert not changes.new()
        made = tmp_path / "made"
        made.write_bytes(b"x")
        assert changes.new() == [
            "created made",
            "opened made",
            "modified made",
            "closed after writing made",
        ]
        made.read_bytes()
        assert changes.new() == ["opened made"]
        made.rename(tmp_path / "renamed").unlink()
        assert changes.new() == ["moved away made", "moved here renamed", "deleted renamed"]
        assert not list(tmp_path.iterdir())
        assert not changes.new()
