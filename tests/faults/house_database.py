"""How scenarios stop and start the database, and the daemon's log lines about that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.faults.house import House
from tests.support.daemon import wait

AWAY = "is unreachable"
LATE = "WARNING: InfluxDB at .* does not answer within"
BACK = "is reachable again"


def kill(house: House) -> None:
    """Kill the database, and wait until the daemon has logged that."""
    with house.expects_log(AWAY):
        house.database.kill()


def start(house: House) -> None:
    """Start the database, and wait until the daemon logs that it is reachable again."""
    with house.expects_log(BACK):
        house.database.start()


@contextmanager
def away(house: House) -> Iterator[None]:
    """Stop the database for a block, which begins with values in memory and on disk."""
    with house.expects_log(AWAY):
        house.database.stop()
    wait("values on disk", house.on_disk)
    yield
    start(house)


@contextmanager
def late(house: House, fault: AbstractContextManager[None]) -> Iterator[None]:
    """Cause a fault for a block, which begins when a request has exceeded its deadline.

    The daemon logs that once, and the end of it once.
    """
    with house.expects_log_once(LATE), house.expects_log_once(BACK), house.expects_log(BACK), fault:
        with house.expects_log(LATE):
            pass
        yield
