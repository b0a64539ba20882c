"""The daemon with a wall clock that a test sets, and a machine that it has sleep.

    CLOCKS=FILE [SYNCHRONISED=FILE] python3 -m tests.support.clocks --config FILE

Rules: the machine's clock belongs to all that runs on it, and cannot be set for one process alone.
So this stands for the kernel's clocks, in the one module that looks at them: FILE has, as two
integers of 64 bits, by how many ns the wall clock and the one since the boot are off. Where it is
given, SYNCHRONISED stands for the file by which systemd-timesyncd reports that it has set it.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace

_OFFSETS = struct.Struct("=qq")


class Clocks:
    """How far both clocks are off, in s; `file` is for the daemon's environment, as CLOCKS."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.wall = self.boot = 0.0
        file.write_bytes(_OFFSETS.pack(0, 0))

    def put(self, *, wall: float | None = None, boot: float | None = None) -> None:
        """Set one of them, or both at one moment."""
        self.wall = self.wall if wall is None else wall
        self.boot = self.boot if boot is None else boot
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), _OFFSETS.size) as there:
            there[:] = _OFFSETS.pack(round(self.wall * 1e9), round(self.boot * 1e9))


def main() -> int:
    """Be the daemon."""
    from bat2influx import cli, clock
    from tests.support.hurried import allow_short_spans

    allow_short_spans()
    if file := os.environ.get("SYNCHRONISED"):
        clock.Clock.__init__.__defaults__ = (Path(file),)
    with Path(os.environ["CLOCKS"]).open("rb") as file:
        there = mmap.mmap(file.fileno(), _OFFSETS.size, access=mmap.ACCESS_READ)

    def boot_ns(which: int) -> int:
        assert which == time.CLOCK_BOOTTIME
        return time.clock_gettime_ns(which) + _OFFSETS.unpack(there)[1]

    clock.time = SimpleNamespace(
        time_ns=lambda: time.time_ns() + _OFFSETS.unpack(there)[0],
        monotonic=time.monotonic,
        clock_gettime_ns=boot_ns,
        CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
    )
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
