"""What waits on disk is damaged: after a restart some bytes are not what was written."""

import re
from collections.abc import Iterator, Sequence

from tests.faults.account import EARLIEST, Window
from tests.faults.house import House, now
from tests.faults.house_daemon import calm, hushed, start
from tests.faults.scenario import Scenario
from tests.support import disk
from tests.support.compare import LATEST

TOLD = r"is damaged .* kept as (\S+), and (\d+) of its values go on waiting, (\d+) are lost"


def inflict(house: House) -> Sequence[Window]:
    """Change a byte of the file while the daemon is down."""
    with house.says("cannot be reached"):
        house.database.kill()
    house.more_reads(15)
    with house.says(TOLD):
        with hushed(house):
            begin = now()
            assert house.daemon.stop() == 0
        waiting = house.spool("--export").splitlines()[2:]
        _damage(house, waiting[len(waiting) // 2].encode())
        start(house)
        house.daemon.wait_for_log("cannot be reached")
    unheard = Window(begin, now())
    with house.says("takes values again"):
        house.database.start()
    calm(house)
    told = re.search(TOLD, house.daemon.says(TOLD)[0])
    assert told
    (house.state / told[1]).unlink()
    gone = sorted(_not_stored(house, waiting))
    assert len(gone) == int(told[3]) > 0
    assert len(waiting) - len(gone) == int(told[2])
    return unheard, Window(gone[0] - LATEST, gone[-1] + EARLIEST)


def _damage(house: House, line: bytes) -> None:
    path = house.state / "spool.sqlite"
    for found in re.finditer(re.escape(line), path.read_bytes()):  # in a page out of use, too
        disk.change(path, found.start(), b"D")


def _not_stored(house: House, waiting: Sequence[str]) -> Iterator[float]:
    """Yield the times in s of those lines that are not stored."""
    parts = [re.fullmatch("dc (.+)=(.+) ([0-9]+)", line) for line in waiting]
    lines = [(part[1], float(part[2]), int(part[3])) for part in parts if part]
    assert len(lines) == len(waiting)
    since = min(time for _, _, time in lines)
    rows = house.database.query(f'SELECT * FROM "dc" WHERE time >= {since}', "battery")
    stored = {(field, value, row["time"]) for row in rows for field, value in row.items()}
    yield from (line[2] / 1e9 for line in lines if line not in stored)


SCENARIO = Scenario(
    "What waits on disk is damaged",
    "the file is set aside and named, what can be read of it goes on waiting, and the rest is"
    " counted",
    "what cannot be read any more",
    inflict,
)
