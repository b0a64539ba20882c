"""When a device is asked to tell of its changes, and when to tell everything."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bat2influx.device.keepalive import KeepAlive, KeepaliveKind, Republish

W = 120.0


class Device:
    """A device that knows one of the ways, asked each second."""

    def __init__(self, knows: set[KeepaliveKind], speaks_each: float = 3.0) -> None:
        self.republish = Republish(W)
        self.keepalive = KeepAlive(W, self.republish)
        self.asked: list[tuple[float, KeepaliveKind]] = []
        self._knows = knows
        self._speaks_each = speaks_each
        self._alive_until = 0.0
        self.now = 1000.0

    def go_on(self, seconds: int) -> list[tuple[float, KeepaliveKind]]:
        """Let time pass; return what was asked meanwhile, in s from its beginning."""
        begin, before = self.now, len(self.asked)
        for _ in range(seconds):
            ask = self.keepalive.next(self.now)
            if ask:
                self.asked.append((self.now, ask))
                if ask in self._knows:
                    self._alive_until = self.now + 60.0
                    self.keepalive.message(self.now)
                    if KeepaliveKind.CHANGES in self._knows:
                        self.keepalive.is_new()
            if self.now < self._alive_until and self.now % self._speaks_each == 0:
                self.keepalive.message(self.now)
            self.now += 1.0
        return [(when - begin, ask) for when, ask in self.asked[before:]]


NEW = {KeepaliveKind.FULL, KeepaliveKind.CHANGES}


def test_once_in_full_and_then_for_the_changes() -> None:
    """A keepalive each 30 s keeps it talking."""
    asked = Device(NEW).go_on(100)
    assert asked == [
        (0, KeepaliveKind.FULL),
        *((when, KeepaliveKind.CHANGES) for when in (30, 60, 90)),
    ]


def test_no_second_full_one_within_a_minute() -> None:
    """However often the connection begins anew, and whoever else has asked for one."""
    device = Device(NEW)
    for _ in range(20):
        device.keepalive.begin()
        device.go_on(10)
    full = [when for when, ask in device.asked if ask is KeepaliveKind.FULL]
    assert full == [1000.0, 1060.0, 1120.0, 1180.0]
    other = Device(NEW)
    other.republish.asked(other.now)
    assert other.go_on(1) == [(0, KeepaliveKind.CHANGES)]


@pytest.mark.parametrize("knows", [{KeepaliveKind.OLD}, {KeepaliveKind.OLD, KeepaliveKind.FULL}])
def test_firmware_that_knows_the_old_way_only(knows: set[KeepaliveKind]) -> None:
    """After a minute it is asked that way, and then always; each connection begins so.

    Some takes an empty keepalive, and then no other.
    """
    device = Device(knows, speaks_each=20.0)
    asked = device.go_on(200)
    assert asked[0] == (0, KeepaliveKind.FULL)
    settled = [when for when, ask in asked if ask is KeepaliveKind.OLD]
    assert settled[0] == 60
    assert {when for when, _ in asked if when >= 60} == {*settled}
    assert all(later - sooner == 30 for sooner, later in pairwise(settled))
    device.keepalive.begin()
    assert device.go_on(100)[0] == (0, KeepaliveKind.OLD)


def test_new_firmware_in_place_of_the_old_is_noticed() -> None:
    """It ends the republish that it takes the old way for, and says so."""
    device = Device({KeepaliveKind.OLD})
    device.keepalive.is_old()
    assert device.go_on(1) == [(0, KeepaliveKind.OLD)]
    device.keepalive.is_new()
    assert {ask for _, ask in device.go_on(100)} == {KeepaliveKind.CHANGES}


@pytest.mark.parametrize("seconds", [59, 60])
def test_a_republish_is_a_minute_from_the_next(seconds: int) -> None:
    """That is W/2, to the second."""
    republish = Republish(W)
    assert republish.may(7.0)
    republish.asked(7.0)
    assert republish.may(7.0 + seconds) is (seconds == 60)
