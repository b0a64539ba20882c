"""How many bytes a server accepts at once, learned from its answers. Pure.

A body that is too large, or that takes too long, is halved, and the accepted size is remembered:
the next batch is cut to that size before it is sent. After PATIENCE accepted bodies, a body of
twice the size is tried; each time that this fails, the number of bodies doubles. If even single
rows are too large, the size is not the cause: rows are sent one by one until one is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

SLOW = 16 * 1024  # bytes: a body up to this size is not slow because of its size
RAISE_AFTER = 16  # accepted bodies before twice the size is tried
MAX_RAISE_AFTER = 4096


class BatchSize:
    """The bytes that a server accepts at once; without limit until it rejects a body."""

    def __init__(self) -> None:
        self._most: int | None = None  # bytes that are sent at once
        self._refused: int | None = None  # bytes of the smallest rejected body
        self._accepted = 0  # accepted bodies since then
        self._raise_after = RAISE_AFTER

    def split(self, part: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Return the rows of `part` to send now, at least one, and the rest."""
        if self._most is None:
            return part, ()
        size = 0
        for count, line in enumerate(part):
            size += len(line) + 1
            if count and size > self._most:
                return part[:count], part[count:]
        return part, ()

    def too_large(self, part: Sequence[bytes]) -> None:
        """Take in that `part` was too large."""
        size = size_of(part)
        if len(part) == 1:
            self._most, self._refused = 1, None
        else:
            self._less(size, size // 2)

    def too_slow(self, part: Sequence[bytes]) -> None:
        """Take in that `part` had no answer in time, as on a slow connection."""
        size = size_of(part)
        if size > SLOW:
            self._less(size, max(SLOW, size // 2))

    def taken(self, part: Sequence[bytes]) -> None:
        """Take in that `part` was small enough."""
        if self._most is None:
            return
        self._accepted += 1
        if self._refused is None or self._accepted >= self._raise_after:
            self._most = 2 * max(self._most, size_of(part))
        if self._refused is not None and self._most >= self._refused:
            self._refused = None  # that size is tried again

    def _less(self, refused: int, most: int) -> None:
        if self._accepted >= self._raise_after:  # the larger size was tried, and failed
            self._raise_after = min(2 * self._raise_after, MAX_RAISE_AFTER)
        self._most, self._refused, self._accepted = most, refused, 0


def size_of(part: Sequence[bytes]) -> int:
    """Return the bytes of a body with these rows."""
    return sum(map(len, part)) + len(part)
