"""What a process takes of the machine, by /proc; sizes are in bytes."""

from __future__ import annotations

import os
from pathlib import Path


def memory(pid: int, *, peak: bool = False) -> int:
    """Return what is in memory of a process now, or the `peak` of that since its start."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if wanted in line)


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def written(pid: int) -> int:
    """Return how much a process has had written to disks, wherever; sockets do not count."""
    figures = Path(f"/proc/{pid}/io").read_text()
    return next(int(line.split()[1]) for line in figures.splitlines() if "write_bytes" in line)


def processor(pid: int) -> float:
    """Return the s of processor time that a process has had, all its threads together."""
    figures = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")
