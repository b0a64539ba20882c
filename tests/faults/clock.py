"""Faults of the clock: not set or wrong after a boot, or set while values are queued.

Rules: the daemon's clocks are `house.clocks`, and correct again at the end of each scenario. The
stand-in's clock is always correct; timestamps are compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults import house_database
from tests.faults.account import Window, all_stamped
from tests.faults.house import House, now
from tests.faults.scenario import Scenario
from tests.standins.network import apart

DAY = 86_400.0  # s
NO_LONGER = "no longer waiting for the clock"


def in_1970(house: House) -> Sequence[Window]:
    """Start the daemon with a clock that is not set, and set it after values have come."""
    lost = _restart(house, 10 * DAY - now())
    house.daemon.wait_for_log("the clock has not been set; values are queued until it is")
    house.more_reads(10)
    with house.expects_log(NO_LONGER):
        house.clocks.put(wall=0.0)
    early = house.database.query("SELECT * FROM dc WHERE time < '2026-01-01'", "battery")
    assert not early, "there are rows from 1970"
    return (lost,)


def late(house: House) -> Sequence[Window]:
    """Start with a clock three days behind; after values have come, set it and report that."""
    with _timesyncd() as synchronised:
        lost = _restart(house, -3 * DAY)
        house.daemon.wait_for_log(
            "the clock is not synchronised yet; values are queued until it is"
        )
        house.more_reads(10)
        assert "the clock is not synchronised yet" in house.notify.status
        with house.expects_log("the clock was set forward by 259200.0 s; timestamps of"):
            house.clocks.put(wall=0.0)
        with house.expects_log(NO_LONGER):
            synchronised.touch()
    return (lost,)


def _restart(house: House, wall: float) -> Window:
    """Restart the daemon with a clock that is `wall` s off; return the span without reads."""
    begin = now() - 1.0
    house.daemon.stop()
    house.clocks.put(wall=wall)
    house.start_daemon()
    house.daemon.wait_for_log("reading gx.example")
    return Window(begin, now())


@contextmanager
def _timesyncd() -> Iterator[Path]:
    """Create the files of a running systemd-timesyncd, for a block.

    Yield the file by which it reports that it has set the clock.
    """
    run = Path("/run")
    apart.run("mount", "-t", "tmpfs", "none", run)
    try:
        synchronised = run / "systemd" / "timesync" / "synchronized"
        synchronised.parent.mkdir(parents=True)
        yield synchronised
    finally:
        apart.run("umount", run)


def set_back(house: House) -> Sequence[Window]:
    """Set the clock back by a day with values in memory and on disk, and later correct it."""
    _set_meanwhile(house, -DAY)
    return ()


def set_forward(house: House) -> Sequence[Window]:
    """Set the clock forward by a day with values in memory and on disk, and later correct it."""
    _set_meanwhile(house, DAY)
    return ()


def _set_meanwhile(house: House, step: float) -> None:
    there, back = ("forward", "back") if step > 0.0 else ("back", "forward")
    with house_database.away(house):
        begin = now()
        house.more_reads(10)
        with house.expects_log(f"the clock was set {there} by {abs(step):.1f} s; timestamps of"):
            house.clocks.put(wall=step)
        house.more_reads(10)
    all_stamped(house, step, begin, now())
    with house.expects_log(f"the clock was set {back} by {abs(step):.1f} s"):
        house.clocks.put(wall=0.0)


SCENARIOS = {
    "clock_in_1970": Scenario(
        "The clock starts in 1970, or in another year before this program's release",
        "values are queued in memory until the clock is set, however long that takes; then they get"
        " the correct time",
        "nothing; if bat2influx ends before that, all values until then",
        in_1970,
        clocks=True,
    ),
    "clock_late": Scenario(
        "The clock is not correct yet after a boot",
        "if systemd-timesyncd runs, values are queued until it has set the clock, up to 2 minutes;"
        " then they get the correct time",
        "nothing",
        late,
        clocks=True,
    ),
    "clock_set_back": Scenario(
        "The clock is set back: it was ahead",
        "queued values get corrected times; no stored value is overwritten",
        "nothing",
        set_back,
        clocks=True,
        offsets=(0.0, -DAY),
    ),
    "clock_set_forward": Scenario(
        "The clock is set forward: it was behind since the boot",
        "queued values get corrected times; values that are or may be stored keep theirs",
        "nothing",
        set_forward,
        clocks=True,
        offsets=(0.0, DAY),
    ),
}
