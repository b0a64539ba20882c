"""After an outage the database takes smaller requests than what waits would fill."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario
from tests.support.daemon import wait

SMALL = 1000  # bytes, about 25 values
VALUES = 100  # that wait then


def inflict(house: House) -> Sequence[Window]:
    """Have it come back with a small bound, until all is stored."""
    with house.says("takes values again"):
        with house.says("cannot be reached"):
            house.database.kill()
        wait("values on disk", lambda: house.on_disk() > VALUES)
        house.database.config = f"max-body-size = {SMALL}\n"
        house.database.start()
    calm(house)
    (counted,) = house.database.query("SHOW STATS FOR 'httpd'")
    assert counted["clientError"] > 0, "nothing was too large"
    with house.says("takes values again"):
        house.database.stop()
        house.more_reads(3)
        house.database.config = ""
        house.database.start()
    calm(house)
    return ()


SCENARIO = Scenario(
    "The database refuses large requests (413)",
    "what waits is sent in smaller parts",
    "nothing",
    inflict,
)
