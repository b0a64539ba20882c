"""A look at what may be between a broker and a device that does not answer, for a command.

A bridge may have the device's topics below another prefix, or pass what the device says and not
what it is asked. Nothing is written to a device, and of each only a few leaves are read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import replace

from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.session import Session
from bat2influx.venus.prefixes import ELSEWHERE, PrefixSearch

PREFIXES_WITHIN = 2.0  # s; what a broker keeps comes at once
READ_WITHIN = 5.0  # s, for the answer to a read; a busy device is late
MOST_READS = 3  # leaves of one device: one may be of a service that hangs


def prefixes_of(session: Session, portal: str = "") -> tuple[str, ...]:
    """Return the prefixes under which the session's broker has devices, but for its own one.

    Those of the device `portal` come alone where it is among them. The look has a connection of its
    own, which sees all topics and may be ended for what is subscribed to.
    """
    endpoint = session.endpoint
    search = PrefixSearch(endpoint.prefix)

    def see(message: Message) -> bool:
        search.see(message.topic, message.payload)
        return False

    with closing(Session(replace(endpoint, prefix=""))) as look:
        if look.open():
            return ()
        for topic in ELSEWHERE:
            look.connection.subscribe([topic], may_be_refused=True)
        look.until(see, PREFIXES_WITHIN)
    return search.prefixes(portal)


def answering(session: Session, leaves: Mapping[str, Collection[str]]) -> set[str]:
    """Return the portal ids of those devices that answer the read of one of their `leaves`.

    `leaves` are service/instance/path by portal id, and had better be of values that never change:
    a notification is not told from an answer.
    """
    answers = {
        f"N/{portal}/{leaf}": portal
        for portal, own in leaves.items()
        for leaf in [*dict.fromkeys(own)][:MOST_READS]
    }
    there: set[str] = set()

    def see(message: Message) -> bool:
        portal = None if message.retain else answers.get(message.topic)
        if portal is not None and message.payload:
            there.add(portal)
        return len(there) == len({*answers.values()})

    if answers and not session.subscribe(answers):
        for topic in answers:
            session.publish(f"R{topic[1:]}")
        session.until(see, READ_WITHIN)
    return there
