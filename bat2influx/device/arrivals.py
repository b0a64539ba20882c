"""Detects the services that appear while a device is read.

VENUS: a service that appears while a keepalive is in force is published completely, including its
ProductId; one that leaves sends zero bytes on each of its topics. So the ProductIds of all
services that may be wanted stay subscribed to. A read of its root shows which optional paths a
new service has: the service is read a few seconds later.

    state       PRODUCT ID         TIME                                FAREWELL
    WATCHING    COLLECTING, 1 s    -                                   no longer present
    COLLECTING  adds one           EXAMINING, 1 s (read its root);     no longer present
                                   WATCHING if no path is optional
    EXAMINING   for the next time  WATCHING, or COLLECTING the next    no longer present

A republish also contains the ProductIds of known services; these are not new.

Pure, except for subscriptions and reads on the connection passed in; times are monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable
from enum import Enum
from typing import NamedTuple

from bat2influx.device.services import Place
from bat2influx.mqtt.connection import Connection
from bat2influx.venus.protocol import MAX_SERVICES, is_instance

COLLECT = 1.0  # s; services that start together appear within it; later ones are another arrival
EXAMINE = 1.0  # s; a device answers within milliseconds
MAX_AT_ONCE = 20  # services that are examined together, each with a read and some thirty topics


class State(Enum):
    """How far the handling of new services is."""

    WATCHING = "watching"
    COLLECTING = "collecting"
    EXAMINING = "examining"


WATCHING = State.WATCHING


class Arrival(NamedTuple):
    """Services that have appeared, and which optional paths they have (service/instance/path)."""

    places: frozenset[Place]
    leaves: frozenset[str]


class Arrivals:
    """The services of one device that are present, out of those that may be wanted.

    `there` are their places, as far as the device has published them.
    """

    def __init__(self, services: Iterable[str], paths: Iterable[tuple[str, str]]) -> None:
        """`services` may be wanted; `paths` are the optional paths, as (service, path)."""
        self.there: set[Place] = set()
        self.state = State.WATCHING
        self._services = tuple(dict.fromkeys(services))
        self._paths: dict[str, list[str]] = {}
        for service, path in paths:
            self._paths.setdefault(service, []).append(path)
        self._portal = ""
        self._new: set[Place] = set()
        self._batch: set[Place] = set()  # those being examined
        self._examined: dict[str, bool] = {}  # whether each leaf has arrived
        self._until = math.inf

    @property
    def begun(self) -> bool:
        """Whether new services are watched for on this connection."""
        return bool(self._portal)

    def stop(self) -> None:
        """The connection is lost: which services are present is no longer known."""
        for each in (self.there, self._new, self._batch):
            each.clear()
        self._examined.clear()
        self._portal = ""
        self._enter(State.WATCHING, math.inf)

    def begin(self, connection: Connection, portal: str) -> None:
        """Watch on a new connection."""
        self.stop()
        self._portal = portal
        if self._services:
            connection.subscribe(self.subscriptions, optional=True)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The topics that stay subscribed to."""
        return tuple(f"N/{self._portal}/{each}/+/ProductId" for each in self._services)

    def process(self, topic: str, payload: bytes, now: float) -> bool:
        """Process a message; return whether it was requested here."""
        head, _, leaf = topic.partition(f"/{self._portal}/")
        if head != "N" or not self.begun:
            return False
        if leaf in self._examined:
            self._examined[leaf] = self._examined[leaf] or bool(payload)
            return True
        service, _, rest = leaf.partition("/")
        instance, _, path = rest.partition("/")
        if path != "ProductId" or service not in self._services or not is_instance(instance):
            return False
        place = service, int(instance)
        if not payload:
            for places in (self.there, self._new, self._batch):
                places.discard(place)
        elif place not in self.there and len(self.there) < MAX_SERVICES:
            self.there.add(place)
            self._new.add(place)
            if self.state is State.WATCHING:
                self._enter(State.COLLECTING, now + COLLECT)
        return True

    def step(
        self, connection: Connection, known: Collection[Place], read: Container[str], now: float
    ) -> Arrival | None:
        """Advance as far as the time allows; return what has arrived.

        Places in `known` are already read and are not new; topics in `read` stay subscribed to.
        """
        if now < self._until:
            return None
        if self.state is State.COLLECTING:
            self._new.difference_update(known)
            self._batch = {*sorted(self._new)[:MAX_AT_ONCE]}
            self._new -= self._batch
            if self._examine(connection):
                self._enter(State.EXAMINING, now + EXAMINE)
                return None
        found = {leaf for leaf, come in self._examined.items() if come}
        unanswered = [self._topic(leaf) for leaf in self._examined if leaf not in found]
        if unanswered := [topic for topic in unanswered if topic not in read]:
            connection.unsubscribe(unanswered)
        arrived = Arrival(frozenset(self._batch), frozenset(found)) if self._batch else None
        self._batch.clear()
        self._examined.clear()
        if self._new:
            self._enter(State.COLLECTING, now + COLLECT)
        else:
            self._enter(State.WATCHING, math.inf)
        return arrived

    def due(self) -> float:
        """Return when `step` has something to do (monotonic s)."""
        return self._until

    def _examine(self, connection: Connection) -> bool:
        """Read the new services that have optional paths; return whether there are any."""
        leaves = [f"{s}/{i}/{path}" for s, i in self._batch for path in self._paths.get(s, ())]
        if not leaves:
            return False
        self._examined = dict.fromkeys(leaves, False)
        connection.subscribe([self._topic(leaf) for leaf in leaves])
        for service, instance in sorted(self._batch):
            if service in self._paths:
                connection.publish(f"R/{self._portal}/{service}/{instance}/")
        return True

    def _topic(self, leaf: str) -> str:
        return f"N/{self._portal}/{leaf}"

    def _enter(self, state: State, until: float) -> None:
        self.state, self._until = state, until
