"""The clock is set back by a day while values wait, and later forward again."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.clock import DAY, all_have, database_away
from tests.faults.house import House, now
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Set it with values in memory and on disk."""
    with database_away(house):
        begin = now()
        house.more_reads(10)
        with house.says("the clock was set back by 86400.0 s; so are the stamps of"):
            house.clocks.put(wall=-DAY)
        house.more_reads(10)
    all_have(house, -DAY, begin, now())
    with house.says("the clock was set forward by 86400.0 s"):
        house.clocks.put(wall=0.0)
    return ()


SCENARIO = Scenario(
    "The clock is set back: it was ahead",
    "what waits is moved with it, and nothing is written over",
    "nothing",
    inflict,
    clocks=True,
    offsets=(0.0, -DAY),
)
