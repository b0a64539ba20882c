"""What is done with the file before it can be used, a slice of time at each call.

Owned by the open file (disk_file.py), which calls this where it has no connection. The keeper has
other things to do, and shows between the slices that it lives. A salvage for which the disk has no
room is tried again after a while that doubles, since each try writes as much as there is room for;
or at once, when there has come to be room for all of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_errors import FAILURES, DiskError, DiskFault, explain, fault_of
from bat2influx.delivery.disk_look import look_at

RETRY, LONGEST_RETRY = 10.0, 600.0  # s between two tries of a salvage; the first, and at most


class Repair:
    """Looks at the file at `path`, and puts a good one in its place if it is damaged."""

    def __init__(self, path: Path) -> None:
        """Touch nothing."""
        self._path = path
        self._look: Generator[None, None, None] | None = None  # under way
        self._salvage: salvage.Salvage | None = None  # the same
        self._damage = ""  # what the salvage is for, done or to be tried again; '' without one
        self._failed: DiskError | None = None  # by which its latest try ended
        self._short = False  # whether there was less room than it may take
        self._retry, self._not_before = 0.0, 0.0  # s; the second is monotonic

    @property
    def under_way(self) -> bool:
        """Whether a damaged file is being saved, or is to be."""
        if self._salvage is None and self._damage and not disk_format.is_there(self._path):
            self._end()  # somebody has taken it away
        return bool(self._damage)

    def look(self) -> None:
        """Look at the file; DiskError says that this is not done yet. Raises as `look_at` does."""
        until = time.monotonic() + salvage.SLICE
        if self._look is None:
            self._look = look_at(self._path)
        try:
            for _ in self._look:
                if time.monotonic() >= until:
                    break
            else:
                self._look = None
                return
        except BaseException:
            self._look = None
            raise
        text = f"{self._path} has a large WAL, which is checked first; this takes a while"
        raise DiskError(DiskFault.LOOKING, text)

    def begin(self, damage: str) -> None:
        """Have the file be replaced; `damage` says why."""
        self.close()
        self._damage = damage

    def go_on(self) -> salvage.Saved:
        """Save for a slice of time what can be read of the file; return what came of it.

        DiskError says that this is not done yet, or why it cannot be done now.
        """
        if self._salvage is None:
            if self._failed and not self._may_retry():
                raise self._failed
            self._salvage = salvage.Salvage(self._path)
        try:
            saved = self._slice_of(self._salvage)
        except FAILURES as error:
            self._salvage = None
            raise self._failure(error) from error
        if saved is None:
            count = self._salvage.saved
            text = f"{self._damage}; {count} of its values are recovered so far, recovery goes on"
            raise DiskError(DiskFault.SAVING, text)
        self._end()
        return saved

    def close(self) -> None:
        """Leave all as it is; the next start begins again."""
        if self._look is not None:
            self._look.close()
            self._look = None
        if self._salvage is not None:
            self._salvage.close()
        self._end()

    def _slice_of(self, work: salvage.Salvage) -> salvage.Saved | None:
        try:
            return work.run()
        except FAILURES as error:
            if fault_of(error, self._path) is not DiskFault.DAMAGED:
                raise
        return salvage.give_up(self._path)  # a person may find more in it

    def _failure(self, error: Exception) -> DiskError:
        """Return what to raise for a salvage that failed, and note when to try it again."""
        assert isinstance(error, FAILURES)
        found = explain(error, self._path)
        told = DiskError(found.fault, f"{self._damage} and cannot be replaced: {found}")
        if found.fault is not DiskFault.BUSY:  # which is found before anything is done
            self._retry = min(2 * self._retry or RETRY, LONGEST_RETRY)
            self._failed, self._not_before = told, time.monotonic() + self._retry
            self._short = not self._has_room()
        return told

    def _may_retry(self) -> bool:
        return time.monotonic() >= self._not_before or (self._short and self._has_room())

    def _has_room(self) -> bool:
        """Return whether the good file surely fits beside the damaged one, quotas apart."""
        with suppress(OSError):
            return free(self._path) >= disk_format.total_size(self._path)
        return False

    def _end(self) -> None:
        self._salvage, self._failed, self._damage, self._retry = None, None, "", 0.0


def free(path: Path) -> int:
    """Return how many bytes the disk with the file at `path` has free. Raises OSError."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize  # not all can tell
