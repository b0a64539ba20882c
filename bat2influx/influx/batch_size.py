"""How much a server takes at once, as far as it has shown. Pure.

A body that is too large, or that took too long, is halved, and what then goes is remembered: the
next batch is cut to that before it is sent. After a number of bodies that went it is tried whether
twice as much goes by now; each time that it does not, the number doubles. Where even single rows
are too large the size is not what is wrong; one row at a time then tells when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence

SLOW = 16 * 1024  # bytes: what is no larger is not late for its size
PATIENCE = 16  # bodies that went, before twice as much is tried
MOST_PATIENCE = 4096


class BatchSize:
    """The bytes that a server takes at once; unknown, and so any, before it refused a body."""

    def __init__(self) -> None:
        self._most: int | None = None  # bytes that are sent at once
        self._refused: int | None = None  # bytes, the smallest body that did not go
        self._went = 0  # bodies since then
        self._patience = PATIENCE

    def cut(self, part: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """Return what of `part` is sent now, one row at the least, and what is left."""
        if self._most is None:
            return part, ()
        size = 0
        for count, line in enumerate(part):
            size += len(line) + 1
            if count and size > self._most:
                return part[:count], part[count:]
        return part, ()

    def too_large(self, part: Sequence[bytes]) -> None:
        """Take in that `part` was."""
        size = size_of(part)
        if len(part) == 1:
            self._most, self._refused = 1, None
        else:
            self._less(size, size // 2)

    def too_slow(self, part: Sequence[bytes]) -> None:
        """Take in that there was no answer to `part` in time, as by a slow line."""
        size = size_of(part)
        if size > SLOW:
            self._less(size, max(SLOW, size // 2))

    def taken(self, part: Sequence[bytes]) -> None:
        """Take in that `part` was small enough."""
        if self._most is None:
            return
        self._went += 1
        if self._refused is None or self._went >= self._patience:
            self._most = 2 * max(self._most, size_of(part))
        if self._refused is not None and self._most >= self._refused:
            self._refused = None  # it is tried again

    def _less(self, refused: int, most: int) -> None:
        if self._went >= self._patience:  # it was tried again, and in vain
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._most, self._refused, self._went = most, refused, 0


def size_of(part: Sequence[bytes]) -> int:
    """Return the bytes of a body with these rows."""
    return sum(map(len, part)) + len(part)
