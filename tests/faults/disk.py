"""Faults of the disk on which values are queued: full, read-only, slow, locked or damaged.

Rules: the database is down in each, so that the disk is needed. Values stay in memory while they
cannot be written, and the daemon logs that; it counts the values that it drops.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults import house_database
from tests.faults.account import EARLIEST, Window
from tests.faults.house import House, now
from tests.faults.house_daemon import (
    calm,
    hushed,
    restart,
    shows,
    start,
    wait_until_stored,
)
from tests.faults.house_database import AWAY
from tests.faults.scenario import Scenario
from tests.standins.network import apart
from tests.support import disk
from tests.support.compare import LATEST, NINE, answered
from tests.support.daemon import wait
from tests.support.process import Process
from tests.support.spool_rows import stored_with

SAFE = "queued values are safe on disk again"
READS = 10
SYNC = 1_500_000  # µs
BOUND = "1MB"
SITE = "full"
# Each line has long names, so that it does not take days to reach the limit: more of them
# than deflate's window, of random letters.
_CHANCE = random.Random(1)
MORE = {
    f"More{number}{''.join(_CHANCE.choices(string.ascii_letters + string.digits, k=900))}": (
        "vebus/Dc/0/Voltage"
    )
    for number in range(40)
}
FIELDS = {**NINE, **dict.fromkeys(MORE, NINE["Voltage"])}


def full(house: House) -> Sequence[Window]:
    """Fill the disk in an outage; the database is up first, then there is space again."""
    with _small_disk(house):
        house_database.kill(house)
        wait("values on disk", house.on_disk)
        with house.expects_log(SAFE):
            with house.expects_log(r"WARNING: no space left for .*spool\.sqlite.*"):
                disk.fill(house.state)
            shows(house, "no space left for")
            house.more_reads(READS)
            house_database.start(house)
            house.more_reads(5)
            disk.empty(house.state)
    return ()


def read_only(house: House) -> Sequence[Window]:
    """Make the disk read-only when an outage begins, and writable before its end."""
    with _small_disk(house):
        disk.set_read_only(house.state, True)
        with house.expects_log("cannot write .*Read-only file system"):
            house_database.kill(house)
        shows(house, "cannot write")
        house.more_reads(READS)
        with house.expects_log(SAFE):
            disk.set_read_only(house.state, False)
        wait("them on disk", lambda: house.on_disk() >= READS * len(NINE))
        house_database.start(house)
    return ()


@contextmanager
def _small_disk(house: House) -> Iterator[None]:
    """Mount a disk of 2 MB as state directory, in a block; it is lost with its content.

    Without queued values the daemon has no file open, or one that is not needed.
    """
    calm(house)
    apart.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", house.state)
    mounted = True
    try:
        yield
        with hushed(house):  # otherwise a value could be put on it at the last moment
            wait_until_stored(house)
            calm(house)
            _unmount(house)
            mounted = False
    finally:
        if mounted:
            _unmount(house)


def _unmount(house: House) -> None:
    apart.run("umount", "--lazy", house.state)


def slow(house: House) -> Sequence[Window]:
    """Make each sync take seconds during and after an outage, as on a failing SD card."""
    house_database.kill(house)
    wait("values on disk", house.on_disk)
    pid, syncs = str(house.daemon.pid), "fdatasync,fsync"
    options = f"-f -p {pid} -e trace={syncs} -e inject={syncs}:delay_exit={SYNC}"
    log = house.directory / "strace.log"
    log.unlink(missing_ok=True)
    with Process("strace", ["strace", *options.split()], log) as strace:
        wait("slow syncs", lambda: log.exists() and _syncs(log) >= 2)
        pings = len(house.notify.times("WATCHDOG"))
        wait("a ping", lambda: len(house.notify.times("WATCHDOG")) > pings)
        house_database.start(house)
        house.more_reads(5)
        assert strace.running
    calm(house)
    return ()


def _syncs(log: Path) -> int:
    return log.read_text().count("(DELAYED)")


def locked(house: House) -> Sequence[Window]:
    """Lock the spool by another program for a while in an outage."""
    text = "is locked by another program"
    house_database.kill(house)
    wait("values on disk", house.on_disk)
    with house.expects_log(SAFE), house.expects_log(text), house.locked_spool():
        shows(house, text)
        house.more_reads(READS)
    house_database.start(house)
    calm(house)
    return ()


def damaged(house: House) -> Sequence[Window]:
    """Change a byte of the queued values on disk while the daemon is down."""
    counts = r"is damaged .* kept as (\S+), and (\d+) of its values stay queued, (\d+) are lost"
    house_database.kill(house)
    house.more_reads(15)
    with house.expects_log(counts):
        with hushed(house):
            begin = now()
            assert house.daemon.stop() == 0
        queued = house.spool("--export").splitlines()[2:]
        _damage(house, queued[len(queued) // 2].encode())
        start(house)
        house.daemon.wait_for_log(AWAY)
    unheard = Window(begin, now())
    house_database.start(house)
    calm(house)
    found = re.search(counts, house.daemon.logged(counts)[0])
    assert found
    (house.state / found[1]).unlink()
    gone = sorted(_not_stored(house, queued))
    assert len(gone) == int(found[3]) > 0
    assert len(queued) - len(gone) == int(found[2])
    return unheard, Window(gone[0] - LATEST, gone[-1] + EARLIEST)


def _damage(house: House, line: bytes) -> None:
    path = house.state / "spool.sqlite"
    stored = stored_with(path, line)
    for found in re.finditer(re.escape(stored), path.read_bytes()):  # also in unused pages
        disk.change(path, found.end() - 1, bytes([stored[-1] ^ 1]))


def _not_stored(house: House, queued: Sequence[str]) -> Iterator[float]:
    """Yield the times in s of those lines that are not stored."""
    parts = [re.fullmatch("dc (.+)=(.+) ([0-9]+)", line) for line in queued]
    lines = [(part[1], float(part[2]), int(part[3])) for part in parts if part]
    assert len(lines) == len(queued)
    since = min(time for _, _, time in lines)
    rows = house.database.query(f'SELECT * FROM "dc" WHERE time >= {since}', "battery")
    stored = {(field, value, row["time"]) for row in rows for field, value in row.items()}
    yield from (line[2] / 1e9 for line in lines if line not in stored)


def spool_full(house: House) -> Sequence[Window]:
    """Make an outage that is too long for the spool's limit."""
    dropping = "the queue is full: the oldest values are dropped"
    total = "([0-9]+) values were dropped"
    calm(house)
    first = restart(house, Spool={"max_size": BOUND}, Influx={"tags": f"site:{SITE}"}, Fields=MORE)
    half = house.expects_log("half the space for them is used")
    with house.expects_log(dropping, 120.0), half, hushed(house):
        wait_until_stored(house)
        begin = now()
        house.database.kill()
    house.more_reads(5)
    with house.expects_log(total):
        house_database.start(house)
    daemon = house.daemon
    last = restart(house)
    assert len(daemon.logged(dropping)) == 1
    found = re.search(total, daemon.logged(total)[-1])
    assert found
    gone = []
    for field, leaf in FIELDS.items():
        stored = _stored(house, field, begin)
        spoken = [each for each in answered(house.device, leaf) if begin < each[0] < last.begin]
        signs = "".join("+" if value in stored else "-" for _, value in spoken)
        assert re.fullmatch(r"[+-]*-\+{5,}", signs), f"the newest values have gaps: {signs}"
        gone += [when for when, value in spoken if value not in stored]
    assert len(gone) == int(found[1])
    return first, Window(min(gone), max(gone)), last


