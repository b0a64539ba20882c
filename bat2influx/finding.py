"""Finds the portal id and the device instances that the configuration leaves open.

The portal id is in the topic of the one retained message of a device; the instances are those of
the ProductIds in a full republish. Nothing is ever guessed: several candidates are an error that
lists them as lines for the configuration, and a service that is not there is looked for again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from bat2influx import venus
from bat2influx.broker import Connection
from bat2influx.memory import Found
from bat2influx.venus import Field


class UndecidedError(Exception):
    """Several devices or instances are there; the text lists them as lines for the ini."""


class Finding:
    """What is known of one device, and the questions that make it more.

    `portal` and `found` (instance by service) are kept over connections; `start` begins anew on
    each. A full republish is asked for once on each, and then each `again_after` seconds.

    What is known may stop being so: `doubt_portal` and `doubt_instances` ask again. What was found
    here gives way to what is found then; what is configured stays, and `elsewhere` and
    `other_portals` say what there is instead.
    """

    def __init__(
        self,
        fields: Iterable[Field],
        *,
        portal: str,
        vebus: int | None,
        again_after: float,
        config: str,
        known: Found | None = None,
    ) -> None:
        """`portal` ('': none) and `vebus` are configured, `known` is from an earlier start."""
        self.portal: str | None = portal or None
        self.found: dict[str, int] = {} if vebus is None else {"vebus": vebus}
        self.missing: tuple[str, ...] = ()  # asked for, and not there
        self.elsewhere: dict[tuple[str, int], tuple[int, ...]] = {}
        self.other_portals: tuple[str, ...] = ()
        self._given = dict(self.found)
        self._given_portal = self.portal
        if known and self.portal in (None, known.portal):
            self.portal = known.portal
            self.found = {**known.instances, **self.found}
        self._fields = tuple(fields)
        self._again_after = again_after
        self._config = config
        self._portals: set[str] = set()
        self._listed: int | None = None  # subscription to the portals, when in doubt
        self._barrier: int | None = None
        self._subscribed: int | None = None
        self._discovery: venus.Discovery | None = None
        self._asked: float | None = None
        self._searching = False  # the latest question was this discovery's
        self._doubted: dict[str, set[int]] = {}  # instances by service

    @property
    def open(self) -> tuple[str, ...]:
        """The services whose instance is still to be found."""
        wanted = venus.services_to_find(self._fields)
        return tuple(service for service in wanted if service not in self.found)

    @property
    def done(self) -> bool:
        """Whether all is known, and nothing in doubt."""
        return self.portal is not None and not (self.open or self._doubted or self.doubting)

    @property
    def usable(self) -> list[Field]:
        """The fields that can be asked for with what is known."""
        missing = self.open
        return [f for f in self._fields if f.instance is not None or f.service not in missing]

    @property
    def result(self) -> Found | None:
        """What is worth remembering: what was found, and not what is configured."""
        if self.portal is None:
            return None
        own = {service: n for service, n in self.found.items() if service not in self._given}
        return Found(self.portal, own)

    def start(self, connection: Connection) -> None:
        """Begin on a new connection."""
        self._portals.clear()
        self._listed = self._barrier = self._subscribed = self._discovery = self._asked = None
        if self.portal is None:
            connection.subscribe([venus.PORTALS])

    def doubt_portal(self, connection: Connection) -> None:
        """The device is silent: see whether another is there instead. It is asked nothing."""
        if self.portal is not None and self._listed is None:
            self._portals.clear()
            self._barrier = None
            self._listed = connection.subscribe([venus.PORTALS])

    def doubt_instances(self, places: Iterable[tuple[str, int]]) -> None:
        """These instances of services are silent: see which there are."""
        for service, instance in places:
            self._doubted.setdefault(service, set()).add(instance)
            self._discovery = None  # begin anew, with this service among the questions

    @property
    def reconsidering(self) -> bool:
        """Whether it is just being seen which instances there are."""
        return bool(self._doubted)

    @property
    def doubting(self) -> bool:
        """Whether it is just being seen which devices there are."""
        return self._listed is not None

    def see(self, topic: str, payload: bytes) -> bool:
        """Take a message into account; return whether it was asked for here."""
        if self.portal is None or self.doubting:
            portal = venus.portal_of(topic)
            if portal and payload:  # an empty one takes a retained Serial from the broker
                self._portals.add(portal)
            if portal or self.portal is None:
                return portal is not None
        return self._discovery is not None and self._discovery.see(topic, payload)

    def step(self, connection: Connection, now: float) -> bool:
        """Ask what is to be asked; return whether something new is known.

        Raises UndecidedError.
        """
        if self.portal is None:
            return self._find_portal(connection)
        if self.doubting:
            return self._reconsider_portal(connection)
        if self._discovery is None:
            echo = secrets.token_hex(4)
            services = dict.fromkeys((*self.open, *self._doubted))
            self._discovery = venus.Discovery(self.portal, services, echo)
            self._subscribed = connection.subscribe(self._discovery.subscriptions)
            self._searching = False
        elif self._subscribed in connection.acknowledged:
            if self._complete(self._discovery, now):
                return self._decide(connection, self._discovery)
            if self._asked is None or now >= self._asked + self._again_after:
                self._asked, self._searching = now, True
                connection.publish(*venus.keepalive(self.portal, echo=self._discovery.echo))
        return False

    def _reconsider_portal(self, connection: Connection) -> bool:
        """Take the only other device there is, if the own one is gone and was not configured."""
        if self._barrier is None:
            if self._listed in connection.acknowledged:
                self._barrier = connection.unsubscribe([venus.PORTALS])
            return False
        if self._barrier not in connection.acknowledged:
            return False
        self._listed = None
        there = sorted(self._portals) if self.portal not in self._portals else []
        self.other_portals = tuple(there)
        if len(there) != 1 or self._given_portal:
            return False
        self.portal, self.found = there[0], dict(self._given)
        self.missing, self.other_portals = (), ()
        self.elsewhere.clear()
        self._doubted.clear()
        return True

    def _find_portal(self, connection: Connection) -> bool:
        if self._barrier is None:
            if self._portals:  # the others, if any, are under way: wait until all have come
                self._barrier = connection.unsubscribe([venus.PORTALS])
        elif self._barrier in connection.acknowledged:
            if len(self._portals) > 1:
                host = connection.endpoint.host
                first = f"several devices at {host}: put one of these lines under [Battery] in"
                lines = (f"serial = {portal}" for portal in sorted(self._portals))
                raise UndecidedError("\n".join([f"{first} {self._config}", *lines]))
            self.portal = next(iter(self._portals))
            return True
        return False

    def _complete(self, discovery: venus.Discovery, now: float) -> bool:
        if discovery.complete:
            return True
        # Before Venus OS 3.50 nothing may say so: then after a twelfth, 5 s of a minute.
        # What appears by itself, while nothing was asked, may be the first of several.
        waited = self._asked is not None and now >= self._asked + self._again_after / 12
        enough = any(discovery.found.values()) or (self.reconsidering and not self.open)
        return self._searching and waited and enough

    def _decide(self, connection: Connection, discovery: venus.Discovery) -> bool:
        for service, instances in discovery.found.items():
            if service in self._doubted:
                self._reconsider(service, instances)
            if service in self.found or not instances:
                continue
            if len(instances) > 1:
                raise UndecidedError(self._choices(discovery.portal, service, sorted(instances)))
            self.found[service] = min(instances)
        self._doubted.clear()
        self.missing = self.open
        connection.unsubscribe(discovery.subscriptions)
        self._discovery = None
        return True

    def _reconsider(self, service: str, there: set[int]) -> None:
        for instance in self._doubted[service]:
            self.elsewhere.pop((service, instance), None)
            if instance in there:
                continue
            own = self.found.get(service) == instance and service not in self._given
            if own and len(there) == 1:
                self.found[service] = min(there)
            else:
                self.elsewhere[service, instance] = tuple(sorted(there))

    def _choices(self, portal: str, service: str, instances: list[int]) -> str:
        """Return the text of an UndecidedError: the choices as lines for the ini."""
        if service == "vebus":
            where = "put one of these lines under [Battery]"
            lines = [f"instance = {instance}" for instance in instances]
        else:
            where = "choose one of these lines for each name under [Fields]"
            lines = [
                f"{field.name} = {service}/{instance}/{field.path}"
                for field in self._fields
                if field.service == service and field.instance is None
                for instance in instances
            ]
        first = f"device {portal} has several instances of {service}: {where} in {self._config}"
        return "\n".join([first, *lines])
