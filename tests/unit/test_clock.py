"""The clock: steps in contrast to slewing, sleep and a busy machine; and values that are held."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bat2influx import clock
from bat2influx.clock import EARLIEST, HOLD_TIMEOUT, Clock, Hold
from bat2influx.reading import NS

BEGIN = EARLIEST + 200 * 86_400 * NS


@dataclass
class Kernel:
    """Three clocks that the test sets: ns of the wall clock and since the boot, and monotonic s."""

    wall: int = BEGIN
    boot: int = 1_000 * NS
    mono: float = 900.0
    pause: int = 0  # ns that pass with each look at one of them

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.sleep(seconds)
        self.mono += seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass while the machine is suspended."""
        self.wall += round(seconds * NS)
        self.boot += round(seconds * NS)

    def time_ns(self) -> int:
        """Stand for time.time_ns."""
        self.run(self.pause / NS)
        return self.wall

    def monotonic(self) -> float:
        """Stand for time.monotonic."""
        return self.mono

    def clock_gettime_ns(self, which: int) -> int:
        """Stand for time.clock_gettime_ns."""
        assert which == time.CLOCK_BOOTTIME
        self.run(self.pause / NS)
        return self.boot


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The clocks of the module, set by the test."""
    made = Kernel()
    for name in ("time_ns", "monotonic", "clock_gettime_ns"):
        monkeypatch.setattr(clock.time, name, getattr(made, name))
    return made


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """The file by which timesyncd reports that the clock is set; it does not run."""
    return tmp_path / "timesync" / "synchronized"


def test_arrivals_use_a_clock_that_is_never_set(kernel: Kernel, flag: Path) -> None:
    """Ns since the boot and the distance of that look give the wall clock."""
    now = Clock(flag).look()
    assert (now.wall_ns, now.mono) == (BEGIN, 900.0)
    assert now.boot_ns + now.distance == BEGIN


@pytest.mark.parametrize("seconds", [3600.0, 0.6, -0.6, -86_400.0, 10 * 365 * 86_400.0])
def test_a_step_is_returned_once_with_its_size(kernel: Kernel, flag: Path, seconds: float) -> None:
    """Forward and back, however much time has passed."""
    made = Clock(flag)
    kernel.run(1.0)
    kernel.wall += round(seconds * NS)
    kernel.run(1.0)
    made.look()
    assert made.take_step() == round(seconds * NS)
    kernel.run(1.0)
    made.look()
    assert made.take_step() == 0


def test_steps_add_up_until_they_are_taken(kernel: Kernel, flag: Path) -> None:
    """There may be two looks between two calls."""
    made = Clock(flag)
    for seconds in (5, -2):
        kernel.wall += seconds * NS
        made.look()
    assert made.take_step() == 3 * NS


def test_slewing_is_no_step(kernel: Kernel, flag: Path) -> None:
    """Ten seconds corrected at ten percent, as fast as chrony does it, are no step."""
    made = Clock(flag)
    for _ in range(100):
        kernel.run(1.0)
        kernel.wall += NS // 10
        assert made.look().wall_ns == kernel.wall
    assert made.take_step() == 0


def test_sleep_is_no_step(kernel: Kernel, flag: Path) -> None:
    """Both clocks run during sleep; queued values keep their time."""
    made = Clock(flag)
    kernel.sleep(8 * 3600.0)
    now = made.look()
    assert made.take_step() == 0
    assert (now.wall_ns, now.mono) == (BEGIN + 8 * 3600 * NS, 900.0)


def test_a_busy_machine_is_no_step(kernel: Kernel, flag: Path) -> None:
    """The process may be preempted between the reads of one look."""
    made = Clock(flag)
    kernel.pause = round(0.4 * NS)
    for _ in range(10):
        made.look()
    assert made.take_step() == 0


def test_without_timesyncd_no_value_is_held(kernel: Kernel, flag: Path) -> None:
    """Another program may keep the clock, or none; the daemon cannot see that."""
    made = Clock(flag)
    made.look()
    assert made.hold is Hold.NO


def test_values_are_held_until_timesyncd_has_set_the_clock(kernel: Kernel, flag: Path) -> None:
    """A file says so; after that no value is held, even if the file is removed."""
    flag.parent.mkdir()
    made = Clock(flag)
    made.look()
    assert made.hold is Hold.UNSYNCHRONISED
    kernel.wall += 3600 * NS
    flag.touch()
    kernel.run(1.0)
    made.look()
    assert made.hold is Hold.NO
    assert made.take_step() == 3600 * NS
    flag.unlink()
    kernel.run(1.0)
    made.look()
    assert made.hold is Hold.NO


def test_values_are_held_two_minutes_at_most(kernel: Kernel, flag: Path) -> None:
    """A boat may have no network for weeks, and have a good clock."""
    flag.parent.mkdir()
    made = Clock(flag)
    kernel.run(HOLD_TIMEOUT - 1)
    made.look()
    assert made.hold is Hold.UNSYNCHRONISED
    kernel.run(2.0)
    made.look()
    assert made.hold is Hold.NO


def test_a_clock_in_1970_is_never_used(kernel: Kernel, flag: Path) -> None:
    """With timesyncd or without, for however long; once it is set, no value is held."""
    kernel.wall = 25 * NS
    made = Clock(flag)
    for _ in range(100):
        kernel.run(10 * HOLD_TIMEOUT)
        made.look()
        assert made.hold is Hold.UNSET
    kernel.wall = BEGIN
    kernel.run(1.0)
    made.look()
    assert made.hold is Hold.NO


def test_the_real_clocks_agree() -> None:
    """On the machine that runs the tests: the wall clock, and its distance."""
    made = Clock()
    now = made.look()
    assert abs(now.wall_ns - time.time_ns()) < 60 * NS
    assert now.boot_ns > 0


def test_only_timesyncd_reports_whether_the_clock_is_synchronised(
    kernel: Kernel, flag: Path
) -> None:
    """Not before it has set the clock; without timesyncd the clock counts as synchronised."""
    bare = Clock(flag)
    bare.look()
    assert bare.synchronised
    flag.parent.mkdir()
    made = Clock(flag)
    made.look()
    kernel.run(10 * HOLD_TIMEOUT)
    made.look()
    assert (made.hold, made.synchronised) == (Hold.NO, False)
    flag.touch()
    kernel.run(1.0)
    made.look()
    assert made.synchronised
    flag.unlink()
    kernel.run(1.0)
    made.look()
    assert made.synchronised


def test_a_clock_in_1970_is_not_synchronised(kernel: Kernel, flag: Path) -> None:
    """Without timesyncd, too; nor is one that returns to 1970 later."""
    kernel.wall = 25 * NS
    made = Clock(flag)
    for wall, synchronised in ((25 * NS, False), (BEGIN, True), (25 * NS, False)):
        kernel.wall = wall
        kernel.run(1.0)
        made.look()
        assert made.synchronised is synchronised


def test_another_clock_is_followed_as_a_step(kernel: Kernel, flag: Path) -> None:
    """At the beginning and the end; steps of this machine's own clock in between are none."""
    made = Clock(flag)
    there = BEGIN - kernel.boot + 3600 * NS
    made.follow(there)
    now = made.look()
    assert (now.wall_ns, now.offset_ns) == (BEGIN + 3600 * NS, 3600 * NS)
    assert now.boot_ns + now.own_distance == kernel.wall
    assert made.take_step() == 3600 * NS
    kernel.wall -= 86_400 * NS
    kernel.run(1.0)
    now = made.look()
    assert (now.wall_ns, now.offset_ns) == (BEGIN + 3601 * NS, (86_400 + 3600) * NS)
    assert made.take_step() == 0
    made.follow(None)
    now = made.look()
    assert (now.wall_ns, now.offset_ns) == (kernel.wall, 0)
    assert made.take_step() == -(86_400 + 3600) * NS


def test_hold_is_about_this_machines_clock(kernel: Kernel, flag: Path) -> None:
    """Also while another one is followed."""
    kernel.wall = 25 * NS
    made = Clock(flag)
    made.follow(BEGIN)
    made.look()
    assert made.hold is Hold.UNSET
