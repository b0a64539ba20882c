"""Detects stalls of the machine, or of the database on it: such times do not count as healthy.

Rules: one thread per CPU measures how late it wakes up, because the hypervisor may take a virtual
CPU away. Another thread stores a point again and again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.standins.databases.influxdb import InfluxDB
from tests.support.part import Part

LONG = 0.3  # s; values queued for a second are put on disk, and several delays may add up
EACH = 0.05  # s


class Stalls(Part):
    """Records stalls, from the beginning of the block on."""

    def __init__(self, database: InfluxDB) -> None:
        self.count = 0
        self.longest = 0.0  # s
        self._database = database
        self._latest: deque[tuple[float, float]] = deque(maxlen=100)  # end, length in s
        self._begun: dict[str, float] = {}  # what is under way
        self._closing = threading.Event()
        works = [self._store, *(partial(self._wake, cpu) for cpu in os.sched_getaffinity(0))]
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    def set_up(self) -> None:
        """Begin."""
        self._database.query("CREATE DATABASE stalls")
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def lately(self, seconds: float) -> float:
        """Return the length in s of the longest stall in the last `seconds`, also one under way."""
        now = time.monotonic()
        took = [took for end, took in list(self._latest) if end > now - seconds]
        took += [now - begun for begun in list(self._begun.values()) if now - begun > LONG]
        return max(took, default=0.0)

    def _store(self) -> None:
        while not self._closing.wait(EACH):
            with self._noted("row"):
                self._database.write("row n=1", "stalls")

    def _wake(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread
        while not self._closing.is_set():
            with self._noted(f"cpu {cpu}"):
                time.sleep(EACH)

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        begun = self._begun[what] = time.monotonic()
        yield
        took = time.monotonic() - begun
        if took > LONG:
            self._latest.append((begun + took, took))
            self.count += 1
            self.longest = max(self.longest, took)
        del self._begun[what]
