"""Who is there: the one owner of the states of a device's fields and services.

fields.py has the table of a field, services.py that of a service. Here the two meet: what is a
value counts as heard of its service, a farewell on one topic is one of the whole service, and a
service none of whose fields is answered does not respond.

Rules: no thread, no socket, nothing is logged (problems.py does that); times are handed in.
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
        """`notified`: every change is wanted, not one value a tick."""
        self.services = Services()
        self.changed = True  # whether there is something to report; reset by whoever reports it
        self._fields = FieldStates(watchdog, notified=notified)
        self._probes = Probes(watchdog) if notified else None
        self._plan: Plan | None = None
        self._places: dict[str, Place] = {}  # by topic
        self._worked: set[str] = set()  # topics that have been answered, with a value or without
        self._silent_after = watchdog / 8
        self._heard_at: dict[Place, float] = {}  # when a service was heard last (monotonic s)
        self._tries = 0  # probes so far, so that each is for another path

    def begin(self, plan: Plan, now: Now) -> None:
        """The device is there (again), read by `plan`."""
        self._fields.begin()
        self.change(plan, now)
        if self._probes:
            self._probes.begin([*plan.places], now.mono)

    def change(self, plan: Plan, now: Now) -> None:
        """It is read by `plan` from now on; what is under way of what stays is not forgotten."""
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
        """It is asked each so many s."""
        self._fields.pace(interval)

    # Asking

    def to_ask(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those of `requests` that are to be sent now, and note them as sent."""
        return self._fields.to_ask(requests, now)

    def to_ask_again(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those for absent values whose turn it is, where the others come by themselves."""
        return self._fields.to_ask_again(requests, now)

    def expect(self, requests: Iterable[Request], now: float) -> None:
        """What brings the answers to `requests` has been sent."""
        self._fields.expect(requests, now)

    def to_probe(self, now: float) -> list[str]:
        """Return a topic of each service that is to be read now, to see whether it is there."""
        if self._probes is None or self._plan is None:
            return []
        places = [p for p in self._plan.places if self.services[p].state in _PROBED]
        due = self._probes.to_send(places, now)
        topics = [self._a_topic_of(self._plan.places[place]) for place in due]
        self._fields.expect([Request(f"R{topic[1:]}", (topic,), False) for topic in topics], now)
        return topics

    def ask_for_all(self) -> None:
        """Ask for everything soon, whatever has rested."""
        self._fields.ask_for_all()

    def take_return(self) -> bool:
        """Return whether something absent has come back since the last call."""
        return self._fields.take_return()

    def awaits(self, since: float) -> bool:
        """Return whether an answer is under way to what was asked since then."""
        return self._fields.awaits(since)

    # Messages

    def message(self, message: Message, now: Now) -> Meaning:
        """Return what a message on a topic of the plan means; it is taken into account."""
        place = self._places.get(message.topic)
        if self._plan is None or place is None:  # it came before the reading has begun
            return Meaning.BESIDES
        if not message.payload:
            self._fields.left(self._plan.places[place])
            self._meet(place, Event.FAREWELL, now)
            return Meaning.FAREWELL
        doubt = self._probes is not None and self._probes.doubts(place)
        if self._fields.state(message.topic) is FieldState.LEFT:
            self._meet(place, Event.BACK, now)
        meaning = self._fields.message(message, now.mono, doubt=doubt)
        if meaning is Meaning.VALUE:
            self._heard(message.topic, now)
        return meaning

    def reads(self, plan: Plan) -> bool:
        """Return whether the device is read by `plan`, so that messages may be values of it."""
        return self._plan is plan

    @property
    def doubted(self) -> Collection[Place]:
        """The services that a probe is open for."""
        return self._probes.open if self._probes else ()

    def takes(self, topic: str, at: float) -> bool:
        """Take a message into account if it is an ordinary value; return whether it is.

        Its service is ANSWERING and not doubted; `at` is when it came (monotonic s). `values_came`
        is to be told, before anything else is asked or told here.
        """
        return self._fields.takes(topic, at)

    def values_came(self, latest: Mapping[str, float]) -> None:
        """Ordinary values have come on these topics; when the latest of each (monotonic s)."""
        self._worked.update(latest)
        heard: dict[Place, float] = {}
        for topic, at in latest.items():
            place = self._places[topic]
            heard[place] = max(at, heard.get(place, at))
        self._heard_at.update(heard)
        if self._probes:
            for place, at in heard.items():
                self._probes.heard(place, at)

    def republished(self) -> int:
        """A full republish has ended; return how many messages it was in place of values."""
        if self._probes:
            self._probes.republished()
        return self._fields.republished()

    def release(self, now: Now, *, tick: bool = False) -> list[Message]:
        """Return what was held and is a value now; with `tick`, the next tick begins."""
        released = self._fields.release(now.mono, tick=tick)
        for message in released:
            self._heard(message.topic, now)
        return released

    # Time

    def look(self, now: Now) -> None:
        """See who has not answered for too long."""
        if self._plan is None:
            return
        hanging = self._probes.unanswered(now.mono) if self._probes else []
        silent = {*self._fields.silent(now.mono)}
        for place, topics in self._plan.places.items():
            needed = {*topics} - self._plan.optional or {*topics}
            quiet = self._is_quiet(place, needed & silent, needed - silent, now.mono)
            if place in hanging or quiet:
                self._fields.silence(topics)
                heard = self._heard_at.get(place, now.mono)
                since_ns = now.wall_ns - round((now.mono - heard) * NS)
                self._meet(place, Event.NO_ANSWER, now._replace(wall_ns=since_ns))

    def _is_quiet(
        self, place: Place, silent: Iterable[str], others: Iterable[str], now: float
    ) -> bool:
        """Return whether nothing of a service has come since a request of W/8 ago.

        `silent` are those of its topics that are not answered. A path that was not asked for in
        that time is no evidence of an answer, nor is one that was asked for just now.
        """
        heard = self._heard_at.get(place)
        if heard is None:  # never: then what was asked last may still be answered
            return bool(silent) and all(self._fields.state(t) is FieldState.IDLE for t in others)
        latest = now - self._silent_after
        return any(heard <= self._fields.open_since(topic) <= latest for topic in silent)

    def due(self, *, leaving: bool = False) -> float:
        """Return when `release`, `look` or `to_probe` has something to do (monotonic s).

        Who is `leaving` has nothing to probe.
        """
        probes = [self._probes.due()] if self._probes and not leaving else []
        return min([self._fields.due(), *probes])

    def gap(self) -> None:
        """Nothing has come for longer than a heartbeat: the next messages may be old ones."""
        self._fields.gap()

    @property
    def unsettled(self) -> bool:
        """Whether a service is yet to give its first answer, or its first one since a farewell."""
        places = self._plan.places if self._plan else ()
        return any(self.services[place].state in _UNSETTLED for place in places)

    def is_unsettled(self, topic: str) -> bool:
        """Return whether that is so of the service of a topic, which has left a moment ago.

        Until it has answered, its other topics are no news.
        """
        return self.services[self._places[topic]].state is ServiceState.RETURNING

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long."""
        self._fields.stalled(seconds)
        self._heard_at = {place: at + seconds for place, at in self._heard_at.items()}
        if self._probes:
            self._probes.stalled(seconds)

    # What there is to know

    def absent(self) -> list[Place]:
        """Return the services that have left or do not respond.

        `system` does not leave: where nothing of it was ever answered, its paths are wrong, and a
        single one that is not answered any more is reported as that.
        """
        plan = self._plan
        return [
            place
            for place in self.services.absent()
            if place[0] != SYSTEM
            or (plan and self.services[place].worked and len(plan.places[place]) > 1)
        ]

    def silent(self, now: float) -> list[str]:
        """Return the topics on which no answer has come for long, the optional ones among them."""
        return self._fields.silent(now)

    def never_answered(self, now: float) -> set[str]:
        """Return the topics on which no answer has come for long, and none ever."""
        absent = {*self._fields.silent(now)} - self._worked
        return {topic for topic in absent if self._fields.state(topic) is FieldState.SILENT}

    def late(self, now: float) -> list[str]:
        """Return the topics on which an answer is late by some seconds, or absent."""
        return self._fields.late(now)

    @property
    def any_worked(self) -> bool:
        """Whether anything has ever been answered."""
        return bool(self._worked)

    def worked(self, topic: str) -> bool:
        """Return whether it has ever been answered."""
        return topic in self._worked

    def _heard(self, topic: str, now: Now) -> None:
        place = self._places[topic]
        self._worked.add(topic)
        self._heard_at[place] = self._fields.answered_at(topic)
        self._meet(place, Event.HEARD, now)
        if self._probes:
            self._probes.heard(place, now.mono)

    def _meet(self, place: Place, event: Event, now: Now) -> None:
        if self.services.meet(place, event, now.wall_ns):
            self.changed = True

    def _a_topic_of(self, topics: Sequence[str]) -> str:
        """Return a topic to probe: one that has worked and is not silent, another one each time."""
        absent = (FieldState.SILENT, FieldState.LEFT)
        good = [t for t in topics if t in self._worked and self._fields.state(t) not in absent]
        self._tries += 1
        return (good or topics)[self._tries % len(good or topics)]
