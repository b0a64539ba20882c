"""The device's broker hangs: it takes connections and says nothing."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT, unheard


def inflict(house: House) -> Sequence[Window]:
    """Freeze it, and the device with it, whose part it is, until both have been given up once."""
    with house.says_once(SILENT), house.says_once(NO_WORD), unheard(house) as lost:
        with house.says(NO_WORD):
            house.device.silence()
            house.broker.freeze()
        house.device.speak()
        house.broker.thaw()
    return lost


NO_WORD = r"WARNING: gx\.example port 1883 accepts connections and says nothing"
SCENARIO = Scenario(
    "The device's MQTT broker hangs: it takes connections and says nothing",
    "noticed after W/8 (15 s); a new connection gets 10 s; read again within 30 s of the end",
    "what the device says meanwhile",
    inflict,
)
