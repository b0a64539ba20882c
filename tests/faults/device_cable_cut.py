"""The cable to the device is cut: no FIN, no error, nothing."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT, UNREACHABLE, unheard


def inflict(house: House) -> Sequence[Window]:
    """Cut it until a new connection has been tried in vain, and join it again."""
    with (
        house.says_once(SILENT),
        house.says_once(UNREACHABLE),
        unheard(house) as lost,
        house.cut("gx"),
        house.says(UNREACHABLE),
    ):
        pass
    return lost


SCENARIO = Scenario(
    "The cable to the device is cut, or its link goes down",
    "noticed after W/8 (15 s) without a word from it; read again within 30 s of its return",
    "what the device says meanwhile",
    inflict,
)
