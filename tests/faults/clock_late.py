"""The machine has booted with the time of its last shutdown, and hears the right one late."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.clock import DAY, timesyncd
from tests.faults.house import House, now
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Start with a clock that is three days behind, and set it once values have come."""
    with timesyncd(house) as synchronised:
        begin = now() - 1.0
        house.daemon.stop()
        house.clocks.put(wall=-3 * DAY)
        house.start_daemon()
        house.daemon.wait_for_log("reading gx.example")
        lost = Window(begin, now())
        house.daemon.wait_for_log("the clock is not synchronised yet; values wait for that")
        house.more_reads(10)
        assert "the clock is not synchronised yet" in house.notify.status
        with house.says("the clock was set forward by 259200.0 s; so are the stamps of"):
            house.clocks.put(wall=0.0)
        with house.says("values wait for the clock no longer"):
            synchronised.touch()
    return (lost,)


SCENARIO = Scenario(
    "The clock is not right yet after a boot",
    "where systemd-timesyncd runs, values wait for it, up to 2 minutes; then they get the right"
    " time",
    "nothing",
    inflict,
    clocks=True,
)
