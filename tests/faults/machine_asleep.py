"""The machine is suspended for a night while values wait."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.clock import all_have, database_away
from tests.faults.house import House, now
from tests.faults.scenario import Scenario

NIGHT = 8 * 3600.0  # s


def inflict(house: House) -> Sequence[Window]:
    """Have the clocks go on while the daemon does not."""
    with database_away(house):
        begin, sets = now(), len(house.daemon.says("the clock was set"))
        house.more_reads(20)
        house.daemon.freeze()
        asleep = now()
        house.clocks.put(wall=NIGHT, boot=NIGHT)
        awake = now()
        house.daemon.thaw()
        house.more_reads(20)
    all_have(house, 0.0, begin, asleep - 1.0)
    all_have(house, NIGHT, awake + 1.0, now())
    assert len(house.daemon.says("the clock was set")) == sets
    house.clocks.put(wall=0.0, boot=0.0)
    return ()


SCENARIO = Scenario(
    "The machine is suspended, and wakes hours later",
    "that is no clock that was set: what waited keeps its time",
    "what the device says meanwhile",
    inflict,
    clocks=True,
    offsets=(0.0, NIGHT),
)
