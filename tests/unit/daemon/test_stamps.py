"""Timestamps that follow a device's clock, with clocks made by hand; log entries and remarks."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.clock import Hold
from bat2influx.daemon.stamp_clock import StampedBy
from bat2influx.daemon.stamps import Stamps
from bat2influx.device.device_clock import DeviceClock
from bat2influx.reading import NS
from tests.unit.daemon.daemon_by_hand import Clock

HOUR = 3600


def device(ahead: float | None, clock: str = "device", name: str = "") -> Any:
    """Return a device whose clock is so many s ahead of this machine's; None: not known."""
    made = DeviceClock()
    if ahead is not None:
        show(made, ahead)
    battery = SimpleNamespace(name=name, address="10.0.0.2", clock=clock)
    return SimpleNamespace(battery=battery, clock=made, clock_wanted=False)


def show(clock: DeviceClock, ahead: float) -> None:
    """Make heartbeats show a time so many s ahead, at the start of the test's clock."""
    own = Clock().look()
    for seconds in (0, 3, 6):
        shown = (own.wall_ns + round(ahead * NS)) // NS + seconds
        clock.heartbeat(b'{"value":%d}' % shown, own.boot_ns + seconds * NS + NS // 2)


def stamps(clock: Clock) -> Any:
    """Return the object under test."""
    by_hand: Any = clock
    return Stamps(by_hand)


@pytest.fixture
def clock() -> Clock:
    """This machine's clock, which is not synchronised."""
    made = Clock()
    made.synchronised = False
    return made


def test_timestamps_follow_the_device_until_this_clock_is_synchronised(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Two steps, there and back, and a log line for each."""
    made, there = stamps(clock), device(HOUR)
    with caplog.at_level(logging.INFO, "bat2influx"):
        assert [made.choose([there]) for _ in range(3)] == [True, False, False]
        assert (made.by, clock.take_step()) == (StampedBy.DEVICE, HOUR * NS)
        clock.synchronised = True
        assert [made.choose([there]) for _ in range(3)] == [True, False, False]
    assert (made.by, clock.take_step()) == (StampedBy.OWN, -HOUR * NS)
    assert [record.getMessage() for record in caplog.records] == [
        "timestamps follow the clock of the device at 10.0.0.2 until this machine's is"
        " synchronised (this machine's is 3600.0 s behind the device's)",
        "timestamps follow this machine's clock again",
    ]


@pytest.mark.parametrize(
    ("ahead", "by"),
    [
        (None, StampedBy.OWN),
        (0, StampedBy.CONFIRMED),
        (2, StampedBy.CONFIRMED),
        (3, StampedBy.DEVICE),
        (-5, StampedBy.DEVICE),
    ],
)
@pytest.mark.parametrize("hold", [Hold.UNSET, Hold.UNSYNCHRONISED])
def test_values_wait_for_this_clock_only_without_the_devices(
    clock: Clock, ahead: float | None, by: StampedBy, hold: Hold
) -> None:
    """A device's clock that agrees is sufficient."""
    clock.hold = hold
    made = stamps(clock)
    made.choose([device(ahead)])
    assert made.by is by
    assert made.hold is (hold if by is StampedBy.OWN else Hold.NO)


def test_without_the_setting_this_machines_clock_counts(clock: Clock) -> None:
    """The device is asked for its time in any case, to report it."""
    made, there = stamps(clock), device(HOUR, "own")
    assert not made.choose([there])
    assert (made.by, clock.followed, there.clock_wanted) == (StampedBy.OWN, None, True)
    clock.synchronised = True
    made.choose([there])
    assert not there.clock_wanted


def test_the_device_of_the_setting_is_followed(clock: Clock) -> None:
    """Not the other device."""
    made = stamps(clock)
    made.choose([device(5 * HOUR, "own"), device(HOUR)])
    assert clock.take_step() == HOUR * NS


def test_this_clock_may_step_while_the_devices_is_followed(clock: Clock) -> None:
    """The timestamps are not affected."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    before = clock.look().wall_ns
    clock.set(-10 * HOUR)
    made.choose([there])
    assert clock.look().wall_ns == before
    assert clock.look().offset_ns == 11 * HOUR * NS


def test_a_step_of_the_devices_clock_is_a_step(clock: Clock) -> None:
    """It does not change the choice of the clock."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.take_step()
    show(there.clock, 3 * HOUR)
    assert not made.choose([there])
    assert clock.take_step() == 2 * HOUR * NS


def test_the_last_known_clock_is_followed_on(clock: Clock) -> None:
    """A reload has replaced the device, or another device has its address."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.take_step()
    there.clock = DeviceClock()
    assert not made.choose([there])
    assert (made.by, clock.take_step()) == (StampedBy.DEVICE, 0)


def test_a_reload_removes_the_setting(clock: Clock) -> None:
    """Timestamps follow this machine's clock at once, and values are held back if necessary."""
    clock.hold = Hold.UNSET
    made = stamps(clock)
    made.choose([device(HOUR)])
    assert made.choose([device(HOUR, "own")])
    assert (made.by, made.hold, clock.followed) == (StampedBy.OWN, Hold.UNSET, None)


def test_a_clock_set_by_hand_agrees_and_is_used_again(clock: Clock) -> None:
    """It is not synchronised, but right."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.set(HOUR)
    assert made.choose([there])
    assert (made.by, clock.followed) == (StampedBy.CONFIRMED, None)


def test_differences_of_clocks_are_remarked(clock: Clock) -> None:
    """While this machine's clock is not synchronised, above two seconds."""
    made = stamps(clock)
    devices = [device(HOUR), device(-5, "own", "boat"), device(2, "own"), device(None, "own")]
    made.choose(devices)
    assert made.remarks(devices, clock.look()) == [
        "this machine's clock is not synchronised and is 3600.0 s behind the device's (timestamps"
        " follow the device's)",
        "boat: this machine's clock is not synchronised and is 5.0 s ahead of the device's",
    ]
    clock.synchronised = True
    assert made.remarks(devices, clock.look()) == []
