"""The connection to the device is half open: one direction works, the other does not."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT, unheard


def inflict(house: House) -> Sequence[Window]:
    """Lose what the daemon sends until that is noticed, and then what it is sent."""
    lost: list[Window] = []
    for direction in (house.mute, house.deaf):
        with (
            house.says_once(SILENT),
            unheard(house) as window,
            direction("gx"),
            house.says(SILENT),
        ):
            pass
        lost += window
    return lost


SCENARIO = Scenario(
    "Packets are lost in one direction alone: from the device, or to it",
    "noticed after W/8 (15 s) without a word from it; read again within 30 s of the end",
    "what the device says meanwhile",
    inflict,
)
