"""Somebody drops the database under the running daemon."""

from collections.abc import Sequence

from tests.faults import house_database
from tests.faults.account import Window
from tests.faults.house import House, now
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario

UNDER_WAY = 5.0  # s: what was said before may be stored just after it has been saved


def inflict(house: House) -> Sequence[Window]:
    """Drop it; bring back what was in it, for the house's books."""
    begin = now() - UNDER_WAY
    with house.says("created the database 'battery'"):
        house_database.save(house)
        house.database.query("DROP DATABASE battery")
        end = now()
    calm(house)
    house_database.bring_back(house)
    return (Window(begin, end),)


SCENARIO = Scenario(
    "The database is dropped",
    "it is made again, if the user in the file may do that; otherwise values wait until somebody"
    " has made it",
    "what was in it",
    inflict,
)
