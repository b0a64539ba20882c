"""Detects why a device behind a broker does not respond: another prefix, or a one-way bridge.

A bridge may put the device's topics below another prefix, or forward N/# and not R/#. Nothing is
written to a device, and only a few leaves of each are read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing

from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.session import Session
from bat2influx.venus.prefixes import ELSEWHERE, PrefixSearch

PREFIXES_WITHIN = 2.0  # s; retained messages arrive at once
READ_WITHIN = 5.0  # s to wait for the answer to a read; a busy device answers late
MAX_READS = 3  # leaves of one device: one may belong to a service that hangs


def prefixes_of(session: Session, portal: str = "") -> tuple[str, ...]:
    """Return the prefixes under which the session's broker has devices, except the session's own.

    Where the device `portal` is among them, only its prefixes are returned. The search has a
    separate connection, because a broker may disconnect a client that subscribes to all devices.
    """
    endpoint = session.endpoint
    search = PrefixSearch(endpoint.prefix)

    def handle(message: Message) -> bool:
        search.process(message.topic, message.payload)
        return False

    with closing(Session(endpoint._replace(prefix=""))) as look:
        if look.open():
            return ()
        for topic in ELSEWHERE:
            look.connection.subscribe([topic], optional=True)
        look.until(handle, PREFIXES_WITHIN)
    return search.prefixes(portal)


def answering(session: Session, leaves: Mapping[str, Collection[str]]) -> set[str]:
    """Return the portal ids of those devices that answer the read of one of their `leaves`.

    `leaves` are service/instance/path by portal id, of values that never change: a notification
    cannot be distinguished from an answer.
    """
    answers = {
        f"N/{portal}/{leaf}": portal
        for portal, own in leaves.items()
        for leaf in [*dict.fromkeys(own)][:MAX_READS]
    }
    there: set[str] = set()

    def handle(message: Message) -> bool:
        portal = None if message.retain else answers.get(message.topic)
        if portal is not None and message.payload:
            there.add(portal)
        return len(there) == len({*answers.values()})

    if answers and not session.subscribe(answers):
        for topic in answers:
            session.publish(f"R{topic[1:]}")
        session.until(handle, READ_WITHIN)
    return there
