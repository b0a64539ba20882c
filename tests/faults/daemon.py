"""Faults of the daemon and its machine: it is killed, stopped, frozen, reconfigured or suspended.

Rules: all values that the daemon has put on disk are stored once, after its restart. Values during
a time without reads are in the windows that a scenario returns.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from itertools import pairwise

from tests.faults import house_database
from tests.faults.account import Window, all_stamped
from tests.faults.house import House, now
from tests.faults.house_daemon import calm, restart, start
from tests.faults.scenario import Scenario
from tests.support.compare import NINE, answered
from tests.support.daemon import wait

FREEZE = 4.0  # s; answers under way come so much later, and get the time of their arrival
LAST = 2.0  # s that a kill loses: 1 s in memory, and the way there and to the disk
NIGHT = 8 * 3600.0  # s
FROM_BEFORE = "values are queued on disk, from an earlier start"


def frozen(house: House) -> Sequence[Window]:
    """Freeze the daemon, as a debugger, a VM snapshot or lack of memory does."""
    begin = now()
    house.daemon.freeze()
    end = now() + FREEZE
    wait("a while", lambda: now() > end)
    house.daemon.thaw()
    house.more_reads(3)
    calm(house)
    return (Window(begin - LAST, begin + LAST), Window(end - LAST, end + LAST))


def killed(house: House) -> Sequence[Window]:
    """Kill the daemon three times while the database is down, as power cuts do."""
    lost = []
    house_database.kill(house)
    for _ in range(3):
        house.more_reads(10)
        wait("a steady pace", lambda: _is_steady(house))
        house.daemon.kill()
        begin = now() - LAST
        with house.expects_log(f"[0-9]+ {FROM_BEFORE}"):
            start(house)
        lost.append(Window(begin, now()))
    house_database.start(house)
    calm(house)
    return lost


def _is_steady(house: House) -> bool:
    times = [when for when, _ in answered(house.device, NINE["Voltage"])[-6:]]
    return all(after - before < 2 * house.interval for before, after in pairwise(times))


def stopped(house: House) -> Sequence[Window]:
    """Stop the daemon in order and start it while the database is down, as an upgrade does."""
    house_database.kill(house)
    house.more_reads(10)
    ended = house.daemon
    with house.expects_log(f"[0-9]+ {FROM_BEFORE}"):
        unread = restart(house)
    (line,) = ended.logged("stopped; [0-9]+ values are queued on disk")
    assert house.daemon.logged(f"{line.split()[2]} {FROM_BEFORE}")
    house_database.start(house)
    calm(house)
    return (unread,)


def reloaded(house: House) -> Sequence[Window]:
    """Reload a bad configuration, another interval and the old one while the database is down."""
    house_database.kill(house)
    with house.expects_log("has mistakes and was not reloaded"):
        _reload(house, "soon")
    with house.expects_log("configuration reloaded"):
        _reload(house, 3 * house.interval)
    wait("another pace", lambda: _pace(house) > 2 * house.interval)
    with house.expects_log("configuration reloaded"):
        _reload(house, house.interval)
    wait("the old pace", lambda: _pace(house) < 2 * house.interval)
    house_database.start(house)
    calm(house)
    return ()


def _reload(house: House, interval: object) -> None:
    house.setting.write_ini(Battery={"interval": interval})
    os.kill(house.daemon.pid, signal.SIGHUP)


def _pace(house: House) -> float:
    before, last = answered(house.device, NINE["Voltage"])[-2:]
    return last[0] - before[0]


def machine_asleep(house: House) -> Sequence[Window]:
    """Suspend the machine for a night with values queued: clocks advance, the daemon does not."""
    with house_database.away(house):
        begin, sets = now(), len(house.daemon.logged("the clock was set"))
        house.more_reads(20)
        house.daemon.freeze()
        asleep = now()
        house.clocks.put(wall=NIGHT, boot=NIGHT)
        awake = now()
        house.daemon.thaw()
        house.more_reads(20)
    all_stamped(house, 0.0, begin, asleep - 1.0)
    all_stamped(house, NIGHT, awake + 1.0, now())
    assert len(house.daemon.logged("the clock was set")) == sets
    house.clocks.put(wall=0.0, boot=0.0)
    return ()


SCENARIOS = {
    "daemon_frozen": Scenario(
        "bat2influx gets no processor time for a while",
        "it continues afterwards; an answer from before is too old then, and is not stored",
        "the answers that were under way, and values of that time",
        frozen,
    ),
    "daemon_killed": Scenario(
        "bat2influx is killed while the database is down",
        "values on disk are stored once, after the next start",
        "the last second before, and values until the device is read again",
        killed,
    ),
    "daemon_stopped": Scenario(
        "bat2influx is stopped, restarted or upgraded while the database is down",
        "all queued values are put on disk before it ends, within 10 s, and stored after the next"
        " start",
        "values until the device is read again",
        stopped,
    ),
    "daemon_reloaded": Scenario(
        "The configuration is changed and reloaded while the database is down",
        "the device is read by the new configuration, and queued values stay queued; a bad file is"
        " rejected, and the old configuration stays in effect",
        "nothing",
        reloaded,
    ),
    "machine_asleep": Scenario(
        "The machine is suspended, and wakes hours later",
        "this does not count as a change of the clock: queued values keep their times",
        "values of that time",
        machine_asleep,
        clocks=True,
        offsets=(0.0, NIGHT),
    ),
}
