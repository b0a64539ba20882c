"""The cable to the database is cut: no FIN, no error, nothing."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_database import late
from tests.faults.scenario import Scenario
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Cut it until a request has run into its deadline, and join it again."""
    with late(house, house.cut("db")):
        wait("values on disk", house.on_disk)
    return ()


SCENARIO = Scenario(
    "The cable to the database is cut, or its link goes down",
    "a request has 8 s; values wait on disk, and are stored within 15 s of its return",
    "nothing",
    inflict,
)
