"""The daemon is stopped in order and started while the database is away, as by an upgrade."""

from collections.abc import Sequence

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm, restart
from tests.faults.scenario import Scenario


def inflict(house: House) -> Sequence[Window]:
    """Stop it and start it."""
    with house.says("cannot be reached"):
        house.database.kill()
    house.more_reads(10)
    stopped = house.daemon
    with house.says("[0-9]+ values wait on disk, from before"):
        away = restart(house)
    (line,) = stopped.says("stopped; [0-9]+ values wait on disk")
    assert house.daemon.says(f"{line.split()[2]} values wait on disk, from before")
    with house.says("takes values again"):
        house.database.start()
    calm(house)
    return (away,)


SCENARIO = Scenario(
    "bat2influx is stopped, restarted or upgraded while the database is away",
    "all that waits is on disk before it ends, within 10 s, and stored after the next start",
    "what the device says until it is read again",
    inflict,
)
