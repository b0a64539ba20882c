"""Asks one device what it has: requests a full republish and tracks the answers.

VENUS: a keepalive with an echo makes the device publish all its values, and then the echo. Firmware
before Venus OS 3.50 ends without the echo. Firmware before 3.20 understands another keepalive, and
never reports the end. So an end is the best answer; otherwise the messages that have arrived after
some seconds are enough. A device that does not answer is sent the other keepalive the next time.

Rules: TABLE alone decides what follows from an event. No thread and no clock: times are monotonic
seconds that are passed in, and so is the connection on which an action is carried out. `Republish`
limits how often the device is asked; it is shared with everything else that asks for a republish.
discovery.py decides what an answer means.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from enum import Enum

from bat2influx.device.firmware import OLD, TRANSITIONS, Firmware, Sign
from bat2influx.device.keepalive import Republish
from bat2influx.device.transitions import follows
from bat2influx.mqtt.connection import Connection
from bat2influx.venus import protocol


class State(Enum):
    """How far a question has come. Answers are accepted in every state except IDLE."""

    IDLE = "idle"  # no question is open
    SUBSCRIBING = "subscribing"  # to the answers, not confirmed yet
    WAITING = "waiting"  # until the device may be asked
    ASKED = "asked"  # the device has some seconds to answer
    LATE = "late"  # the seconds have elapsed, and the answers have not ended
    ANSWERED = "answered"  # the answers are final, but not evaluated yet


class Event(Enum):
    """What happens to a question."""

    DROPPED = "a new connection, or something else is to be asked"
    WANTED = "there is something to ask"
    SUBACK = "the subscription is confirmed or refused"
    ALLOWED = "the device may be asked for a full republish"
    OVERDUE = "the seconds have elapsed"
    UNANSWERED = "no message has arrived, and the other keepalive was never tried"
    ENOUGH = "the answers are enough without an end"
    ENDED = "the republish has ended"
    DECIDED = "the answers are evaluated"


class Action(Enum):
    """What follows from an event."""

    NOTHING = "nothing"
    SUBSCRIBE = "subscribe to the answers"
    ASK = "ask for a full republish, by the other keepalive if the latest one is unanswered"
    NOTE = "note that the device answers, and that its firmware is not the old one"
    UNSUBSCRIBE = "unsubscribe from the answers"


TABLE: dict[tuple[State, Event], tuple[State, Action]] = {
    **{(each, Event.DROPPED): (State.IDLE, Action.NOTHING) for each in State},
    (State.IDLE, Event.WANTED): (State.SUBSCRIBING, Action.SUBSCRIBE),
    (State.SUBSCRIBING, Event.SUBACK): (State.WAITING, Action.NOTHING),
    (State.WAITING, Event.ALLOWED): (State.ASKED, Action.ASK),
    (State.WAITING, Event.ENDED): (State.ANSWERED, Action.NOTE),
    (State.ASKED, Event.OVERDUE): (State.LATE, Action.NOTHING),
    (State.ASKED, Event.ENDED): (State.ANSWERED, Action.NOTE),
    (State.LATE, Event.ALLOWED): (State.ASKED, Action.ASK),
    (State.LATE, Event.UNANSWERED): (State.ASKED, Action.ASK),
    (State.LATE, Event.ENOUGH): (State.ANSWERED, Action.NOTHING),
    (State.LATE, Event.ENDED): (State.ANSWERED, Action.NOTE),
    (State.ANSWERED, Event.ENDED): (State.ANSWERED, Action.NOTE),
    (State.ANSWERED, Event.DECIDED): (State.IDLE, Action.UNSUBSCRIBE),
}


class Question:
    """The questions to one device, one after the other.

    `firmware` is what is known of it, `echoed` whether the end of an answer was ever received. Both
    are kept over connections.
    """

    def __init__(
        self, republish: Republish, answer_timeout: float, firmware: Firmware = Firmware.UNKNOWN
    ) -> None:
        """`answer_timeout` is how long the device has to answer, in s, if its answer has no end."""
        self.state = State.IDLE
        self.firmware = firmware
        self.echoed = False
        self._republish = republish
        self._answer_timeout = answer_timeout
        self._search = protocol.InstanceSearch("", ())  # what is asked, and its answers
        self._subscribed = 0  # the id of its subscription
        self._late = math.inf  # when the seconds of the latest question have elapsed
        self._unanswered = False  # whether the latest question has brought no message so far

    @property
    def old(self) -> bool | None:
        """Whether the device is sent the old keepalive; None if no answer shows the firmware."""
        return None if self.firmware is Firmware.UNKNOWN else self.firmware in OLD

    @property
    def idle(self) -> bool:
        """Whether no question is open."""
        return self.state is State.IDLE

    def drop(self) -> None:
        """End the question: the connection is new, or something else is to be asked."""
        self.state, _ = follows(TABLE, self.state, Event.DROPPED, "a question")

    def forget(self) -> None:
        """Another device is asked from now on, of which nothing is known."""
        self.firmware, self._unanswered = Firmware.UNKNOWN, False

    def ask(
        self,
        connection: Connection,
        portal: str,
        services: Iterable[str],
        paths: Iterable[tuple[str, str]],
        now: float,
    ) -> None:
        """Ask which instances of `services` exist, and which have `paths` (service, path)."""
        self._search = protocol.InstanceSearch(portal, services, os.urandom(4).hex(), paths)
        self._handle(Event.WANTED, connection, now)

    def process(self, topic: str, payload: bytes) -> bool:
        """Process a message; return whether it is an answer."""
        if self.idle or not self._search.process(topic, payload):
            return False
        self._unanswered = False
        self._note(Sign.ANSWERED)
        return True

    def step(
        self, connection: Connection, now: float, *, accept_none: bool
    ) -> protocol.InstanceSearch | None:
        """Advance as far as the time and the answers allow; return the answers once they are final.

        With `accept_none`, no answer in time is an answer, too. The answers are returned at each
        step until `end` or `drop`.
        """
        if self.state is State.SUBSCRIBING and self._subscribed in connection.acknowledged:
            self._handle(Event.SUBACK, connection, now)
        if self.state is State.ASKED and now >= self._late:
            self._handle(Event.OVERDUE, connection, now)
        if event := self._event(now, accept_none=accept_none):
            self._handle(event, connection, now)
        return self._search if self.state is State.ANSWERED else None

    def end(self, connection: Connection, kept: Collection[str], now: float) -> None:
        """The answers are evaluated. The topics in `kept` stay subscribed to."""
        self._handle(Event.DECIDED, connection, now, kept)

    def _event(self, now: float, *, accept_none: bool) -> Event | None:
        """Return the next event, if any."""
        if self.state in (State.IDLE, State.SUBSCRIBING):
            return None
        if self._search.complete:
            return Event.ENDED
        # A service that appears unasked may be the first of several.
        if self.state is State.LATE and (accept_none or any(self._search.found.values())):
            return Event.ENOUGH
        if self.state in (State.WAITING, State.LATE) and self._republish.allowed(now):
            return Event.ALLOWED
        if self.state is State.LATE and self._unanswered and self.old is None:
            return Event.UNANSWERED
        return None

    def _handle(
        self, event: Event, connection: Connection, now: float, kept: Collection[str] = ()
    ) -> None:
        """Carry out the action for an event."""
        self.state, action = follows(TABLE, self.state, event, "a question")
        search = self._search
        match action:
            case Action.SUBSCRIBE:
                self._subscribed = connection.subscribe(search.subscriptions)
            case Action.ASK:
                self._publish(connection, now)
            case Action.NOTE:
                self._note(Sign.ENDED)
                self.echoed = True
            case Action.UNSUBSCRIBE:
                stay = {*kept, protocol.completed(search.portal)}
                connection.unsubscribe([each for each in search.subscriptions if each not in stay])

    def _note(self, sign: Sign) -> None:
        self.firmware = TRANSITIONS.get((self.firmware, sign), self.firmware)

    def _publish(self, connection: Connection, now: float) -> None:
        """Ask for a full republish, with the keepalive that was answered, or the other one."""
        if self._unanswered:
            self._note(Sign.UNANSWERED)
        self._late, self._unanswered = now + self._answer_timeout, True
        self._republish.requested(now)
        portal, echo = self._search.portal, self._search.echo
        keepalive = protocol.old_keepalive(portal)
        if not self.old:
            keepalive = protocol.keepalive(portal, echo=echo)
        connection.publish(*keepalive, checked=True)


class SurveyState(Enum):
    """Whether to survey all that may exist."""

    NONE = "no survey"
    DUE = "a survey is due"
    REPLACE = "a survey is due, and its result replaces the earlier one"


class Survey:
    """When to survey all that may exist: devices of a preset may be connected later."""

    def __init__(self, every: float) -> None:
        """`every` is the time from the end of one survey to the next, in s."""
        self.state = SurveyState.NONE
        self._every = every
        self._next = math.inf

    @property
    def due(self) -> bool:
        """Whether a survey is due."""
        return self.state is not SurveyState.NONE

    def request(self) -> None:
        """A survey is due now, whatever the time."""
        if self.state is SurveyState.NONE:
            self.state = SurveyState.DUE

    def replan(self, state: SurveyState) -> None:
        """Replace the planned survey by `state`; the next one is planned when it is done."""
        self.state, self._next = state, math.inf

    def check_due(self, now: float) -> bool:
        """Return whether the time of the next survey has come; it is due then."""
        if now < self._next:
            return False
        self._next = math.inf
        self.request()
        return True

    def done(self, now: float) -> None:
        """The survey is complete."""
        self.state, self._next = SurveyState.NONE, now + self._every
