"""The steps from a device's name to each field's value, told in the daemon's words.

The daemon's own parts take them. Where a step fails, those that need it are left out; what was in
order before it is told. A device that says nothing is asked once in each of the two ways that
firmware knows, and nothing is ever stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from bat2influx.commands import bridge_look
from bat2influx.commands.check import fleet_look
from bat2influx.commands.check.overheard import PRODUCT, Overheard
from bat2influx.commands.discover import ini_lines
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import Discovery
from bat2influx.device.plan import SYSTEM, Plan
from bat2influx.device.source import Census, endpoint_of
from bat2influx.failure import Trouble
from bat2influx.fleet import diagnosis
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.connector import Link
from bat2influx.mqtt.session import Session
from bat2influx.venus import examples, protocol
from bat2influx.venus.protocol import NoValue
from bat2influx.venus.units import unit_of

PORTAL_WITHIN = 5.0  # s; retained messages come at once
ANSWERS_WITHIN = 10.0  # s; a hung device answers late
OLD_FIRMWARE = 60.0  # s; a twelfth of it is how long nothing is taken for all, without an echo
SEARCH_WITHIN = 12.0  # s; of two questions each has such a twelfth
LEAVES_AFTER = 3.0  # s, for a sub-tree; firmware before 3.20 answers its leaves alone

_LABELS = {  # of the step at which a trouble is met; those of TLS are many
    "name": "name",
    "refused": "port",
    "unreachable": "port",
    "only tls": "port",
    "no tls port": "port",
    "protocol": "MQTT",
    "closed": "MQTT",
    "connack": "login",
    "login": "login",
    "vrm login": "login",
    "vrm refused": "right",
    "publish refused": "right",
    "subscription refused": "right",
    "portal": "portal id",
    "wrong portal": "portal id",
    "silent": "device",
    "unanswered": "device",
    "wrong instance": "instance",
    "missing": "instance",
}


def _wrong(why: Trouble, otherwise: str = "") -> Step:
    kind = why.cause.partition(":")[0]
    return Step(WRONG, otherwise or _LABELS.get(kind, "TLS"), why.what)


def device_steps(battery: Battery, config: str) -> Iterator[Step]:
    """Take the steps from the name to each field's value. Raises UndecidedError."""
    endpoint = endpoint_of(battery, config)
    with closing(Session(endpoint)) as session:
        link = session.connect()
        yield from _way(session, link)
        if isinstance(link, Trouble):
            return
        if why := session.log_in(link):
            yield _wrong(why)
            return
        secret = "with" if battery.password else "without"
        yield Step(OK, "login", f"as {battery.user!r}, {secret} a password")
        if battery.fleet:
            portals = fleet_look.fleet_portals(session)
            if not portals:
                yield _wrong(session.trouble or _no_device(session, battery, config))
                return
            yield Step(OK, "devices", f"{Census(len(portals), ())}; this is {portals[0]}")
            battery = replace(battery, serial=portals[0])
        conversation = _Conversation(session, battery, config)
        for steps in (conversation.portal, conversation.instances, conversation.fields):
            yield from steps()
            if conversation.over:
                return


def _no_device(session: Session, battery: Battery, config: str) -> Trouble:
    """Return what is wrong where a broker has no device where it should be."""
    prefix, address = battery.topic_prefix, battery.address
    if elsewhere := bridge_look.prefixes_of(session, "" if battery.fleet else battery.serial):
        return device_errors.other_prefix(address, prefix, elsewhere, config)
    if battery.fleet:
        return diagnosis.no_devices(address, prefix, config)
    return device_errors.no_portal(address, config)


def _way(session: Session, outcome: Link | Trouble) -> Iterator[Step]:
    """Tell of name, port and TLS; what came before the trouble was in order."""
    endpoint = session.endpoint
    if session.addresses and endpoint.host not in session.addresses:
        yield Step(OK, "name", f"{endpoint.host} is {', '.join(session.addresses)}")
    if isinstance(outcome, Trouble):
        step = _wrong(outcome)
        if step.label in ("TLS", "MQTT"):
            yield Step(OK, "port", f"{endpoint.port} is open")
        yield step
        return
    yield Step(OK, "port", f"{endpoint.port} is open")
    if endpoint.tls:
        if endpoint.tls.fingerprint:
            trusted = "the certificate is the pinned one"
        else:
            trusted = f"the certificate is good by {endpoint.tls.ca_file or 'the system'}"
            trusted += "" if endpoint.tls.verify_host else ", whatever its name"
        yield Step(OK, "TLS", f"{outcome.version}, {trusted}")


