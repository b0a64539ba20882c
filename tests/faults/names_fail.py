"""The name server is gone, and then knows no name, when both peers have to be found."""

import re
from collections import Counter
from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import NAMES, House
from tests.faults.names import unresolved
from tests.faults.scenario import Scenario
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Restart both while it is off, and have it refuse what it is asked before it is right."""
    with unresolved(house, house.name_server.stop) as lost, house.nameless():
        before = _asked(house)
        house.name_server.start()
        for name in NAMES:
            wait(f"{name} to be asked for", lambda it=name: _asked(house)[it] > before[it])
    return lost


def _asked(house: House) -> Counter[str]:
    """Return how often the name server was asked for which name."""
    return Counter(re.findall(r"query\[A\] (\S+)", house.name_server.log.read_text()))


SCENARIO = Scenario(
    "Names are not resolved: the name server is off, or answers with an error",
    "connections go on; for a new one the name is tried again within 15 s",
    "what the device says while there is no connection to it",
    inflict,
)
