"""A disk of its own for the daemon's state, so that it can be full or read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.house import House
from tests.faults.house_daemon import all_stored, calm, hushed
from tests.standins.network import apart
from tests.support.daemon import wait


@contextmanager
def small_disk(house: House) -> Iterator[None]:
    """Have the state directory be a disk of 2 MB, in a block; it is lost with what is on it.

    Where nothing waits the daemon has no file open, or one that is not missed.
    """
    calm(house)
    apart.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", house.state)
    mounted = True
    try:
        yield
        with hushed(house):  # or a value could come to be on it at the last moment
            wait("all to be stored", lambda: all_stored(house))
            calm(house)
            _unmount(house)
            mounted = False
    finally:
        if mounted:
            _unmount(house)


def _unmount(house: House) -> None:
    apart.run("umount", "--lazy", house.state)
