"""When a device is asked for its changes, and when for everything."""

from __future__ import annotations

import pytest

from bat2influx.device.keepalive import KeepAlive, KeepaliveKind, Republish

W = 120.0


class Device:
    """A device that understands one kind of keepalive, stepped every second."""

    def __init__(self, knows: set[KeepaliveKind], speaks_each: float = 3.0) -> None:
        self.republish = Republish(W)
        self.keepalive = KeepAlive(W, self.republish)
        self.asked: list[tuple[float, KeepaliveKind]] = []
        self._knows = knows
        self._speaks_each = speaks_each
        self._alive_until = 0.0
        self.now = 1000.0

    def go_on(self, seconds: int) -> list[tuple[float, KeepaliveKind]]:
        """Let time pass; return the keepalives sent, in s from the beginning."""
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


NEW = {KeepaliveKind.CHANGES}


def test_a_keepalive_for_the_changes_every_30_s() -> None:
    """Never a full one: its values are from the device's cache."""
    asked = Device(NEW).go_on(100)
    assert asked == [(when, KeepaliveKind.CHANGES) for when in (0, 30, 60, 90)]


def test_each_beginning_has_a_keepalive() -> None:
    """And the next one is 30 s from it."""
    device = Device(NEW)
    device.go_on(20)
    device.keepalive.begin()
    assert [when for when, _ in device.go_on(31)] == [0, 30]


def test_firmware_that_understands_only_the_old_keepalive() -> None:
    """After 5 s of silence the old keepalive is sent, and then always, also on new connections."""
    device = Device({KeepaliveKind.OLD}, speaks_each=20.0)
    asked = device.go_on(200)
    assert asked[0] == (0, KeepaliveKind.CHANGES)
    assert {kind for _, kind in asked[1:]} == {KeepaliveKind.OLD}
    assert [when for when, _ in asked[1:]] == [5, 35, 65, 95, 125, 155, 185]
    device.keepalive.begin()
    assert device.go_on(100)[0] == (0, KeepaliveKind.OLD)


def test_the_old_keepalive_is_not_tried_before_a_republish_is_allowed() -> None:
    """Because it is a republish for firmware that understands the new one."""
    device = Device(set())
    device.republish.requested(device.now)
    old = [when for when, kind in device.go_on(100) if kind is KeepaliveKind.OLD]
    assert old[0] == 65  # a quiet moment after the minute


def test_new_firmware_in_place_of_the_old_is_noticed() -> None:
    """It treats the old keepalive as a republish, and reports the end."""
    device = Device({KeepaliveKind.OLD})
    device.keepalive.is_old()
    assert device.go_on(1) == [(0, KeepaliveKind.OLD)]
    device.keepalive.is_new()
    assert {ask for _, ask in device.go_on(100)} == {KeepaliveKind.CHANGES}


@pytest.mark.parametrize("seconds", [59, 60])
def test_a_republish_is_a_minute_from_the_next(seconds: int) -> None:
    """That is W/2, to the second."""
    republish = Republish(W)
    assert republish.allowed(7.0)
    republish.requested(7.0)
    assert republish.allowed(7.0 + seconds) is (seconds == 60)
