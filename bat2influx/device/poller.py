"""What a device is asked while it responds: read requests at each tick, or keepalives.

Polled, it is sent the requests that are due at each tick. By notifications it is sent keepalives
for changes, and requests for values that it has not sent; a tick is then a moment to check what
has arrived.

Firmware before Venus OS 3.20 (dbus-mqtt) answers the read of a sub-tree with one message on the
sub-tree's own topic: if no message below a sub-tree ever arrived, its leaves are requested one by
one.
"""

from __future__ import annotations

import math

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.keepalive import KeepAlive, KeepaliveKind, Republish
from bat2influx.device.plan import Plan, Request
from bat2influx.device.presence import Presence
from bat2influx.device.schedule import Schedule, Tick
from bat2influx.mqtt.connection import Connection
from bat2influx.venus import protocol

OLD_AFTER = 15  # unanswered keepalives to a polled device; then every other one is an old keepalive
_KEEPALIVES = {
    KeepaliveKind.CHANGES: protocol.keepalive,
    KeepaliveKind.OLD: protocol.old_keepalive,
}


class Poller:
    """Sends the requests to one device, by its schedule. The answers are processed elsewhere."""

    def __init__(
        self, battery: Battery, presence: Presence, republish: Republish, w: float
    ) -> None:
        """`w` is the watchdog interval in s."""
        self.keepalive = KeepAlive(w, republish)
        self._notify = battery.mode == "notify"
        self._presence = presence
        self._schedule = Schedule(battery.interval, battery.soc_interval, at_once=True)
        if not self._notify:
            presence.pace(battery.interval)
        self._wake_each = w / 4
        self._woken = -math.inf  # when the latest keepalive for missing services was sent
        self._by_leaf: set[str] = set()  # requests for sub-trees that are split into leaves

    def begin(self, plan: Plan, now: Now, *, new_connection: bool = False) -> None:
        """The device responds (again) and is read by `plan`."""
        self._presence.begin(plan, now)
        self.keepalive.begin()
        if new_connection:
            self._schedule.restart()
            self._woken = -math.inf

    def change(self, plan: Plan, now: Now) -> None:
        """The device is read by `plan` from now on."""
        self._presence.change(plan, now)
        self.keepalive.begin()
        self._schedule.restart()

    def reschedule(self, battery: Battery) -> None:
        """Continue with the intervals of `battery`."""
        self._schedule = Schedule(battery.interval, battery.soc_interval)
        if not self._notify:
            self._presence.pace(battery.interval)

    def wait(self, now: Now, *, awaiting: bool = False) -> float:
        """Return the seconds to the next request; `awaiting` as in `keep_alive`."""
        waits = [self._schedule.wait(now.wall_ns, now.mono), self._presence.due() - now.mono]
        if self._notify:
            waits.append(self.keepalive.due() - now.mono)
        elif awaiting:
            waits.append(self._woken + self._wake_each - now.mono)
        return min(waits)

    def due(self, now: Now) -> Tick | None:
        """Return the tick that is due, if any, for an immediate `ask`."""
        tick = self._schedule.due(now.wall_ns, now.mono)
        if tick is not None and self._presence.pop_returned():
            return tick._replace(slow=True)
        return tick

    def keep_alive(
        self, connection: Connection, plan: Plan, now: Now, *, awaiting: bool = False
    ) -> None:
        """Make the device publish its changes, if they are wanted.

        Polled, that is the case while something is missing (`awaiting`): a service that appears
        while a keepalive is in force is published at once, unasked (VENUS, "Presence").
        """
        if self._notify:
            self._ask_for_changes(connection, plan, now)
            for topic in self._presence.due_probes(now.mono):
                connection.publish(f"R{topic[1:]}")
        elif awaiting and now.mono >= self._woken + self._wake_each:
            self._woken = now.mono
            ask = self.keepalive.understood or KeepaliveKind.CHANGES
            connection.publish(*_KEEPALIVES[ask](plan.portal), checked=True)

    def send_keepalive(self, connection: Connection, portal: str, times: int) -> None:
        """Send a keepalive to a device that is not responding, the `times`-th in this silence.

        The device may not understand the keepalive that was sent before. Then every other one is of
        the other kind; for a polled device only after OLD_AFTER keepalives.
        """
        ask = self.keepalive.understood
        patience = 1 if self._notify else OLD_AFTER
        if ask is None:
            other = times > patience and times % 2
            ask = KeepaliveKind.OLD if other else KeepaliveKind.CHANGES
        connection.publish(*_KEEPALIVES[ask](portal), checked=True)

    def ask(self, connection: Connection, plan: Plan, tick: Tick, now: Now) -> None:
        """Send the read requests of a tick."""
        requests = self._requests(plan, now)
        if self._notify:
            due = self._presence.due_rereads(requests, now.mono)
        else:
            wanted = [request for request in requests if tick.slow or not request.slow]
            due = self._presence.due_requests(wanted, now.mono)
        for request in due:
            connection.publish(request.topic)

    def _ask_for_changes(self, connection: Connection, plan: Plan, now: Now) -> None:
        first = self.keepalive.first
        ask = self.keepalive.next(now.mono)
        if ask is None:
            return
        connection.publish(*_KEEPALIVES[ask](plan.portal), checked=True)
        # Unchanged values come with a full republish, and from old firmware that was asleep. Old
        # firmware that a search has woken publishes nothing again, so the values are read.
        bare = first and ask is not KeepaliveKind.FULL
        for request in self._requests(plan, now) if bare else plan.not_notified:
            connection.publish(request.topic)
        if first:
            self._presence.expect(plan.requests, now.mono)

    def _requests(self, plan: Plan, now: Now) -> list[Request]:
        """Return the requests of the plan, with sub-trees split if the device needs that."""
        understood = self.keepalive.understood
        if understood is KeepaliveKind.CHANGES:
            return [*plan.requests]
        if understood is None:
            unanswered = self._presence.never_answered(now.mono)
            self._by_leaf.update(
                request.topic for request in plan.requests if unanswered.issuperset(request.answers)
            )
        chosen: list[Request] = []
        for request in plan.requests:
            split = understood is KeepaliveKind.OLD or request.topic in self._by_leaf
            chosen += request.leaves() if split else [request]
        return chosen
