"""Faults between the daemon and its peers: cables, packets, addresses, and names.

Rules: both peers are healthy; the fault is on the way to them, or in the name server. The daemon
logs each fault once. What the device says while the daemon cannot hear it is lost, and in the
windows that a scenario returns (`unheard`). Nothing that was heard is lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.faults.account import Window
from tests.faults.house import NAMES, House, now
from tests.faults.house_database import BACK, LATE, late
from tests.faults.house_device import SILENT, UNREACHABLE, unheard
from tests.faults.scenario import Scenario
from tests.support.daemon import wait

MINUTE = 60.0  # s
BURST = 1.0  # s; what was queued comes then, and the latest of it counts
NO_DEVICE = r"WARNING: cannot resolve gx\.example"
NO_DATABASE = r"WARNING: InfluxDB at db\.example:8086 is unreachable"


def database_cable_cut(house: House) -> Sequence[Window]:
    """Cut the database's cable until a request has run into its deadline, and join it again."""
    with late(house, house.cut("db")):
        wait("values on disk", house.on_disk)
    return ()


def database_requests_lost(house: House) -> Sequence[Window]:
    """Lose what the daemon sends to the database until a request has run into its deadline."""
    with late(house, house.mute("db")):
        wait("values on disk", house.on_disk)
    return ()


def database_answers_lost(house: House) -> Sequence[Window]:
    """Lose the database's answers until a batch is queued that is stored already."""
    with late(house, house.deaf("db")):
        wait("a row that is queued though it is stored", lambda: _queued_and_stored(house))
    return ()


def _queued_and_stored(house: House) -> set[tuple[int, str]]:
    queued = set()
    for line in house.spool("--export").splitlines():
        if line.startswith("dc "):
            _, value, stamp = line.split()
            queued.add((int(stamp), value.partition("=")[0]))
    if not queued:
        return queued
    since = f'SELECT * FROM "dc" WHERE time >= {min(queued)[0]}'
    rows = house.database.query(since, "battery")
    return queued & {(row["time"], name) for row in rows for name in row if row[name] is not None}


def database_other_address(house: House) -> Sequence[Window]:
    """Give the database another address; the connection to the old one never answers again."""
    with house.says_once(BACK), house.says(BACK), house.says_once(LATE), house.says(LATE):
        house.move("db.example")
    return ()


def device_cable_cut(house: House) -> Sequence[Window]:
    """Cut the device's cable until a new connection has been tried in vain, and join it again."""
    with (
        house.says_once(SILENT),
        house.says_once(UNREACHABLE),
        unheard(house) as lost,
        house.cut("gx"),
        house.says(UNREACHABLE),
    ):
        pass
    return lost


def device_packets_dropped(house: House) -> Sequence[Window]:
    """Drop all packets from and to the device, on a link that is up, until that is detected."""
    with (
        house.says_once(SILENT),
        unheard(house) as lost,
        house.deaf("gx"),
        house.mute("gx"),
        house.says(SILENT),
    ):
        pass
    return lost


def device_half_open(house: House) -> Sequence[Window]:
    """Lose what the daemon sends to the device until that is detected, and then what it is sent."""
    lost: list[Window] = []
    for direction in (house.mute, house.deaf):
        with (
            house.says_once(SILENT),
            unheard(house) as windows,
            direction("gx"),
            house.says(SILENT),
        ):
            pass
        # What was queued comes in one burst at the end, of which the latest counts.
        lost += [Window(each.begin, each.end + BURST) for each in windows]
    return lost


def device_other_address(house: House) -> Sequence[Window]:
    """Give the device another address; the connection to the old one never answers again."""
    with house.says_once(SILENT), unheard(house) as lost, house.says(SILENT):
        house.move("gx.example")
    return lost


def names_fail(house: House) -> Sequence[Window]:
    """Restart both peers while the name server is off, and have it then refuse what it is asked."""
    with _unresolved(house, house.name_server.stop) as lost, house.nameless():
        before = _asked(house)
        house.name_server.start()
        for name in NAMES:
            wait(f"{name} to be asked for", lambda it=name: _asked(house)[it] > before[it])
    return lost


def names_hang(house: House) -> Sequence[Window]:
    """Restart both peers while the name server is frozen, for a minute where there is time."""
    begin = now()
    with _unresolved(house, house.name_server.freeze, questions=2) as lost:
        if house.watchdog > MINUTE:
            wait("a minute", lambda: now() >= begin + MINUTE, 2 * MINUTE)
        house.name_server.thaw()
    return lost


@contextmanager
def _unresolved(
    house: House, fail: Callable[[], object], *, questions: int = 0
) -> Iterator[list[Window]]:
    """Restart both peers after `fail`, which takes the name server away; the block brings it back.

    The block begins when both have been looked for in vain and so many questions were under way at
    once. What was not heard makes a window, see `unheard`.
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


def _asked(house: House) -> Counter[str]:
    """Return how often the name server was asked for which name."""
    return Counter(re.findall(r"query\[A\] (\S+)", house.name_server.log.read_text()))


SCENARIOS = {
    "database_cable_cut": Scenario(
        "The cable to the database is cut, or its link goes down",
        "a request has 8 s; values wait on disk, and are stored within 15 s of its return",
        "nothing",
        database_cable_cut,
    ),
    "database_requests_lost": Scenario(
        "What is sent to the database does not arrive",
        "a request has 8 s; values wait on disk, and are stored within 15 s of the end",
        "nothing",
        database_requests_lost,
    ),
    "database_answers_lost": Scenario(
        "The database stores what it is sent, and its answers are lost",
        "a request has 8 s; its values are sent again with the same times, and are there once",
        "nothing, and nothing is stored twice",
        database_answers_lost,
    ),
    "database_other_address": Scenario(
        "The database has another IP address, and its name leads there",
        "a request has 8 s; the next one looks the name up and finds it",
        "nothing",
        database_other_address,
    ),
    "device_cable_cut": Scenario(
        "The cable to the device is cut, or its link goes down",
        "noticed after W/8 (15 s) without a word from it; read again within 30 s of its return",
        "what the device says meanwhile",
        device_cable_cut,
    ),
    "device_packets_dropped": Scenario(
        "Packets from and to the device are dropped, by a switch or a bad radio link",
        "noticed after W/8 (15 s) without a word from it; read again within 30 s of the end",
        "what the device says meanwhile",
        device_packets_dropped,
    ),
    "device_half_open": Scenario(
        "Packets are lost in one direction alone: from the device, or to it",
        "noticed after W/8 (15 s) without a word from it; read again within 30 s of the end",
        "what the device says meanwhile",
        device_half_open,
    ),
    "device_other_address": Scenario(
        "The device has another IP address, and its name leads there",
        "noticed after W/8 (15 s) without a word from it; the name is looked up at each connection",
        "what the device says meanwhile",
        device_other_address,
    ),
    "names_fail": Scenario(
        "Names are not resolved: the name server is off, or answers with an error",
        "connections go on; for a new one the name is tried again within 15 s",
        "what the device says while there is no connection to it",
        names_fail,
    ),
    "names_hang": Scenario(
        "Name resolution hangs, for a minute",
        "it holds up nothing else; connected to again within 30 s of its end",
        "what the device says while there is no connection to it",
        names_hang,
    ),
}
