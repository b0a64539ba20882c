"""The disk takes seconds for each sync, as a dying SD card does."""

from collections.abc import Sequence
from pathlib import Path

from tests.faults.account import Window
from tests.faults.house import House
from tests.faults.house_daemon import calm
from tests.faults.scenario import Scenario
from tests.support.daemon import wait
from tests.support.process import Process

SYNC = 1_500_000  # µs


def inflict(house: House) -> Sequence[Window]:
    """Slow it down during an outage and after it."""
    with house.says("cannot be reached"):
        house.database.kill()
    wait("values on disk", house.on_disk)
    pid, syncs = str(house.daemon.pid), "fdatasync,fsync"
    options = f"-f -p {pid} -e trace={syncs} -e inject={syncs}:delay_exit={SYNC}"
    log = house.directory / "strace.log"
    log.unlink(missing_ok=True)
    with Process("strace", ["strace", *options.split()], log) as strace:
        wait("slow syncs", lambda: log.exists() and _syncs(log) >= 2)
        told = len(house.notify.times("WATCHDOG"))
        wait("a ping", lambda: len(house.notify.times("WATCHDOG")) > told)
        with house.says("takes values again"):
            house.database.start()
        house.more_reads(5)
        assert strace.running
    calm(house)
    return ()


def _syncs(log: Path) -> int:
    return log.read_text().count("(DELAYED)")


SCENARIO = Scenario(
    "The disk is slow: seconds for each write",
    "values come to disk later than after a second; the device is read as ever",
    "nothing",
    inflict,
)
