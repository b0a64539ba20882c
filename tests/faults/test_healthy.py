"""A system to which nothing happens, and that it wears out no SD card."""

from __future__ import annotations

from pathlib import Path

from tests.support.changes import Changes
from tests.tools import outage

ATTEMPTS = 4  # on a machine that has other things to do


def test_what_is_healthy_does_nothing_in_the_state_directory(tmp_path: Path) -> None:
    """No file is made, written, opened or removed there, once the device has been found."""
    for attempt in range(ATTEMPTS):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        try:
            assert outage.healthy(directory, 5.0, 0.2)
        except outage.UnhealthyError:
            continue  # an attempt that is good is enough: a fault of ours would show in each
        except AssertionError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            break


def test_nothing_that_is_done_there_goes_unseen(tmp_path: Path) -> None:
    """A file that is made, read, renamed or removed shows, by its name."""
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
