"""A disk of its own for the daemon's state, so that it can be full or read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.parts import apart


@contextmanager
def small_disk(house: House) -> Iterator[None]:
    """Have the state directory be a disk of 2 MB, in a block; it is lost with what is on it.

    Where nothing waits the daemon has no file open, or one that is not missed.
    """
    calm(house)
    apart.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", house.state)
    try:
        yield
        calm(house)
    finally:
        apart.run("umount", "--lazy", house.state)
