"""The database is busy, and says for how long."""

from collections.abc import Sequence
from itertools import pairwise

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.house_database import InPlace
from tests.faults.scenario import Scenario
from tests.standins.databases.http_peers import HttpPeer, answer
from tests.support.daemon import wait

LATER = 3  # s
_HEADER = f"Retry-After: {LATER}"
ANSWERS = (
    answer("503 Service Unavailable", '{"error":"too busy"}', _HEADER),
    answer("429 Too Many Requests", '{"error":"too often"}', _HEADER),
    answer("503 Service Unavailable", '{"error":"too busy"}', _HEADER),
)


class Busy(InPlace, HttpPeer):
    """Asks everybody to come again later."""


def inflict(house: House) -> Sequence[Window]:
    """Have somebody in its place who is busy, for three requests."""
    with house.says("takes values again"):
        with house.says("answers 503 too busy"), house.says("answers 429 too often"):
            house.database.stop()
            with Busy(house, *ANSWERS) as busy:
                wait("three requests", lambda: len(busy.requests) >= len(ANSWERS))
        house.database.start()
    pauses = [after - before for before, after in pairwise(busy.times)]
    assert min(pauses) >= LATER
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database is busy (503, 429)",
    "values wait, after a second on disk; no request comes before the time that `Retry-After` has",
    "nothing",
    inflict,
)
