"""Files that change together: all or none, whatever fails in between."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from bat2influx.commands import file_changes
from bat2influx.commands.file_changes import ChangeError, FileChange, apply, read_file

OLD, NEW = b"old\n", b"new, and longer\n"


def files(directory: Path) -> dict[str, bytes]:
    """Return what there is below a directory, by its name."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    """So has its directory, whatever the umask would leave of it."""
    secret = FileChange(tmp_path / "store/secret", None, NEW, directory_mode=0o700)
    other = FileChange(tmp_path / "x.ini", None, OLD, mode=0o640, group_of_directory=True)
    apply([secret, other])
    assert files(tmp_path) == {"store/secret": NEW, "x.ini": OLD}
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "store", *tmp_path.rglob("*"))}
    assert modes == {"store": 0o700, "secret": 0o600, "x.ini": 0o640}
    assert other.path.stat().st_gid == tmp_path.stat().st_gid


def test_an_existing_file_keeps_owner_and_mode(tmp_path: Path) -> None:
    """It is replaced by a new file with the same attributes."""
    path = tmp_path / "x.ini"
    path.write_bytes(OLD)
    path.chmod(0o604)
    owner = path.stat().st_uid, path.stat().st_gid
    if os.geteuid() == 0:
        owner = 12345, 23456
        os.chown(path, *owner)
    apply([FileChange(path, OLD, NEW)])
    found = path.stat()
    assert (path.read_bytes(), found.st_mode & 0o777) == (NEW, 0o604)
    assert (found.st_uid, found.st_gid) == owner
    assert files(tmp_path) == {"x.ini": NEW}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_if_one_file_cannot_be_replaced_all_are_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A new file is removed, an old one restored, and so are directories."""
    kept = tmp_path / "kept"
    kept.write_bytes(OLD)
    changes = [
        FileChange(tmp_path / "store/secret", None, NEW, directory_mode=0o700),
        FileChange(kept, OLD, NEW),
        FileChange(tmp_path / "third", None, NEW),
    ]
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target == changes[number].path and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    before = kept.stat().st_ino
    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ChangeError, match="cannot be written: Input/output error; nothing"):
        apply(changes)
    assert files(tmp_path) == {"kept": OLD}
    assert not (tmp_path / "store").exists()
    assert kept.stat().st_ino == before


def test_if_one_file_cannot_be_written_nothing_changes(tmp_path: Path) -> None:
    """Such as one in a directory whose parent is missing."""
    kept = tmp_path / "kept"
    kept.write_bytes(OLD)
    with pytest.raises(ChangeError, match="cannot be written: No such file"):
        apply([FileChange(kept, OLD, NEW), FileChange(tmp_path / "a/b", None, NEW)])
    assert files(tmp_path) == {"kept": OLD}


@pytest.mark.parametrize(
    ("there", "before"), [(None, OLD), (OLD, None), (OLD, b"older\n"), (OLD + NEW, OLD)]
)
def test_a_file_that_has_changed_since_is_not_overwritten(
    tmp_path: Path, there: bytes | None, before: bytes | None
) -> None:
    """An editor may have changed it."""
    path = tmp_path / "x.ini"
    if there is not None:
        path.write_bytes(there)
    with pytest.raises(ChangeError, match="has changed in the meantime"):
        apply([FileChange(path, before, NEW)])
    assert files(tmp_path) == ({} if there is None else {"x.ini": there})


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """The link stays, and its target is unchanged."""
    target, link = tmp_path / "target", tmp_path / "x.ini"
    target.write_bytes(OLD)
    link.symlink_to(target)
    with pytest.raises(ChangeError, match="it is a symbolic link"):
        read_file(link, 100)
    with pytest.raises(ChangeError, match="it is a symbolic link"):
        apply([FileChange(link, OLD, NEW)])
    assert link.is_symlink()
    assert target.read_bytes() == OLD


def test_a_file_is_read_to_a_bound(tmp_path: Path) -> None:
    """A missing one gives None, a larger one is an error."""
    path = tmp_path / "x"
    assert read_file(path, 5) is None
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(ChangeError, match="larger than"):
        read_file(path, 4)


def test_a_signal_waits_until_all_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would end the program between two files takes effect after the last of them."""
    came: list[int] = []
    paths = tmp_path / "a", tmp_path / "b"
    handler = signal.signal(signal.SIGTERM, lambda *_: came.append(sum(p.exists() for p in paths)))
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGTERM)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    try:
        apply([FileChange(path, None, NEW) for path in paths])
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert came == [2]
    assert {signal.SIGINT, signal.SIGTERM} <= file_changes._HELD_BACK
