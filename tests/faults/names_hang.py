"""The name server hangs when both peers have to be found."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House, now
from tests.faults.names import unresolved
from tests.faults.scenario import Scenario
from tests.support.daemon import wait

MINUTE = 60.0  # s


def inflict(house: House) -> Sequence[Window]:
    """Restart both while it is frozen; it stays so for a minute where there is time for that."""
    begin = now()
    with unresolved(house, house.name_server.freeze, questions=2) as lost:
        if house.watchdog > MINUTE:
            wait("a minute", lambda: now() >= begin + MINUTE, 2 * MINUTE)
        house.name_server.thaw()
    return lost


SCENARIO = Scenario(
    "Name resolution hangs, for a minute",
    "it holds up nothing else; connected to again within 30 s of its end",
    "what the device says while there is no connection to it",
    inflict,
)
