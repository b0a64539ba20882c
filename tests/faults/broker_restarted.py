"""The device's broker is restarted, in good order."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import ENDED, unheard


def inflict(house: House) -> Sequence[Window]:
    """Restart it under the daemon and the device."""
    with house.says_once(ENDED), unheard(house) as lost, house.says(ENDED):
        house.broker.restart()
    return lost


SCENARIO = Scenario(
    "The device's MQTT broker is restarted",
    "noticed at once; connected to anew within a second or two",
    "what the device says meanwhile",
    inflict,
)
