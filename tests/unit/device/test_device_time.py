"""A device's heartbeats, requested while its clock is wanted (W = 120 s)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.device.device import LOOK_AT_CLOCK
from bat2influx.reading import NS
from tests.unit.device.test_device import (
    CHANGES,
    GIVEN,
    OLD,
    RELAY_LEAF,
    SOC_LEAF,
    Home,
    Make,
    homes,
)
from tests.unit.device.test_source import START, at

AHEAD = 3600  # s, of the device's clock
BY_DEVICE = GIVEN._replace(clock="device")
NOTIFY = GIVEN._replace(mode="notify")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


def go_on(device: Home, seconds: int, *, alive: float = 60.0) -> list[float]:
    """Step every second with answers; heartbeats come for `alive` s from each keepalive.

    Return when changes were requested.
    """
    before = len(device.asked)
    for _ in range(seconds):
        kept = [when for when, what in device.asked if what == CHANGES]
        if kept and device.seconds < kept[-1] + alive and (device.seconds - 0.5) % 3 == 0:
            shown = (at(device.seconds).wall_ns + AHEAD * NS) // NS
            device.say("heartbeat", payload=b'{"value":%d}' % shown)
        device.go_on(1, SOC_LEAF, RELAY_LEAF)
    return [when for when, what in device.asked[before:] if what == CHANGES]


@pytest.mark.parametrize(
    ("battery", "wanted", "asked"),
    [
        (GIVEN, False, 0),
        (BY_DEVICE, False, 0),
        (GIVEN, True, 2),
        (BY_DEVICE, True, 43),
        (NOTIFY, False, 43),
        (NOTIFY, True, 43),
    ],
    ids=["poll", "not wanted", "to report", "to follow", "notify", "notify to report"],
)
def test_a_polled_device_is_kept_awake_for_its_clock_alone(
    home: Make, battery: object, wanted: bool, asked: int
) -> None:
    """Always if stamps follow it, else every ten minutes; by notifications it is awake anyway."""
    device = home(battery)
    device.device.clock_wanted = wanted
    times = go_on(device, 1290)
    assert len(times) == asked
    assert (device.device.clock.distance is None) is (asked == 0)
    if asked == 2:
        assert times[1] - times[0] == pytest.approx(LOOK_AT_CLOCK / NS + 60.0, abs=5.0)


def test_the_time_is_that_of_the_arrival(home: Make) -> None:
    """There is still one value per tick."""
    device = home(BY_DEVICE)
    device.device.clock_wanted = True
    go_on(device, 20)
    distance = device.device.clock.distance
    assert distance is not None
    assert abs(distance - (START + AHEAD * NS)) <= NS // 2
    assert len([each for each in device.device.pop_readings() if each.field == "Soc"]) == 20


def test_it_is_asked_no_more_once_it_is_not_wanted(home: Make) -> None:
    """This machine's clock has been synchronised; the known distance stays."""
    device = home(BY_DEVICE)
    device.device.clock_wanted = True
    go_on(device, 100)
    device.device.clock_wanted = False
    assert go_on(device, 200) == []
    assert device.device.clock.distance is not None


def test_old_firmware_is_not_asked_for_what_it_does_not_have(home: Make) -> None:
    """dbus-mqtt has no heartbeat (VENUS)."""
    device = home(BY_DEVICE)
    device.device._poller.keepalive.is_old()
    device.device.clock_wanted = True
    device.go_on(100, SOC_LEAF, RELAY_LEAF)
    assert not {CHANGES, OLD} & {what for _, what in device.asked}


def test_retained_and_foreign_heartbeats_show_no_time(home: Make) -> None:
    """The latter are of another device behind the same broker."""
    device = home()
    for _ in range(5):
        shown = b'{"value":%d}' % (at(device.seconds).wall_ns // NS)
        device.say("heartbeat", payload=shown, retain=True)
        device.say("heartbeat", payload=shown, portal="0a1b2c3d4e5f")
        device.step(3.0)
    assert device.device.clock.distance is None


def test_another_device_has_another_clock(home: Make) -> None:
    """The first device's clock is forgotten."""
    device = home(BY_DEVICE)
    device.device.clock_wanted = True
    go_on(device, 20)
    device.device._switch_device(at(device.seconds))
    assert device.device.clock.distance is None
