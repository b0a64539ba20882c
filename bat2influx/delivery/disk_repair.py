"""Checks and repairs the file before it is opened, in slices of time.

Owned by the open file (disk_file.py), which calls this while it has no connection. Between the
slices the keeper does its other work, and notes that it runs. A salvage without enough disk space
is retried after a delay that doubles, because each attempt fills the disk; or at once, when there
is space for all of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_check import check_file
from bat2influx.delivery.disk_errors import FAILURES, DiskError, DiskFault, explain, fault_of

RETRY, LONGEST_RETRY = 10.0, 600.0  # s between two attempts of a salvage; at first, and at most


class Repair:
    """Checks the file at `path`, and replaces it if it is damaged."""

    def __init__(self, path: Path) -> None:
        """Touch nothing."""
        self._path = path
        self._check: Generator[None, None, None] | None = None  # running
        self._salvage: salvage.Salvage | None = None  # running
        self._damage = ""  # the reason for a salvage that runs or is to be retried, '' for none
        self._failed: DiskError | None = None  # from its latest attempt
        self._disk_full = False  # whether disk space was insufficient
        self._retry, self._not_before = 0.0, 0.0  # s; the second is monotonic

    @property
    def under_way(self) -> bool:
        """Whether a salvage runs, or is to be retried."""
        if self._salvage is None and self._damage and not disk_format.is_there(self._path):
            self._end()  # the file was removed by another program
        return bool(self._damage)

    def check(self) -> None:
        """Check the file; DiskError if the check is not finished. Raises as `check_file` does."""
        until = time.monotonic() + salvage.SLICE
        if self._check is None:
            self._check = check_file(self._path)
        try:
            for _ in self._check:
                if time.monotonic() >= until:
                    break
            else:
                self._check = None
                return
        except BaseException:
            self._check = None
            raise
        text = f"{self._path} has a large WAL, which is checked first; this takes a while"
        raise DiskError(DiskFault.CHECKING, text)

    def begin(self, damage: str) -> None:
        """Begin to replace the file; `damage` says why."""
        self.close()
        self._damage = damage

    def continue_salvage(self) -> salvage.SalvageResult:
        """Recover readable lines for a slice of time; return the result.

        Raises DiskError if the recovery is not finished, or cannot be done now.
        """
        if self._salvage is None:
            if self._failed and not self._may_retry():
                raise self._failed
            self._salvage = salvage.Salvage(self._path)
        try:
            result = self._slice_of(self._salvage)
        except FAILURES as error:
            self._salvage = None
            raise self._failure(error) from error
        if result is None:
            count = self._salvage.recovered
            text = f"{self._damage}; {count} of its values are recovered so far, recovery continues"
            raise DiskError(DiskFault.SALVAGING, text)
        self._end()
        return result

    def close(self) -> None:
        """Abort without a change; the next start begins again."""
        if self._check is not None:
            self._check.close()
            self._check = None
        if self._salvage is not None:
            self._salvage.close()
        self._end()

    def _slice_of(self, work: salvage.Salvage) -> salvage.SalvageResult | None:
        try:
            return work.run()
        except FAILURES as error:
            if fault_of(error, self._path) is not DiskFault.DAMAGED:
                raise
        return salvage.give_up(self._path)  # the file is kept: other tools may read more of it

    def _failure(self, error: Exception) -> DiskError:
        """Return the error for a failed salvage, and set the time of the next attempt."""
        assert isinstance(error, FAILURES)
        found = explain(error, self._path)
        failure = DiskError(found.fault, f"{self._damage} and cannot be replaced: {found}")
        if found.fault is not DiskFault.BUSY:  # BUSY is detected before anything is written
            self._retry = min(2 * self._retry or RETRY, LONGEST_RETRY)
            self._failed, self._not_before = failure, time.monotonic() + self._retry
            self._disk_full = not self._has_room()
        return failure

    def _may_retry(self) -> bool:
        return time.monotonic() >= self._not_before or (self._disk_full and self._has_room())

    def _has_room(self) -> bool:
        """Return whether the new file certainly fits on the disk, apart from quotas."""
        with suppress(OSError):
            return free(self._path) >= disk_format.total_size(self._path)
        return False

    def _end(self) -> None:
        self._salvage, self._failed, self._damage, self._retry = None, None, "", 0.0


def free(path: Path) -> int:
    """Return the free bytes of the disk with the file at `path`. Raises OSError."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize  # unknown for some
