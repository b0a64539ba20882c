"""The clock of a machine just after its boot, seen from within the service's confinement."""

from __future__ import annotations

from pathlib import Path

from tests.system.plant import NINE, UNIT, Plant

TIMESYNC = "/run/systemd/timesync"  # systemd-timesyncd itself does not run in a container


def test_values_are_queued_until_timesyncd_has_set_the_clock(machine: Plant, package: Path) -> None:
    """The log and STATUS= report that; when timesyncd reports the sync, all are stored."""
    machine.install(package)
    machine.start_servers()
    machine.configure()
    machine.run("mkdir", "-p", TIMESYNC)
    machine.systemctl("enable", "--now", UNIT)
    machine.wait_for_message("the clock is not synchronised yet; values are queued until it is")
    held = machine.wait("queued values", lambda: at_least(18, machine.waiting()))
    assert machine.status().startswith("the clock is not synchronised yet")
    synchronised = machine.now()
    machine.run("touch", f"{TIMESYNC}/synchronized")
    machine.wait_for_message("no longer waiting for the clock")
    machine.wait("an empty queue", lambda: machine.waiting() < 9)
    stamps = [stamp for field in NINE for stamp, _ in machine.values(field)]
    assert len([stamp for stamp in stamps if stamp < synchronised]) >= held


def at_least(bound: int, count: int) -> int:
    """Return the count once it is large enough, and 0 until then."""
    return count if count >= bound else 0
