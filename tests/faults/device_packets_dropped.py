"""The link to the device is up, and no packet comes through in either direction."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT, unheard


def inflict(house: House) -> Sequence[Window]:
    """Drop all until the silence is noticed and a new connection is under way."""
    with (
        house.says_once(SILENT),
        unheard(house) as lost,
        house.deaf("gx"),
        house.mute("gx"),
        house.says(SILENT),
    ):
        pass
    return lost


SCENARIO = Scenario(
    "Packets from and to the device are dropped, by a switch or a bad radio link",
    "noticed after W/8 (15 s) without a word from it; read again within 30 s of the end",
    "what the device says meanwhile",
    inflict,
)
