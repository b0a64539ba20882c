"""What to subscribe to of all devices behind a broker, and what each of their topics is.

Pure. Like device/plan.py for one device, but without a discovery: a wildcard stands for the portal
id, and for the instance if a field names none; the first message on a topic shows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from bat2influx.device.plan import NOT_NOTIFIED, SYSTEM
from bat2influx.reading import Origin
from bat2influx.venus.protocol import PORTAL_ID, PORTALS, Field

HEARTBEATS = "N/+/heartbeat"
KEEPALIVES = "R/+/keepalive"
_HEARTBEAT = re.compile(f"N/({PORTAL_ID})/heartbeat")
_KEEPALIVE = re.compile(f"R/({PORTAL_ID})/keepalive")
_VALUE = re.compile(rf"N/({PORTAL_ID})/([a-z0-9_]+)/([0-9]{{1,9}})/(.+)")


class WantedTopic(NamedTuple):
    """The fields that a topic's values are stored as, and their origin."""

    fields: tuple[str, ...]
    origin: Origin


class FleetPlan:
    """`filters` are the topic filters of values, `signs` those that show which devices exist."""

    signs = (PORTALS, HEARTBEATS)

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields: dict[tuple[str, str], list[Field]] = {}
        for field in fields:
            self._fields.setdefault((field.service, field.path), []).append(field)
        filters = dict.fromkeys(
            f"N/+/{service}/{instance}/{path}"
            for (service, path), own in self._fields.items()
            for instance in _instances(service, own)
        )
        self.filters = tuple(each for each in filters if each not in self.signs)

    def find(self, topic: str) -> WantedTopic | None:
        """Return what a topic is read for; None if it is not wanted."""
        match = _VALUE.fullmatch(topic)
        if match is None:
            return None
        portal, service, path, instance = match[1], match[2], match[4], int(match[3])
        own = self._fields.get((service, path), ())
        fields = tuple(f.name for f in own if f.instance in (None, instance))
        return WantedTopic(fields, Origin(portal, service, instance)) if fields else None

    def not_notified(self, origin: Origin) -> list[str]:
        """Return what to request of a service because the device does not notify of its changes."""
        service, instance = origin.service, origin.instance
        leaves = (
            f"{service}/{instance}/{path}"
            for (each, path), own in self._fields.items()
            if each == service and any(f.instance in (None, instance) for f in own)
        )
        return [f"R/{origin.portal}/{leaf}" for leaf in leaves if NOT_NOTIFIED.fullmatch(leaf)]


def _instances(service: str, fields: Iterable[Field]) -> Iterable[str]:
    """Return the instances to subscribe to, without overlap, which would deliver values twice."""
    if service == SYSTEM and all(field.instance is None for field in fields):
        return ("0",)
    if any(field.instance is None for field in fields):
        return ("+",)
    return (str(field.instance) for field in fields)


def heartbeat_of(topic: str) -> str | None:
    """Return the portal id in the topic of a heartbeat."""
    match = _HEARTBEAT.fullmatch(topic)
    return match[1] if match else None


def keepalive_of(topic: str) -> str | None:
    """Return the portal id in the topic of a keepalive."""
    match = _KEEPALIVE.fullmatch(topic)
    return match[1] if match else None
