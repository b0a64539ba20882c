"""The database is restarted several times in quick order."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Restart it before the daemon has got over the last time."""
    with house.says("takes values again"):
        for _ in range(4):
            house.database.stop()
            house.more_reads(2)
            house.database.start()
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database is restarted several times in quick order",
    "what a restart has cut off is sent again with the same times, so that nothing is there twice",
    "nothing",
    inflict,
)
