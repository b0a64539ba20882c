"""How much a server takes at once, as far as it has shown. Pure.

A body that is too large is halved, and what then goes is remembered: the next batch is cut to that
before it is sent. It grows again by doubling, up to what was refused. Where even a single row is
too large the size is not what is wrong; one row at a time then tells when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence


class BatchSize:
    """The bytes that a server takes at once; unknown, and so any, before it refused a body."""

    def __init__(self) -> None:
        self._most: int | None = None  # bytes that are sent at once
        self._refused: int | None = None  # bytes, the smallest body that was too large

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
            self._most, self._refused = size // 2, size

    def taken(self, part: Sequence[bytes]) -> None:
        """Take in that `part` was small enough."""
        if self._most is None:
            return
        larger = 2 * max(self._most, size_of(part))
        if self._refused is None or 2 * larger <= self._refused:
            self._most = larger


def size_of(part: Sequence[bytes]) -> int:
    """Return the bytes of a body with these rows."""
    return sum(map(len, part)) + len(part)
