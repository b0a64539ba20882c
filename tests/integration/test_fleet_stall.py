"""A fleet on a machine that stalls: the time that it is given jumps."""

from __future__ import annotations

import select

from bat2influx.clock import Clock
from bat2influx.config.settings import load
from bat2influx.fleet.fleet import Fleet
from bat2influx.mqtt.reconnect import State
from tests.integration.test_fleet import FLEET, fleet
from tests.support.daemon import Setting, wait

W = 120.0  # s


class Turning:
    """A fleet, stepped by hand, with a clock `ahead` s fast."""

    def __init__(self, setting: Setting) -> None:
        (battery,) = load(setting.write_ini(Battery=FLEET)).batteries
        self.fleet = Fleet(battery, by_tick=False, watchdog=W, config="a.ini", wake=lambda: None)
        self.ahead = 0.0

    def turn(self) -> Fleet:
        """Run a step, and return the fleet."""
        descriptor = self.fleet.fileno()
        ready = select.select([descriptor], [], [], 0.02)[0] if descriptor >= 0 else []
        now = Clock().look()
        now = now._replace(mono=now.mono + self.ahead)
        self.fleet.step(now, readable=bool(ready), writable=True)
        return self.fleet


def test_a_stall_before_the_first_request_is_no_outage(setting: Setting) -> None:
    """Without a request the connection does not count as dead; after one it does."""
    turning = Turning(setting)
    (device,) = fleet(1)
    try:
        wait("subscriptions", lambda: turning.turn().state is State.POLLING)
        setting.venus(device)
        device.silence()
        wait("the device", lambda: turning.turn().messages > 0)
        connection = turning.fleet._broker.connection
        turning.ahead = W / 8
        for _ in range(5):
            assert turning.turn()._broker.connection is connection
        turning.ahead = W / 4  # now there was a request, without an answer
        wait("its end", lambda: turning.turn()._broker.connection is not connection)
    finally:
        turning.fleet.close()
