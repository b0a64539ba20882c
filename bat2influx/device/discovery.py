"""Finds the device instances that the configuration leaves open; portal.py has the portal id.

The instances are those of the ProductIds in a full republish, and what a preset asks for is there
if it comes in one. Nothing is ever guessed: several candidates are an error that lists them as
lines for the configuration, unless all of them are wanted, and what is not there is looked for
again. Only what the configuration leaves open can be such a choice, and it is an error only before
the device is read for the first time: later it is a problem beside the rest.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Iterable

from bat2influx.device.arrivals import Arrival, Arrivals
from bat2influx.device.choice import Choice, UndecidedError
from bat2influx.device.keepalive import Republish
from bat2influx.device.plan import SYSTEM
from bat2influx.device.portal import PortalSearch
from bat2influx.device.remembered import DeviceRecord
from bat2influx.device.services import Place
from bat2influx.mqtt.connection import Connection
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field

__all__ = ["Discovery", "UndecidedError"]

SURVEY_AGAIN = 15  # times `again_after`: what a preset asks for may be plugged in later
WAIT_FOR_KINDS = 10  # times `again_after`, 10 min: a device that boots has all of it by then


class Discovery:
    """What is known of one device, and the questions that make it more.

    `portals` has the portal id. `found` (instances by service) and `present` (service/instance/path
    of optional fields) are kept over connections; `start` begins anew on each. A full republish is
    asked for as soon as `republish` allows one, and then each `again_after` seconds.

    What is known may stop being so: `doubt_instances` asks again. What was found here gives way to
    what is found then; what is configured stays, and `elsewhere` says what there is instead.
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
        several: Collection[str] = (),
        listed: bool = True,
        name: str = "",
    ) -> None:
        """`portal` ('': none) and `vebus` are configured, `known` is from an earlier start.

        Of the services in `several` all instances are wanted. `listed` is whether the broker lets
        one see which portal ids there are. `name` is that of the section, `[Battery NAME]`.
        """
        self._choice = Choice(config, name)
        remembered = known.portal if known else ""
        self.portals = PortalSearch(
            given=portal, remembered=remembered, listable=listed, choice=self._choice
        )
        self.found: dict[str, tuple[int, ...]] = {} if vebus is None else {"vebus": (vebus,)}
        self.present: frozenset[str] = frozenset()
        self.old: bool | None = None  # whether the firmware knows the old keepalive only
        self.missing: tuple[str, ...] = ()  # asked for, and not there
        self.places: frozenset[Place] = frozenset()  # what is there, where there is no vebus
        self.echoed = False  # whether a question has been answered
        self.elsewhere: dict[tuple[str, int], tuple[int, ...]] = {}
        self.choices: dict[
            str, str
        ] = {}  # by service: what to choose from, though the rest is read
        self._given = dict(self.found)
        if known and self.portal == known.portal:
            self.old = known.old or None
            one = {s: (n,) for s, n in known.instances.items() if s not in several}
            self.found = one | self.found
        self._fields = tuple(fields)
        self._left_open = {f.service for f in self._fields if f.instance is None} - {SYSTEM}
        self._settled = False
        self._wanted = protocol.services_to_find(f for f in self._fields if not f.optional)
        self._optional = tuple((f.service, f.path) for f in self._fields if f.optional)
        self._kinds = {service for service, _ in self._optional} - {SYSTEM}
        self.arrivals = Arrivals(sorted(self._left_open | self._kinds), self._optional)
        self._passed: set[Place] = set()  # that have arrived, and are no news any more
        self._keep = True  # whether what a survey does not find stays known
        self._wait_until = math.inf  # for kinds of a preset that have never been there
        self._several = several
        self._republish = republish or Republish(2 * again_after)
        self._survey = bool(several or self._optional)  # whether one is due
        self._surveyed: float | None = None
        self._unheard = False  # the latest question
        self._again_after = again_after
        self._subscribed: int | None = None
        self._search: protocol.InstanceSearch | None = None
        self._asked: float | None = None
        self._searching = False  # the latest question was this discovery's
        self._doubted: dict[str, set[int]] = {}  # instances by service

    @property
    def portal(self) -> str | None:
        """The portal id, once it is known."""
        return self.portals.portal

    @property
    def doubting(self) -> bool:
        """Whether it is just being seen which devices there are."""
        return self.portals.doubting

    @property
    def open(self) -> tuple[str, ...]:
        """The services whose instance is still to be found."""
        return tuple(service for service in self._wanted if service not in self.found)

    @property
    def done(self) -> bool:
        """Whether all is known, and nothing in doubt."""
        return not (self.portals.looking or self.open or self._doubted or self._survey)

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
        given = {*self._given, *self._several}
        own = {s: numbers[0] for s, numbers in self.found.items() if s not in given}
        return DeviceRecord(self.portal, own, self.old is True)

    def start(self, connection: Connection) -> None:
        """Begin on a new connection."""
        self._subscribed = self._search = self._asked = None
        self._wait_until = math.inf
        self._passed.clear()
        self.portals.begin(connection)
        self.arrivals.stop()

    def look_again(self, now: float) -> None:
        """See now and then what is there of all that may be."""
        if self._surveyed is not None and now >= self._surveyed + SURVEY_AGAIN * self._again_after:
            self._surveyed, self._survey, self._search = None, True, None

    def look_anew(self) -> None:
        """See what is there now, as soon as one may; what is not is no longer wanted."""
        self._survey, self._surveyed, self._search = bool(self._several or self._kinds), None, None
        self._keep = False

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

    def see(self, topic: str, payload: bytes, now: float) -> bool:
        """Take a message into account; return whether it was asked for here."""
        if self.portals.see(topic, payload):
            return True
        watched = self.arrivals.see(topic, payload, now)
        if self._search is None or not self._search.see(topic, payload):
            return watched
        self._unheard = False
        return True

    def awaits(self, now: float) -> bool:
        """Return whether something that is wanted may be about to appear.

        For a kind of a preset that was never there one waits after a connection only: most devices
        have not got it.
        """
        self._wait_until = min(self._wait_until, now + WAIT_FOR_KINDS * self._again_after)
        present = {leaf.partition("/")[0] for leaf in self.present}
        return bool(self.missing or (now < self._wait_until and self._kinds - present))

    def arrive(self, connection: Connection, absent: Collection[Place], now: float) -> bool:
        """Take in the services that have appeared; return whether that changes what is read.

        `absent` are those that are read and do not respond, or have left. Raises UndecidedError.
        """
        if not self.arrivals.begun:
            assert self.portal is not None
            self.arrivals.begin(connection, self.portal)
        known = {(service, number) for service, own in self.found.items() for number in own}
        arrival = self.arrivals.step(connection, known | self._passed, now)
        new = arrival is not None and self._take(arrival)
        return self._follow(absent) or new

    def _take(self, arrival: Arrival) -> bool:
        self._passed |= arrival.places
        self.present |= arrival.leaves
        for service in {service for service, _ in arrival.places}:
            instances = {number for each, number in self.arrivals.there if each == service}
            if service in self._given or service not in self._left_open or not instances:
                continue
            if service in self._several:
                self.found[service] = tuple(sorted({*self.found.get(service, ()), *instances}))
            elif service not in self.found:
                assert self.portal is not None
                self._settle_on(service, instances, self.portal)
        self.missing = self.open
        read = {leaf.partition("/")[0] for leaf in arrival.leaves}
        if self.old is not False and not read.issuperset(
            self._kinds & {s for s, _ in arrival.places}
        ):
            self._survey, self._search = True, None  # old firmware is not read by a root
        return True

    def _follow(self, absent: Collection[Place]) -> bool:
        """Go over to another instance of a service, where the own one is there no more."""
        followed = False
        for service, instance in absent:
            there = {number for each, number in self.arrivals.there if each == service}
            own = self.found.get(service) == (instance,) and service not in self._given
            if own and service not in self._several and len(there) == 1 and instance not in there:
                self.found[service] = tuple(there)
                followed = True
        return followed

    def step(self, connection: Connection, now: float) -> bool:
        """Ask what is to be asked; return whether something new is known.

        Raises UndecidedError.
        """
        if self.portals.looking:
            if new := self.portals.step(connection):
                self._forget()
            return new
        if self._search is None:
            assert self.portal is not None
            echo = secrets.token_hex(4)
            services = dict.fromkeys((*self.open, *self._doubted))
            services |= dict.fromkeys(each for each in self._wanted if each in self._several)
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

    def _forget(self) -> None:
        """Of the device that has just been found nothing is known but what is configured."""
        self.found, self.missing = dict(self._given), ()
        self.old, self._unheard = None, False
        self._survey, self.present = bool(self._several or self._optional), frozenset()
        self.elsewhere.clear()
        self.choices.clear()
        self._doubted.clear()

    def _complete(self, search: protocol.InstanceSearch, now: float) -> bool:
        if search.complete:
            self.old, self.echoed = False, True
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
            if service in self._several:
                kept = self.found.get(service, ()) if self._keep or service in self._wanted else ()
                self.found[service] = tuple(sorted({*instances, *kept}))
            elif service not in self.found:
                self._settle_on(service, instances, search.portal)
        if self._survey:
            still = self.present if self._keep else frozenset()
            self.present = still | search.present
            self._survey, self._surveyed, self._keep = False, now, True
        self._doubted.clear()
        self.missing, self.places = self.open, frozenset(search.places)
        watched = {*self.arrivals.subscriptions, protocol.completed(search.portal)}
        connection.unsubscribe([each for each in search.subscriptions if each not in watched])
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
