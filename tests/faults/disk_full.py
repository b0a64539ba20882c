"""The disk is full while values wait on it."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import shows
from tests.faults.house_disk import small_disk
from tests.faults.scenario import Scenario
from tests.support import disk
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Fill it in an outage; the database is back first, then there is room again."""
    with small_disk(house):
        with house.says("cannot be reached"):
            house.database.kill()
        wait("values on disk", house.on_disk)
        with house.says("what waits is safe again"):
            with house.says(r"WARNING: no room for .*spool\.sqlite.*"):
                disk.fill(house.state)
            shows(house, "no room for")
            house.more_reads(10)
            with house.says("takes values again"):
                house.database.start()
            house.more_reads(5)
            disk.empty(house.state)
    return ()


SCENARIO = Scenario(
    "The disk is full while the database is away",
    "it is said, and values wait in memory (32 MB: 12 h); they go to disk when there is room",
    "nothing",
    inflict,
)
