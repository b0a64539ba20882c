"""The database hangs: it takes connections and requests, and answers none."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm, shows
from tests.faults.scenario import Scenario

HANGS, AGAIN = "does not answer within", "takes values again"


def inflict(house: House) -> Sequence[Window]:
    """Freeze it for longer than a request may take."""
    with house.says_once(HANGS), house.says_once(AGAIN), house.says(AGAIN):
        with house.says(HANGS):
            house.database.freeze()
        shows(house, HANGS)
        house.more_reads(10)
        house.database.thaw()
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database hangs, and answers no request",
    "each request ends after 8 s and is sent again later; the device is read meanwhile",
    "nothing",
    inflict,
)
