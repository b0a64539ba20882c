"""The name server hangs when both peers have to be found."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.database_cable_cut import BACK
from tests.faults.house import House, now
from tests.faults.names_fail import NO_DATABASE, NO_DEVICE
from tests.faults.scenario import Scenario
from tests.faults.unheard import unheard
from tests.parts.daemon import wait

MINUTE = 60.0  # s


def inflict(house: House) -> Sequence[Window]:
    """Restart both while it is frozen; it stays so for a minute where there is time for that."""
    begin = now()
    with (
        house.says_once(NO_DEVICE),
        house.says_once(NO_DATABASE),
        house.says(BACK),
    ):
        house.name_server.freeze()
        with house.says(NO_DATABASE):
            house.database.restart()
        with unheard(house) as lost:
            with house.says(NO_DEVICE):
                house.broker.restart()
                wait("both to be asked for", lambda: house.asking() >= 2)
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
