"""The database comes back with another address, and the name server knows it."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_database import BACK, LATE
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Give it another one; the connection to the old one is never heard of again."""
    with house.says_once(BACK), house.says(BACK), house.says_once(LATE), house.says(LATE):
        house.move("db.example")
    return ()


SCENARIO = Scenario(
    "The database has another IP address, and its name leads there",
    "a request has 8 s; the next one looks the name up and finds it",
    "nothing",
    inflict,
)
