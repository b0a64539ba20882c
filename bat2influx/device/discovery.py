"""Finds the portal id and the device instances that the configuration leaves open.

The portal id is in the topic of the one retained message of a device; the instances are those of
the ProductIds in a full republish, and what a preset asks for is there if it comes in one. Nothing
is ever guessed: several candidates are an error that lists them as lines for the configuration,
unless all of them are wanted, and what is not there is looked for again. Only what the
configuration leaves open can be such a choice, and it is an error only before the device is read
for the first time: later it is a problem beside the rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from bat2influx.device.choice import Choice, UndecidedError
from bat2influx.device.keepalive import Republish
from bat2influx.device.plan import SYSTEM
from bat2influx.device.remembered import DeviceRecord
from bat2influx.mqtt.connection import Connection
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field

__all__ = ["Discovery", "UndecidedError"]

SURVEY_AGAIN = 15  # times `again_after`: what a preset asks for may be plugged in later


class Discovery:
    """What is known of one device, and the questions that make it more.

    `portal`, `found` (instances by service) and `present` (service/instance/path of optional
    fields) are kept over connections; `start` begins anew on each. A full republish is asked for
    as soon as `republish` allows one, and then each `again_after` seconds.

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
        republish: Republish | None = None,
        known: DeviceRecord | None = None,
        several: bool = False,
        listed: bool = True,
        name: str = "",
    ) -> None:
        """`portal` ('': none) and `vebus` are configured, `known` is from an earlier start.

        With `several`, all instances of a service are wanted. `listed` is whether the broker lets
        one see which portal ids there are. `name` is that of the section, `[Battery NAME]`.
        """
        self.portal: str | None = portal or None
        self.found: dict[str, tuple[int, ...]] = {} if vebus is None else {"vebus": (vebus,)}
        self.present: frozenset[str] = frozenset()
        self.old: bool | None = None  # whether the firmware knows the old keepalive only
        self.missing: tuple[str, ...] = ()  # asked for, and not there
        self.elsewhere: dict[tuple[str, int], tuple[int, ...]] = {}
        self.other_portals: tuple[str, ...] = ()
        self.choices: dict[
            str, str
        ] = {}  # by service: what to choose from, though the rest is read
        self._given = dict(self.found)
        self._given_portal = self.portal
        if known and self.portal in (None, known.portal):
            self.portal = known.portal
            self.old = known.old or None
            if not several:
                self.found = {s: (n,) for s, n in known.instances.items()} | self.found
        self._fields = tuple(fields)
        self._left_open = {f.service for f in self._fields if f.instance is None} - {SYSTEM}
        self._settled = False
        self._choice = Choice(config, name)
        self._wanted = protocol.services_to_find(f for f in self._fields if not f.optional)
        self._optional = tuple((f.service, f.path) for f in self._fields if f.optional)
        self._several, self._listable = several, listed
        self._republish = republish or Republish(2 * again_after)
        self._survey = several or bool(self._optional)  # whether one is due
        self._surveyed: float | None = None
        self._unheard = False  # the latest question
        self._again_after = again_after
        self._portals: set[str] = set()
        self._listed: int | None = None  # subscription to the portals, when in doubt
        self._barrier: int | None = None
        self._subscribed: int | None = None
        self._search: protocol.InstanceSearch | None = None
        self._asked: float | None = None
        self._searching = False  # the latest question was this discovery's
        self._doubted: dict[str, set[int]] = {}  # instances by service

    @property
    def open(self) -> tuple[str, ...]:
        """The services whose instance is still to be found."""
        return tuple(service for service in self._wanted if service not in self.found)

    @property
    def done(self) -> bool:
        """Whether all is known, and nothing in doubt."""
        in_doubt = self._doubted or self.doubting
        return self.portal is not None and not (self.open or in_doubt or self._survey)

    @property
    def usable(self) -> list[Field]:
        """The fields that can be asked for with what is known."""
        known = self.found.keys() | {SYSTEM}
        return [f for f in self._fields if f.instance is not None or f.service in known]

    @property
    def result(self) -> DeviceRecord | None:
        """What is worth remembering: what was found, and not what is configured."""
        if self.portal is None:
            return None
        own = {s: numbers[0] for s, numbers in self.found.items() if s not in self._given}
        return DeviceRecord(self.portal, {} if self._several else own, self.old is True)

    def start(self, connection: Connection) -> None:
        """Begin on a new connection."""
        self._portals.clear()
        self._listed = self._barrier = self._subscribed = self._search = self._asked = None
        if self.portal is None:
            connection.subscribe([protocol.PORTALS])

    def doubt_portal(self, connection: Connection) -> bool:
        """The device is silent: see whether another is there instead. It is asked nothing.

        Return whether that will be seen.
        """
        if self._listable and self.portal is not None and self._listed is None:
            self._portals.clear()
            self._barrier = None
            self._listed = connection.subscribe([protocol.PORTALS], may_be_refused=True)
        return self._listable

    def look_again(self, now: float) -> None:
        """See now and then what is there of all that may be."""
        if self._surveyed is not None and now >= self._surveyed + SURVEY_AGAIN * self._again_after:
            self._surveyed, self._survey, self._search = None, True, None

    def doubt_instances(self, places: Iterable[tuple[str, int]]) -> None:
        """These instances of services are silent: see which there are."""
        for service, instance in places:
            self._doubted.setdefault(service, set()).add(instance)
            self._search = None  # begin anew, with this service among the questions

    def settle(self) -> None:
        """The device is read: a choice that turns up from now on is in `choices`, no error."""
        self._settled = True

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
            portal = protocol.portal_of(topic)
            room = portal == self.portal or len(self._portals) < protocol.MOST_PORTALS
            if portal and room and protocol.names_device(payload):
                self._portals.add(portal)
            if portal or self.portal is None:
                return portal is not None
        if self._search is None or not self._search.see(topic, payload):
            return False
        self._unheard = False
        return True

    def step(self, connection: Connection, now: float) -> bool:
        """Ask what is to be asked; return whether something new is known.

        Raises UndecidedError.
        """
        if self.portal is None:
            return self._find_portal(connection)
        if self.doubting:
            return self._reconsider_portal(connection)
        if self._search is None:
            echo = secrets.token_hex(4)
            services = dict.fromkeys((*self.open, *self._doubted))
            if self._several:
                services |= dict.fromkeys(self._wanted)
            paths = self._optional if self._survey else ()
            self._search = protocol.InstanceSearch(self.portal, services, echo, paths)
            self._subscribed = connection.subscribe(self._search.subscriptions)
            self._searching = False
        elif self._subscribed in connection.acknowledged:
            if self._complete(self._search, now):
                return self._decide(connection, self._search, now)
            due = self._asked is None or now >= self._asked + self._again_after
            if (due and self._republish.may(now)) or self._try_other_way(now):
                self._ask(connection, self._search, now)
        return False

    def _try_other_way(self, now: float) -> bool:
        """Return whether firmware before 3.20 may be why nothing comes: once, after a twelfth."""
        waited = self._asked is not None and now >= self._asked + self._again_after / 12
        return waited and self._searching and self._unheard and self.old is None

    def _ask(self, connection: Connection, search: protocol.InstanceSearch, now: float) -> None:
        """Ask for a full republish, in the way that was answered, or not tried, the last time."""
        if self._unheard:
            self.old = not self.old
        self._asked, self._searching, self._unheard = now, True, True
        self._republish.asked(now)
        if self.old:
            keepalive = protocol.old_keepalive(search.portal)
        else:
            keepalive = protocol.keepalive(search.portal, echo=search.echo)
        connection.publish(*keepalive, checked=True)

    def _reconsider_portal(self, connection: Connection) -> bool:
        """Take the only other device there is, if the own one is gone and was not configured."""
        if self._barrier is None:
            if self._listed in connection.acknowledged:
                self._barrier = connection.unsubscribe([protocol.PORTALS])
            return False
        if self._barrier not in connection.acknowledged:
            return False
        self._listed = None
        there = sorted(self._portals) if self.portal not in self._portals else []
        self.other_portals = tuple(there)
        if len(there) != 1 or self._given_portal:
            return False
        self.portal, self.found = there[0], dict(self._given)
        self.old, self._unheard = None, False
        self.missing, self.other_portals = (), ()
        self._survey, self.present = self._several or bool(self._optional), frozenset()
        self.elsewhere.clear()
        self.choices.clear()
        self._doubted.clear()
        return True

    def _find_portal(self, connection: Connection) -> bool:
        if self._barrier is None:
            if self._portals:  # the others, if any, are under way: wait until all have come
                self._barrier = connection.unsubscribe([protocol.PORTALS])
        elif self._barrier in connection.acknowledged:
            if len(self._portals) > 1:
                raise self._choice.of_devices(connection.endpoint.host, sorted(self._portals))
            self.portal = next(iter(self._portals))
            return True
        return False

    def _complete(self, search: protocol.InstanceSearch, now: float) -> bool:
        if search.complete:
            self.old = False
            return True
        # Before Venus OS 3.50 nothing may say so: then after a twelfth, 5 s of a minute.
        # What appears by itself, while nothing was asked, may be the first of several.
        # Nor does firmware before 3.20, which is what the old question was answered by.
        waited = self._asked is not None and now >= self._asked + self._again_after / 12
        only_doubt = self.reconsidering and not (self.open or self._survey)
        enough = any(search.found.values()) or only_doubt
        return self._searching and waited and enough

    def _decide(self, connection: Connection, search: protocol.InstanceSearch, now: float) -> bool:
        for service, instances in search.found.items():
            if service in self._doubted:
                self._reconsider(service, instances)
            if service not in self._left_open or service in self._given or not instances:
                continue
            if self._several:
                kept = self.found.get(service, ()) if service in self._wanted else ()
                self.found[service] = tuple(sorted({*instances, *kept}))
            elif service not in self.found:
                self._settle_on(service, instances, search.portal)
        if self._survey:
            self._survey, self._surveyed = False, now
            self.present = frozenset(search.present)
        self._doubted.clear()
        self.missing = self.open
        connection.unsubscribe(search.subscriptions)
        self._search = None
        return True

    def _settle_on(self, service: str, instances: set[int], portal: str) -> None:
        if len(instances) == 1:
            self.found[service] = (min(instances),)
            self.choices.pop(service, None)
            return
        fields = [f for f in self._fields if f.service == service]
        error = self._choice.of_instances(portal, sorted(instances), fields)
        if not self._settled:
            raise error
        self.choices[service] = str(error)

    def _reconsider(self, service: str, there: set[int]) -> None:
        for instance in self._doubted[service]:
            self.elsewhere.pop((service, instance), None)
            if instance in there:
                continue
            own = self.found.get(service) == (instance,) and service not in self._given
            if own and len(there) == 1:
                self.found[service] = (min(there),)
            else:
                self.elsewhere[service, instance] = tuple(sorted(there))
