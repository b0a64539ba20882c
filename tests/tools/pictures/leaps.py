"""The daemon with a clock that jumps forward.

    LEAPS=FILE python3 -m tests.tools.pictures.leaps --config FILE

Rules: the daemon is the real one; only the three clocks of the one module that reads them are
replaced. All have the same offset: between two jumps they run normally, and at a jump all go
forward together, as after a stall of the machine. The main loop reads them every few ms, because
nothing wakes it at a jump. Threads, sockets and their deadlines keep real time.

FILE has two integers of 64 bits, in ns: the offset of the wall clock at the beginning, and the sum
of all jumps since then.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from tests.standins.venus.mqtt import steady_unix_time

_OFFSETS = struct.Struct("=qq")
_LEAPT = struct.Struct("=q")  # the second of them, written in one piece
LOOK_EACH = 0.004  # s


class Leaps:
    """A wall clock that begins at `begin`, in s since 1970; `file` is for the daemon, as LEAPS."""

    def __init__(self, file: Path, begin: float) -> None:
        self.file = file
        self._off = begin - steady_unix_time()
        self._leapt = 0.0
        file.write_bytes(_OFFSETS.pack(round(self._off * 1e9), 0))

    def now(self) -> float:
        """Return the time in s since 1970."""
        return steady_unix_time() + self._off + self._leapt

    def to(self, moment: float) -> None:
        """Jump to a moment, unless it is past."""
        self._leapt += max(0.0, moment - self.now())
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), _OFFSETS.size) as there:
            _LEAPT.pack_into(there, _LEAPT.size, round(self._leapt * 1e9))


def main() -> int:
    """Run the daemon."""
    from bat2influx import cli, clock

    with Path(os.environ["LEAPS"]).open("rb") as file:
        there = mmap.mmap(file.fileno(), _OFFSETS.size, access=mmap.ACCESS_READ)
    off, _ = _OFFSETS.unpack(there)

    def leapt() -> int:
        return int(_LEAPT.unpack_from(there, _LEAPT.size)[0])

    def boot_ns(which: int) -> int:
        assert which == time.CLOCK_BOOTTIME
        return time.clock_gettime_ns(which) + leapt()

    clock.time = SimpleNamespace(
        time_ns=lambda: time.time_ns() + off + leapt(),
        monotonic=lambda: time.monotonic() + leapt() / 1e9,
        clock_gettime_ns=boot_ns,
        CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
    )
    clock.Clock.timeout = lambda _: LOOK_EACH
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
