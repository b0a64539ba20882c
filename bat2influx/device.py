"""One Venus OS device: its connection, its schedule and its silence, step by step.

A device has no thread and no clock of its own: the main loop calls `step` when its socket is
ready or `timeout` has run out, and takes `readings` away. It never raises for what the peer does;
`undecided` is the one thing that only a person can settle.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum

from bat2influx import trouble, venus
from bat2influx.backoff import Kind, delay
from bat2influx.broker import Connection, Connector, Endpoint, Link, Message
from bat2influx.config import Battery
from bat2influx.finding import Finding, UndecidedError
from bat2influx.journal import Episode, event
from bat2influx.liveness import Remedy, Silence, Unanswered
from bat2influx.reading import Reading, Stamper
from bat2influx.schedule import Now, Schedule
from bat2influx.trouble import Trouble
from bat2influx.venus import NoValue, Plan

log = logging.getLogger(__name__)

CONNACK_TIMEOUT = 10.0  # s; a wrong password is answered after up to 6
HOUSEKEEPING = 1.0  # s; how often paho looks after its own keepalive


class State(Enum):
    """Where the conversation with a device stands."""

    WAITING = "waiting"  # for the next attempt
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    LOGIN = "login"
    DISCOVERING = "discovering"
    POLLING = "polling"
    SILENT = "silent"


class Device:
    """A device, as configured by one section of the ini file."""

    def __init__(
        self,
        battery: Battery,
        *,
        by_tick: bool,
        watchdog: float,
        config: str,
        wake: Callable[[], None],
    ) -> None:
        """`watchdog` is the interval W in s; `config` the file to name in messages."""
        self.battery = battery
        self.state = State.WAITING
        self.readings: list[Reading] = []
        self.latest: dict[str, float] = {}
        self.messages = 0
        self.no_values: Counter[NoValue] = Counter()
        self.undecided: str | None = None
        self._endpoint = Endpoint(
            battery.address, battery.port, battery.user, battery.password, config
        )
        self._client_id = f"bat2influx-{secrets.token_hex(4)}"
        self._wake = wake
        self._schedule = Schedule(battery.interval, battery.soc_interval)
        self._stamper = Stamper(by_tick=by_tick)
        self._silence = Silence(watchdog)
        self._unanswered = Unanswered(watchdog)
        self._finding = Finding(
            battery.fields,
            portal=battery.serial,
            vebus=battery.instance,
            again_after=watchdog / 2,
            config=config,
        )
        self._plan: Plan | None = None
        self._wanted: Mapping[str, tuple[str, ...]] = {}  # by topic, as in the plan
        self._subscribed: int | None = None
        self._connector: Connector | None = None
        self._connection: Connection | None = None
        self._attempts = 0
        self._retry_at = 0.0
        self._deadline = 0.0
        self._watchdog = watchdog
        fields = {"PEER": battery.address}
        self._reaching = Episode(log, fields, counted="failed attempt")
        self._hearing = Episode(log, fields)
        self._paths = Episode(log, fields)
        self._introduced = ""

    # What the main loop asks

    def fileno(self) -> int:
        """Return the descriptor to select on, -1 when there is none."""
        return self._connection.fileno() if self._connection else -1

    @property
    def wants_write(self) -> bool:
        """Whether to select for writing too."""
        return self._connection is not None and self._connection.wants_write

    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if nothing comes."""
        if self.state is State.WAITING:
            return max(0.0, self._retry_at - now.mono)
        if self._connection is None:
            return HOUSEKEEPING  # the connector wakes us
        if self._connection.pending:
            return 0.0
        waits = [HOUSEKEEPING]
        if self.state is State.LOGIN:
            waits.append(self._deadline - now.mono)
        if self.state in (State.POLLING, State.SILENT):
            waits.append(self._silence.due() - now.mono)
        if self.state is State.POLLING:
            waits.append(self._schedule.wait(now.wall_ns, now.mono))
        return max(0.0, min(waits))

    def problem(self, now: Now) -> str | None:
        """Return what is wrong, in words for people."""
        for episode in (self._reaching, self._hearing, self._paths):
            if episode.trouble:
                return episode.trouble.text
        return None

    @property
    def portal(self) -> str | None:
        """The portal id, once it is known."""
        return self._finding.portal

    # What the main loop does

    def step(self, now: Now, *, readable: bool = False, writable: bool = False) -> None:
        """Do all that can be done now without waiting."""
        if self._connection is None:
            self._connect(now)
        if self._connection is not None:
            self._converse(self._connection, now, readable=readable, writable=writable)

    def takes(self, battery: Battery) -> bool:
        """Return whether `battery` differs in nothing but the intervals, for `reschedule`."""
        own = self.battery
        return own == replace(battery, interval=own.interval, soc_interval=own.soc_interval)

    def reschedule(self, battery: Battery) -> None:
        """Go on with the intervals of `battery`; the connection stays."""
        if battery != self.battery:
            self.battery = battery
            self._schedule = Schedule(battery.interval, battery.soc_interval)

    def close(self) -> None:
        """Leave the broker, or stop trying to reach it."""
        if self._connector:
            self._connector.abandon()
        if self._connection:
            self._connection.close()
        self._connector = self._connection = None
        self.state = State.WAITING

    # Connecting

    def _connect(self, now: Now) -> None:
        if self._connector is None:
            if now.mono < self._retry_at:
                return
            self._connector = Connector(self._endpoint, self._wake)
        outcome = self._connector.outcome
        if outcome is None:
            self.state = State(self._connector.step)
            return
        self._connector = None
        if isinstance(outcome, Trouble):
            self._failed(outcome, now)
            return
        self._log_in(outcome, now)

    def _log_in(self, link: Link, now: Now) -> None:
        self._connection = Connection(link, self._endpoint, self._client_id)
        self._deadline = now.mono + CONNACK_TIMEOUT
        self.state = State.LOGIN

    def _failed(self, why: Trouble, now: Now) -> None:
        """The attempt, or the connection, has come to an end: wait before the next."""
        self._attempts += 1
        self._reaching.failed(why, now.mono)
        self._drop()
        self._retry_at = now.mono + delay(why.kind, self._attempts, random.random())

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = self._subscribed = None
        self.state = State.WAITING

    # Conversing

    def _converse(
        self, connection: Connection, now: Now, *, readable: bool, writable: bool
    ) -> None:
        connection.step(readable=readable, writable=writable)
        self._take(connection, now)
        if connection.trouble:
            self._failed(connection.trouble, now)
            return
        if self.state is State.LOGIN:
            self._await_login(connection, now)
        if self._conversing:
            self._note_progress(connection, now)
        if self._conversing:
            self._find(connection, now)
            self._await_subscription(connection, now)
            self._remedy(connection, now)
            self._ask(connection, now)

    @property
    def _conversing(self) -> bool:
        return self.state in (State.DISCOVERING, State.POLLING, State.SILENT)

    def _await_login(self, connection: Connection, now: Now) -> None:
        if connection.accepted:
            self.state = State.DISCOVERING
            self._deadline = now.mono + self._watchdog / 8
            self._finding.start(connection)
            if self._plan:
                self._subscribe(connection, self._plan)
        elif now.mono >= self._deadline:
            what = "accepts connections and says nothing"
            self._failed(trouble.not_mqtt(self._endpoint.host, self._endpoint.port, what), now)

    def _note_progress(self, connection: Connection, now: Now) -> None:
        """A broker that has confirmed a subscription is reached; a login alone may not last."""
        if self._reaching.trouble and connection.acknowledged:
            self._reaching.recovered(f"connected to {self._endpoint.host}", now.mono)
        if self.state is State.DISCOVERING and now.mono >= self._deadline:
            self._hearing.failed(self._not_found(), now.mono, PORTAL_ID=self.portal or "")
            if connection.awaits:  # a subscription has been lost: only a new connection helps
                self._attempts += 1
                self._drop()
                self._retry_at = now.mono + delay(Kind.BROKER, self._attempts, random.random())

    def _find(self, connection: Connection, now: Now) -> None:
        finding = self._finding
        if self.state is State.SILENT or (finding.done and self._plan):
            return
        try:
            new = finding.done
            while not finding.done and finding.step(connection, now.mono):
                new = True
        except UndecidedError as error:
            self.undecided = str(error)
            return
        if new and (finding.done or finding.missing) and finding.portal:
            plan = Plan(finding.portal, finding.usable, finding.found)
            if self._plan is None or plan.subscriptions != self._plan.subscriptions:
                self._plan, self._wanted = plan, plan.fields
                self._subscribe(connection, plan)

    def _not_found(self) -> Trouble:
        host = self._endpoint.host
        if self.portal is None:
            return trouble.no_portal(host, self._endpoint.config)
        return trouble.device_silent(host, self.portal)

    def _subscribe(self, connection: Connection, plan: Plan) -> None:
        self._subscribed = connection.subscribe(plan.subscriptions)

    def _await_subscription(self, connection: Connection, now: Now) -> None:
        if self.state is State.DISCOVERING and self._subscribed in connection.acknowledged:
            self._silence.connected(now.mono)
            self._unanswered.begin()
            self._schedule.restart()
            self.state = State.SILENT if self._silence.silent else State.POLLING
            self._introduce()

    def _remedy(self, connection: Connection, now: Now) -> None:
        """Do what is due against silence; in discovery, the questions are asked there."""
        if self.state not in (State.POLLING, State.SILENT) or self.portal is None:
            return
        remedy = self._silence.remedy(now.mono)
        if remedy is Remedy.KEEPALIVE:
            connection.publish(*venus.keepalive(self.portal))
        elif remedy is Remedy.RECONNECT:
            why = trouble.device_silent(self._endpoint.host, self.portal)
            self._hearing.failed(why, now.mono, PORTAL_ID=self.portal)
            self._drop()
            self._retry_at = now.mono

    def _ask(self, connection: Connection, now: Now) -> None:
        if self.state is not State.POLLING or self._plan is None:
            return
        tick = self._schedule.due(now.wall_ns, now.mono)
        if tick is None:
            return
        due = [request for request in self._plan.requests if tick.slow or not request.slow]
        for request in self._unanswered.to_ask(due, now.mono):
            connection.publish(request.topic)
        self._stamper.begin_tick(tick.start_ns)
        self._name_missing(now)

    def _introduce(self) -> None:
        """Say once what is read from where."""
        found = ", ".join(f"{service} {n}" for service, n in sorted(self._finding.found.items()))
        what = f"{self._endpoint.host}, portal id {self.portal}" + (f", {found}" if found else "")
        if what != self._introduced:
            self._introduced = what
            extra = event("reading", PORTAL_ID=self.portal or "", PEER=self._endpoint.host)
            log.info("reading %s each %g s", what, self.battery.interval, extra=extra)

    def _name_missing(self, now: Now) -> None:
        """Tell of the fields that do not come, while others do."""
        assert self._plan is not None
        prefix = len(f"N/{self.portal}/")
        topics = self._unanswered.silent(now.mono)
        names = [f"{'/'.join(self._plan.fields[each])} ({each[prefix:]})" for each in topics]
        if names or self._finding.missing:
            why = trouble.fields_missing(self._endpoint.host, self._finding.missing, names)
            fields = {"PORTAL_ID": self.portal or "", "TOPIC": " ".join(topics)}
            self._paths.failed(why, now.mono, **fields)
        else:
            self._paths.recovered("every field is answered", now.mono)

    # Taking

    def _take(self, connection: Connection, now: Now) -> None:
        before = self.messages
        for message in connection.received():
            names = self._wanted.get(message.topic)
            if names is None or message.retain:
                self._take_other(message)
            else:
                self.messages += 1
                self._unanswered.answered(message.topic)
                self._keep(names, message)
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
        self._attempts = 0
        if self.state is State.DISCOVERING:
            self._deadline = now.mono + self._watchdog / 8
        if self._silence.message(now.mono):
            self._unanswered.begin()
            if self.state is State.SILENT:
                self.state = State.POLLING
        if self._hearing.trouble:
            self._hearing.recovered(f"device {self.portal} answers", now.mono)

    def _keep(self, names: tuple[str, ...], message: Message) -> None:
        value = venus.decode(message.payload)
        if isinstance(value, NoValue):
            self.no_values[value] += 1
            return
        for name in names:
            time_ns = self._stamper.stamp(name, message.arrival_ns)
            if time_ns is None:
                self.no_values[NoValue.NO_TICK] += 1
                continue
            self.latest[name] = value
            self.readings.append(Reading(time_ns, self.battery.name, name, value))
