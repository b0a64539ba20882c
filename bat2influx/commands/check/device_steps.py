"""The steps from a device's name to each field's value, told in the daemon's words.

The daemon's own parts take them. Where a step fails, those that need it are left out; what was in
order before it is told. A device that says nothing is asked once, and nothing is ever stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from bat2influx.commands.check import fleet_look
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import Battery
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import Discovery
from bat2influx.device.plan import SYSTEM, Plan
from bat2influx.device.source import Census, endpoint_of
from bat2influx.failure import Trouble
from bat2influx.fleet import diagnosis
from bat2influx.mqtt.connector import Link
from bat2influx.mqtt.session import Session
from bat2influx.venus import protocol
from bat2influx.venus.protocol import NoValue
from bat2influx.venus.units import unit_of

PORTAL_WITHIN = 5.0  # s; retained messages come at once
ANSWERS_WITHIN = 10.0  # s; a hung device answers late
OLD_FIRMWARE = 60.0  # s; a twelfth of it is how long nothing is taken for all, without an echo

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
                prefix = battery.topic_prefix
                none = diagnosis.no_devices(battery.address, prefix, config)
                yield _wrong(session.trouble or none)
                return
            yield Step(OK, "devices", f"{Census(len(portals), ())}; this is {portals[0]}")
            battery = replace(battery, serial=portals[0])
        conversation = _Conversation(session, battery, config)
        for steps in (conversation.portal, conversation.instances, conversation.fields):
            yield from steps()
            if conversation.over:
                return


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
        self._heard = False
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
            yield self._end(device_errors.no_portal(self._battery.address, self._config))
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
        discovery, address = self._discovery, self._battery.address
        given = self._plan().places
        discovery.doubt_instances(place for place in given if place[0] != SYSTEM)
        self._find(lambda: discovery.done, ANSWERS_WITHIN)
        if lost := self._session.trouble:
            yield self._end(lost)
            return
        plan = self._plan()
        if not self._heard and discovery.portal:
            yield self._end(
                device_errors.device_silent(
                    address, discovery.portal, given=bool(self._battery.serial)
                )
            )
            return
        for place, topics in plan.places.items():
            service, instance = place
            if place not in discovery.elsewhere:
                yield Step(OK, "instance", f"{service} {instance}")
                continue
            self._silent.update(topics)
            if there := discovery.elsewhere[place]:
                yield _wrong(
                    device_errors.wrong_instance(address, service, instance, there, self._config)
                )
            else:
                yield _wrong(device_errors.fields_missing(address, [f"{service} {instance}"], []))
        if discovery.missing:
            yield _wrong(device_errors.fields_missing(address, discovery.missing, []))
        yield from self._left_out(plan)

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
        for request in plan.requests:
            if wanted.intersection(request.answers):
                self._session.publish(request.topic)

        def see(topic: str, payload: bytes) -> bool:
            answers.setdefault(topic, payload)
            return wanted <= answers.keys()

        self._session.until(lambda message: see(message.topic, message.payload), ANSWERS_WITHIN)
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
            for message in connection.received():
                own = discovery.portal and message.topic.startswith(f"N/{discovery.portal}/")
                self._heard = self._heard or bool(own and not message.retain)
                discovery.see(message.topic, message.payload, time.monotonic())
            while not enough() and discovery.step(connection, time.monotonic()):
                pass
            return enough()

        return self._session.wait(look, seconds)
