"""Makes timestamps follow the device's clock as stamp_clock.py decides, and reports on clocks.

Rules: owned by the main thread, which calls `choose` once a turn. At most one section has
`clock = device` (config/rules.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bat2influx.clock import Clock, Hold, Now
from bat2influx.daemon import stamp_clock
from bat2influx.daemon.stamp_clock import DIFFERS, Action, StampedBy, difference_text
from bat2influx.device.source import Source
from bat2influx.service.journal import event

log = logging.getLogger(__name__)


class Stamps:
    """Which clock timestamps follow: this machine's `clock`, or a device's."""

    def __init__(self, clock: Clock) -> None:
        self.by = StampedBy.OWN
        self._clock = clock

    @property
    def hold(self) -> Hold:
        """Whether values are held for this machine's clock; never while they follow a device's."""
        return self._clock.hold if self.by is StampedBy.OWN else Hold.NO

    def choose(self, devices: Sequence[Source]) -> bool:
        """Choose the clock for the next reading; return whether it has changed.

        Also sets `clock_wanted` of the devices.
        """
        ours = self._clock.synchronised
        for device in devices:
            device.clock_wanted = not ours
        guide = next((each for each in devices if each.battery.clock == "device"), None)
        if self.by is StampedBy.OWN and (ours or guide is None):
            return False  # the usual case, without a reading of the clock
        now = self._clock.look()
        distance = guide.clock.distance if guide else None
        difference = None if distance is None else now.own_distance - distance
        what = stamp_clock.event_of(difference, own=ours or guide is None)
        before = self.by
        self.by, action = stamp_clock.step(before, what)
        if action is Action.FOLLOW:
            self._clock.follow(distance)
        elif action is Action.LEAVE:
            self._clock.follow(None)
            log.info("timestamps follow this machine's clock again", extra=event("clock own"))
        if action is not Action.FOLLOW or before is StampedBy.DEVICE:
            return action is Action.LEAVE
        assert guide is not None
        assert difference is not None
        text = (
            "timestamps follow the clock of the device at %s until this machine's is synchronised"
            " (this machine's is %s the device's)"
        )
        where, extra = guide.battery.address, event("clock followed", PEER=guide.battery.address)
        log.info(text, where, difference_text(difference), extra=extra)
        return True

    def remarks(self, devices: Sequence[Source], now: Now) -> list[str]:
        """Return remarks on the clocks for the status line.

        While this machine's clock is not synchronised: differences to devices' clocks over DIFFERS.
        """
        if self._clock.synchronised:
            return []
        found = []
        for device in devices:
            difference = device.clock.difference(now)
            if difference is None or abs(difference) <= DIFFERS:
                continue
            site = f"{device.battery.name}: " if device.battery.name else ""
            ours = "this machine's clock is not synchronised and is"
            text = f"{site}{ours} {difference_text(difference)} the device's"
            followed = self.by is StampedBy.DEVICE and device.battery.clock == "device"
            found.append(f"{text} (timestamps follow the device's)" if followed else text)
        return found
