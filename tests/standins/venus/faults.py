"""Faults of the Venus stand-in, and the lines of JSON that cause them.

Rules: `Faults` is plain state that its device reads; a fault on `vebus/275` or `vebus/275/Dc/0`
covers everything below. Operations are named as in the recorded conversation with a real device.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.standins.venus.device import Device


_OF_SERVICES = {  # operations whose only parameter is a service
    "down": "vanish",
    "up": "come_back",
    "hang": "hang",
    "resume": "resume",
    "crash": "crash",
}


@dataclass(slots=True)
class OtherClient:
    """Another client on the same broker: its reads, one every `interval` seconds, in turn."""

    interval: float
    paths: Iterator[str]
    keepalive: bool
    full_interval: float  # s between two full keepalives; 0: Victron's, suppressed ones


@dataclass(slots=True)
class Faults:
    """The current faults."""

    deaf: bool = False  # receives nothing and sends nothing
    silent: set[str] = field(default_factory=set)
    late: dict[str, float] = field(default_factory=dict)  # seconds
    stale: set[str] = field(default_factory=set)  # changes without a signal
    hung: set[str] = field(default_factory=set)  # services that do not answer on D-Bus
    removed: set[str] = field(default_factory=set)  # paths that are in the plugin's cache alone
    other: OtherClient | None = None

    def silences(self, item: str) -> bool:
        """Whether this item must not be published."""
        return any(covers(place, item) for place in self.silent)

    def unreadable(self, item: str) -> bool:
        """Whether D-Bus has no answer for this item, or no such item."""
        return item in self.removed or any(covers(service, item) for service in self.hung)

    def frozen(self, item: str) -> bool:
        """Whether a full republish has the plugin's last value, as if it were fresh."""
        return item in self.stale or self.unreadable(item)

    def delay(self, item: str) -> float:
        """Return the delay in s of the answer to a read of this item."""
        if not self.late:
            return 0.0
        return max((s for place, s in self.late.items() if covers(place, item)), default=0.0)


def covers(place: str, item: str) -> bool:
    """Whether `place` is the item or lies above it; everything lies below ""."""
    return place in {"", item} or item.startswith(place + "/")


def apply(device: "Device", operation: Mapping[str, Any]) -> None:
    """Execute a line. Raises ValueError for an unknown operation.

    {"op": "set", "svc": "vebus", "path": "/Soc", "value": null}; "hold": false for a value that
        the next change replaces
    {"op": "raw", "svc": "vebus", "path": "/Soc", "payload": "[]"}
    {"op": "release"}, with "svc" and "path" for one value only
    {"op": "down", "svc": "vebus"} and {"op": "up", "svc": "vebus"}
    {"op": "silence"} and {"op": "speak"}; with "svc", or "svc" and "path", for a part
    {"op": "late", "seconds": 3}; the same for a part
    {"op": "stale", "svc": "vebus", "path": "/Soc"}
    {"op": "hang", "svc": "vebus"} and {"op": "resume", "svc": "vebus"}
    {"op": "crash", "svc": "vebus"}, which "up" ends
    {"op": "renumber", "svc": "vebus", "instance": 276}
    {"op": "remove", "svc": "vebus", "path": "/Soc"}
    {"op": "foreign", "rate": 5, "paths": ["vebus/275/Soc"], "keepalive": true}; with
        "full_interval": 30 by a full keepalive each so many seconds
    {"op": "quicken", "rate": 4}
    {"op": "stall"} and {"op": "go_on"}
    {"op": "restart"}; with "late": ["vebus"] without these, until "up"
    {"op": "portal-id", "value": "c0619ab1c2d4"}
    """
    match operation:
        case {"op": "set", "svc": str(service), "path": str(path), "value": value, **more}:
            device.set_value(service, path, value, hold=more.get("hold", True))
        case {"op": "raw", "svc": str(service), "path": str(path), "payload": str(payload)}:
            device.set_raw(service, path, payload.encode())
        case {"op": str(name), "svc": str(service)} if name in _OF_SERVICES:
            getattr(device, _OF_SERVICES[name])(service)
        case {"op": "release" | "silence" | "speak" as name, **place}:
            getattr(device, name)(*_place(place))
        case {"op": "late", "seconds": float() | int() as seconds, **place}:
            device.late(seconds, *_place(place))
        case {"op": "stale", "svc": str(service), "path": str(path)}:
            device.stale(service, path)
        case {"op": "renumber", "svc": str(service), "instance": int(instance)}:
            device.renumber(service, instance)
        case {"op": "remove", "svc": str(service), "path": str(path)}:
            device.remove_path(service, path)
        case {"op": "foreign" | "quicken" | "stall" | "go_on" | "restart" as name, **given}:
            getattr(device, name)(**given)
        case {"op": "portal-id", "value": str(portal_id)}:
            device.change_portal_id(portal_id)
        case _:
            raise ValueError(f"no such operation: {operation}")


def _place(operation: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return operation.get("svc"), operation.get("path")
