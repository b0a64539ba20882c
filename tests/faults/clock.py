"""What scenarios of the clock have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.house import House, now
from tests.standins.network import apart
from tests.support.compare import LATEST, NINE, said
from tests.support.daemon import wait

DAY = 86_400.0  # s
EARLY = 0.1  # s


@contextmanager
def database_away(house: House) -> Iterator[None]:
    """Have values wait during a block, in memory and on disk."""
    with house.says("takes values again"):
        with house.says("cannot be reached"):
            house.database.stop()
        wait("values on disk", house.on_disk)
        yield
        house.database.start()


def set_meanwhile(house: House, step: float) -> None:
    """Set the clock by `step` s with values in memory and on disk, and later right again."""
    there, back = ("forward", "back") if step > 0.0 else ("back", "forward")
    with database_away(house):
        begin = now()
        house.more_reads(10)
        with house.says(f"the clock was set {there} by {abs(step):.1f} s; so are the stamps of"):
            house.clocks.put(wall=step)
        house.more_reads(10)
    all_have(house, step, begin, now())
    with house.says(f"the clock was set {back} by {abs(step):.1f} s"):
        house.clocks.put(wall=0.0)


@contextmanager
def timesyncd(house: House) -> Iterator[Path]:
    """Have systemd-timesyncd run during a block, as far as that can be seen by its files.

    Return the file by which it says that it has set the clock.
    """
    run = Path("/run")
    apart.run("mount", "-t", "tmpfs", "none", run)
    try:
        synchronised = run / "systemd" / "timesync" / "synchronized"
        synchronised.parent.mkdir(parents=True)
        yield synchronised
    finally:
        apart.run("umount", run)


def all_have(house: House, offset: float, begin: float, end: float) -> None:
    """Wait until all that the device said in a time is stored, with stamps that are so far off."""
    for field, leaf in NINE.items():
        spoken = {
            value: when for when, value in said(house.device, leaf) if begin + 1.0 <= when < end
        }

        def stored(field: str = field, spoken: dict[float, float] = spoken) -> dict[float, float]:
            rows = house.database.query(f'SELECT "{field}" FROM "dc"', "battery")
            kept = {row[field]: row["time"] / 1e9 for row in rows}
            return kept if spoken.keys() <= kept.keys() else {}

        assert spoken, "nothing was said"
        kept = wait(field, stored)
        for value, when in spoken.items():
            assert -EARLY < kept[value] - offset - when < LATEST, f"{field} is stamped wrongly"
