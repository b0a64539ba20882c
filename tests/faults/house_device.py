"""The time in which the daemon cannot hear the device, and what it logs of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import REACHED, House, now
from tests.support.daemon import wait

UNDER_WAY = 1.0  # s; what was said so shortly before may not have left the broker yet
SILENT = r"WARNING: device .* at gx\.example does not respond"
UNREACHABLE = r"WARNING: gx\.example port 1883 is unreachable"
ENDED = r"WARNING: gx\.example ended the connection"
REFUSED = r"WARNING: connection refused by gx\.example port 1883"


@contextmanager
def unheard(house: House) -> Iterator[list[Window]]:
    """Wait at the end of a block in which the device is not heard until it is asked again.

    From then on it is subscribed to, and all that it says is to be stored. What it has said in
    between makes a window, which is added to the list at the end.
    """
    windows: list[Window] = []
    begin = now() - UNDER_WAY
    with house.says(REACHED):
        yield windows
    counters = house.device.log.counters
    wait("reads", lambda: house.device.log.counters.reads > counters.reads)
    windows.append(Window(begin, now()))
