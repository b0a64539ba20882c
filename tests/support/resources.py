"""The resources that a process uses, from /proc; sizes are in bytes."""

from __future__ import annotations

import os
from pathlib import Path


def memory(pid: int, *, peak: bool = False) -> int:
    """Return a process's resident memory now, or its `peak` since the start."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if wanted in line)


def descriptors(pid: int) -> int:
    """Return how many file descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def written(pid: int) -> int:
    """Return how many bytes a process has written to all disks; sockets do not count."""
    figures = Path(f"/proc/{pid}/io").read_text()
    return next(int(line.split()[1]) for line in figures.splitlines() if "write_bytes" in line)


def processor(pid: int) -> float:
    """Return a process's processor time in s, of all threads together."""
    figures = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")
