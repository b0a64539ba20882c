"""The machine has no clock of its own, and begins in 1970."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.clock import DAY
from tests.faults.house import House, now
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Start with a clock that nobody has set, and set it once values have come."""
    begin = now() - 1.0
    house.daemon.stop()
    house.clocks.put(wall=10 * DAY - begin)
    house.start_daemon()
    house.daemon.wait_for_log("reading gx.example")
    lost = Window(begin, now())
    house.daemon.wait_for_log("the clock has not been set; values wait for that")
    house.more_reads(10)
    with house.says("values wait for the clock no longer"):
        house.clocks.put(wall=0.0)
    early = house.database.query("SELECT * FROM dc WHERE time < '2026-01-01'", "battery")
    assert not early, "there are rows from 1970"
    return (lost,)


SCENARIO = Scenario(
    "The clock begins in 1970, or in another year before this program",
    "values wait in memory until it is set, however long that takes, and then get the right time",
    "nothing; if the daemon is ended before, what has come",
    inflict,
    clocks=True,
)
