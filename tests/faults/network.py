"""Faults between the daemon and its peers: cables, packets, addresses, and names.

Rules: both peers are healthy; the fault is on the way to them, or in the name server. The daemon
logs each fault once. Values that the daemon cannot receive are lost, and in the windows that a
scenario returns (`unheard`). No received value is lost.
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
BURST = 1.0  # s; queued messages come then, and the latest counts
NO_DEVICE = r"WARNING: cannot resolve gx\.example"
NO_DATABASE = r"WARNING: InfluxDB at db\.example:8086 is unreachable"


def database_cable_cut(house: House) -> Sequence[Window]:
    """Cut the database's cable until a request has exceeded its deadline, and restore it."""
    with late(house, house.cut("db")):
        wait("values on disk", house.on_disk)
    return ()


def database_requests_lost(house: House) -> Sequence[Window]:
    """Drop the daemon's packets to the database until a request has exceeded its deadline."""
    with late(house, house.mute("db")):
        wait("values on disk", house.on_disk)
    return ()


def database_answers_lost(house: House) -> Sequence[Window]:
    """Drop the database's answers until a batch is queued that is stored already."""
    with late(house, house.deaf("db")):
        wait("a line that is queued though it is stored", lambda: _queued_and_stored(house))
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
    with (
        house.expects_log_once(BACK),
        house.expects_log(BACK),
        house.expects_log_once(LATE),
        house.expects_log(LATE),
    ):
        house.move("db.example")
    return ()


def device_cable_cut(house: House) -> Sequence[Window]:
    """Cut the device's cable until a new connection has failed, and restore it."""
    with (
        house.expects_log_once(SILENT),
        house.expects_log_once(UNREACHABLE),
        unheard(house) as lost,
        house.cut("gx"),
        house.expects_log(UNREACHABLE),
    ):
        pass
    return lost


def device_packets_dropped(house: House) -> Sequence[Window]:
    """Drop all packets from and to the device, on a link that is up, until that is detected."""
    with (
        house.expects_log_once(SILENT),
        unheard(house) as lost,
        house.deaf("gx"),
        house.mute("gx"),
        house.expects_log(SILENT),
    ):
        pass
    return lost


def device_half_open(house: House) -> Sequence[Window]:
    """Drop packets to the device until that is detected, and then packets from it."""
    lost: list[Window] = []
    for direction in (house.mute, house.deaf):
        with (
            house.expects_log_once(SILENT),
            unheard(house) as windows,
            direction("gx"),
            house.expects_log(SILENT),
        ):
            pass
        # Queued messages come in one burst at the end, of which the latest counts.
        lost += [Window(each.begin, each.end + BURST) for each in windows]
    return lost


def device_other_address(house: House) -> Sequence[Window]:
    """Give the device another address; the connection to the old one never answers again."""
    with house.expects_log_once(SILENT), unheard(house) as lost, house.expects_log(SILENT):
        house.move("gx.example")
    return lost


def names_fail(house: House) -> Sequence[Window]:
    """Restart both peers while the name server is off, and then while it answers with errors."""
    with _unresolved(house, house.name_server.stop) as lost, house.nameless():
        before = _asked(house)
        house.name_server.start()
        for name in NAMES:
            wait(f"{name} to be asked for", lambda it=name: _asked(house)[it] > before[it])
    return lost


def names_hang(house: House) -> Sequence[Window]:
    """Restart both peers while the name server is frozen, for a minute if time permits."""
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
    """Restart both peers after `fail`, a fault of the name server; the block ends the fault.

    The block begins after lookups of both have failed, with so many queries under way at once. The
    time without messages is a window, see `unheard`.
    """
    with (
        house.expects_log_once(NO_DEVICE),
        house.expects_log_once(NO_DATABASE),
        house.expects_log(BACK),
    ):
        fail()
        with house.expects_log(NO_DATABASE):
            house.database.restart()
        with unheard(house) as lost:
            with house.expects_log(NO_DEVICE):
                house.broker.restart()
                wait("both to be asked for", lambda: house.asking() >= questions)
            yield lost


def _asked(house: House) -> Counter[str]:
    """Return the number of queries per name at the name server."""
    return Counter(re.findall(r"query\[A\] (\S+)", house.name_server.log.read_text()))


SCENARIOS = {
    "database_cable_cut": Scenario(
        "The cable to the database is cut, or its link goes down",
        "a request has 8 s; values are queued on disk, and stored within 15 s of its return",
        "nothing",
        database_cable_cut,
    ),
    "database_requests_lost": Scenario(
        "Packets to the database are lost",
        "a request has 8 s; values are queued on disk, and stored within 15 s of the end",
        "nothing",
        database_requests_lost,
    ),
    "database_answers_lost": Scenario(
        "The database stores values, but its answers are lost",
        "a request has 8 s; its values are sent again with the same times, and stored once",
        "nothing, and nothing is stored twice",
        database_answers_lost,
    ),
    "database_other_address": Scenario(
        "The database has got another IP address, and its name resolves to that",
        "a request has 8 s; the next request resolves the name again",
        "nothing",
        database_other_address,
    ),
    "device_cable_cut": Scenario(
        "The cable to the device is cut, or its link goes down",
        "detected after W/8 (15 s) without a message; read again within 30 s of its return",
        "values of that time",
        device_cable_cut,
    ),
    "device_packets_dropped": Scenario(
        "Packets from and to the device are dropped, by a switch or a bad radio link",
        "detected after W/8 (15 s) without a message; read again within 30 s of the end",
        "values of that time",
        device_packets_dropped,
    ),
    "device_half_open": Scenario(
        "Packets are lost in one direction alone: from the device, or to it",
        "detected after W/8 (15 s) without a message; read again within 30 s of the end",
        "values of that time",
        device_half_open,
    ),
    "device_other_address": Scenario(
        "The device has got another IP address, and its name resolves to that",
        "detected after W/8 (15 s) without a message; each new connection resolves the name again",
        "values of that time",
        device_other_address,
    ),
    "names_fail": Scenario(
        "Names are not resolved: the name server is off, or answers with an error",
        "existing connections continue; a new one retries the name within 15 s",
        "values while there is no connection to the device",
        names_fail,
    ),
    "names_hang": Scenario(
        "Name resolution hangs, for a minute",
        "nothing else is delayed; reconnected within 30 s of its end",
        "values while there is no connection to the device",
        names_hang,
    ),
}
