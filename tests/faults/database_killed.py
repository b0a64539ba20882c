"""The database is killed, as by a power cut, and comes back."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Kill it while it is written to."""
    with house.says("cannot be reached"):
        house.database.kill()
    house.more_reads(20)
    with house.says("takes values again"):
        house.database.start()
    return ()


SCENARIO = Scenario(
    "The database is stopped, restarted, upgraded or killed",
    "values wait, after a second on disk; when it is back the newest are stored first",
    "nothing",
    inflict,
)
