"""A stand-in for a Venus OS device, with all events and faults of a real one.

Rules: no socket, thread or clock in here; `handle` and `advance` take the time and return the
publishes. An event takes effect at once; its publishes come with the next `handle` or `advance`,
and it calls `on_change` so that the device's owner calls these. Events and `log` may be used from
any thread. There are no random numbers: the same calls give the same answers.

In an event a service is named "vebus" (the first one) or "vebus/275", a path "/Dc/0/Voltage".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Literal

from tests.standins.venus.bus import Bus, Service
from tests.standins.venus.faults import OtherClient, covers
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.log import Log, Why
from tests.standins.venus.plugin import Plugin, Publish, is_serial
from tests.standins.venus.values import Paths, Ranged, Value, encode


class Device(Plugin):
    """One Venus device with its services.

    `services` are names from values.INSTANCES, with "/<device instance>" where it is not
    the usual one; or a mapping of such names to the D-Bus paths of each. `day` is the length in
    seconds of a day of the simulated battery. `counted` replaces each measured number by one that
    its path has never had before: whole numbers count up, others too, with hundredths that identify
    the path; "reads" counts them up by each read alone, so that they never change unasked.
    `log_limit` is the maximum length of `log`. `firmware` is the release of Venus OS.
    """

    def __init__(
        self,
        portal_id: str = "c0619ab1c2d3",
        services: Sequence[str] | Mapping[str, Paths] = ("vebus", "system"),
        *,
        seed: int = 0,
        day: float = 86400.0,
        counted: bool | Literal["reads"] = False,
        log_limit: int | None = None,
        firmware: Firmware = Firmware.CURRENT,
    ) -> None:
        self.on_change: Callable[[], object] = lambda: None
        self.generation = 0  # rises with each restart; messages queued before a restart are lost
        bus = Bus(portal_id, services, seed=seed, day=day, counted=counted)
        super().__init__(portal_id, bus, Log(log_limit), firmware)

    @contextmanager
    def _event(self) -> Iterator[None]:
        with self._lock:
            yield
        self.on_change()

    def add_service(self, name: str, instance: int, paths: Paths) -> None:
        """Add a service to the bus, or replace the one of this name and instance."""
        with self._event():
            self._appear(self._bus.add(name, instance, paths))

    def vanish(self, service: str) -> None:
        """Remove a service from the bus: an empty message for each of its topics, then none.

        Except for the retained Serial: the plugin never removes it.
        """
        with self._event():
            leaving = self._bus.service(service)
            items = self._bus.read(leaving.key, "/")
            leaving.present = False
            self._outbox += [self._farewell(item) for item in items if not is_serial(item)]
            for item in [item for item in items if item in self._faults.removed]:
                self._bus.hide(leaving, item)
                self._faults.removed.discard(item)

    def come_back(self, service: str) -> None:
        """Return it to the bus; while a keepalive lasts, all its values are published."""
        with self._event():
            returning = self._bus.service(service)
            self._faults.hung.discard(returning.key)
            returning.present = True
            self._appear(returning)

    def hang(self, service: str) -> None:
        """Stop its answers; a full republish has the plugin's last values of it."""
        with self._event():
            hanging = self._bus.service(service)
            for item in self._bus.read(hanging.key, "/"):
                self._cache[item] = self._cached(item)
            self._faults.hung.add(hanging.key)

    def resume(self, service: str) -> None:
        """Resume a hung service: while a keepalive lasts, its changes since then are published."""
        with self._event():
            self._faults.hung.discard(self._bus.service(service).key)

    def crash(self, service: str) -> None:
        """Crash it: like one that hangs, without a farewell, until it returns."""
        self.hang(service)

    def renumber(self, service: str, instance: int) -> None:
        """Remove it, and return it under another device instance."""
        self.vanish(service)
        with self._event():
            old = self._bus.service(service)
            self._bus.remove(old)
            self._appear(self._bus.add(old.name, instance, old.shown()))

    def remove_path(self, service: str, path: str) -> None:
        """Remove a path: it cannot be read, but stays in the plugin's cache."""
        with self._event():
            item = self._bus.service(service).key + path
            self._cache[item] = self._cached(item)
            self._faults.removed.add(item)

    def _appear(self, service: Service) -> None:
        for item in self._bus.read(service.key, "/"):
            self._cache[item] = self._bus.payload(item)
            if self._alive or is_serial(item):
                self._outbox.append(self._publish(item, self._cache[item], Why.NOTIFICATION))

    def set_value(
        self, service: str, path: str, value: Value | Ranged, *, hold: bool = True
    ) -> None:
        """Set the value of a path; without `hold`, until the next change of values."""
        self.set_raw(service, path, encode(value), hold=hold)

    def set_raw(self, service: str, path: str, payload: bytes, *, hold: bool = True) -> None:
        """Set the payload of a path, whether it is JSON or not."""
        with self._event():
            holder = self._bus.service(service)
            item = self._bus.hold(holder, path, payload, momentary=not hold)
            if self._alive and holder.present and not self._faults.unreadable(item):
                self._cache[item] = payload
                self._outbox.append(self._publish(item, payload, Why.NOTIFICATION))

    def release(self, service: str | None = None, path: str | None = None) -> None:
        """Undo `set_value`, `set_raw` and `stale` for a path, a service or all."""
        with self._event():
            place = self._place(service, path)
            self._bus.release(place)
            self._faults.stale -= {item for item in self._faults.stale if covers(place, item)}

    def silence(self, service: str | None = None, path: str | None = None) -> None:
        """Publish nothing of a path, a service, or at all; then requests are lost too."""
        with self._event():
            if service is None:
                self._faults.deaf = True
            else:
                self._faults.silent.add(self._place(service, path))

    def speak(self, service: str | None = None, path: str | None = None) -> None:
        """End `silence` for the same place; without one, for all."""
        with self._event():
            if service is None:
                self._faults.deaf = False
                self._faults.silent.clear()
            else:
                self._faults.silent.discard(self._place(service, path))

    def set_clock(self, ahead: float, *, shown: bool = True) -> None:
        """Set its clock so many s ahead; if it is not `shown`, there is no heartbeat."""
        with self._event():
            self._clock_ahead, self._clock_shown = ahead, shown

    def late(self, seconds: float, service: str | None = None, path: str | None = None) -> None:
        """Delay answers to reads by so many s; from LOST_SECONDS on, for ever. 0 ends it."""
        with self._event():
            self._faults.late[self._place(service, path)] = seconds

    def stale(self, service: str, path: str) -> None:
        """Stop notifications of a path: reads are fresh, a full republish has the last publish."""
        with self._event():
            item = self._place(service, path)
            self._cache[item] = self._bus.payload(item)
            self._faults.stale.add(item)

    def foreign(
        self,
        rate: float,
        paths: Sequence[str] = (),
        *,
        keepalive: bool = False,
        full_interval: float = 0.0,
    ) -> None:
        """Start another client that reads `rate` times per second; 0 ends it.

        `paths` (such as "vebus/275/Dc/0") are read in turn, by default the Soc alone. With
        `keepalive` that client also keeps the device alive, as Victron's clients do; with
        `full_interval` by a full keepalive every so many seconds, as other clients do.
        """
        with self._event():
            self._timers.pop("foreign read", None)
            self._timers.pop("foreign keepalive", None)
            self._faults.other = None
            if rate:
                paths = paths or [self._bus.some_item()]
                alive = keepalive or bool(full_interval)
                self._faults.other = OtherClient(1.0 / rate, cycle(paths), alive, full_interval)

    def quicken(self, rate: int) -> None:
        """Set how often values change per second, by default 1; a restart does not reset it."""
        with self._event():
            self._moment, self._rate = self._moment * rate // self._rate, rate
            if "change" in self._timers:
                self._timers["change"] = self._next_change()

    def stall(self) -> None:
        """Freeze the broker: nothing is read, and publishes are queued."""
        with self._event():
            self._stalled = True

    def go_on(self) -> None:
        """End `stall`: publish the queue at once, in order; then answer the requests."""
        with self._event():
            self._stalled = False

    def restart(self, late: Sequence[str] = ()) -> None:
        """Reboot: no keepalive, no fault, every service exists, the Serial is retained again.

        Except for the services of `late`, which are missing until `come_back`.
        """
        with self._event():
            self.generation += 1
            withdrawn = self._withdrawn()
            self._bus.reset()
            for service in late:
                self._bus.service(service).present = False
            self._begin()
            self._outbox = withdrawn + self._serial()

    def change_portal_id(self, portal_id: str) -> None:
        """Become another GX device, whose broker has no message of the old Serial."""
        with self._event():
            farewell = [
                Publish(old.topic, b"", retain=True, why=Why.FAREWELL) for old in self._serial()
            ]
            farewell += self._withdrawn()
            self._forget_keepalive()
            self._portal_id = portal_id
            self._bus.rename(portal_id)
            self.restart()
            self._outbox = farewell + self._outbox

    def _place(self, service: str | None, path: str | None) -> str:
        return "" if service is None else self._bus.service(service).key + (path or "")
