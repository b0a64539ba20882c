"""The clock: a step is told from slewing, from sleep and from a busy machine; and what waits."""

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
    """Three clocks in the test's hands: ns of the wall clock and since the boot, and running s."""

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
    """The clocks of the module, in the test's hands."""
    made = Kernel()
    for name in ("time_ns", "monotonic", "clock_gettime_ns"):
        monkeypatch.setattr(clock.time, name, getattr(made, name))
    return made


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """Where timesyncd will say that the clock is set; it does not run."""
    return tmp_path / "timesync" / "synchronized"


def test_arrivals_are_by_a_clock_that_nobody_sets(kernel: Kernel, flag: Path) -> None:
    """A moment since the boot and the distance of that look make the wall clock."""
    now = Clock(flag).look()
    assert (now.wall_ns, now.mono) == (BEGIN, 900.0)
    assert now.boot_ns + now.distance == BEGIN


@pytest.mark.parametrize("seconds", [3600.0, 0.6, -0.6, -86_400.0, 10 * 365 * 86_400.0])
def test_a_step_is_told_once_by_its_size(kernel: Kernel, flag: Path, seconds: float) -> None:
    """Forward and back, however much time has passed beside it."""
    made = Clock(flag)
    kernel.run(1.0)
    kernel.wall += round(seconds * NS)
    kernel.run(1.0)
    made.look()
    assert made.take_step() == round(seconds * NS)
    kernel.run(1.0)
    made.look()
    assert made.take_step() == 0


def test_steps_that_nobody_took_add_up(kernel: Kernel, flag: Path) -> None:
    """Two looks may lie between two questions."""
    made = Clock(flag)
    for seconds in (5, -2):
        kernel.wall += seconds * NS
        made.look()
    assert made.take_step() == 3 * NS


def test_slewing_is_no_step(kernel: Kernel, flag: Path) -> None:
    """Ten seconds made good at ten percent, as quick as chrony does it, are followed silently."""
    made = Clock(flag)
    for _ in range(100):
        kernel.run(1.0)
        kernel.wall += NS // 10
        assert made.look().wall_ns == kernel.wall
    assert made.take_step() == 0


def test_a_machine_that_slept_has_set_no_clock(kernel: Kernel, flag: Path) -> None:
    """The wall clock has gone on, and so has the one since the boot; what waited keeps its time."""
    made = Clock(flag)
    kernel.sleep(8 * 3600.0)
    now = made.look()
    assert made.take_step() == 0
    assert (now.wall_ns, now.mono) == (BEGIN + 8 * 3600 * NS, 900.0)


def test_a_machine_that_is_too_busy_to_look_sees_no_step(kernel: Kernel, flag: Path) -> None:
    """A process may be put aside between two looks that are to be one."""
    made = Clock(flag)
    kernel.pause = round(0.4 * NS)
    for _ in range(10):
        made.look()
    assert made.take_step() == 0


def test_without_timesyncd_nothing_waits(kernel: Kernel, flag: Path) -> None:
    """Somebody else may keep the clock, or nobody; that cannot be seen."""
    made = Clock(flag)
    made.look()
    assert made.hold is Hold.NO


def test_values_wait_until_timesyncd_has_set_the_clock(kernel: Kernel, flag: Path) -> None:
    """It says so by a file; from then on nothing waits, whatever becomes of the file."""
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


def test_values_wait_two_minutes_at_most(kernel: Kernel, flag: Path) -> None:
    """A boat may be off the network for weeks, and has a good clock of its own."""
    flag.parent.mkdir()
    made = Clock(flag)
    kernel.run(HOLD_TIMEOUT - 1)
    made.look()
    assert made.hold is Hold.UNSYNCHRONISED
    kernel.run(2.0)
    made.look()
    assert made.hold is Hold.NO


def test_a_clock_in_1970_is_never_taken_for_the_time(kernel: Kernel, flag: Path) -> None:
    """With timesyncd or without, for however long; when it is set, nothing waits any more."""
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
    """Of the machine that this runs on: the wall clock, and its distance."""
    made = Clock()
    now = made.look()
    assert abs(now.wall_ns - time.time_ns()) < 60 * NS
    assert now.boot_ns > 0


def test_whether_the_clock_is_synchronised_is_known_of_timesyncd_alone(
    kernel: Kernel, flag: Path
) -> None:
    """Not before it has set the clock, for however long that takes; without it, it is taken so."""
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
    """Where nobody says whether it is; nor one that falls back there later."""
    kernel.wall = 25 * NS
    made = Clock(flag)
    for wall, synchronised in ((25 * NS, False), (BEGIN, True), (25 * NS, False)):
        kernel.wall = wall
        kernel.run(1.0)
        made.look()
        assert made.synchronised is synchronised


def test_another_clock_is_followed_as_a_step(kernel: Kernel, flag: Path) -> None:
    """To begin and to end with it; what our own does meanwhile is none."""
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


def test_what_is_awaited_is_our_own_clock(kernel: Kernel, flag: Path) -> None:
    """Also while another one is followed."""
    kernel.wall = 25 * NS
    made = Clock(flag)
    made.follow(BEGIN)
    made.look()
    assert made.hold is Hold.UNSET
