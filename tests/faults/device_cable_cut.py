"""The cable to the device is cut: no FIN, no error, nothing."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import REACHED, House, now
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Cut it until the daemon has noticed, and join it again."""
    begin = now() - 0.5
    with house.says(REACHED), house.cut("gx"), house.says(r"WARNING: .*gx\.example"):
        pass
    return (Window(begin, now()),)


SCENARIO = Scenario(
    "The cable to the device is cut, or its link goes down",
    "noticed after W/8 (15 s) without a value; connected to again within 30 s of its return",
    "what the device says meanwhile",
    inflict,
)
