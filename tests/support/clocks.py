"""The daemon with a wall clock that a test sets, on a machine that a test can suspend.

    CLOCKS=FILE [SYNCHRONISED=FILE] python3 -m tests.support.clocks --config FILE

Rules: all processes of a machine share its clock, so it cannot be set for one process alone. This
module replaces the kernel's clocks in the one module that reads them. FILE holds two integers of
64 bits: the offsets in ns of the wall clock and of the clock since the boot. SYNCHRONISED, where
given, replaces the file by which systemd-timesyncd reports that it has set the clock.
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
    """The offsets of both clocks, in s; `file` goes into the daemon's environment as CLOCKS."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.wall = self.boot = 0.0
        file.write_bytes(_OFFSETS.pack(0, 0))

    def put(self, *, wall: float | None = None, boot: float | None = None) -> None:
        """Set one clock, or both at the same moment."""
        self.wall = self.wall if wall is None else wall
        self.boot = self.boot if boot is None else boot
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), _OFFSETS.size) as there:
            there[:] = _OFFSETS.pack(round(self.wall * 1e9), round(self.boot * 1e9))


def main() -> int:
    """Run the daemon."""
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
