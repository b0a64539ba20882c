"""One Venus OS device: its connection, its schedule and its silence, step by step.

A device has no thread and no clock: the main loop calls `step` when its socket is ready or
`timeout` has elapsed, and takes its values. It never raises an exception for what the peer does;
`undecided` is the one state that only a user can resolve.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.device_clock import DeviceClock
from bat2influx.device.discovery import Discovery, UndecidedError
from bat2influx.device.fast_path import FastPath
from bat2influx.device.fields import Meaning
from bat2influx.device.intake import Intake
from bat2influx.device.introduction import Introduction
from bat2influx.device.keepalive import KeepaliveKind, Republish
from bat2influx.device.liveness import Liveness, Remedy
from bat2influx.device.plan import Plan
from bat2influx.device.poller import Poller
from bat2influx.device.portal import RateLimit, ResponseMonitor
from bat2influx.device.presence import Presence
from bat2influx.device.problems import Problems
from bat2influx.device.remembered import RememberedDevices, key_of
from bat2influx.device.services import Place
from bat2influx.device.source import Source
from bat2influx.device.standstill import Standstill
from bat2influx.device.wanted import Wanted
from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Connection, Message, message_of
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import NS
from bat2influx.service.journal import event
from bat2influx.venus.protocol import NoValue

log = logging.getLogger(__name__)

# The maximum age of what is known of a device's clock, if the clock is only reported.
LOOK_AT_CLOCK = 600 * NS


class Device(Source):
    """A device, as configured by one section of the ini file."""

    def __init__(
        self,
        battery: Battery,
        *,
        by_tick: bool,
        watchdog: float,
        config: str,
        remembered: RememberedDevices,
        wake: Callable[[], None],
    ) -> None:
        """`watchdog` is the interval W in s; `config` is the file to name in messages.

        `remembered` has the discoveries of earlier starts.
        """
        notified = battery.mode == "notify"
        self._presence = Presence(watchdog, notified=notified)
        self._problems = Problems(
            battery.address, config, watchdog, self._presence, battery.topic_prefix
        )
        self._intake = Intake(battery, self._problems, by_tick=by_tick)
        super().__init__(battery, self._intake, config=config, wake=wake)
        self._liveness = Liveness(watchdog)
        self._remembered = remembered
        self._notify = notified
        republish = Republish(watchdog)
        self._poller = Poller(battery, self._presence, republish, watchdog)
        self._discovery = Discovery(
            Wanted.of(battery),
            retry_interval=watchdog / 2,
            config=config,
            republish=republish,
            known=remembered.recall(key_of(battery)),
        )
        self._plan: Plan | None = None
        self._subscribed: int | None = None
        self._watchdog = watchdog
        self._monitor = ResponseMonitor(self._discovery.portals, battery.address, config, watchdog)
        self._introduction = Introduction()
        self._standstill = Standstill(kept_alive=notified)
        self._fast_path = FastPath(
            self._presence,
            self._discovery,
            self._problems,
            self._intake,
            self._standstill,
            prefix=battery.topic_prefix,
        )
        self._recheck_choice = RateLimit(watchdog / 2)  # to check whether a choice is still needed

    # Queries of the main loop

    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if no message arrives."""
        waits = [self._broker.timeout(now.mono)]
        if self.state in (State.POLLING, State.NOT_RESPONDING):
            waits.append(self._liveness.due() - now.mono)
        if self.state is State.POLLING and self._stopping:
            waits.append(self._presence.due(stopping=True) - now.mono)
        elif self.state is State.POLLING:
            waits.append(self._poller.wait(now, awaiting=self._awaiting(now)))
        if self._plan and self.connected and not self._discovery.portals.listing:
            waits.append(self._discovery.arrivals.due() - now.mono)
        return max(0.0, min(waits))

    def rescan(self) -> None:
        """Search for services again and request everything: a user has reloaded the daemon."""
        self._discovery.rescan()
        self._presence.request_all()

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by `step_ns` ns since the last step."""
        super().clock_set(step_ns)
        self._presence.services.clock_set(step_ns)

    @property
    def census(self) -> None:
        """None: only a fleet has a census."""
        return

    @property
    def latest(self) -> Mapping[str, float]:
        """The latest values, by label."""
        return self._intake.latest

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything: first the connection, then the device, then its fields."""
        if self.undecided:
            return Trouble("undecided", " ".join(self.undecided.split("\n")))
        return self._broker.trouble or self._monitor.trouble or self._problems.trouble

    @property
    def without_value(self) -> dict[str, str]:
        """The names of the fields without a value at present, with what they have instead."""
        return self._problems.without_value()

    @property
    def missing_services(self) -> dict[Place, int]:
        """The services that have left or do not respond, with since when (ns since 1970)."""
        services = self._presence.services
        return {place: services[place].since_ns for place in self._presence.absent()}

    @property
    def portal(self) -> str | None:
        """The portal id, once it is known."""
        return self._discovery.portal

    @property
    def labels(self) -> list[str]:
        """The labels of the values: the required ones, then the optional ones."""
        if self._plan is None:
            return []
        topics = sorted(self._plan.fields, key=self._plan.optional.__contains__)
        return [label for topic in topics for label in self._plan.fields[topic]]

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`, which is no silence of the device."""
        self._liveness.stalled(seconds)
        self._presence.stalled(seconds)
        self._problems.stalled(seconds)

    def expects_answer(self, since: float) -> bool:
        """Return whether an answer to a request since then (monotonic s) is still expected."""
        return self.state is State.POLLING and self._presence.expects_answer(since)

    def _go_on_with(self, battery: Battery) -> None:
        self._poller.reschedule(battery)

    # Requests

    def _begin(self, connection: Connection, now: Now) -> None:
        """Begin the conversation on a new connection."""
        self._subscribed = None
        self._standstill.begin()
        self._monitor.begin(now.mono)
        self._discovery.start(connection)
        if self._liveness.not_responding:
            self._monitor.check(connection, now.mono)
        if self._plan:
            self._subscribe(connection, self._plan)

    def _send_requests(self, connection: Connection, now: Now) -> None:
        self._note_progress(connection, now)
        first = (self._find, self._handle_arrivals, self._await_subscription)
        for part in (*first, self._remedy, self._ask):
            if self._broker.connection is connection:  # not dropped by an earlier part
                part(connection, now)

    def _note_progress(self, connection: Connection, now: Now) -> None:
        """Confirm the connection only after a SUBACK: a login alone may not last."""
        if connection.acknowledged:
            self._broker.confirmed(now.mono)
        if self.state is State.DISCOVERING and self._monitor.overdue(connection, now.mono):
            self._broker.give_up(now.mono)

    def _find(self, connection: Connection, now: Now) -> None:
        discovery = self._discovery
        rechecking, portal = discovery.rechecking, discovery.portal
        if (self.state is State.NOT_RESPONDING and not rechecking) or (
            discovery.done and self._plan
        ):
            return
        try:
            new = discovery.done
            while not discovery.done and discovery.step(connection, now.mono):
                new = True
        except UndecidedError as error:
            self._report_undecided(connection, str(error), now)
            return
        if new and self.undecided is not None:
            self.undecided = None
            log.info("no selection is needed at %s any more", self.battery.address)
        if portal not in (None, discovery.portal):
            self._switch_device(now)
            return
        has_message = self.state is State.DISCOVERING and self._monitor.has_message
        if (
            rechecking
            and not discovery.rechecking
            and self.state is not State.POLLING
            and not has_message
        ):
            self._monitor.report(now.mono)
        if discovery.old is not None:
            keepalive = self._poller.keepalive
            (keepalive.is_old if discovery.old else keepalive.is_new)()
        self._presence.changed = self._presence.changed or new  # may be reported now
        known = (discovery.done or discovery.missing) if new else self._plan is None
        if known and discovery.portal and not (self._plan is None and discovery.open and not new):
            self._use(connection, self._planned(discovery.portal), now)

    def _handle_arrivals(self, connection: Connection, now: Now) -> None:
        """Read the services that have appeared, if they are wanted."""
        arrivals = self._discovery.arrivals
        due = self._presence.changed or now.mono >= arrivals.due() or not arrivals.begun
        if self._plan is None or not due or self._discovery.portals.listing:
            return
        try:
            absent = self._presence.absent()
            new = self._discovery.handle_arrivals(connection, self._plan, absent, now.mono)
        except UndecidedError as error:
            self._report_undecided(connection, str(error), now)
            return
        if new:
            self._use(connection, self._planned(self._plan.portal), now)

    def _report_undecided(self, connection: Connection, what: str, now: Now) -> None:
        """A user must choose, unless another search finds fewer candidates."""
        if self.undecided is None:
            log.error("%s", what, extra=event("undecided"))
            self._recheck_choice.postpone(now.mono)
        elif self._recheck_choice.due(now.mono):
            self._discovery.start(connection)
        self.undecided = what

    def _planned(self, portal: str) -> Plan:
        discovery = self._discovery
        how, there = self.battery.instances_of, discovery.present
        return Plan(portal, discovery.usable, discovery.found, instances_of=how, present=there)

    def _use(self, connection: Connection, plan: Plan, now: Now) -> None:
        """Read by this plan from now on, if it differs from the current one."""
        before = self._plan
        if before is not None and plan.subscriptions == before.subscriptions:
            return
        self._plan = plan
        self._discovery.reading_begun()
        if before is not None and (gone := {*before.subscriptions} - {*plan.subscriptions}):
            connection.unsubscribe(gone)
        self._subscribe(connection, plan)
        if self.state is State.POLLING:
            self._poller.change(plan, now)
            self._problems.begin(plan)
            self._introduce()
        if self._discovery.result:
            self._remembered.keep(key_of(self.battery), self._discovery.result)

    def _switch_device(self, now: Now) -> None:
        """Another device is there instead of the discovered one: start over with it."""
        self._broker.drop(now.mono)
        self._plan = None
        self.clock = DeviceClock()
        self._liveness = Liveness(self._watchdog)

    def _subscribe(self, connection: Connection, plan: Plan) -> None:
        self._subscribed = connection.subscribe(plan.subscriptions)

    def _begin_to_read(self, plan: Plan, now: Now, *, new_connection: bool = False) -> None:
        """The device responds (again) and is read by `plan`."""
        self._poller.begin(plan, now, new_connection=new_connection)
        self._problems.begin(plan)

    def _await_subscription(self, connection: Connection, now: Now) -> None:
        if self._plan is None or self._subscribed not in connection.acknowledged:
            return
        if self.state is State.DISCOVERING:
            self._liveness.connected(now.mono)
            self._begin_to_read(self._plan, now, new_connection=True)
            self._stage = State.NOT_RESPONDING if self._liveness.not_responding else State.POLLING
            self._introduce()

    def _remedy(self, connection: Connection, now: Now) -> None:
        """Carry out what is due against silence, except during discovery, which asks by itself."""
        if self.state not in (State.POLLING, State.NOT_RESPONDING) or self.portal is None:
            return
        remedy = self._liveness.remedy(now.mono)
        if remedy is Remedy.KEEPALIVE:
            self._poller.send_keepalive(connection, self.portal, self._liveness.keepalives)
            if self.state is State.NOT_RESPONDING:
                if self._discovery.rechecking:  # still, after a minute: the list will not be closed
                    self._monitor.report(now.mono)
                self._monitor.check(connection, now.mono)
        elif remedy is Remedy.RECONNECT:
            if self.messages:  # else the new connection shows whether the device is there at all
                self._monitor.report(now.mono)
            self._broker.drop(now.mono)

    def _ask(self, connection: Connection, now: Now) -> None:
        if self.state is not State.POLLING or self._plan is None:
            return
        if self._stopping:
            self._process_held(self._plan, now, tick=False)
            return
        plan, poller, presence = self._plan, self._poller, self._presence
        poller.keep_alive(connection, plan, now, awaiting=self._awaiting(now))
        tick = poller.due(now)
        self._process_held(plan, now, tick=tick is not None and not self._notify)
        if tick:
            poller.ask(connection, plan, tick, now)
            self._intake.begin_tick(tick.start_ns, plan)
        if tick or presence.changed or now.mono >= presence.due():
            presence.check(now)
            self._discovery.check_survey(now.mono)
            if suspects := self._problems.suspects(now.mono):
                self._discovery.recheck_instances(suspects)
            presence.changed = False
            self._problems.report(self._discovery, now)

    def _awaiting(self, now: Now) -> bool:
        """Whether something is missing that the device may publish unasked once it is present."""
        missing = bool(self._presence.absent()) or self._discovery.expects_arrival(now.mono)
        return missing or self._awaits_heartbeats(now)

    def _awaits_heartbeats(self, now: Now) -> bool:
        """Whether the device's clock is wanted: a keepalive brings it, except from old firmware."""
        if not self.clock_wanted or self._poller.keepalive.understood is KeepaliveKind.OLD:
            return False
        return self.battery.clock == "device" or not self.clock.is_recent(now, LOOK_AT_CLOCK)

    def _process_held(self, plan: Plan, now: Now, *, tick: bool) -> None:
        """Process held messages that have turned out not to be from the device's cache."""
        for message in self._presence.release(now, tick=tick):
            self._intake.process(plan, message, now)

    def _introduce(self) -> None:
        found = self._discovery.found
        self._introduction.give(self.battery, self.portal, found, self._plan)

    # Messages

    def _process(self, connection: Connection, now: Now) -> None:
        before, fast, plan = self.messages, self._fast_path, self._plan
        taken = fast.taken
        if self._standstill.before(now.mono, self._liveness.since):
            self._presence.gap()
        for packet in fast.process(connection.take_packets(), plan, now):
            message = message_of(packet, self.battery.topic_prefix)
            if plan is None or message.retain or message.topic not in plan.fields:
                self._process_other(message, now)
            else:
                self.messages += 1
                self._discovery.process_value(message.topic, message.payload, now.mono)
                self._process_field(plan, message, now)
        self.messages += fast.taken - taken
        if self.messages > before:
            self._message_received(now)

    def _process_field(self, plan: Plan, message: Message, now: Now) -> None:
        """Process a message on a field's topic, at the time of its arrival."""
        mono = now.mono + (message.arrival - now.boot_ns) / NS
        if self._standstill.within(now.mono, mono):
            self._presence.gap()
        meaning = self._presence.message(message, now._replace(mono=mono))
        if meaning is Meaning.VALUE:
            self._intake.process(plan, message, now)
        elif meaning in (Meaning.EXTRA, Meaning.REPLACES_HELD):  # one of the messages is no value
            self._intake.count(NoValue.NO_TICK)
        elif meaning is Meaning.FAREWELL:
            self._intake.count(NoValue.ZERO_BYTES)
            self._intake.forget(plan.fields[message.topic])

    def _process_other(self, message: Message, now: Now) -> None:
        """Process any other message: an answer to discovery, a heartbeat, or an unwanted one."""
        topic = message.topic
        asked_for = self._discovery.process(topic, message.payload, now.mono)
        if topic.startswith(f"N/{self.portal}/") and not message.retain:
            self.messages += 1
            if self._plan and topic in (self._plan.completed, self._plan.heartbeat):
                self._poller.keepalive.is_new()
                asked_for = True
            if self._plan and topic == self._plan.heartbeat:
                self.clock.heartbeat(message.payload, message.arrival)
                self._standstill.heartbeat()
            if self._plan and topic == self._plan.completed:
                self._intake.count(NoValue.REPUBLISHED, self._presence.republished())
        if not asked_for:
            reason = NoValue.RETAINED if message.retain else NoValue.OTHER_TOPIC
            self._intake.count(reason)

    def _message_received(self, now: Now) -> None:
        self._broker.message_received()
        self._poller.keepalive.message(now.mono)
        if self._liveness.message(now.mono):
            if self._plan:
                self._begin_to_read(self._plan, now)
            if self.state is State.NOT_RESPONDING:
                self._stage = State.POLLING
        self._monitor.message(now.mono)
