"""The daemon is given another configuration while the database is away: a bad one, a good one."""

import os
import signal
from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario
from tests.support.compare import NINE, said
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Reload a file that is wrong, one with another interval, and the old one."""
    with house.says("cannot be reached"):
        house.database.kill()
    with house.says("is bad and was not reloaded"):
        _reload(house, "soon")
    with house.says("configuration reloaded"):
        _reload(house, 3 * house.interval)
    wait("another pace", lambda: _pace(house) > 2 * house.interval)
    with house.says("configuration reloaded"):
        _reload(house, house.interval)
    wait("the old pace", lambda: _pace(house) < 2 * house.interval)
    with house.says("takes values again"):
        house.database.start()
    calm(house)
    return ()


def _reload(house: House, interval: object) -> None:
    house.setting.write_ini(Battery={"interval": interval})
    os.kill(house.daemon.pid, signal.SIGHUP)


def _pace(house: House) -> float:
    before, last = said(house.device, NINE["Voltage"])[-2:]
    return last[0] - before[0]


SCENARIO = Scenario(
    "The configuration is changed and reloaded while the database is away",
    "the device is read as it says now, and what waits goes on waiting; a bad file is refused and"
    " the old one kept",
    "nothing",
    inflict,
)
