"""All Venus OS devices behind one broker: one connection, wildcards, and keepalives for each.

To the main loop a fleet is a source like a device (device/source.py). The devices publish their
changes. A device is detected by its retained message, or by any other message. The cost of a
message does not depend on the number of devices: its topic is looked up once per message, and
parsed once in its lifetime.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.keepalive import KeepaliveKind
from bat2influx.device.liveness import Liveness, Remedy
from bat2influx.device.schedule import Schedule
from bat2influx.device.services import Place
from bat2influx.device.source import Census, Source
from bat2influx.failure import Trouble
from bat2influx.fleet.diagnosis import ConnectionStatus, Diagnosis
from bat2influx.fleet.intake import FleetIntake
from bat2influx.fleet.keepalive import MAX_DEVICES, Keepalives, Pulse
from bat2influx.fleet.memory import Memory
from bat2influx.fleet.plan import KEEPALIVES, FleetPlan, heartbeat_of, keepalive_of
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connection import Connection, Message, message_of
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import Origin
from bat2influx.service.journal import event
from bat2influx.venus import protocol
from bat2influx.venus.protocol import NoValue

log = logging.getLogger(__name__)


class Fleet(Source):
    """All devices behind a broker, as configured by one section of the ini file."""

    def __init__(
        self,
        battery: Battery,
        *,
        by_tick: bool,
        watchdog: float,
        config: str,
        wake: Callable[[], None],
    ) -> None:
        """`watchdog` is the interval W in s; `config` is the file to name in messages."""
        self._watchdog = watchdog
        shared = bool(battery.share_group)
        self._memory = Memory(battery.max_memory)
        self._prefix = battery.topic_prefix
        self._intake = FleetIntake(
            battery.name, self._memory, by_tick=by_tick, shared=shared, prefix=self._prefix
        )
        super().__init__(battery, self._intake, config=config, wake=wake)
        self._plan = FleetPlan(battery.fields)
        self._keepalives = Keepalives(watchdog, random.random, shared=shared)
        self._not_notified: dict[str, dict[Origin, list[str]]] = {}  # by portal id
        self._schedule = Schedule(battery.interval, battery.soc_interval)
        self._liveness = Liveness(watchdog)
        self._not_responding: list[str] = []
        self._check_at = 0.0  # when to check the devices
        self._subscribed: set[int] = set()
        self._keepalive_subscription = 0  # the id of the subscription to keepalives
        self._acknowledged_by = math.inf  # the deadline for all subscriptions
        self._asked = math.inf  # when the first keepalive was sent on this connection
        self._keepalive_delivered = False  # whether the broker has delivered any keepalive
        self._ready = 0.0  # when the broker had confirmed all subscriptions
        self._value_received = False  # whether a value has arrived since then
        self._diagnosis = Diagnosis(battery, watchdog, config)
        self._left_out = 0  # messages of ignored devices since the latest look
        self._introduced = False

    # Queries of the main loop

    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if no message arrives."""
        waits = [self._broker.timeout(now.mono)]
        if self.state is State.POLLING:
            waits += [self._check_at - now.mono, self._schedule.wait(now.wall_ns, now.mono)]
            if not self._stopping and self._has_room:
                waits.append(self._keepalives.due() - now.mono)
        return max(0.0, min(waits))

    @property
    def census(self) -> Census:
        """How many devices there are, and which do not respond."""
        return Census(len(self._keepalives.pulses), self._not_responding)

    @property
    def latest(self) -> Mapping[str, float]:
        """Nothing: the census is shown instead of so many values."""
        return {}

    @property
    def labels(self) -> list[str]:
        """Nothing: no values are shown."""
        return []

    @property
    def without_value(self) -> dict[str, str]:
        """Nothing: it is not known which fields a device of a fleet should have."""
        return {}

    @property
    def missing_services(self) -> dict[Place, int]:
        """Nothing, for the same reason."""
        return {}

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the connection; devices that do not respond are in the census."""
        return self._broker.trouble or self._diagnosis.trouble

    def rescan(self) -> None:
        """Nothing to do: a fleet detects every device that appears."""

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`, which is no silence of a device."""
        self._liveness.stalled(seconds)
        self._keepalives.stalled(seconds)

    def expects_answer(self, since: float) -> bool:
        """Return False: an answer that is lost now comes again with the next republish."""
        return False

    def _go_on_with(self, battery: Battery) -> None:
        self._schedule = Schedule(battery.interval, battery.soc_interval)

    # Requests

    def _begin(self, connection: Connection, now: Now) -> None:
        """Begin on a new connection.

        Retained messages are subscribed to last: Mosquitto drops acknowledgements behind too many
        of them.
        """
        self._acknowledged_by = now.mono + self._watchdog / 4
        self._asked, self._keepalive_delivered = math.inf, False
        self._keepalive_subscription = connection.subscribe((KEEPALIVES,), optional=True)
        group = self.battery.share_group
        self._subscribed = {
            self._keepalive_subscription,
            connection.subscribe(self._plan.filters, share_group=group),
            connection.subscribe(self._plan.signs),
        }

    def _start(self, connection: Connection, now: Now) -> None:
        """The broker has confirmed all subscriptions."""
        self._stage, self._ready, self._value_received = State.POLLING, now.mono, False
        self._liveness.connected(now.mono)
        self._keepalives.begin(now.mono)
        if not self._introduced:
            self._introduced = True
            group = self.battery.share_group
            sharing = f", sharing the work in the group {group}" if group else ""
            extra = event("reading", PORTAL_ID="*", PEER=self.battery.address)
            text = "receiving changes from all devices at %s%s"
            log.info(text, self.battery.address, sharing, extra=extra)

    def _send_requests(self, connection: Connection, now: Now) -> None:
        if self._stage is State.DISCOVERING and self._subscribed <= connection.acknowledged:
            self._start(connection, now)
        elif self._stage is State.DISCOVERING and now.mono >= self._acknowledged_by:
            what = "subscriptions are not acknowledged"
            connection.abandon(mqtt_errors.not_processing(self.battery.address, what))
        if self._stage is State.POLLING:
            self._go_on(connection, now)

    @property
    def _has_room(self) -> bool:
        """Whether keepalives may be sent; if not, acknowledgements of earlier ones wake it."""
        return self._broker.connection is not None and self._broker.connection.has_room()

    def _go_on(self, connection: Connection, now: Now) -> None:
        self._broker.confirmed(now.mono)
        if not self._stopping and connection.has_room():
            for portal, ask in self._keepalives.next(now.mono):
                self._keep_alive(connection, portal, ask)
                self._asked = min(self._asked, now.mono)
                if not connection.has_room():
                    break
        tick = self._schedule.due(now.wall_ns, now.mono)
        if tick is not None:
            self._intake.begin_tick(tick.start_ns)
            self._note_values()
        if now.mono >= self._check_at:
            self._check_at = now.mono + self._watchdog / 24
            self._check_devices(connection, now.mono)
        if self.messages and self._answers_due(now) and self._is_dead(now):
            self._broker.drop(now.mono)

    def _answers_due(self, now: Now) -> bool:
        """Whether devices were asked so long ago that one should have answered."""
        return now.mono >= self._asked + self._watchdog / 8

    def _is_dead(self, now: Now) -> bool:
        """Whether to reconnect, because no device sends anything on this connection."""
        return self._liveness.remedy(now.mono) is Remedy.RECONNECT

    def _keep_alive(self, connection: Connection, portal: str, ask: KeepaliveKind) -> None:
        keepalive = protocol.full_keepalive if ask is KeepaliveKind.FULL else protocol.keepalive
        connection.publish(*keepalive(portal), checked=True, optional=True)
        for topics in self._not_notified.get(portal, {}).values():
            for topic in topics:
                connection.publish(topic)

    def _check_devices(self, connection: Connection, now: float) -> None:
        """Detect devices that do not respond, and report what is wrong."""
        self._not_responding = self._keepalives.check_devices(now)
        pulses = self._keepalives.pulses.values()
        status = ConnectionStatus(
            begun=self._ready,
            asked=self._asked,
            value_received=self._value_received,
            responding=any(pulse.received_at > now - self._watchdog / 8 for pulse in pulses),
            keepalive_delivered=self._keepalive_delivered,
            keepalives_refused=self._keepalive_subscription in connection.declined,
            refused=connection.declined.get(0),
            left_out=self._left_out,
            full=len(pulses) >= MAX_DEVICES or self._memory.full,
        )
        self._left_out = 0
        self._diagnosis.report(self.census, status, now)

    # Messages

    def _process(self, connection: Connection, now: Now) -> None:
        before, mono, packets = self.messages, now.mono, connection.take_packets()
        self.messages += len(packets)
        for packet in self._intake.process_known(packets, mono, now.distance):
            self.messages -= 1  # it may be none of a device
            self._process_other(message_of(packet, self._prefix), now)
        self._note_values()
        if self.messages > before:
            self._broker.message_received()
            self._liveness.message(mono)

    def _note_values(self) -> None:
        self._value_received = self._value_received or bool(self._intake.rows)

    def _process_other(self, message: Message, now: Now) -> None:
        """Process a message that is not a value of a known topic."""
        topic, mono = message.topic, now.mono
        if portal := heartbeat_of(topic):
            if not message.retain:
                self._note_message(portal, mono)
        elif portal := keepalive_of(topic):
            if not message.retain:
                self._keepalive_delivered = True
                self._keepalives.keepalive_seen(portal, message.payload, mono)
        elif portal := protocol.portal_of(topic):
            self._process_sign(portal, message, mono)
        elif message.retain:
            self._intake.no_values[NoValue.RETAINED] += 1
        elif not self._process_first(message, now):
            self._intake.no_values[NoValue.OTHER_TOPIC] += 1

    def _process_first(self, message: Message, now: Now) -> bool:
        """Process the first value of a topic; return False if it is none or there is no room."""
        wanted = self._plan.find(message.topic)
        pulse = self._note_message(wanted.origin.portal, now.mono) if wanted else None
        series = self._intake.learn(message.topic, wanted, pulse) if wanted and pulse else None
        if not wanted or not series:
            self._left_out += bool(pulse) and self._memory.full
            return False
        self._note_not_notified(wanted.origin)
        value = protocol.decode(message.payload)
        self._intake.process(series, value, message.arrival + now.distance)
        return True

    def _note_not_notified(self, origin: Origin) -> None:
        """Note once which values of a service must be requested."""
        known = self._not_notified.get(origin.portal, {})
        topics = self._plan.not_notified(origin) if origin not in known else []
        if topics and self._memory.reserve_requests(origin.portal, topics):
            self._not_notified.setdefault(origin.portal, {})[origin] = topics

    def _process_sign(self, portal: str, message: Message, now: float) -> None:
        """Process the one message that a device has retained; an empty one removes the device.

        A retained message that arrives again does not show that a client keeps the device awake.
        """
        if protocol.names_device(message.payload):
            self.messages += not message.retain
            self._pulse(portal, now)
        elif not message.payload:
            self._keepalives.remove(portal)
            self._intake.forget(portal)
            self._not_notified.pop(portal, None)
            self._memory.forget(portal)
            self._not_responding = [each for each in self._not_responding if each != portal]

    def _note_message(self, portal: str, now: float) -> Pulse | None:
        self.messages += 1
        pulse = self._pulse(portal, now)
        if pulse:
            pulse.received_at = now
        return pulse

    def _pulse(self, portal: str, now: float) -> Pulse | None:
        """Return the pulse of a device, which may be new; None if there is no room for it."""
        pulses = self._keepalives.pulses
        if pulse := pulses.get(portal):
            return pulse
        if len(pulses) < MAX_DEVICES and self._memory.reserve_device(portal):
            return self._keepalives.add(portal, now)
        self._left_out += 1
        return None
