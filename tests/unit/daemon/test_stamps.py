"""Stamps that follow a device's clock, with clocks made by hand; what is logged and remarked."""

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
    """Return a device whose clock is so many s ahead of ours; None is not known."""
    made = DeviceClock()
    if ahead is not None:
        show(made, ahead)
    battery = SimpleNamespace(name=name, address="10.0.0.2", clock=clock)
    return SimpleNamespace(battery=battery, clock=made, clock_wanted=False)


def show(clock: DeviceClock, ahead: float) -> None:
    """Have heartbeats show a time so many s ahead of ours, at the start of the test's clock."""
    own = Clock().look()
    for seconds in (0, 3, 6):
        shown = (own.wall_ns + round(ahead * NS)) // NS + seconds
        clock.beat(b'{"value":%d}' % shown, own.boot_ns + seconds * NS + NS // 2)


def stamps(clock: Clock) -> Any:
    """Return what is tested."""
    by_hand: Any = clock
    return Stamps(by_hand)


@pytest.fixture
def clock() -> Clock:
    """This machine's clock, which is not synchronised."""
    made = Clock()
    made.synchronised = False
    return made


def test_stamps_follow_until_ours_is_synchronised(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Two steps, there and back, and a line in the log for each."""
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
def test_values_wait_for_our_clock_only_without_the_device_s(
    clock: Clock, ahead: float | None, by: StampedBy, hold: Hold
) -> None:
    """A device that agrees does for it as well."""
    clock.hold = hold
    made = stamps(clock)
    made.choose([device(ahead)])
    assert made.by is by
    assert made.hold is (hold if by is StampedBy.OWN else Hold.NO)


def test_without_the_setting_our_clock_counts(clock: Clock) -> None:
    """Its device is asked for the time all the same, to report it."""
    made, there = stamps(clock), device(HOUR, "own")
    assert not made.choose([there])
    assert (made.by, clock.followed, there.clock_wanted) == (StampedBy.OWN, None, True)
    clock.synchronised = True
    made.choose([there])
    assert not there.clock_wanted


def test_the_device_of_the_setting_is_followed(clock: Clock) -> None:
    """Not the other one."""
    made = stamps(clock)
    made.choose([device(5 * HOUR, "own"), device(HOUR)])
    assert clock.take_step() == HOUR * NS


def test_our_clock_may_leap_while_the_device_s_is_followed(clock: Clock) -> None:
    """The stamps go on as they did."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    before = clock.look().wall_ns
    clock.set(-10 * HOUR)
    made.choose([there])
    assert clock.look().wall_ns == before
    assert clock.look().offset_ns == 11 * HOUR * NS


def test_a_leap_of_the_device_s_clock_is_a_step(clock: Clock) -> None:
    """No other clock is chosen by that."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.take_step()
    show(there.clock, 3 * HOUR)
    assert not made.choose([there])
    assert clock.take_step() == 2 * HOUR * NS


def test_a_clock_that_is_known_no_more_is_followed_on(clock: Clock) -> None:
    """A reload has replaced the device, or another one has its address."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.take_step()
    there.clock = DeviceClock()
    assert not made.choose([there])
    assert (made.by, clock.take_step()) == (StampedBy.DEVICE, 0)


def test_a_reload_takes_the_setting_away(clock: Clock) -> None:
    """Stamps are by our own clock at once, and values are queued until it is if they have to."""
    clock.hold = Hold.UNSET
    made = stamps(clock)
    made.choose([device(HOUR)])
    assert made.choose([device(HOUR, "own")])
    assert (made.by, made.hold, clock.followed) == (StampedBy.OWN, Hold.UNSET, None)


def test_a_clock_set_by_hand_agrees_and_is_ours_again(clock: Clock) -> None:
    """Nobody has synchronised it, yet it is right."""
    made, there = stamps(clock), device(HOUR)
    made.choose([there])
    clock.set(HOUR)
    assert made.choose([there])
    assert (made.by, clock.followed) == (StampedBy.CONFIRMED, None)


def test_how_far_clocks_are_apart_is_remarked(clock: Clock) -> None:
    """While ours is not synchronised, from more than two seconds on."""
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
