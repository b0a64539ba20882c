"""The daemon is killed again and again while the database is away, as by power cuts."""

from collections.abc import Sequence
from itertools import pairwise

from tests.faults.account import Window
from tests.faults.house import House, now
from tests.faults.house_daemon import calm, start
from tests.faults.scenario import Scenario
from tests.support.compare import NINE, said
from tests.support.daemon import wait

LAST = 2.0  # s: one in memory, and the way to it and to the disk


def inflict(house: House) -> Sequence[Window]:
    """Kill it three times."""
    lost = []
    with house.says("cannot be reached"):
        house.database.kill()
    for _ in range(3):
        house.more_reads(10)
        wait("a steady pace", lambda: _is_steady(house))
        house.daemon.kill()
        begin = now() - LAST
        with house.says("[0-9]+ values wait on disk, from before"):
            start(house)
        lost.append(Window(begin, now()))
    with house.says("takes values again"):
        house.database.start()
    calm(house)
    return lost


def _is_steady(house: House) -> bool:
    times = [when for when, _ in said(house.device, NINE["Voltage"])[-6:]]
    return all(after - before < 2 * house.interval for before, after in pairwise(times))


SCENARIO = Scenario(
    "bat2influx is killed while the database is away",
    "what was on disk is stored once, after the next start",
    "the last second before, and what the device says until it is read again",
    inflict,
)
