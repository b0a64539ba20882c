"""The device hangs: its broker is there, and it says nothing."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import AGAIN, House
from tests.faults.scenario import Scenario
from tests.faults.unheard import SILENT
from tests.support.daemon import wait

ANSWERS = "device .* answers, after"


def inflict(house: House) -> Sequence[Window]:
    """Let it hang until it is left in peace, and go on."""
    with house.says_once(SILENT), house.says(ANSWERS, AGAIN + house.watchdog):
        house.device.silence()
        keepalives = _keepalives(house)
        wait("one, and one on a new connection", lambda: _keepalives(house) >= keepalives + 2)
        house.device.speak()
    return ()


def _keepalives(house: House) -> int:
    return sum(request.topic.endswith("/keepalive") for request in house.device.log.requests)


SCENARIO = Scenario(
    "The device hangs: its broker is there, and it says nothing",
    "reads end after W/8 (15 s); it is asked each W/2 (a minute) whether it is there again",
    "nothing that it says",
    inflict,
)
