"""The time in which the daemon receives nothing from the device, and its log lines about that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import REACHED, House, now
from tests.support.daemon import wait

UNDER_WAY = 1.0  # s; messages of so short a time before may not have left the broker yet
SILENT = r"WARNING: device .* at gx\.example does not respond"
UNREACHABLE = r"WARNING: gx\.example port 1883 is unreachable"
ENDED = r"WARNING: gx\.example ended the connection"
REFUSED = r"WARNING: connection refused by gx\.example port 1883"


@contextmanager
def unheard(house: House) -> Iterator[list[Window]]:
    """Wait at the end of a block without messages from the device until it is read again.

    From then on the daemon is subscribed, and all answers have to be stored. The time in between is
    a window, which is added to the list at the end.
    """
    windows: list[Window] = []
    begin = now() - UNDER_WAY
    with house.expects_log(REACHED):
        yield windows
    counters = house.device.log.counters
    wait("reads", lambda: house.device.log.counters.reads > counters.reads)
    windows.append(Window(begin, now()))
