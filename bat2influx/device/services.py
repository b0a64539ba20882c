"""The states of a device's services, by their instances: the state table.

A place is a service with its instance, such as ("vebus", 275). VENUS: a service that leaves sends a
farewell on all of its topics, one that appears is published completely, and one that hangs or
crashes does not respond, without a farewell.

    state           HEARD      NO_ANSWER       FAREWELL  BACK
    EXPECTED        ANSWERING  NOT_RESPONDING  LEFT      -
    ANSWERING       -          NOT_RESPONDING  LEFT      -
    NOT_RESPONDING  ANSWERING  -               LEFT      -
    LEFT            ANSWERING  -               -         RETURNING
    RETURNING       ANSWERING  NOT_RESPONDING  LEFT      -

HEARD is an answer or a notification, and never a value of a republish. NO_ANSWER: no message since
a request W/8 ago. BACK is a value after a farewell, before an answer.

By notifications nothing is requested, so a service that hangs looks like one whose values do not
change. A service that publishes nothing for W/24 is therefore read on one path: `Probes`.

Pure: `now` is monotonic seconds, `since_ns` wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from enum import Enum


class ServiceState(Enum):
    """The state of a service."""

    EXPECTED = "expected"
    ANSWERING = "answering"
    NOT_RESPONDING = "not responding"
    LEFT = "left"
    RETURNING = "returning"


class Event(Enum):
    """What happens to a service."""

    MESSAGE = "message received"
    NO_ANSWER = "no answer for W/8"
    FAREWELL = "farewell"
    RETURNED = "a value after the farewell"


_S, _E = ServiceState, Event
TRANSITIONS = {
    (_S.EXPECTED, _E.MESSAGE): _S.ANSWERING,
    (_S.EXPECTED, _E.NO_ANSWER): _S.NOT_RESPONDING,
    (_S.EXPECTED, _E.FAREWELL): _S.LEFT,
    (_S.ANSWERING, _E.NO_ANSWER): _S.NOT_RESPONDING,
    (_S.ANSWERING, _E.FAREWELL): _S.LEFT,
    (_S.NOT_RESPONDING, _E.MESSAGE): _S.ANSWERING,
    (_S.NOT_RESPONDING, _E.FAREWELL): _S.LEFT,
    (_S.LEFT, _E.MESSAGE): _S.ANSWERING,
    (_S.LEFT, _E.RETURNED): _S.RETURNING,
    (_S.RETURNING, _E.MESSAGE): _S.ANSWERING,
    (_S.RETURNING, _E.NO_ANSWER): _S.NOT_RESPONDING,
    (_S.RETURNING, _E.FAREWELL): _S.LEFT,
}
ABSENT = (ServiceState.NOT_RESPONDING, ServiceState.LEFT)
Place = tuple[str, int]


class Service:
    """A service: its state since when, and whether it has ever sent a message."""

    def __init__(self, state: ServiceState, since_ns: int) -> None:
        self.state = state
        self.since_ns = since_ns
        self.ever_responded = False


class Services:
    """All services that are read of one device."""

    def __init__(self) -> None:
        self._services: dict[Place, Service] = {}

    def __getitem__(self, place: Place) -> Service:
        """Return the service of a place that is read."""
        return self._services[place]

    def read(self, places: list[Place], now_ns: int) -> None:
        """Read these and no others; services that were read before keep their state."""
        known = self._services
        self._services = {
            place: known.get(place, Service(ServiceState.EXPECTED, now_ns)) for place in places
        }

    def handle(self, place: Place, event: Event, now_ns: int) -> bool:
        """Return whether an event has changed the state; in other cells nothing changes."""
        service = self._services[place]
        after = TRANSITIONS.get((service.state, event), service.state)
        if after is service.state:
            return False
        service.state, service.since_ns = after, now_ns
        service.ever_responded = service.ever_responded or after is ServiceState.ANSWERING
        return True

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by `step_ns` ns."""
        for service in self._services.values():
            service.since_ns += step_ns

    def absent(self) -> list[Place]:
        """Return the services that are not responding or have left."""
        return [place for place, own in self._services.items() if own.state in ABSENT]


class Probes:
    """When to read a service that may hang, if nothing else is requested.

    A probe is sent after W/24 without a message of the service, and then every W/24, until the
    service sends one or W/8 have elapsed: an answer may be lost in a republish, and a path may no
    longer exist.
    """

    def __init__(self, watchdog: float) -> None:
        self._probe_interval = watchdog / 24
        self._answer_timeout = watchdog / 8
        self._watched: list[Place] = []
        self._next: dict[Place, float] = {}  # when to send one
        self._sent: dict[Place, float] = {}  # open probes: the first since the latest message

    def message_received(self, place: Place, now: float) -> None:
        """The service has sent a message that is no republish."""
        self._next[place] = now + self._probe_interval
        self._sent.pop(place, None)

    def republished(self) -> None:
        """A republish proves nothing, and an answer may be lost in it: probe all services."""
        self._next = dict.fromkeys(self._next, -math.inf)

    def to_send(self, places: list[Place], now: float) -> list[Place]:
        """Return those of `places` that are to be read now, and note them as sent."""
        self._watched = places
        due = [
            place
            for place in places
            if now >= self._next.setdefault(place, now + self._probe_interval)
        ]
        for place in due:
            self._next[place] = now + self._probe_interval
            self._sent.setdefault(place, now)
        return due

    @property
    def open(self) -> Collection[Place]:
        """The services with an open probe."""
        return self._sent

    def is_probing(self, place: Place) -> bool:
        """Return whether a probe is open."""
        return place in self._sent

    def unanswered(self, now: float) -> list[Place]:
        """Return the services that have not answered for W/8."""
        return [
            place
            for place in self._watched
            if now >= self._sent.get(place, math.inf) + self._answer_timeout
        ]

    def due(self) -> float:
        """Return when a probe of a watched service is to be sent or given up."""
        waits = [self._next.get(place, -math.inf) for place in self._watched]
        waits += [
            self._sent[place] + self._answer_timeout
            for place in self._watched
            if place in self._sent
        ]
        return min(waits, default=math.inf)

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`: messages of that time are yet to arrive."""
        for times in (self._next, self._sent):
            times.update({place: time + seconds for place, time in times.items()})

    def begin(self, places: list[Place], now: float) -> None:
        """The connection is new, or the device is back: the services may now send messages."""
        self._watched, self._next = places, dict.fromkeys(places, now + self._probe_interval)
        self._sent.clear()

    def change(self, places: list[Place]) -> None:
        """These services are read from now on; what is known of those that stay is kept."""
        self._watched = places
