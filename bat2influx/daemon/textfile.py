"""Files in the runtime directory that other programs read; each write replaces the file.

One is for the node exporter's textfile collector, in Prometheus' format; health.py has the other.

Rules: a reader sees the old text or the new one, because the text is written to another file and
renamed. Every user may read the file, whatever the umask. The daemon removes it at its end, because
numbers of an ended process mislead. A file that a killed daemon left is recognised by its time.

The main thread writes the file. It does not block, because the file is under /run, in memory, and
has a few kilobytes. A failed write is logged and retried, and has no other effect.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from bat2influx.failure import Trouble
from bat2influx.service.journal import Episode

log = logging.getLogger(__name__)

PROMETHEUS = ".prom"  # what the collector reads
MODE = 0o644  # its reader is another user


class TextFile:
    """Owns the file at `path`, which `reader` reads.

    `remedy` is advice for a file that cannot be written, in addition to space and permissions.
    """

    def __init__(
        self,
        path: Path,
        reader: str = "the node exporter",
        remedy: str = ", or set textfile = no",
    ) -> None:
        self._path = path
        self._reader, self._remedy = reader, remedy
        self._beside = path.with_name(f"{path.name}.new")  # the collector ignores this suffix
        self._writing = Episode(log)

    def write(self, text: str, now: float) -> None:
        """Replace the text, at `now` (monotonic, s); log a failure."""
        try:
            self._replace(text.encode())
        except OSError as error:
            what = (
                f"cannot write {self._path} for {self._reader} ({error.strerror}); make its"
                f" directory writable and free space there{self._remedy}"
            )
            self._writing.failed(Trouble("textfile", what), now)
            with contextlib.suppress(OSError):
                self._beside.unlink()
        else:
            self._writing.recovered(f"{self._path} is written again", now)

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # removed already, or still not writable
            self._path.unlink()

    def _replace(self, data: bytes) -> None:
        self._path.parent.mkdir(exist_ok=True)
        with self._beside.open("wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(data)
        self._beside.replace(self._path)
