"""What is expected on each field's topic, and what a message there means: the state table.

VENUS: every subscriber gets every publish. So a message on a field's topic may be the answer to
this daemon's read request, the answer to another client, a notification of a change, or a value
from the device's cache in a full republish. Nothing in the message shows which. A republish ends
with `full_publish_completed`, within milliseconds; it shows the values of a service that hangs as
if they were fresh. A farewell has zero bytes; a value after it means that the service is back.

Polled (one value per tick):

    state      ASK        MESSAGE                        REPUBLISHED W/8 LATER  FAREWELL STALL
    IDLE       ASKED      not the first of a tick        -           -          LEFT     STALLED
    ASKED      OVERDUE    value, IDLE; after 0.25 s held drops held  UNANSWERED LEFT     STALLED
    OVERDUE    OVERDUE    held                           drops held  UNANSWERED LEFT     STALLED
    STALLED    STALLED    held; unasked: not the first   drops held  UNANSWERED LEFT     STALLED
    UNANSWERED UNANSWERED held                           drops held  -          LEFT     UNANSWERED
    LEFT       LEFT       returned, IDLE: ask for all    -           -          LEFT     LEFT

One message is held for each open request, for 0.5 s. If old messages may come first, the latest
message of the first 0.25 s is held, and also a message that answers a later request. After that
time a held message is a value, and the state is IDLE. An earlier tick ends the time, unless the
message may be an old one: in STALLED and UNANSWERED, and if the request is 2 s old.
By notifications, a message is also a value in IDLE, ASKED, OVERDUE and LEFT, unless its service
is in doubt; values that a republish drops are read.

Pure: times are monotonic seconds, W is the watchdog interval.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from enum import Enum

from bat2influx.device.plan import Request
from bat2influx.mqtt.connection import Message

ANSWER_WITHIN = 0.25  # s; a device answers within 2 ms, and a slow network adds its round trip
MAX_UNANSWERED = 2  # requests, before the next one is delayed: a single one may have been lost
OLD_AFTER = 2.0  # s; an answer so long after its request may have been queued during a freeze
LATE_AFTER = 3.0  # s; an answer that has not arrived by then is shown as missing
BURST = 0.25  # s; queued messages arrive within milliseconds, and the latest one counts
HOLD = 0.5  # s; a republish of thousands of values ends within it; the longest delay of a value


class FieldState(Enum):
    """What is expected on a topic."""

    IDLE = "no request is open"
    ASKED = "a request is open, and the one before it was answered"
    OVERDUE = "an earlier request is open, too"
    STALLED = "this machine or the connection stood still: old messages arrive first"
    UNANSWERED = "no answer for W/8"
    LEFT = "its service has left"


class Meaning(Enum):
    """What a message on a field's topic means."""

    VALUE = "a value"
    HELD = "a value, unless a republish ends in a moment"
    REPLACES_HELD = "a value that replaces a held one, unless a republish ends in a moment"
    EXTRA = "not the first of a tick"
    FAREWELL = "its service has left"


_OPEN = (FieldState.ASKED, FieldState.OVERDUE, FieldState.STALLED)
_AFTER_ASK = {FieldState.IDLE: FieldState.ASKED, FieldState.ASKED: FieldState.OVERDUE}
_UNCERTAIN = (FieldState.STALLED, FieldState.UNANSWERED)  # held for longer; also if notified
_ABSENT = (FieldState.UNANSWERED, FieldState.LEFT)


class _Topic:
    def __init__(self, state: FieldState = FieldState.IDLE, asks: int = 0) -> None:
        self.state = state
        self.since = math.inf  # of the first request without an answer
        self.latest = -math.inf  # when the latest request was sent
        self.asks = asks  # requests without an answer
        self.answered_at = -math.inf  # when the latest value arrived
        self.held: tuple[Message, ...] = ()
        self.held_at = -math.inf  # when the latest held message arrived
        self.until = math.inf  # when a held message becomes a value


