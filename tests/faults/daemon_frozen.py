"""The daemon is frozen for a while, as by a debugger, a snapshot, or a machine out of memory."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House, now
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario
from tests.support.daemon import wait

SPAN = 4.0  # s; what was under way comes so much later, and is stamped when it comes


def inflict(house: House) -> Sequence[Window]:
    """Freeze it."""
    house.daemon.freeze()
    end = now() + SPAN
    wait("a while", lambda: now() > end)
    house.daemon.thaw()
    house.more_reads(3)
    calm(house)
    return ()


SCENARIO = Scenario(
    "bat2influx gets no processor time for a while",
    "it goes on afterwards; what had been said just before is stamped then",
    "nothing that was said: the device is not asked meanwhile",
    inflict,
)
