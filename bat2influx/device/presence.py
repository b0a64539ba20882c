"""Which fields and services are present: the one owner of their states.

fields.py has the table of a field, services.py that of a service. Here the two are combined: a
value counts as a message of its service, a farewell on one topic is one of the whole service, and
a service none of whose fields is answered does not respond.

Rules: no thread, no socket, nothing is logged (problems.py does that); times are passed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bat2influx.clock import Now
from bat2influx.device.fields import FieldState, FieldStates, Meaning
from bat2influx.device.plan import SYSTEM, Plan, Request
from bat2influx.device.services import Event, Place, Probes, Services, ServiceState
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS

_UNSETTLED = (ServiceState.EXPECTED, ServiceState.RETURNING)
_PROBED = (ServiceState.EXPECTED, ServiceState.ANSWERING, ServiceState.RETURNING)


class Presence:
    """What is known of one device's services and fields."""

    def __init__(self, watchdog: float, *, notified: bool) -> None:
        """`notified`: every change is wanted, not one value per tick."""
        self.services = Services()
        self.changed = True  # whether there is something to report; reset by the reporter
        self._fields = FieldStates(watchdog, notified=notified)
        self._probes = Probes(watchdog) if notified else None
        self._plan: Plan | None = None
        self._places: dict[str, Place] = {}  # by topic
        self._answered_topics: set[str] = set()  # ever, with or without a value
        self._answer_timeout = watchdog / 8
        self._received_at: dict[Place, float] = {}  # latest message of a service (monotonic s)
        self._tries = 0  # probes so far, so that each uses another path

    def begin(self, plan: Plan, now: Now) -> None:
        """The device responds (again) and is read by `plan`."""
        self._fields.begin()
        self.change(plan, now)
        if self._probes:
            self._probes.begin([*plan.places], now.mono)

    def change(self, plan: Plan, now: Now) -> None:
        """The device is read by `plan` from now on; open requests of topics that stay are kept."""
        self.changed = True
        if self._plan is plan:
            return
        self._plan = plan
        self._fields.forget_all_but(plan.fields)
        self._places = {topic: place for place, topics in plan.places.items() for topic in topics}
        self.services.read([*plan.places], now.wall_ns)
        if self._probes:
            self._probes.change([*plan.places])

    def pace(self, interval: float) -> None:
        """The device is polled every `interval` s."""
        self._fields.pace(interval)

    # Requests

    def due_requests(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those of `requests` that are to be sent now, and note them as sent."""
        return self._fields.due_requests(requests, now)

    def due_rereads(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return the requests that are due for absent values; the others are notified."""
        return self._fields.due_rereads(requests, now)

    def expect(self, requests: Iterable[Request], now: float) -> None:
        """Something that brings the answers to `requests` was sent."""
        self._fields.expect(requests, now)

    def due_probes(self, now: float) -> list[str]:
        """Return one topic of each service that must be read now, to check whether it responds."""
        if self._probes is None or self._plan is None:
            return []
        places = [p for p in self._plan.places if self.services[p].state in _PROBED]
        due = self._probes.to_send(places, now)
        topics = [self._probe_topic(self._plan.places[place]) for place in due]
        self._fields.expect([Request(f"R{topic[1:]}", (topic,), False) for topic in topics], now)
        return topics

    def request_all(self) -> None:
        """Request everything soon, including requests at rest."""
        self._fields.request_all()

    def pop_returned(self) -> bool:
        """Return whether something absent has returned since the last call."""
        return self._fields.pop_returned()

    def expects_answer(self, since: float) -> bool:
        """Return whether an answer to a request since then is still expected."""
        return self._fields.expects_answer(since)

    # Messages

    def message(self, message: Message, now: Now) -> Meaning:
        """Process a message on a topic of the plan; return what it means."""
        place = self._places.get(message.topic)
        if self._plan is None or place is None:  # it arrived before reading began
            return Meaning.EXTRA
        if not message.payload:
            self._fields.left(self._plan.places[place])
            self._handle(place, Event.FAREWELL, now)
            return Meaning.FAREWELL
        suspect = self._probes is not None and self._probes.is_probing(place)
        if self._fields.state(message.topic) is FieldState.LEFT:
            self._handle(place, Event.RETURNED, now)
        meaning = self._fields.message(message, now.mono, suspect=suspect)
        if meaning is Meaning.VALUE:
            self._message_received(message.topic, now)
        return meaning

    def uses_plan(self, plan: Plan) -> bool:
        """Return whether the device is read by `plan`, so that messages may be values of it."""
        return self._plan is plan

    @property
    def probed(self) -> Collection[Place]:
        """The services with an open probe."""
        return self._probes.open if self._probes else ()

    def accept_value(self, topic: str, at: float) -> bool:
        """Process a message if it is an ordinary value; return whether it is.

        Its service must be ANSWERING and not doubted; `at` is when it arrived (monotonic s). The
        caller must call `values_received` before any other method.
        """
        return self._fields.accept_value(topic, at)

    def accepts_changes(self, topic: str) -> bool:
        """Return whether a notification there is an ordinary value, as `accept_value` does."""
        return self._fields.accepts_changes(topic)

    def values_received(self, latest: Mapping[str, float]) -> None:
        """Ordinary values arrived on these topics; the latest arrival of each (monotonic s)."""
        self._answered_topics.update(latest)
        self._fields.values_received(latest)
        received_at: dict[Place, float] = {}
        for topic, at in latest.items():
            place = self._places[topic]
            received_at[place] = max(at, received_at.get(place, at))
        self._received_at.update(received_at)
        if self._probes:
            for place, at in received_at.items():
                self._probes.message_received(place, at)

    def republished(self) -> int:
        """A full republish has ended; return how many messages it was instead of values."""
        if self._probes:
            self._probes.republished()
        return self._fields.republished()

    def release(self, now: Now, *, tick: bool = False) -> list[Message]:
        """Return the held messages that are values now; with `tick`, the next tick begins."""
        released = self._fields.release(now.mono, tick=tick)
        for message in released:
            self._message_received(message.topic, now)
        return released

    # Time

    def check(self, now: Now) -> None:
        """Detect services that have not answered for too long."""
        if self._plan is None:
            return
        hanging = self._probes.unanswered(now.mono) if self._probes else []
        unanswered = {*self._fields.unanswered(now.mono)}
        for place, topics in self._plan.places.items():
            needed = {*topics} - self._plan.optional or {*topics}
            quiet = self._is_unresponsive(place, needed & unanswered, needed - unanswered, now.mono)
            if place in hanging or quiet:
                self._fields.mark_unanswered(topics)
                received_at = self._received_at.get(place, now.mono)
                since_ns = now.wall_ns - round((now.mono - received_at) * NS)
                self._handle(place, Event.NO_ANSWER, now._replace(wall_ns=since_ns))

    def _is_unresponsive(
        self, place: Place, unanswered: Iterable[str], others: Iterable[str], now: float
    ) -> bool:
        """Return whether a service has sent nothing since a request W/8 ago.

        `unanswered` are its unanswered topics. A path that was not requested in that time is no
        evidence of an answer, nor is one that was requested just now.
        """
        received_at = self._received_at.get(place)
        if received_at is None:  # never: the latest request may still be answered
            return bool(unanswered) and all(
                self._fields.state(t) is FieldState.IDLE for t in others
            )
        latest = now - self._answer_timeout
        return any(received_at <= self._fields.open_since(topic) <= latest for topic in unanswered)

    def due(self, *, stopping: bool = False) -> float:
        """Return when `release`, `check` or `due_probes` has something to do (monotonic s).

        A daemon that is `stopping` sends no probes.
        """
        probes = [self._probes.due()] if self._probes and not stopping else []
        return min([self._fields.due(), *probes])

    def gap(self) -> None:
        """No message came for longer than a heartbeat: the next messages may be old ones."""
        self._fields.gap()

    @property
    def unsettled(self) -> bool:
        """Whether a service has yet to give its first answer, or its first since a farewell."""
        places = self._plan.places if self._plan else ()
        return any(self.services[place].state in _UNSETTLED for place in places)

    def is_unsettled(self, topic: str) -> bool:
        """Return whether the service of a topic is RETURNING: it left a moment ago.

        Until it has answered, its other topics need no report.
        """
        return self.services[self._places[topic]].state is ServiceState.RETURNING

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long."""
        self._fields.stalled(seconds)
        self._received_at = {place: at + seconds for place, at in self._received_at.items()}
        if self._probes:
            self._probes.stalled(seconds)

    # Queries

    def absent(self) -> list[Place]:
        """Return the services that have left or do not respond.

        `system` does not leave. If none of it was ever answered, its paths are wrong; a single path
        that is no longer answered is reported as a path.
        """
        plan = self._plan
        return [
            place
            for place in self.services.absent()
            if place[0] != SYSTEM
            or (plan and self.services[place].ever_responded and len(plan.places[place]) > 1)
        ]

    def unanswered(self, now: float) -> list[str]:
        """Return the topics without an answer for W/8, including the optional ones."""
        return self._fields.unanswered(now)

    def never_answered(self, now: float) -> set[str]:
        """Return the topics without an answer for W/8, and never any before."""
        absent = {*self._fields.unanswered(now)} - self._answered_topics
        return {topic for topic in absent if self._fields.state(topic) is FieldState.UNANSWERED}

    def late(self, now: float) -> list[str]:
        """Return the topics whose answer is some seconds late, or absent."""
        return self._fields.late(now)

    @property
    def any_answered(self) -> bool:
        """Whether any topic was ever answered."""
        return bool(self._answered_topics)

    def ever_answered(self, topic: str) -> bool:
        """Return whether the topic was ever answered."""
        return topic in self._answered_topics

    def _message_received(self, topic: str, now: Now) -> None:
        place = self._places[topic]
        self._answered_topics.add(topic)
        self._received_at[place] = self._fields.answered_at(topic)
        self._handle(place, Event.MESSAGE, now)
        if self._probes:
            self._probes.message_received(place, now.mono)

    def _handle(self, place: Place, event: Event, now: Now) -> None:
        if self.services.handle(place, event, now.wall_ns):
            self.changed = True

    def _probe_topic(self, topics: Sequence[str]) -> str:
        """Return a topic to probe: an answered one if possible, a different one each time."""
        absent = (FieldState.UNANSWERED, FieldState.LEFT)
        good = [
            t for t in topics if t in self._answered_topics and self._fields.state(t) not in absent
        ]
        self._tries += 1
        return (good or topics)[self._tries % len(good or topics)]
