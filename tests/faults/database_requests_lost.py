"""The connection to the database is half open: what the daemon sends is lost."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_database import late
from tests.faults.scenario import Scenario
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Lose it until a request has run into its deadline."""
    with late(house, house.mute("db")):
        wait("values on disk", house.on_disk)
    return ()


SCENARIO = Scenario(
    "What is sent to the database does not arrive",
    "a request has 8 s; values wait on disk, and are stored within 15 s of the end",
    "nothing",
    inflict,
)