def _stored(house: House, field: str, since: float) -> set[float]:
    place = f"FROM \"dc\" WHERE site = '{SITE}' AND time >= {int(since * 1e9)}"
    rows = house.database.query(f'SELECT "{field}" {place}', "battery")
    return {row[field] for row in rows}


SCENARIOS = {
    "disk_full": Scenario(
        "The disk is full while the database is down",
        "it is logged, and values stay in memory (32 MB: 12 h) until the disk has space",
        "nothing",
        full,
    ),
    "disk_read_only": Scenario(
        "The disk has become read-only while the database is down",
        "it is logged, and values stay in memory until the disk is writable",
        "nothing",
        read_only,
    ),
    "disk_slow": Scenario(
        "The disk is slow: seconds for each write",
        "values are put on disk later than after 1 s; reading continues",
        "nothing",
        slow,
    ),
    "disk_busy": Scenario(
        "Another program has `spool.sqlite` locked",
        "it is logged, and values stay in memory until the lock is released",
        "nothing",
        locked,
    ),
    "disk_damaged": Scenario(
        "The queue on disk is damaged",
        "the file is renamed and its name logged; readable values stay queued, and the others are"
        " counted",
        "the values that cannot be read; a damaged last commit counts as cut off by a power cut",
        damaged,
    ),
    "spool_full": Scenario(
        "More values are queued than `[Spool] max_size` permits (256 MB: 50 days)",
        "a warning at half of it; then the oldest values are dropped, logged and counted",
        "the oldest values of the outage",
        spool_full,
    ),
}
