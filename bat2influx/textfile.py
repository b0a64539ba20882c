"""The file that the node exporter's textfile collector reads: Prometheus' text, replaced each time.

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
from collections.abc import Mapping
from pathlib import Path

from bat2influx.journal import Episode
from bat2influx.trouble import Trouble

log = logging.getLogger(__name__)

SUFFIX = ".prom"  # of what the collector reads
MODE = 0o644  # its reader is another user


def place(config: Path, environment: Mapping[str, str]) -> Path | None:
    """Return where the file of a daemon with this ini is to be; None where no place is given."""
    name = f"{config.stem}{SUFFIX}"
    if given := environment.get("RUNTIME_DIRECTORY"):  # of systemd; a unit may have several
        return Path(given.split(":")[0], name)
    if own := environment.get("XDG_RUNTIME_DIR"):
        return Path(own, "bat2influx", name)
    return None


class TextFile:
    """Owns the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_suffix(".new")  # which the collector passes over
        self._writing = Episode(log)

    def write(self, text: str, now: float) -> None:
        """Replace the text, at `now` (monotonic, s); tell of it when that does not work."""
        try:
            self._replace(text.encode())
        except OSError as error:
            what = (
                f"cannot write {self._path} for the node exporter ({error.strerror}); make its"
                " directory writable and have room there, or write textfile = no"
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
