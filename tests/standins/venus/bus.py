"""The D-Bus side of the Venus stand-in: its services, and the values of their paths.

Rules: an item is named as in a topic, without N/<portal id>/: `vebus/275/Dc/0/Voltage`. Values are
constant between two changes, which the owner makes by `enter`. This module reads no clock and no
random numbers.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.standins.venus.faults import covers
from tests.standins.venus.values import INSTANCES, Paths, Snapshot, Source, World, encode, paths_of


@dataclass(slots=True)
class Service:
    """One D-Bus service, such as vebus/275; `paths` are D-Bus paths with a leading slash."""

    name: str
    instance: int
    paths: dict[str, Source]
    present: bool = True
    hidden: set[str] = field(default_factory=set)  # items that were removed before it left

    @property
    def key(self) -> str:
        """Name and device instance as in a topic."""
        return f"{self.name}/{self.instance}"

    def shown(self) -> dict[str, Source]:
        """Return the existing paths."""
        return {path: s for path, s in self.paths.items() if self.key + path not in self.hidden}


class Bus:
    """The services of one device; the parameters are those of venus.Device."""

    def __init__(
        self,
        portal_id: str,
        services: Iterable[str] | Mapping[str, Paths],
        *,
        seed: int,
        day: float,
        counted: bool | Literal["reads"],
    ) -> None:
        self.changes = counted != "reads"  # whether measured values change by themselves
        self._services: dict[str, Service] = {}
        self._items: dict[str, Source] = {}
        self._sub_trees: dict[str, list[str]] = {}  # a cache of earlier reads
        self._held: dict[str, bytes] = {}
        self._momentary: dict[str, bytes] = {}
        self._counted = bool(counted)
        self._counts: dict[str, int] = {}
        self._hundredths: dict[str, float] = {}
        self._random = random.Random(seed)
        self._second: float = 0
        self._snapshot: Snapshot | None = None
        for each in services:
            name, _, instance = each.partition("/")
            given = isinstance(services, Mapping)
            paths = services[each] if given else paths_of(name, portal_id)
            self.add(name, int(instance) if instance else INSTANCES[name], paths)
        solar = any(service.name == "solarcharger" for service in self._services.values())
        self._world = World(seed=seed, day=day, solar=solar)

    def add(self, name: str, instance: int, paths: Paths) -> Service:
        """Add a service, or replace the one with this name and instance."""
        service = Service(name, instance, dict(paths))
        self._services[service.key] = service
        self._sub_trees.clear()
        for number, (path, source) in enumerate(paths.items()):
            self._items[service.key + path] = source
            self._hundredths[service.key + path] = number % 100 / 100
        return service

    def remove(self, service: Service) -> None:
        """Remove a service from this device."""
        del self._services[service.key]
        self._sub_trees.clear()

    def hide(self, service: Service, item: str) -> None:
        """Remove an item of a service, until `reset`."""
        service.hidden.add(item)
        self._sub_trees.clear()

    def service(self, name: str) -> Service:
        """Return the service `vebus/275`, or for `vebus` the first such. Raises KeyError."""
        for service in self._services.values():
            if name in {service.key, service.name}:
                return service
        raise KeyError(f"no service {name!r}")

    def services(self) -> Iterable[Service]:
        """Return the services that are on the bus."""
        return [service for service in self._services.values() if service.present]

    def some_item(self) -> str:
        """Return the first state of charge, or else the first item. Raises IndexError."""
        items = [each.key + path for each in self.services() for path in each.shown()]
        return next((item for item in items if item.endswith("/Soc")), items[0])

    def read(self, service_key: str, dbus_path: str) -> list[str]:
        """Return the item of this path or all those below it, none when there is no such path.

        As on a real device there is no fixed order, and no sub-tree with a slash at its end.
        """
        service = self._services.get(service_key)
        if service is None or not service.present:
            return []
        place = service_key + dbus_path
        items = self._sub_trees.get(place)
        if items is None:
            items = _find(service, dbus_path)
            if items:
                self._sub_trees[place] = items
        items = items.copy()
        self._random.shuffle(items)
        return items

    def items(self) -> list[str]:
        """Return every item of every service on the bus."""
        return [item for service in self.services() for item in self.read(service.key, "/")]

    def payload(self, item: str, *, fresh: bool = False) -> bytes:
        """Return the item's payload; with `fresh` a counted value counts up."""
        held = self._momentary.get(item, self._held.get(item))
        if held is not None:
            return held
        source = self._items[item]
        if not callable(source):
            return encode(source)
        if self._snapshot is None:
            self._snapshot = self._world.at(self._second)
        value = source(self._snapshot)
        if self._counted and isinstance(value, int | float):
            count = self._counts[item] = self._counts.get(item, 0) + fresh
            value = count if isinstance(value, int) else count + self._hundredths[item]
        return encode(value)

    def enter(self, second: float) -> None:
        """Set the values to those of this Unix time; whole s where they change once per second."""
        if second != self._second:
            self._second = second
            self._snapshot = None
            self._momentary.clear()

    def hold(self, service: Service, path: str, payload: bytes, *, momentary: bool) -> str:
        """Put a payload in the place of a value, until the next change or until released.

        A missing path is created. Returns the item.
        """
        item = service.key + path
        if path not in service.paths:
            service.paths[path] = self._items[item] = None
            self._sub_trees.clear()
        (self._momentary if momentary else self._held)[item] = payload
        return item

    def release(self, place: str) -> None:
        """Restore the normal values of an item, of all below a service, or, for "", of all."""
        for held in (self._held, self._momentary):
            for item in [item for item in held if covers(place, item)]:
                del held[item]

    def rename(self, portal_id: str) -> None:
        """Set another portal id as the system service's serial."""
        for service in self._services.values():
            if service.name == "system":
                service.paths["/Serial"] = self._items[service.key + "/Serial"] = portal_id

    def reset(self) -> None:
        """Restart: every service exists, every value is normal; counts continue."""
        self._held.clear()
        self._momentary.clear()
        for service in self._services.values():
            service.present = True
            service.hidden.clear()
        self._sub_trees.clear()


def _find(service: Service, dbus_path: str) -> list[str]:
    paths = service.shown()
    if dbus_path in paths:
        return [service.key + dbus_path]
    above = dbus_path if dbus_path == "/" else dbus_path + "/"
    return [service.key + path for path in paths if path.startswith(above)]
