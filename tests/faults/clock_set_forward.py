"""The clock is set forward by a day while values wait, and later back again."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.clock import DAY, set_meanwhile
from tests.faults.house import House
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Set it with values in memory and on disk."""
    set_meanwhile(house, DAY)
    return ()


SCENARIO = Scenario(
    "The clock is set forward: it was behind since the boot",
    "what waits is moved with it; what is stored, or may be, stays where it is",
    "nothing",
    inflict,
    clocks=True,
    offsets=(0.0, DAY),
)
