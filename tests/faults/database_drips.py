"""The database answers byte by byte, and never comes to an end."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.house_database import InPlace
from tests.faults.scenario import Scenario
from tests.standins.databases.http_peers import Dripping


class Drips(InPlace, Dripping):
    """Each of its bytes comes in time, and the answer never does."""


def inflict(house: House) -> Sequence[Window]:
    """Have somebody in its place whose answers drip."""
    with house.says("takes values again"):
        house.database.stop()
        with Drips(house, b"HTTP/1.1", b" ", pause=0.1), house.says("does not answer within"):
            house.more_reads(5)
        house.database.start()
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database's answer drips, byte by byte",
    "the request ends after 8 s in all and is sent again later",
    "nothing",
    inflict,
)