class FieldStates:
    """The states of one device's fields, by the topics of their answers.

    A request all of whose paths are LEFT, or UNANSWERED after MAX_UNANSWERED requests, is sent only
    every W/2. The end of such a state, and a new beginning, make the next tick request everything.
    """

    def __init__(self, watchdog: float, *, notified: bool) -> None:
        """`notified`: every change is wanted, not one value per tick."""
        self._answer_timeout = watchdog / 8
        self._retry_after = watchdog / 2
        self._notified = notified
        self._hold, self._burst = HOLD, BURST
        self._topics: dict[str, _Topic] = {}
        self._asked: dict[str, float] = {}  # topic of the request: when it was sent last
        self._reread: set[str] = set()  # topics whose values a republish has dropped
        self._returned = False

    def pace(self, interval: float) -> None:
        """The fields are requested every `interval` s; a message is held no longer than that."""
        self._hold, self._burst = min(HOLD, interval), min(BURST, interval / 2)

    # Requests

    def due_requests(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those of `requests` that are to be sent now, and note them as sent."""
        absent = {*self.unanswered(now)}
        due = [
            request
            for request in requests
            if self._pause_over(request, now) or not self._is_paused(request, absent)
        ]
        self.expect(due, now)
        return due

    def due_rereads(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return the requests that are due for absent or dropped values, and note them as sent."""
        wanted = {*self.unanswered(now), *self._reread}
        due = [
            request
            for request in requests
            if self._pause_over(request, now) and not wanted.isdisjoint(request.answers)
        ]
        self.expect(due, now)
        return due

    def expect(self, requests: Iterable[Request], now: float) -> None:
        """These requests were sent, or something else that brings the same answers."""
        for request in requests:
            self._asked[request.topic] = now
            self._reread.difference_update(request.answers)
            for name in request.answers:
                topic = self._of(name)
                topic.state = _AFTER_ASK.get(topic.state, topic.state)
                topic.since = min(topic.since, now)
                topic.latest = now
                topic.asks += 1

    def pop_returned(self) -> bool:
        """Return whether an absent field has returned since the last call."""
        returned, self._returned = self._returned, False
        return returned

    # Messages

    def message(self, message: Message, now: float, *, suspect: bool = False) -> Meaning:
        """Return what a message on a field's topic means; for one with zero bytes call `left`.

        With `suspect`, its service may hang.
        """
        topic = self._of(message.topic)
        state = topic.state
        if state is FieldState.LEFT:
            self._answered(topic, now)
            return Meaning.VALUE if self._notified else Meaning.EXTRA
        if self._notified:
            certain = not (suspect or state in _UNCERTAIN)
        else:
            if topic.since == math.inf:  # no open request, or it was answered
                return Meaning.EXTRA
            certain = state is FieldState.ASKED and now <= topic.since + ANSWER_WITHIN
        if certain:
            self._answered(topic, now)
            return Meaning.VALUE
        meaning = Meaning.HELD
        if not topic.held:
            topic.until, topic.held = now + self._hold, (message,)
        elif len(topic.held) < self._room(topic, now):
            topic.held = (*topic.held, message)
        elif self._notified or now <= topic.until - self._hold + self._burst:
            topic.held, meaning = (*topic.held[:-1], message), Meaning.REPLACES_HELD
        elif topic.latest > topic.held_at:  # a request was sent since then: this is its answer
            topic.held = (*topic.held, message)
        else:
            return Meaning.EXTRA
        topic.held_at = now
        return meaning

    def accept_value(self, name: str, now: float) -> bool:
        """Process a message if it is an ordinary value; return whether it is.

        An ordinary value is one for which `message` returns VALUE whatever is in doubt elsewhere,
        in the state of nearly all messages. Otherwise nothing is changed. The caller must call
        `values_received` afterwards.
        """
        if self._notified:
            return self.accepts_changes(name)
        topic = self._topics.get(name)
        asked = topic is not None and topic.state is FieldState.ASKED
        if topic is None or not asked or now > topic.since + ANSWER_WITHIN:
            return False
        self._answered(topic, now)
        return True

    def accepts_changes(self, name: str) -> bool:
        """Return whether a notification on this topic is an ordinary value; it changes nothing."""
        topic = self._topics.get(name)
        return topic is not None and topic.state is FieldState.IDLE and not topic.held

    def values_received(self, latest: Mapping[str, float]) -> None:
        """Ordinary values arrived on these topics, the latest of each at this time."""
        for name, at in latest.items():
            self._topics[name].answered_at = at

    def _room(self, topic: _Topic, now: float) -> int:
        """Return how many messages are held: one per request, or one if old messages may come."""
        old = topic.state in _UNCERTAIN or now >= topic.since + OLD_AFTER
        return 1 if old or self._notified else topic.asks

    def republished(self) -> int:
        """A full republish has ended: drop the held messages; return how many were dropped."""
        dropped = 0
        for name, topic in self._topics.items():
            if topic.held:
                dropped += len(topic.held)
                topic.held, topic.until = (), math.inf
                if self._notified:
                    self._reread.add(name)
        return dropped

    def release(self, now: float, *, tick: bool = False) -> list[Message]:
        """Return the held messages that are values now; with `tick`, the next tick begins."""
        released: list[Message] = []
        for topic in self._topics.values():
            late = topic.state in _UNCERTAIN or now >= topic.since + OLD_AFTER
            early = tick and not late
            if topic.held and (now >= topic.until or early):
                released += topic.held
                open_still = topic.latest > topic.held_at  # a message before it is no answer to it
                self._answered(topic, topic.held_at)
                if open_still:
                    topic.state, topic.since, topic.asks = FieldState.ASKED, topic.latest, 1
        return released

    def due(self) -> float:
        """Return when `release` has something to return, or another topic becomes UNANSWERED."""
        open_since = [t.since for t in self._topics.values() if t.state in _OPEN]
        unanswered = min(open_since, default=math.inf) + self._answer_timeout
        return min(unanswered, min((t.until for t in self._topics.values()), default=math.inf))

    def left(self, names: Iterable[str]) -> None:
        """The service of these topics has sent its farewell: nothing is expected of it any more."""
        for name in names:
            self._topics[name] = _Topic(FieldState.LEFT, asks=MAX_UNANSWERED)

    def mark_unanswered(self, names: Iterable[str]) -> None:
        """The service of these topics does not respond."""
        for name in names:
            topic = self._of(name)
            if topic.state is not FieldState.LEFT:
                topic.state = FieldState.UNANSWERED

    def gap(self) -> None:
        """The connection or the device stood still: queued messages arrive first."""
        for topic in self._topics.values():
            if topic.state not in _ABSENT:
                topic.state = FieldState.STALLED

    # Time

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`: messages of that time are yet to arrive."""
        for topic in self._topics.values():
            topic.since += seconds
            topic.latest += seconds
            topic.held_at += seconds
            topic.until += seconds
        self.gap()

    def begin(self) -> None:
        """The device is back, or the connection is new: earlier requests no longer count.

        An absent field stays absent until a message arrives; it may have returned in the meantime.
        """
        for name, topic in self._topics.items():
            absent = topic.state in _ABSENT
            unanswered = _Topic(FieldState.UNANSWERED, asks=MAX_UNANSWERED)
            self._topics[name] = unanswered if absent else _Topic()
        self._asked.clear()

    def request_all(self) -> None:
        """Request everything at the next tick, including requests at rest."""
        self._asked.clear()

    def forget_all_but(self, names: Container[str]) -> None:
        """The requested topics have changed: answers on other topics are no longer expected."""
        self._topics = {name: topic for name, topic in self._topics.items() if name in names}
        self._reread = {name for name in self._reread if name in names}

    # Queries

    def state(self, name: str) -> FieldState:
        """Return the state of a topic."""
        topic = self._topics.get(name)
        return topic.state if topic else FieldState.IDLE

    def open_since(self, name: str) -> float:
        """Return when the first request without an answer was sent; inf if there is none."""
        topic = self._topics.get(name)
        return topic.since if topic else math.inf

    def answered_at(self, name: str) -> float:
        """Return when the latest value of a topic arrived."""
        return self._of(name).answered_at

    def expects_answer(self, since: float) -> bool:
        """Return whether an answer to a request since then is still expected."""
        return any(topic.since >= since and topic.state in _OPEN for topic in self._topics.values())

    def unanswered(self, now: float) -> list[str]:
        """Return the topics that are UNANSWERED or LEFT at `now`."""
        for topic in self._topics.values():
            if topic.state in _OPEN and now >= topic.since + self._answer_timeout:
                topic.state = FieldState.UNANSWERED
        return [name for name, topic in self._topics.items() if topic.state in _ABSENT]

    def late(self, now: float) -> list[str]:
        """Return the topics whose answer is late, though it may still arrive."""
        return [
            name
            for name, topic in self._topics.items()
            if topic.state in _ABSENT or (topic.state in _OPEN and now >= topic.since + LATE_AFTER)
        ]

    def _answered(self, topic: _Topic, at: float) -> None:
        topic.answered_at = at
        if topic.state in _ABSENT:
            self._returned = True
            self._asked.clear()
        topic.state, topic.since, topic.asks = FieldState.IDLE, math.inf, 0
        topic.held, topic.until = (), math.inf

    def _is_paused(self, request: Request, absent: Container[str]) -> bool:
        """Return whether a request is delayed: all absent, and requested ASKS times."""
        return all(
            name in absent and self._topics[name].asks >= MAX_UNANSWERED for name in request.answers
        )

    def _pause_over(self, request: Request, now: float) -> bool:
        return now >= self._asked.get(request.topic, -math.inf) + self._retry_after

    def _of(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic())
