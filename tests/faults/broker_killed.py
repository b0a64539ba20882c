"""The device's broker is killed, and is away for a while."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import ENDED, REFUSED, unheard


def inflict(house: House) -> Sequence[Window]:
    """Kill it, and start it when it has been looked for."""
    with house.says_once(ENDED), house.says_once(REFUSED), unheard(house) as lost:
        with house.says(REFUSED):
            house.broker.kill()
        house.broker.start()
    return lost


SCENARIO = Scenario(
    "The device's MQTT broker crashes, or is switched off for a while",
    "noticed at once; connected to again within 30 s of its return",
    "what the device says meanwhile",
    inflict,
)
