"""Another program holds the lock on the file with what waits."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm, shows
from tests.faults.scenario import Scenario
from tests.support.daemon import wait

LOCKED = "is locked by another program"


def inflict(house: House) -> Sequence[Window]:
    """Hold it for a while in an outage."""
    with house.says("cannot be reached"):
        house.database.kill()
    wait("values on disk", house.on_disk)
    with house.says("what waits is safe again"), house.says(LOCKED), house.locked_spool():
        shows(house, LOCKED)
        house.more_reads(10)
    with house.says("takes values again"):
        house.database.start()
    calm(house)
    return ()


SCENARIO = Scenario(
    "Another program has `spool.sqlite` locked",
    "it is said, and values wait in memory; they go to disk when the lock is gone",
    "nothing",
    inflict,
)
