"""Looks at a fleet for a command: which devices it has, and which of them is publishing.

It requests nothing, and takes no message from daemons that share the work.
"""

from __future__ import annotations

from bat2influx.fleet.keepalive import MAX_DEVICES
from bat2influx.fleet.plan import FleetPlan, heartbeat_of
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.session import Session
from bat2influx.venus import protocol

OTHERS_WITHIN = 1.0  # s after the first; a device that is kept alive sends a heartbeat every 3 s
HEARTBEAT_WITHIN = 4.0  # s


def fleet_portals(session: Session) -> list[str]:
    """Return the portal ids behind a broker, first one that is publishing, if any is."""
    found: dict[str, None] = {}
    responding: list[str] = []

    def handle(message: Message) -> bool:
        sign = protocol.portal_of(message.topic)
        if sign and not protocol.names_device(message.payload):
            return bool(responding)
        portal = sign or heartbeat_of(message.topic)
        if portal and message.payload and len(found) < MAX_DEVICES:
            found[portal] = None
            if not (message.retain or responding):
                responding.append(portal)
        return bool(responding)

    if not session.subscribe(FleetPlan.signs):
        session.until(handle, HEARTBEAT_WITHIN)
        session.until(lambda message: handle(message) and False, OTHERS_WITHIN)
        session.connection.unsubscribe(FleetPlan.signs)
    return list(dict.fromkeys((*responding, *sorted(found))))
