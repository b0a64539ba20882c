"""The processor time of another process in ns; /proc has it only in steps of 10 ms."""

from __future__ import annotations

import time

_SCHED = 2  # of include/linux/posix-timers.h: user and system time, as the scheduler counts it


def processor(pid: int) -> float:
    """Return the processor time of a process in s, user and system, of all its threads.

    By its CPU-time clock, whose number is what clock_getcpuclockid(3) returns for it. Raises
    OSError for a process that does not exist.
    """
    return time.clock_gettime((~pid << 3) | _SCHED)
