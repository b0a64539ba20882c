"""Files in the runtime directory that others read beside the daemon, replaced each time.

One is for the node exporter's textfile collector, in Prometheus' text; health.py has the other.

Rules: whoever reads it sees the old text or the new one, for it is written beside and renamed, and
everybody may read it, whatever the umask. At the end of the daemon it goes: numbers of a process
that is no more would lie. What a kill has left is told by the time that stands in it.

It is written by the main thread. That may be, for the place is below /run, which is in memory, and
the text is a few kilobytes; a write that fails is told and tried again, and ends nothing.
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

    `remedy` is what helps against a file that cannot be written, beside room and rights.
    """

    def __init__(
        self,
        path: Path,
        reader: str = "the node exporter",
        remedy: str = ", or set textfile = no",
    ) -> None:
        self._path = path
        self._reader, self._remedy = reader, remedy
        self._beside = path.with_name(f"{path.name}.new")  # which the collector passes over
        self._writing = Episode(log)

    def write(self, text: str, now: float) -> None:
        """Replace the text, at `now` (monotonic, s); tell of it when that does not work."""
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
        """Have no file any more."""
        with contextlib.suppress(OSError):  # gone already, or as little writable as before
            self._path.unlink()

    def _replace(self, data: bytes) -> None:
        self._path.parent.mkdir(exist_ok=True)
        with self._beside.open("wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(data)
        self._beside.replace(self._path)
