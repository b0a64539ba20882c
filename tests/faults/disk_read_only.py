"""The disk is read-only when values have to wait on it."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import shows
from tests.faults.house_disk import small_disk
from tests.faults.scenario import Scenario
from tests.support import disk
from tests.support.compare import NINE
from tests.support.daemon import wait

READS = 10


def inflict(house: House) -> Sequence[Window]:
    """Have it be so at the beginning of an outage, and writable before its end."""
    with small_disk(house):
        disk.set_read_only(house.state, True)
        with house.says("cannot write .*Read-only file system"), house.says("cannot be reached"):
            house.database.kill()
        shows(house, "cannot write")
        house.more_reads(READS)
        with house.says("what waits is safe again"):
            disk.set_read_only(house.state, False)
        wait("them on disk", lambda: house.on_disk() >= READS * len(NINE))
        with house.says("takes values again"):
            house.database.start()
    return ()


SCENARIO = Scenario(
    "The disk has become read-only while the database is away",
    "it is said, and values wait in memory; they go to disk when it can be written to",
    "nothing",
    inflict,
)
