"""The connection to the database is half open: writes arrive, and their answers are lost."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_database import late
from tests.faults.scenario import Scenario
from tests.support.daemon import wait


def inflict(house: House) -> Sequence[Window]:
    """Lose them until a batch waits again that is stored already."""
    with late(house, house.deaf("db")):
        wait("a row that waits though it is stored", lambda: _stored_and_waiting(house))
    return ()


def _stored_and_waiting(house: House) -> set[tuple[int, str]]:
    waiting = set()
    for line in house.spool("--export").splitlines():
        if line.startswith("dc "):
            _, value, stamp = line.split()
            waiting.add((int(stamp), value.partition("=")[0]))
    if not waiting:
        return waiting
    since = f'SELECT * FROM "dc" WHERE time >= {min(waiting)[0]}'
    rows = house.database.query(since, "battery")
    return waiting & {(row["time"], name) for row in rows for name in row if row[name] is not None}


SCENARIO = Scenario(
    "The database stores what it is sent, and its answers are lost",
    "a request has 8 s; its values are sent again with the same times, and are there once",
    "nothing, and nothing is stored twice",
    inflict,
)
