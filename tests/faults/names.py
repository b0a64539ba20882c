"""What scenarios of name resolution have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_database import BACK
from tests.faults.unheard import unheard
from tests.support.daemon import wait

NO_DEVICE = r"WARNING: cannot resolve gx\.example"
NO_DATABASE = r"WARNING: InfluxDB at db\.example:8086 cannot be reached"


@contextmanager
def unresolved(
    house: House, fail: Callable[[], object], *, questions: int = 0
) -> Iterator[list[Window]]:
    """Restart both peers after `fail`, which takes the name server away; the block brings it back.

    The block begins when both have been looked for in vain and so many questions were under way at
    once. Each trouble is told once. What was not heard makes a window, see `unheard`.
    """
    with house.says_once(NO_DEVICE), house.says_once(NO_DATABASE), house.says(BACK):
        fail()
        with house.says(NO_DATABASE):
            house.database.restart()
        with unheard(house) as lost:
            with house.says(NO_DEVICE):
                house.broker.restart()
                wait("both to be asked for", lambda: house.asking() >= questions)
            yield lost
