"""Changes several files together: all of them, or none.

Each new content is first written beside its file, and the old file gets a second name there. Then
the new files replace the old ones, one by one; if one of them fails, those before it are undone.
Replacing and undoing need no space on the disk. Signals that would end the program are blocked
until then. A power cut between two files is still possible, so the file that makes the others
effective comes last.

Rules: nothing is written through a symbolic link, nor over a file that has changed since it was
read. An existing file keeps its owner and its mode, except a file with a secret. No temporary file
remains.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bat2influx.service.ownership import read_regular

_HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


class ChangeError(Exception):
    """A file cannot be read or changed; the text says which and why. No file has changed."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A new content for a file; `before` is what was read there, None where there was no file.

    A new file gets `mode`, and with `group_of_directory` the group of its directory; so does one
    that is `private`, whatever the mode of the existing file. A missing directory is created with
    `directory_mode`, unless that is None.
    """

    path: Path
    before: bytes | None
    after: bytes
    mode: int = 0o600
    group_of_directory: bool = False
    directory_mode: int | None = None
    private: bool = False


def read_file(path: Path, most: int) -> bytes | None:
    """Return what is in a file of at most `most` bytes, None without a file. Raises ChangeError."""
    found = _start_of(path, most + 1)
    if found is not None and len(found) > most:
        raise ChangeError(f"{path} is larger than {most // 1024} KiB")
    return found


def apply(changes: Sequence[FileChange]) -> None:
    """Make all changes, in their order, or none. Raises ChangeError."""
    with _without_signals(), ExitStack() as afterwards:
        staged = [(change, _staged(change, afterwards)) for change in changes]
        with ExitStack() as undo:
            for change, (new, old) in staged:
                try:
                    new.replace(change.path)
                except OSError as error:
                    raise _failed(change.path, error) from None
                undo.callback(_put_back, change.path, old)
            undo.pop_all()
        for change in changes:
            _sync(change.path.parent)


def _start_of(path: Path, most: int) -> bytes | None:
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChangeError(f"{path} cannot be read: {error.strerror}") from None


def _staged(change: FileChange, afterwards: ExitStack) -> tuple[Path, Path | None]:
    """Return the path of the new content and the old file's second name; both are removed later."""
    path = change.path
    try:
        if _start_of(path, len(change.before or b"") + 1) != change.before:
            raise ChangeError(f"{path} has changed in the meantime; run the command again")
        if change.directory_mode is not None:
            _make_directory(path.parent, change.directory_mode, afterwards)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        new = Path(name)
        afterwards.callback(new.unlink, missing_ok=True)
        with os.fdopen(descriptor, "wb") as file:
            _set_permissions(descriptor, change)
            file.write(change.after)
            file.flush()
            os.fsync(descriptor)
        if change.before is None:
            return new, None
        old = Path(f"{name}.old")
        old.hardlink_to(path)
        afterwards.callback(old.unlink, missing_ok=True)
    except OSError as error:
        raise _failed(path, error) from None
    return new, old


def _set_permissions(descriptor: int, change: FileChange) -> None:
    """Set the owner and the mode of a new file."""
    if change.before is not None and not change.private:
        found = change.path.lstat()
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o7777)
        return
    if change.group_of_directory:
        os.fchown(descriptor, -1, change.path.parent.stat().st_gid)
    os.fchmod(descriptor, change.mode)


def _make_directory(directory: Path, mode: int, afterwards: ExitStack) -> None:
    """Create a directory if it is missing; it is removed if it stays empty."""
    try:
        directory.mkdir(mode)
    except FileExistsError:
        return
    directory.chmod(mode)
    afterwards.callback(_remove_if_empty, directory)


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def _put_back(path: Path, old: Path | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    else:
        old.replace(path)


def _sync(directory: Path) -> None:
    with suppress(OSError):  # the change is made; at worst a power cut takes it back
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _failed(path: Path, error: OSError) -> ChangeError:
    return ChangeError(f"{path} cannot be written: {error.strerror}; nothing was changed")


@contextmanager
def _without_signals() -> Iterator[None]:
    """Block signals that would end the program in between."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
