"""Many large numbers, sorted, in little memory: the positions of rows in a damaged file.

A Python number takes 44 bytes and its place in a list 8; a file of 256 MB has up to five million
rows. Here a number takes 16 bytes, in sorted runs that are merged while they are read.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

WIDTH = 16  # bytes; a number has up to 128 bits
_RUN = 10_000  # numbers per sorted run


class Keys:
    """Numbers that are added in any order, and read in ascending order."""

    def __init__(self) -> None:
        self._runs: list[bytes] = []
        self._latest: list[int] = []

    def append(self, key: int) -> None:
        """Add a number, from 0 to 2 ** 128 - 1."""
        self._latest.append(key)
        if len(self._latest) == _RUN:
            self._runs.append(_packed(self._latest))
            self._latest.clear()

    def __bool__(self) -> bool:
        return bool(self._runs or self._latest)

    def __iter__(self) -> Iterator[int]:
        """Yield all numbers added so far, in order."""
        runs = [*self._runs, _packed(self._latest)]
        return heapq.merge(*map(_unpacked, runs))


def _packed(keys: list[int]) -> bytes:
    return b"".join(key.to_bytes(WIDTH, "big") for key in sorted(keys))


def _unpacked(run: bytes) -> Iterator[int]:
    for at in range(0, len(run), WIDTH):
        yield int.from_bytes(run[at : at + WIDTH], "big")
