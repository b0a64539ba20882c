"""A directory for the spool, whose disk has real troubles and is mended, and processes that die.

Rules: one trouble at a time, and it outlives the process. A lock is another connection's. A disk
that is small (disk.py: `on_a_small_disk`) can be full or read-only, any has a limit on its files.
What is on it is found out whatever the trouble, if need be from a copy elsewhere.
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
    """The `state` directory below `top`; copies are kept elsewhere."""

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
        """No file grows beyond so many bytes: a write is cut short, the next fails."""
        self.trouble = "limit"
        self._mending.enter_context(disk.file_limit(size))

    def lock(self, how: str) -> None:
        """Another program has the database locked; `how` is as in SQLite's BEGIN."""
        self.trouble = f"lock {how}"
        other = self._mending.enter_context(closing(sqlite3.connect(self.file)))
        other.isolation_level = None
        other.execute(f"BEGIN {how}")

    def fill(self) -> None:
        """No byte is free."""
        self.trouble = "full"
        disk.fill(self.top)
        self._mending.callback(disk.empty, self.top)

    def set_read_only(self) -> None:
        """Nothing is written; no file may be open for that."""
        self.trouble = "read-only"
        gc.collect()  # the traceback of an error may have a cursor, and that the file open
        disk.set_read_only(self.top, True)
        self._mending.callback(disk.set_read_only, self.top, False)

    def mend(self) -> None:
        """It works again."""
        self.trouble = ""
        self._mending.close()

    def copy(self) -> Path:
        """Return a copy of the files as a power cut would leave them."""
        copy = Path(tempfile.mkdtemp(dir=self._elsewhere)) / "copy"
        if self.state.exists():
            disk.copy_as_after_a_power_cut(self.state, copy)
        return copy

    def die(self, close: Callable[[], None], *, left: Path | None = None) -> None:
        """Have on disk what a process leaves that dies now, or what is in `left`.

        `close` lets its files go: they are not these any more.
        """
        trouble = self.trouble
        if trouble == "read-only":  # nothing can become different
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
        """Return what waits, and what is rejected with its reason."""
        with disk.file_limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1]):  # ours, not a reader's
            try:
                return _content(self.state)
            except DiskError:
                return _content(self.copy())

    def files(self) -> list[str]:
        """Return the names of the database and its companions, as far as there are any."""
        return [path.name for path in self.state.glob(f"{NAME}*")]

    def tear(self, before: Path, part: float) -> None:
        """Have in the copy `before`, too, a part of what was added to the WAL since then."""
        now, then = self.file, before / NAME
        if not then.exists() or now.read_bytes() != then.read_bytes():
            return  # the WAL was taken over, which happens only when it is whole on disk
        log, old = companion(now, "-wal"), companion(then, "-wal")
        new, former = (each.read_bytes() if each.exists() else b"" for each in (log, old))
        pairs = enumerate(zip(new, former, strict=False))
        same = next((at for at, (a, b) in pairs if a != b), min(len(new), len(former)))
        old.write_bytes(new[: same + int((len(new) - same) * part)])

    def remove(self) -> None:
        """Leave nothing of it."""
        self.mend()
        for each in (self.state, self._elsewhere):
            shutil.rmtree(each, ignore_errors=True)


def _content(directory: Path) -> tuple[list[bytes], list[tuple[bytes, str]]]:
    with closing(DiskReader(directory, patience=0.0)) as reader:
        rejected = [(each.line, each.reason) for each in reader.rejected()]
        return list(reader.lines()), rejected
