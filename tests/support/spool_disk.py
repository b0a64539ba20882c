"""A directory for the spool, on a disk with real faults that are repaired, and process crashes.

Rules: one fault at a time, and it outlives the process. Another connection holds a lock. A small
disk (disk.py: `on_a_small_disk`) can be full or read-only; any disk can have a limit on the size of
files. The content can be read in spite of each fault, if necessary from a copy elsewhere.
"""

from __future__ import annotations

import gc
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from bat2influx.delivery.disk_errors import DiskError
from bat2influx.delivery.disk_format import NAME, companion
from bat2influx.delivery.disk_reader import DiskReader
from tests.support import disk


class SpoolDisk:
    """The `state` directory below `top`; copies are in other directories."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.state = top / "state"
        self.trouble = ""
        self._elsewhere = Path(tempfile.mkdtemp(prefix="spool-copies-"))
        self._mending = ExitStack()

    @property
    def file(self) -> Path:
        """The database."""
        return self.state / NAME

    def limit(self, size: int) -> None:
        """Limit each file to so many bytes: one write is cut short, the next fails."""
        self.trouble = "limit"
        self._mending.enter_context(disk.file_limit(size))

    def lock(self, how: str) -> None:
        """Lock the database by another connection; `how` is as in SQLite's BEGIN."""
        self.trouble = f"lock {how}"
        other = self._mending.enter_context(closing(sqlite3.connect(self.file)))
        other.isolation_level = None
        other.execute(f"BEGIN {how}")

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        self.trouble = "full"
        disk.fill(self.top)
        self._mending.callback(disk.empty, self.top)

    def set_read_only(self) -> None:
        """Make the disk read-only; no file may be open for writing."""
        self.trouble = "read-only"
        gc.collect()  # an error's traceback may hold a cursor, which holds the file open
        disk.set_read_only(self.top, True)
        self._mending.callback(disk.set_read_only, self.top, False)

    def mend(self) -> None:
        """End the fault."""
        self.trouble = ""
        self._mending.close()

    def copy(self) -> Path:
        """Copy the files as a power cut would leave them; return the copy."""
        copy = Path(tempfile.mkdtemp(dir=self._elsewhere)) / "copy"
        if self.state.exists():
            disk.copy_as_after_a_power_cut(self.state, copy)
        return copy

    def die(self, close: Callable[[], None], *, left: Path | None = None) -> None:
        """Put on disk the files that a process would leave by a crash now, or those in `left`.

        `close` closes the process's files, because the files on disk are replaced.
        """
        trouble = self.trouble
        if trouble == "read-only":  # the files cannot change
            close()
            return
        if trouble == "limit" or trouble.startswith("lock"):
            self.mend()
        left = left or self.copy()
        shutil.rmtree(self.state, ignore_errors=True)
        close()
        if left.exists():
            shutil.copytree(left, self.state)
        if trouble.startswith("lock") and self.file.exists():
            self.lock(trouble.split()[1])

    def content(self) -> tuple[list[bytes], list[tuple[bytes, str]]]:
        """Return the queued lines, and the rejected lines with their reasons."""
        with disk.file_limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1]):  # not for a reader
            try:
                return _content(self.state)
            except DiskError:
                return _content(self.copy())

    def files(self) -> list[str]:
        """Return the names of the existing files: the database, its WAL and shared memory."""
        return [path.name for path in self.state.glob(f"{NAME}*")]

    def tear(self, before: Path, part: float) -> None:
        """Append to the WAL of the copy `before` a part of what was added since then."""
        now, then = self.file, before / NAME
        if not then.exists() or now.read_bytes() != then.read_bytes():
            return  # the WAL was checkpointed, which happens only when it is whole on disk
        log, old = companion(now, "-wal"), companion(then, "-wal")
        new, former = (each.read_bytes() if each.exists() else b"" for each in (log, old))
        pairs = enumerate(zip(new, former, strict=False))
        same = next((at for at, (a, b) in pairs if a != b), min(len(new), len(former)))
        old.write_bytes(new[: same + int((len(new) - same) * part)])

    def remove(self) -> None:
        """Delete all of it."""
        self.mend()
        for each in (self.state, self._elsewhere):
            shutil.rmtree(each, ignore_errors=True)


def _content(directory: Path) -> tuple[list[bytes], list[tuple[bytes, str]]]:
    with closing(DiskReader(directory, lock_timeout=0.0)) as reader:
        rejected = [(each.line, each.reason) for each in reader.rejected()]
        return list(reader.lines()), rejected