class _Conversation:
    """What is asked of a device once one is logged in; `over` when there is no going on."""

    def __init__(self, session: Session, battery: Battery, config: str) -> None:
        self.over = False
        self._session = session
        self._battery = battery
        self._config = config
        self._listed: set[str] = set()  # portal ids that the broker keeps
        self._overheard = Overheard(battery.serial)
        self._answers = False  # whether it is known to answer what it is asked
        self._by_leaf = False  # whether reads of sub-trees are in vain
        self._silent: set[str] = set()  # topics of instances that are not there
        self._discovery = Discovery(
            battery.fields,
            portal=battery.serial,
            vebus=battery.instance,
            again_after=OLD_FIRMWARE,
            config=config,
            several=battery.several,
            listed=not battery.vrm,
            name=battery.name,
        )

    def portal(self) -> Iterator[Step]:
        """Find the portal id, or see whether the one that is given is there."""
        discovery, connection = self._discovery, self._session.connection
        discovery.start(connection)
        discovery.portals.doubt(connection)
        known = self._find(lambda: discovery.portal is not None and not discovery.doubting)
        if lost := self._session.trouble:
            yield self._end(lost)
        elif discovery.portal is None:
            yield self._end(_no_device(self._session, self._battery, self._config))
        elif others := discovery.portals.others:
            yield self._end(
                device_errors.wrong_portal(
                    self._battery.address, discovery.portal, others, self._config
                )
            )
        elif known:
            yield Step(OK, "portal id", discovery.portal)

    def instances(self) -> Iterator[Step]:
        """Find the instances, or see whether those that are given are there."""
        discovery = self._discovery
        given = self._plan().places
        discovery.doubt_instances(place for place in given if place[0] != SYSTEM)
        to_find = not discovery.done
        self._listen()
        self._find(self._all_found, SEARCH_WITHIN)
        self._ask_again()
        self._answers = to_find and self._answered()
        if lost := self._session.trouble:
            yield self._end(lost)
        elif to_find and not self._answers:
            yield self._end(self._why_silent())
        else:
            yield from self._places(self._plan())

    def _listen(self) -> None:
        """Hear all that the device says, as far as the broker lets one."""
        portal = self._discovery.portal
        assert portal is not None
        self._overheard = Overheard(portal)
        self._session.connection.subscribe([f"N/{portal}/#"], may_be_refused=True)

    def _all_found(self) -> bool:
        """Whether there is nothing to wait for: what a republish has not got does not follow."""
        discovery = self._discovery
        return discovery.done or (discovery.old is False and bool(discovery.missing))

    def _ask_again(self) -> None:
        """Ask in the way of old firmware for what is given and has not come, if that may be why."""
        discovery = self._discovery
        unseen = any(not there for there in discovery.elsewhere.values())
        if unseen and discovery.old is None and not self._session.trouble:
            assert discovery.portal is not None
            self._session.publish(*protocol.old_keepalive(discovery.portal), checked=True)
            self._session.wait(self._hear, OLD_FIRMWARE / 12)

    def _answered(self) -> bool:
        """Return whether the device answers what it is asked."""
        discovery = self._discovery
        if discovery.old is False:  # the republish has ended that was asked for
            return True
        if discovery.doubting or discovery.portal is None or self._session.trouble:
            return False
        found = [(service, n) for service, own in discovery.found.items() for n in own]
        leaves = [f"{service}/{n}/{PRODUCT}" for service, n in (*found, *self._overheard.places)]
        there = bridge_look.answering(self._session, {discovery.portal: leaves})
        self._by_leaf = bool(there)
        return self._by_leaf

    def _why_silent(self) -> Trouble:
        address, portal = self._battery.address, self._discovery.portal
        prefix, listed = self._battery.topic_prefix, portal in self._listed
        assert portal is not None
        if self._overheard.speaks:
            return device_errors.questions_unanswered(address, portal, prefix, values=True)
        if not (listed or self._battery.vrm):
            elsewhere = bridge_look.prefixes_of(self._session, portal)
            if elsewhere:
                return device_errors.other_prefix(address, prefix, elsewhere, self._config)
        if listed and prefix:
            return device_errors.questions_unanswered(address, portal, prefix, values=False)
        given = bool(self._battery.serial) and not listed
        return device_errors.device_silent(address, portal, given=given)

    def _places(self, plan: Plan) -> Iterator[Step]:
        """Tell which services are there of those that are wanted."""
        discovery, address, there = self._discovery, self._battery.address, self._overheard.places
        gone, missing = [], [*discovery.open]
        for place, topics in plan.places.items():
            service, instance = place
            others = discovery.elsewhere.get(place)
            if others is None or place in there:
                yield Step(OK, "instance", f"{service} {instance}")
                continue
            self._silent.update(topics)
            if others:
                yield _wrong(
                    device_errors.wrong_instance(address, service, instance, others, self._config)
                )
            else:
                gone.append(place)
        if "vebus" in (*missing, *(service for service, _ in gone)) and examples.named(there):
            yield from self._without_vebus()
            missing = [service for service in missing if service != "vebus"]
            gone = [place for place in gone if place[0] != "vebus"]
        for service, instance in gone:
            yield _wrong(device_errors.fields_missing(address, [f"{service} {instance}"], []))
        if missing:
            yield _wrong(device_errors.fields_missing(address, missing, []))
        yield from self._left_out(plan)

    def _without_vebus(self) -> Iterator[Step]:
        """Tell what there is in place of an inverter, with the lines that read it."""
        yield _wrong(device_errors.no_vebus(self._battery.address, self._overheard.places))
        if lines := ini_lines.live_fields(self._overheard.survey):
            yield Step(NOTE, "[Fields]", "\n".join(("these lines would do:", *lines)))

    def _left_out(self, plan: Plan) -> Iterator[Step]:
        """Tell which fields of presets this device has not got."""
        there = {series.field for series in plan.series.values()}
        there |= {series.field.rpartition("_")[0] for series in plan.series.values()}
        absent: dict[str, list[str]] = {}
        for field in self._battery.fields:
            given = field.instance is not None
            known = f"N/{plan.portal}/{field}" in plan.fields if given else field.name in there
            if field.optional and not known:
                where = f"{field.service} {field.instance}" if given else field.service
                absent.setdefault(where, []).append(field.name)
        for where, names in absent.items():
            yield Step(NOTE, "preset", f"not on this device: {', '.join(names)} ({where})")

    def fields(self) -> Iterator[Step]:
        """Ask for every field once, and show what has come."""
        plan, answers = self._plan(), dict[str, bytes]()
        wanted = plan.fields.keys() - self._silent
        if not wanted:
            return
        if lost := self._session.subscribe(plan.subscriptions):
            yield self._end(lost)
            return
        requests = [leaf for request in plan.requests for leaf in request.leaves()]
        if not self._by_leaf:
            requests = [*plan.requests]
        for request in requests:
            if wanted.intersection(request.answers):
                self._session.publish(request.topic)

        def see(message: Message) -> bool:
            self._overheard.see(message)
            if not message.retain:
                answers.setdefault(message.topic, message.payload)
            return wanted <= answers.keys()

        if not self._session.until(see, LEAVES_AFTER):
            unanswered = [each for each in requests if answers.keys().isdisjoint(each.answers)]
            for request in (leaf for each in unanswered for leaf in each.leaves()):
                if request not in requests and wanted.intersection(request.answers):
                    self._session.publish(request.topic)
            self._session.until(see, ANSWERS_WITHIN - LEAVES_AFTER)
        if not (self._answers or wanted.intersection(answers)):
            yield self._end(self._session.trouble or self._why_silent())
            return
        prefix = len(f"N/{plan.portal}/")
        for topic, names in plan.fields.items():
            for name in names if topic in wanted else ():
                optional = topic in plan.optional
                yield self._field(name, topic[prefix:], answers.get(topic), optional=optional)

    def _field(self, name: str, path: str, payload: bytes | None, *, optional: bool) -> Step:
        field, address = f"{name} ({path})", self._battery.address
        if payload is None:
            return _wrong(device_errors.fields_missing(address, [], [field]), name)
        value = protocol.decode(payload)
        if not isinstance(value, NoValue):
            service, _, leaf = path.partition("/")
            shown = f"{value:g} {unit_of(service, leaf.partition('/')[2])}".rstrip()
            return Step(OK, name, f"{shown} ({path})")
        if value in (NoValue.NULL, NoValue.EMPTY_LIST):
            if optional:
                return Step(NOTE, name, f"has no value (null) at present ({path})")
            return Step(NOTE, name, device_errors.fields_void(address, [field]).what)
        return _wrong(device_errors.fields_odd(address, [field], value.value), name)

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
        return _wrong(why)

    def _find(self, enough: Callable[[], bool], seconds: float = PORTAL_WITHIN) -> bool:
        """Let the discovery go on until it is `enough`."""
        discovery, connection = self._discovery, self._session.connection

        def look() -> bool:
            self._hear()
            while not enough() and discovery.step(connection, time.monotonic()):
                pass
            return enough()

        return self._session.wait(look, seconds)

    def _hear(self) -> bool:
        """Take what has come; return that it is never enough."""
        for message in self._session.connection.received():
            portal = protocol.portal_of(message.topic)
            room = len(self._listed) < protocol.MOST_PORTALS or portal == self._discovery.portal
            if portal and room and protocol.names_device(message.payload):
                self._listed.add(portal)
            self._overheard.see(message)
            self._discovery.see(message.topic, message.payload, time.monotonic())
        return False
