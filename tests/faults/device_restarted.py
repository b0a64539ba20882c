"""The device is restarted: broker and all are gone for a while, and have forgotten us."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import REFUSED, unheard


def inflict(house: House) -> Sequence[Window]:
    """Let it boot."""
    with unheard(house) as lost:
        with house.says_once(REFUSED), house.says(REFUSED):
            house.broker.stop()
            house.device.restart()
        house.broker.start()
    return lost


SCENARIO = Scenario(
    "The device is restarted, as for an update of its firmware",
    "noticed at once; read again within 30 s of its return",
    "what it says before that",
    inflict,
)
