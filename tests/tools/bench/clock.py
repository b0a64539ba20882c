"""The processor time of another process, finely: what /proc has in steps of 10 ms, in ns."""

from __future__ import annotations

import time

_SCHED = 2  # of include/linux/posix-timers.h: user and system time, as the scheduler counts it


def processor(pid: int) -> float:
    """Return the s of processor time that a process has had, user and system, all its threads.

    By its CPU-time clock, whose number is what clock_getcpuclockid(3) returns for it. Raises
    OSError for a process that is not there.
    """
    return time.clock_gettime((~pid << 3) | _SCHED)
