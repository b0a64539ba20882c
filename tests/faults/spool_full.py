"""More values wait than there may be on disk."""

import re
from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House, now
from tests.faults.house_daemon import all_stored, calm, hushed, restart
from tests.faults.scenario import Scenario
from tests.support.compare import NINE, said
from tests.support.daemon import wait

SITE = "s" * 900  # stored with each value, so that it does not take days
MORE = {f"More{number}": "vebus/Dc/0/Voltage" for number in range(40)}
FIELDS = {**NINE, **dict.fromkeys(MORE, NINE["Voltage"])}
BOUND = "1MB"
HALF, FULL = "half the room for them is used", "too many values wait: the oldest are dropped"
IN_ALL = "([0-9]+) values were dropped in all"


def inflict(house: House) -> Sequence[Window]:
    """Have a small bound, and an outage that is too long for it."""
    calm(house)
    first = restart(house, Spool={"max_size": BOUND}, Influx={"tags": f"site:{SITE}"}, Fields=MORE)
    with house.says(FULL, 120.0), house.says(HALF), hushed(house):
        wait("all to be stored", lambda: all_stored(house))
        begin = now()
        house.database.kill()
    house.more_reads(5)
    with house.says(IN_ALL), house.says("takes values again"):
        house.database.start()
    daemon = house.daemon
    last = restart(house)
    assert len(daemon.says(FULL)) == 1
    found = re.search(IN_ALL, daemon.says(IN_ALL)[-1])
    assert found
    gone = []
    for field, leaf in FIELDS.items():
        stored = _stored(house, field, begin)
        spoken = [each for each in said(house.device, leaf) if begin < each[0] < last.begin]
        signs = "".join("+" if value in stored else "-" for _, value in spoken)
        assert re.fullmatch(r"[+-]*-\+{5,}", signs), f"of the newest some are gone: {signs}"
        gone += [when for when, value in spoken if value not in stored]
    assert len(gone) == int(found[1])
    return first, Window(min(gone), max(gone)), last


def _stored(house: House, field: str, since: float) -> set[float]:
    place = f"FROM \"dc\" WHERE site = '{SITE}' AND time >= {int(since * 1e9)}"
    rows = house.database.query(f'SELECT "{field}" {place}', "battery")
    return {row[field] for row in rows}


SCENARIO = Scenario(
    "More waits than `[Spool] max_size` has room for (256 MB: 8 days)",
    "at half of it there is a warning; then the oldest go, which is said, and counted",
    "the oldest values of the outage",
    inflict,
)
