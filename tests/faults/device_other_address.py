"""The device comes back with another address, and the name server knows it."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT, unheard


def inflict(house: House) -> Sequence[Window]:
    """Give it another one; the connection to the old one is never heard of again."""
    with house.says_once(SILENT), unheard(house) as lost, house.says(SILENT):
        house.move("gx.example")
    return lost


SCENARIO = Scenario(
    "The device has another IP address, and its name leads there",
    "noticed after W/8 (15 s) without a word from it; the name is looked up at each connection",
    "what the device says meanwhile",
    inflict,
)
