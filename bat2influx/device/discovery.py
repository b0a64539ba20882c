"""Finds the device instances that the configuration leaves open; portal.py finds the portal id.

The instances are those of the ProductIds in a full republish, which question.py requests. The
paths of a preset exist if they appear in a republish. Nothing is guessed: several candidates are an
error that lists them as lines for the configuration, unless all of them are wanted. What does not
exist is searched for again. A choice can only concern what the configuration leaves open. It is an
error only before the device is read for the first time; later it is one problem among others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from bat2influx.device.arrivals import WATCHING, Arrival, Arrivals
from bat2influx.device.choice import Choice, UndecidedError
from bat2influx.device.firmware import Firmware
from bat2influx.device.keepalive import Republish
from bat2influx.device.plan import SYSTEM, Plan
from bat2influx.device.portal import PortalSearch
from bat2influx.device.question import Question, Survey, SurveyState
from bat2influx.device.remembered import DeviceRecord
from bat2influx.device.services import Place
from bat2influx.device.wanted import Wanted
from bat2influx.mqtt.connection import Connection
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field

__all__ = ["Discovery", "UndecidedError"]

SURVEY_AGAIN = 15  # times `retry_interval`: devices of a preset may be plugged in later
WAIT_FOR_KINDS = 10  # times `retry_interval`, 10 min: by then a booting device has all services


class Discovery:
    """What is known of one device, and the questions that complete it.

    `portals` has the portal id; `question` asks the device as often as `republish` allows.
    `found` (instances by service) and `present` (service/instance/path of optional fields) are kept
    over connections; `start` begins again on each connection.

    Known instances may become wrong: `recheck_instances` asks again. A discovered instance is then
    replaced; a configured one stays, and `elsewhere` has the instances that exist instead.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        retry_interval: float,
        config: str,
        republish: Republish | None = None,
        known: DeviceRecord | None = None,
    ) -> None:
        """All delays derive from `retry_interval`, in s; `known` is from an earlier start.

        `config` is the path of the ini file, for messages.
        """
        self._wanted = wanted
        self._choice = Choice(config, wanted.name)
        self.portals = PortalSearch(
            given=wanted.portal,
            remembered=known.portal if known else "",
            listable=wanted.listed,
            choice=self._choice,
        )
        if known is None or known.portal != self.portal:
            known = DeviceRecord("")
        self.found = wanted.first_instances(known.instances)
        self.present: frozenset[str] = frozenset()
        self.missing: tuple[str, ...] = ()  # requested, but not present
        self.places: frozenset[Place] = frozenset()  # the services present, if there is no vebus
        self.elsewhere: dict[Place, tuple[int, ...]] = {}
        self.choices: dict[str, str] = {}  # candidates by service, while the rest is read
        self.question = Question(
            republish or Republish(2 * retry_interval),
            retry_interval / 12,  # 5 s of a minute
            Firmware.OLD_TRIED if known.old else Firmware.UNKNOWN,
        )
        self._survey = Survey(SURVEY_AGAIN * retry_interval)
        if wanted.more:
            self._survey.request()
        self._suspects: dict[str, set[int]] = {}  # instances by service
        self.arrivals = Arrivals(sorted(wanted.left_open | wanted.kinds), wanted.optional)
        self._wait_for_kinds = WAIT_FOR_KINDS * retry_interval
        self._wait_until = math.inf  # for kinds of a preset that never existed
        self._is_read = False  # whether the device is read: then a choice is no error any more

    @property
    def portal(self) -> str | None:
        """The portal id, once it is known."""
        return self.portals.portal

    @property
    def old(self) -> bool | None:
        """Whether the firmware understands only the old keepalive, as far as known."""
        return self.question.old

    @property
    def echoed(self) -> bool:
        """Whether the end of an answer was ever received."""
        return self.question.echoed

    @property
    def rechecking(self) -> bool:
        """Whether the devices behind the broker are being listed again."""
        return self.portals.rechecking

    @property
    def open(self) -> tuple[str, ...]:
        """The services whose instance is still to be discovered."""
        return tuple(service for service in self._wanted.services if service not in self.found)

    @property
    def done(self) -> bool:
        """Whether everything is known and nothing is in doubt."""
        return not (self.portals.listing or self.open or self._suspects or self._survey.due)

    @property
    def usable(self) -> list[Field]:
        """The fields that can be requested with what is known."""
        known = self.found.keys() | {SYSTEM}
        return [f for f in self._wanted.fields if f.instance is not None or f.service in known]

    @property
    def result(self) -> DeviceRecord | None:
        """What to remember: what was discovered, without what is configured."""
        if self.portal is None:
            return None
        given = {*self._wanted.given, *self._wanted.several}
        own = {s: numbers[0] for s, numbers in self.found.items() if s not in given}
        return DeviceRecord(self.portal, own, self.old is True)

    def start(self, connection: Connection) -> None:
        """Begin on a new connection."""
        self.question.drop()
        self._wait_until = math.inf
        self.portals.begin(connection)
        self.arrivals.stop()

    def check_survey(self, now: float) -> None:
        """Check at intervals which of all possible services and paths exist."""
        if self._survey.check_due(now):
            self.question.drop()

    def rescan(self) -> None:
        """Check what exists now, as soon as permitted; what does not exist is no longer wanted."""
        self._survey.replan(SurveyState.REPLACE if self._wanted.more else SurveyState.NONE)
        self.question.drop()

    def recheck_instances(self, places: Iterable[tuple[str, int]]) -> None:
        """These instances of services do not respond: ask which instances exist."""
        for service, instance in places:
            self._suspects.setdefault(service, set()).add(instance)
            self.question.drop()  # and ask again, for this service too

    def reading_begun(self) -> None:
        """The device is read: from now on a choice goes to `choices` and is no error."""
        self._is_read = True

    @property
    def rechecking_instances(self) -> bool:
        """Whether the instances are being checked."""
        return bool(self._suspects)

    def process(self, topic: str, payload: bytes, now: float) -> bool:
        """Process a message; return whether it was requested here."""
        if self.portals.process(topic, payload):
            return True
        watched = self.arrivals.process(topic, payload, now)
        return self.question.process(topic, payload) or watched

    @property
    def at_rest(self) -> bool:
        """Whether `process_value` would do nothing."""
        return self.question.idle and self.arrivals.state is WATCHING

    def process_value(self, topic: str, payload: bytes, now: float) -> None:
        """Process a message on the topic of a field."""
        if not self.question.idle:
            self.question.process(topic, payload)
        if self.arrivals.state is not WATCHING:
            self.arrivals.process(topic, payload, now)

    def expects_arrival(self, now: float) -> bool:
        """Return whether something wanted may be about to appear.

        A kind of a preset that never existed is awaited only for some minutes after a connection:
        most devices have none.
        """
        self._wait_until = min(self._wait_until, now + self._wait_for_kinds)
        present = {leaf.partition("/")[0] for leaf in self.present}
        return bool(self.missing or (now < self._wait_until and self._wanted.kinds - present))

    def handle_arrivals(
        self, connection: Connection, plan: Plan, absent: Collection[Place], now: float
    ) -> bool:
        """Take over the services that have appeared; return whether that changes the plan.

        `plan` is the current plan; `absent` has the places of the plan that do not respond or have
        left. Raises UndecidedError.
        """
        if not self.arrivals.begun:
            assert self.portal is not None
            self.arrivals.begin(connection, self.portal)
        surveyed = {leaf.rsplit("/", leaf.count("/") - 1)[0] for leaf in self.present}
        known = {
            (service, number)
            for service, number in plan.places
            if service not in self._wanted.kinds or f"{service}/{number}" in surveyed
        }
        arrival = self.arrivals.step(connection, known, plan.fields, now)
        new = arrival is not None and self._add_arrival(arrival)
        return self._follow(absent) or new

    def moved(self, place: Place) -> tuple[int, ...]:
        """Return the instances of an inverter that has left its configured instance.

        A system may have several of any other service, so another instance proves nothing there.
        """
        service, instance = place
        if service != "vebus" or self._was_found(service, instance):
            return ()
        there = (number for each, number in self.arrivals.there if each == service)
        return tuple(sorted(number for number in there if number != instance))

    def _add_arrival(self, arrival: Arrival) -> bool:
        self._note_present(arrival.leaves, self.present)
        for service in {service for service, _ in arrival.places}:
            instances = {number for each, number in self.arrivals.there if each == service}
            if not (self._is_left_open(service) and instances):
                continue
            if service in self._wanted.several:
                self._add(service, instances, self.found.get(service, ()))
            elif service not in self.found:
                assert self.portal is not None
                self._settle_on(service, instances, self.portal)
        self.missing = self.open
        read = {leaf.partition("/")[0] for leaf in arrival.leaves}
        unread = {service for service, _ in arrival.places} & self._wanted.kinds - read
        if unread and self.old is not False:  # old firmware does not answer reads of a root
            self._survey.request()
            self.question.drop()
        return True

    def _is_left_open(self, service: str) -> bool:
        """Return whether the configuration leaves the instance of a service open."""
        return service in self._wanted.left_open and service not in self._wanted.given

    def _follow(self, absent: Collection[Place]) -> bool:
        """Use another instance of a service if the discovered one is no longer there."""
        followed = False
        for service, instance in absent:
            there = {number for each, number in self.arrivals.there if each == service}
            one = service not in self._wanted.several and len(there) == 1
            if one and instance not in there and self._was_found(service, instance):
                self.found[service] = tuple(there)
                followed = True
        return followed

    def _was_found(self, service: str, instance: int) -> bool:
        """Return whether this instance was discovered, so that another one may replace it."""
        return self.found.get(service) == (instance,) and service not in self._wanted.given

    def step(self, connection: Connection, now: float) -> bool:
        """Ask what is to be asked; return whether something new is known.

        Raises UndecidedError.
        """
        if self.portals.listing:
            if new := self.portals.step(connection):
                self._forget()
            return new
        if self.question.idle:
            self._ask(connection, now)
            return False
        only_recheck = self.rechecking_instances and not (self.open or self._survey.due)
        answers = self.question.step(connection, now, accept_none=only_recheck)
        if answers is None:
            return False
        self._decide(answers, now)
        self.question.end(connection, self.arrivals.subscriptions, now)
        return True

    def _ask(self, connection: Connection, now: float) -> None:
        """Ask for everything that is unknown or in doubt."""
        assert self.portal is not None
        wanted = self._wanted
        several = (service for service in wanted.services if service in wanted.several)
        services = dict.fromkeys((*self.open, *self._suspects, *several))
        paths = wanted.optional if self._survey.due else ()
        self.question.ask(connection, self.portal, services, paths, now)

    def _forget(self) -> None:
        """Another device was found: nothing is known of it except what is configured."""
        self.question.drop()
        self.question.forget()
        self.found, self.missing = dict(self._wanted.given), ()
        self.present = frozenset()
        if self._wanted.more:
            self._survey.request()
        self.elsewhere.clear()
        self.choices.clear()
        self._suspects.clear()

    def _decide(self, answers: protocol.InstanceSearch, now: float) -> None:
        """Evaluate the answers. Raises UndecidedError."""
        wanted = self._wanted
        replace = self._survey.state is SurveyState.REPLACE
        for service, instances in answers.found.items():
            if service in self._suspects:
                self._recheck_instance(service, instances)
            if not (self._is_left_open(service) and instances):
                continue
            if service in wanted.several:
                gone = replace and service not in wanted.services
                kept = () if gone else self.found.get(service, ())
                self._add(service, instances, kept)
            elif service not in self.found:
                self._settle_on(service, instances, answers.portal)
        if self._survey.due:
            self._note_present(answers.present, frozenset() if replace else self.present)
            self._survey.done(now)
        self._suspects.clear()
        self.missing, self.places = self.open, frozenset(answers.places)

    def _add(self, service: str, instances: Collection[int], kept: tuple[int, ...]) -> None:
        """Add these instances of a service to those in `kept`, up to the limit."""
        new = sorted({*instances} - {*kept})[: protocol.MAX_SERVICES - len(kept)]
        self.found[service] = tuple(sorted((*kept, *new)))

    def _note_present(self, leaves: Collection[str], kept: frozenset[str]) -> None:
        """Add these optional paths to those in `kept`, up to the limit."""
        new = sorted({*leaves} - kept)[: protocol.MAX_LEAVES - len(kept)]
        self.present = kept.union(new)

    def _settle_on(self, service: str, instances: set[int], portal: str) -> None:
        if len(instances) == 1:
            self.found[service] = (min(instances),)
            self.choices.pop(service, None)
            return
        fields = [f for f in self._wanted.fields if f.service == service]
        error = self._choice.of_instances(portal, sorted(instances), fields)
        if not self._is_read:
            raise error
        self.choices[service] = str(error)

    def _recheck_instance(self, service: str, there: set[int]) -> None:
        for instance in self._suspects[service]:
            self.elsewhere.pop((service, instance), None)
            if instance in there:
                continue
            if len(there) == 1 and self._was_found(service, instance):
                self.found[service] = (min(there),)
            else:
                self.elsewhere[service, instance] = tuple(sorted(there))
