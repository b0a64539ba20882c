"""The conversation of `check` with one device: portal id, instances and fields, step by step.

A device that does not respond gets one keepalive of each of the two kinds that firmware knows.
Nothing is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from bat2influx.clock import Clock
from bat2influx.commands import bridge_check
from bat2influx.commands.check.clock_steps import clock_steps
from bat2influx.commands.check.field_steps import FirstValues, Value, field_step, left_out
from bat2influx.commands.check.labels import wrong
from bat2influx.commands.check.received_messages import PRODUCT, ReceivedMessages
from bat2influx.commands.discover import ini_lines
from bat2influx.commands.steps import NOTE, OK, FieldStep, Step
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import Discovery
from bat2influx.device.plan import SYSTEM, Plan, Request
from bat2influx.device.wanted import Wanted
from bat2influx.failure import Trouble
from bat2influx.fleet import diagnosis
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.session import Session
from bat2influx.venus import examples, protocol

PORTAL_WITHIN = 5.0  # s; retained messages come at once
ANSWERS_WITHIN = 10.0  # s; a hung device answers late
OLD_FIRMWARE = 60.0  # s; without an echo a list is complete a twelfth of it after the last message
SEARCH_WITHIN = 12.0  # s, for two keepalives with a twelfth of OLD_FIRMWARE each
LEAVES_AFTER = 3.0  # s to wait for a sub-tree; firmware before 3.20 answers only leaves


def no_device(session: Session, battery: Battery, config: str) -> Trouble:
    """Return why no device was found behind the broker."""
    prefix, address = battery.topic_prefix, battery.address
    if elsewhere := bridge_check.prefixes_of(session, "" if battery.fleet else battery.serial):
        return device_errors.other_prefix(address, prefix, elsewhere, config)
    if battery.fleet:
        return diagnosis.no_devices(address, prefix, config)
    return device_errors.no_portal(address, config)


class Conversation:
    """Asks a device step by step after the login; `over` once a step failed that the rest need."""

    def __init__(self, session: Session, battery: Battery, config: str) -> None:
        self.over = False
        self._session = session
        self._battery = battery
        self._config = config
        self._listed: set[str] = set()  # portal ids of retained messages
        self._received = ReceivedMessages(battery.serial)
        self._answers = False  # whether the device is known to answer requests
        self._by_leaf = False  # whether only leaves are read, because sub-trees get no answer
        self._absent: set[str] = set()  # topics of instances that do not exist
        self._discovery = Discovery(Wanted.of(battery), retry_interval=OLD_FIRMWARE, config=config)

    def portal(self) -> Iterator[Step]:
        """Find the portal id, or check the configured one."""
        discovery, connection = self._discovery, self._session.connection
        discovery.start(connection)
        discovery.portals.recheck(connection)
        known = self._find(lambda: discovery.portal is not None and not discovery.rechecking)
        if lost := self._session.trouble:
            yield self._end(lost)
        elif discovery.portal is None:
            yield self._end(no_device(self._session, self._battery, self._config))
        elif others := discovery.portals.others:
            yield self._end(
                device_errors.wrong_portal(
                    self._battery.address, discovery.portal, others, self._config
                )
            )
        elif known:
            yield Step(OK, "portal id", discovery.portal)

    def instances(self) -> Iterator[Step]:
        """Find the instances, or check the configured ones."""
        discovery = self._discovery
        given = self._plan().places
        discovery.recheck_instances(place for place in given if place[0] != SYSTEM)
        to_find = not discovery.done
        self._subscribe()
        self._find(self._all_found, SEARCH_WITHIN)
        self._ask_again()
        self._answers = to_find and self._answered()
        if lost := self._session.trouble:
            yield self._end(lost)
        elif to_find and not self._answers:
            yield self._end(self._why_unanswered())
        else:
            yield from self._places(self._plan())

    def _subscribe(self) -> None:
        """Subscribe to all topics of the device, if the broker permits that."""
        portal = self._discovery.portal
        assert portal is not None
        self._received = ReceivedMessages(portal)
        self._session.connection.subscribe([f"N/{portal}/#"], optional=True)

    def _all_found(self) -> bool:
        """Whether nothing more can arrive: a finished republish is complete."""
        discovery = self._discovery
        return discovery.done or (discovery.old is False and bool(discovery.missing))

    def _ask_again(self) -> None:
        """Send the old keepalive if old firmware may be why a configured instance is missing."""
        discovery = self._discovery
        unseen = any(not there for there in discovery.elsewhere.values())
        if unseen and discovery.old is None and not self._session.trouble:
            assert discovery.portal is not None
            self._session.publish(*protocol.old_keepalive(discovery.portal), checked=True)
            self._session.wait(self._receive, OLD_FIRMWARE / 12)

    def _answered(self) -> bool:
        """Return whether the device answers requests."""
        discovery = self._discovery
        if discovery.old is False:  # the requested republish has ended
            return True
        if discovery.rechecking or discovery.portal is None or self._session.trouble:
            return False
        found = [(service, n) for service, own in discovery.found.items() for n in own]
        leaves = [f"{service}/{n}/{PRODUCT}" for service, n in (*found, *self._received.places)]
        there = bridge_check.answering(self._session, {discovery.portal: leaves})
        self._by_leaf = bool(there)
        return self._by_leaf

    def _why_unanswered(self) -> Trouble:
        address, portal = self._battery.address, self._discovery.portal
        prefix, listed = self._battery.topic_prefix, portal in self._listed
        assert portal is not None
        if self._received.responds:
            return device_errors.questions_unanswered(address, portal, prefix, values=True)
        if not (listed or self._battery.vrm):
            elsewhere = bridge_check.prefixes_of(self._session, portal)
            if elsewhere:
                return device_errors.other_prefix(address, prefix, elsewhere, self._config)
        if listed and prefix:
            return device_errors.questions_unanswered(address, portal, prefix, values=False)
        given = bool(self._battery.serial) and not listed
        return device_errors.device_not_responding(address, portal, SEARCH_WITHIN, given=given)

    def _places(self, plan: Plan) -> Iterator[Step]:
        """Yield which of the wanted services exist."""
        discovery, address, there = self._discovery, self._battery.address, self._received.places
        gone, missing = [], [*discovery.open]
        for place, topics in plan.places.items():
            service, instance = place
            others = discovery.elsewhere.get(place)
            if others is None or place in there:
                yield Step(OK, "instance", f"{service} {instance}")
                continue
            self._absent.update(topics)
            if others:
                yield wrong(
                    device_errors.wrong_instance(address, service, instance, others, self._config)
                )
            else:
                gone.append(place)
        if "vebus" in (*missing, *(service for service, _ in gone)) and examples.named(there):
            yield from self._without_vebus()
            missing = [service for service in missing if service != "vebus"]
            gone = [place for place in gone if place[0] != "vebus"]
        for service, instance in gone:
            yield wrong(device_errors.fields_missing(address, [f"{service} {instance}"], []))
        if missing:
            yield wrong(device_errors.fields_missing(address, missing, []))
        yield from left_out(plan, self._battery.fields)

    def _without_vebus(self) -> Iterator[Step]:
        """Yield the services of a system without an inverter, with the lines that read them."""
        yield wrong(device_errors.no_vebus(self._battery.address, self._received.places))
        if lines := ini_lines.live_fields(self._received.survey):
            yield Step(
                NOTE, "[Fields]", "\n".join(("these lines read what the device has:", *lines))
            )

    def fields(self) -> Iterator[Step]:
        """Read every field once, and yield its value."""
        plan, address = self._plan(), self._battery.address
        wanted = plan.fields.keys() - self._absent
        if not wanted:
            return
        if lost := self._session.subscribe(plan.subscriptions):
            yield self._end(lost)
            return
        requests = [leaf for request in plan.requests for leaf in request.leaves()]
        if not self._by_leaf:
            requests = [*plan.requests]
        answers = self._read(requests, wanted)
        if not (self._answers or wanted.intersection(answers)):
            yield self._end(self._session.trouble or self._why_unanswered())
            return
        prefix = len(f"N/{plan.portal}/")
        for topic, names in plan.fields.items():
            for name in names if topic in wanted else ():
                optional = topic in plan.optional
                yield FieldStep(
                    *field_step(
                        address, name, topic[prefix:], answers.get(topic), optional=optional
                    )
                )

    def clock(self) -> Iterator[Step]:
        """Compare the device's clock with this machine's."""
        yield from clock_steps(Clock(), self._session, self._received, self._battery, self._config)

    def _read(self, requests: Sequence[Request], wanted: set[str]) -> Mapping[str, Value]:
        """Return the first value on each `wanted` topic; unanswered requests are sent by leaf."""
        answers = FirstValues(wanted)
        for request in requests:
            if wanted.intersection(request.answers):
                self._session.publish(request.topic)

        def handle(message: Message) -> bool:
            self._received.process(message)
            if not message.retain:
                answers.process(message.topic, message.payload)
            return answers.complete

        if not self._session.until(handle, LEAVES_AFTER):
            there = answers.values.keys()
            unanswered = [each for each in requests if there.isdisjoint(each.answers)]
            for request in (leaf for each in unanswered for leaf in each.leaves()):
                if request not in requests and wanted.intersection(request.answers):
                    self._session.publish(request.topic)
            self._session.until(handle, ANSWERS_WITHIN - LEAVES_AFTER)
        return answers.values

    def _plan(self) -> Plan:
        assert self._discovery.portal is not None
        return Plan(
            self._discovery.portal,
            self._discovery.usable,
            self._discovery.found,
            instances_of=self._battery.instances_of,
            present=self._discovery.present,
        )

    def _end(self, why: Trouble) -> Step:
        self.over = True
        return wrong(why)

    def _find(self, enough: Callable[[], bool], seconds: float = PORTAL_WITHIN) -> bool:
        """Step the discovery until it is `enough`, or for so many seconds."""
        discovery, connection = self._discovery, self._session.connection

        def look() -> bool:
            self._receive()
            while not enough() and discovery.step(connection, time.monotonic()):
                pass
            return enough()

        return self._session.wait(look, seconds)

    def _receive(self) -> bool:
        """Hand received messages to the discovery; return False, because they are never enough."""
        for message in self._session.connection.received():
            portal = protocol.portal_of(message.topic)
            room = (
                len(self._listed) < protocol.MAX_LISTED_PORTALS or portal == self._discovery.portal
            )
            if portal and room and protocol.names_device(message.payload):
                self._listed.add(portal)
            self._received.process(message)
            self._discovery.process(message.topic, message.payload, time.monotonic())
        return False
