"""One Venus OS device: its connection, its schedule and its silence, step by step.

A device has no thread and no clock of its own: the main loop calls `step` when its socket is
ready or `timeout` has run out, and takes `readings` away. It never raises for what the peer does;
`undecided` is the one thing that only a person can settle.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from bat2influx import trouble, venus
from bat2influx.absence import Absence
from bat2influx.broker import Connection, Message
from bat2influx.config import Battery
from bat2influx.connector import Endpoint
from bat2influx.finding import Finding, UndecidedError
from bat2influx.journal import Episode, event
from bat2influx.line import Line, State
from bat2influx.liveness import Remedy, Silence
from bat2influx.memory import Memory, key_of
from bat2influx.reading import Reading, Stamper
from bat2influx.schedule import Now, Schedule
from bat2influx.trouble import Trouble
from bat2influx.venus import NoValue, Plan

log = logging.getLogger(__name__)


class Device:
    """A device, as configured by one section of the ini file."""

    def __init__(
        self,
        battery: Battery,
        *,
        by_tick: bool,
        watchdog: float,
        config: str,
        memory: Memory,
        wake: Callable[[], None],
    ) -> None:
        """`watchdog` is the interval W in s; `config` the file to name in messages.

        `memory` has what was found at earlier starts.
        """
        self.battery = battery
        self.readings: list[Reading] = []
        self.latest: dict[str, float] = {}
        self.messages = 0
        self.last_value_ns: int | None = None  # its stamp
        self.no_values: Counter[NoValue] = Counter()
        self.undecided: str | None = None
        self._config = config
        self._line = Line(Endpoint.of(battery, config), wake)
        self._stage = State.DISCOVERING  # while the line is open
        self._schedule = Schedule(battery.interval, battery.soc_interval)
        self._stamper = Stamper(by_tick=by_tick)
        self._silence = Silence(watchdog)
        self._absence = Absence(battery.address, config, watchdog)
        self._memory = memory
        self._finding = Finding(
            battery.fields,
            portal=battery.serial,
            vebus=battery.instance,
            again_after=watchdog / 2,
            config=config,
            known=memory.recall(key_of(battery)),
        )
        self._plan: Plan | None = None
        self._wanted: Mapping[str, tuple[str, ...]] = {}  # by topic, as in the plan
        self._subscribed: int | None = None
        self._begun: Connection | None = None  # the connection that the conversation is on
        self._quiet_since = 0  # messages that came before it
        self._deadline = 0.0
        self._doubt_at = 0.0
        self._doubted = False  # whether it is this device that is there
        self._watchdog = watchdog
        self._hearing = Episode(log, {"PEER": battery.address})
        self._introduced = ""
        self._leaving = False

    # What the main loop asks

    def fileno(self) -> int:
        """Return the descriptor to select on, -1 when there is none."""
        return self._line.connection.fileno() if self._line.connection else -1

    @property
    def wants_write(self) -> bool:
        """Whether to select for writing too."""
        return self._line.connection is not None and self._line.connection.wants_write

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._stage if self._line.state is State.OPEN else self._line.state

    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if nothing comes."""
        waits = [self._line.timeout(now.mono)]
        if self.state in (State.POLLING, State.SILENT):
            waits.append(self._silence.due() - now.mono)
        if self.state is State.POLLING and not self._leaving:
            waits.append(self._schedule.wait(now.wall_ns, now.mono))
        return max(0.0, min(waits))

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything: the line first, then the device, then its fields."""
        return self._line.trouble or self._hearing.trouble or self._absence.trouble

    @property
    def without_value(self) -> dict[str, str]:
        """The names of the fields without a value at present, with what they have instead."""
        return self._absence.without_value()

    @property
    def connected(self) -> bool:
        """Whether it is logged in to the broker."""
        return self._line.state is State.OPEN

    @property
    def reconnects(self) -> int:
        """How often it has logged in to the broker, but for the first time."""
        return max(0, self._line.logins - 1)

    @property
    def portal(self) -> str | None:
        """The portal id, once it is known."""
        return self._finding.portal

    # What the main loop does

    def step(self, now: Now, *, readable: bool = False, writable: bool = False) -> None:
        """Do all that can be done now without waiting."""
        self._line.step(now.mono, readable=readable, writable=writable)
        connection = self._line.connection
        if connection is None:
            return
        self._take(connection, now)
        if self._line.check(now.mono):
            if connection is not self._begun:
                self._begin(connection, now)
            self._converse(connection, now)

    def takes(self, battery: Battery) -> bool:
        """Return whether `battery` differs in nothing but the intervals, for `reschedule`."""
        own = self.battery
        return own == replace(battery, interval=own.interval, soc_interval=own.soc_interval)

    def reschedule(self, battery: Battery) -> None:
        """Go on with the intervals of `battery`; the connection stays."""
        if battery != self.battery:
            self.battery = battery
            self._schedule = Schedule(battery.interval, battery.soc_interval)

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by so many ns since the last step."""
        self._stamper.clock_set(step_ns)

    def ask_no_more(self) -> None:
        """Take what comes, and ask for nothing from now on."""
        self._leaving = True

    def awaits(self, since: float) -> bool:
        """Return whether an answer is under way to what was asked since then (monotonic s)."""
        return self.state is State.POLLING and self._absence.awaits(since)

    def close(self) -> None:
        """Leave the broker, or stop trying to reach it."""
        self._line.close()

    # Conversing

    def _begin(self, connection: Connection, now: Now) -> None:
        """Begin the conversation on a new connection."""
        self._begun, self._stage, self._subscribed = connection, State.DISCOVERING, None
        self._quiet_since = self.messages
        self._deadline = now.mono + self._watchdog / 8
        self._finding.start(connection)
        if self._silence.silent:
            self._finding.doubt_portal(connection)
        if self._plan:
            self._subscribe(connection, self._plan)

    def _converse(self, connection: Connection, now: Now) -> None:
        self._note_progress(connection, now)
        for part in (self._find, self._await_subscription, self._remedy, self._ask):
            if self._line.connection is connection:  # none of them has dropped it
                part(connection, now)

    def _note_progress(self, connection: Connection, now: Now) -> None:
        """A broker that has confirmed a subscription is reached; a login alone may not last."""
        if connection.acknowledged:
            self._line.confirmed(now.mono)
        if self.state is not State.DISCOVERING or now.mono < self._deadline:
            return
        if self.portal is None or self.messages or self._doubted or connection.awaits:
            self._hearing.failed(self._why_silent(), now.mono, PORTAL_ID=self.portal or "")
        if connection.awaits:  # a subscription has been lost: only a new connection helps
            self._line.give_up(now.mono)
        elif now.mono >= self._doubt_at:
            self._doubt_at = now.mono + self._watchdog / 2
            self._deadline = now.mono + self._watchdog / 8
            self._doubted = True
            self._finding.doubt_portal(connection)

    def _find(self, connection: Connection, now: Now) -> None:
        finding = self._finding
        doubting, portal = finding.doubting, finding.portal
        if (self.state is State.SILENT and not doubting) or (finding.done and self._plan):
            return
        try:
            new = finding.done
            while not finding.done and finding.step(connection, now.mono):
                new = True
        except UndecidedError as error:
            self.undecided = str(error)
            return
        if portal not in (None, finding.portal):
            self._go_over_to_another(now)
            return
        heard = self.state is State.DISCOVERING and self.messages > self._quiet_since
        if doubting and not finding.doubting and self.state is not State.POLLING and not heard:
            self._hearing.failed(self._why_silent(), now.mono, PORTAL_ID=self.portal or "")
        if new and (finding.done or finding.missing) and finding.portal:
            self._use(connection, Plan(finding.portal, finding.usable, finding.found))

    def _use(self, connection: Connection, plan: Plan) -> None:
        """Read by this plan from now on, if it is another one."""
        before = self._plan
        if before is not None and plan.subscriptions == before.subscriptions:
            return
        self._plan, self._wanted = plan, plan.fields
        if before is not None:
            connection.unsubscribe(set(before.subscriptions) - set(plan.subscriptions))
        self._subscribe(connection, plan)
        if self.state is State.POLLING:
            self._absence.begin(plan)
            self._introduce()
        if self._finding.result:
            self._memory.keep(key_of(self.battery), self._finding.result)

    def _go_over_to_another(self, now: Now) -> None:
        """Another device is there in place of the one that was found once: begin anew with it."""
        self._line.drop(now.mono)
        self._plan, self._wanted = None, {}
        self._silence = Silence(self._watchdog)

    def _why_silent(self) -> Trouble:
        host, config = self.battery.address, self._config
        if self.portal is None:
            return trouble.no_portal(host, config)
        if self._finding.other_portals:
            return trouble.wrong_portal(host, self.portal, self._finding.other_portals, config)
        return trouble.device_silent(host, self.portal, given=bool(self.battery.serial))

    def _subscribe(self, connection: Connection, plan: Plan) -> None:
        self._subscribed = connection.subscribe(plan.subscriptions)

    def _await_subscription(self, connection: Connection, now: Now) -> None:
        if self._plan is None or self._subscribed not in connection.acknowledged:
            return
        if self.state is State.DISCOVERING:
            self._silence.connected(now.mono)
            self._absence.begin(self._plan)
            self._schedule.restart()
            self._stage = State.SILENT if self._silence.silent else State.POLLING
            self._introduce()

    def _remedy(self, connection: Connection, now: Now) -> None:
        """Do what is due against silence; in discovery, the questions are asked there."""
        if self.state not in (State.POLLING, State.SILENT) or self.portal is None:
            return
        remedy = self._silence.remedy(now.mono)
        if remedy is Remedy.KEEPALIVE:
            connection.publish(*venus.keepalive(self.portal))
            if self.state is State.SILENT:
                if self._finding.doubting:  # still, a minute later: so it will not be settled
                    self._hearing.failed(self._why_silent(), now.mono, PORTAL_ID=self.portal)
                self._finding.doubt_portal(connection)
        elif remedy is Remedy.RECONNECT:
            if self.messages:  # else it turns out on the new connection whether it is there at all
                self._hearing.failed(self._why_silent(), now.mono, PORTAL_ID=self.portal)
            self._line.drop(now.mono)

    def _ask(self, connection: Connection, now: Now) -> None:
        if self.state is not State.POLLING or self._plan is None or self._leaving:
            return
        tick = self._schedule.due(now.wall_ns, now.mono)
        if tick is None:
            return
        due = [request for request in self._plan.requests if tick.slow or not request.slow]
        for request in self._absence.to_ask(due, now.mono):
            connection.publish(request.topic)
        self._stamper.begin_tick(tick.start_ns)
        if doubtful := self._absence.doubtful(now.mono):
            self._finding.doubt_instances(doubtful)
        self._absence.tell(self._finding, now.mono)

    def _introduce(self) -> None:
        """Say once what is read from where."""
        found = ", ".join(f"{service} {n}" for service, n in sorted(self._finding.found.items()))
        what = f"{self.battery.address}, portal id {self.portal}" + (f", {found}" if found else "")
        if what != self._introduced:
            self._introduced = what
            extra = event("reading", PORTAL_ID=self.portal or "", PEER=self.battery.address)
            log.info("reading %s each %g s", what, self.battery.interval, extra=extra)

    # Taking

    def _take(self, connection: Connection, now: Now) -> None:
        before = self.messages
        for message in connection.received():
            names = self._wanted.get(message.topic)
            if names is None or message.retain:
                self._take_other(message)
            else:
                self.messages += 1
                self._absence.answered(message.topic)
                self._keep(names, message, now)
        if self.messages > before:
            self._heard(now)

    def _take_other(self, message: Message) -> None:
        """Take a message that is no field's: an answer to discovery, a heartbeat, or nothing."""
        topic = message.topic
        asked_for = self._finding.see(topic, message.payload)
        if topic.startswith(f"N/{self.portal}/") and not message.retain:
            self.messages += 1
            asked_for = asked_for or (self._plan is not None and topic == self._plan.heartbeat)
        if not asked_for:
            self.no_values[NoValue.RETAINED if message.retain else NoValue.OTHER_TOPIC] += 1

    def _heard(self, now: Now) -> None:
        self._line.works()
        if self.state is State.DISCOVERING:
            self._deadline = now.mono + self._watchdog / 8
        if self._silence.message(now.mono):
            if self._plan:
                self._absence.begin(self._plan)
            if self.state is State.SILENT:
                self._stage = State.POLLING
        if self._hearing.trouble:
            self._hearing.recovered(f"device {self.portal} answers", now.mono)

    def _keep(self, names: tuple[str, ...], message: Message, now: Now) -> None:
        value = venus.decode(message.payload)
        if isinstance(value, NoValue):
            self.no_values[value] += 1
            self._absence.void(message.topic, value, now.mono)
            for name in names:
                self.latest.pop(name, None)
            return
        self._absence.filled(message.topic)
        for name in names:
            time_ns = self._stamper.stamp(name, message.arrival + now.distance)
            if time_ns is None:
                self.no_values[NoValue.NO_TICK] += 1
                continue
            self.latest[name] = value
            self.last_value_ns = time_ns
            self.readings.append(Reading(time_ns, self.battery.name, name, value))
