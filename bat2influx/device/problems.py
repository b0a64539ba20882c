"""What is reported of a device's fields: which are missing, since when, and why if that is known.

An unanswered path is one that the device does not have, or one of a service that does not exist,
has left, hangs, or has another instance. A path that is answered without a number has no value now.
An optional field is reported only if its service was there and has left.

Rules: no thread, no socket; times are passed in. Each problem is logged once, and so is its end.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence

from bat2influx.clock import Now
from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import Discovery
from bat2influx.device.plan import SYSTEM, Plan
from bat2influx.device.presence import Presence
from bat2influx.device.services import Place, ServiceState
from bat2influx.failure import Trouble
from bat2influx.printable import MAX_NAMED, some
from bat2influx.reading import NS
from bat2influx.service.journal import DampedEpisode
from bat2influx.venus import examples
from bat2influx.venus.protocol import MAX_LEAVES, NoValue

log = logging.getLogger(__name__)

_NULL = (NoValue.NULL, NoValue.EMPTY_LIST)  # what a device publishes when it has no value
_ODD = (NoValue.TEXT, NoValue.BOOLEAN, NoValue.OTHER_TYPE)  # values that never become numbers
_DAY = 86_400  # s


class Problems:
    """What is wrong with one device's fields."""

    def __init__(
        self, host: str, config: str, watchdog: float, presence: Presence, prefix: str = ""
    ) -> None:
        """`prefix` is what a bridge has put before all topics."""
        self._host, self._prefix = host, prefix
        self._config = config
        self._boot_delay = watchdog / 8
        self._recheck_after = 5 * watchdog
        self._presence = presence
        self._plan: Plan | None = None
        self._suspects: dict[Place, float] = {}  # when each was doubted last
        self._void: dict[str, float] = {}  # topic: since when it has had no value
        self._kind: dict[str, NoValue] = {}  # topic: what its latest message had instead
        self._filled: set[str] = set()  # topics that have had a value
        self._late: list[str] = []  # topics without an answer for some seconds
        self._no_vebus_since = math.inf
        self._paths = DampedEpisode(log, {"PEER": host})
        self._voids = DampedEpisode(log, {"PEER": host})

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything."""
        return self._paths.trouble or self._voids.trouble

    def begin(self, plan: Plan) -> None:
        """The device is read by `plan`."""
        if self._plan is not plan:
            self._plan = plan
            self._void = {
                topic: since for topic, since in self._void.items() if topic in plan.fields
            }
            if len(self._filled) + len(self._kind) > MAX_LEAVES:  # instances change
                self._filled &= plan.fields.keys()
                self._kind = {topic: self._kind[topic] for topic in self._void}

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`."""
        self._void = {topic: since + seconds for topic, since in self._void.items()}

    def filled(self, topic: str) -> None:
        """A topic had a value."""
        self._filled.add(topic)
        self._void.pop(topic, None)

    def void(self, topic: str, reason: NoValue, now: float) -> None:
        """A topic had no value, for this reason."""
        if reason in _NULL or reason in _ODD:
            self._void.setdefault(topic, now)
            self._kind[topic] = reason

    def without_value(self) -> dict[str, str]:
        """Return the names of the fields without a value now, with what they have instead."""
        if self._plan is None:
            return {}
        absent = {*self._late}
        return {
            name: "no answer" if topic in absent else self._instead(topic)
            for topic, names in self._plan.fields.items()
            if topic in absent or (topic in self._void and topic not in self._plan.optional)
            for name in names
            if topic not in self._plan.optional or self._presence.ever_answered(topic)
        }

    def suspects(self, now: float) -> list[Place]:
        """Return the instances of services to ask about now: those that do not respond.

        A service that has left is not among them, because that is known.
        """
        due = []
        for place in self._presence.absent():
            last = self._suspects.get(place)
            hangs = self._presence.services[place].state is ServiceState.NOT_RESPONDING
            again = last is None or now >= last + self._recheck_after
            if hangs and again and place[0] != SYSTEM:
                self._suspects[place] = now
                due.append(place)
        return due

    def report(self, discovery: Discovery, now: Now) -> None:
        """Log what is missing while the rest is read, and when nothing is missing any more."""
        assert self._plan is not None
        self._late = self._presence.late(now.mono)
        fields = {"PORTAL_ID": self._plan.portal}
        unanswered = self._unanswered(now.mono)
        if why := self._unanswered_trouble(discovery, unanswered, now):
            self._paths.failed(why, now.mono, TOPIC=_topics(unanswered), **fields)
        elif not (discovery.rechecking_instances or self._presence.unsettled):  # else not complete
            self._paths.recovered("every field is answered", now.mono)
        needed = [topic for topic in self._plan.fields if topic not in self._plan.optional]
        void = [topic for topic in needed if self._never_had(topic, now.mono)]
        odd = [topic for topic in void if self._kind[topic] in _ODD]
        if odd:
            kind = self._kind[odd[0]].value
            why = device_errors.fields_not_numeric(self._host, self._names(odd), kind)
            self._voids.failed(why, now.mono, TOPIC=_topics(odd), **fields)
        elif void:
            why = device_errors.fields_null(self._host, self._names(void))
            self._voids.failed(why, now.mono, TOPIC=_topics(void), **fields)
        elif self._voids.trouble:
            self._voids.recovered("every field has a value", now.mono)

    def _unanswered_trouble(
        self, discovery: Discovery, unanswered: list[str], now: Now
    ) -> Trouble | None:
        assert self._plan is not None
        if why := self._one_cause(discovery, unanswered, now):
            return why
        absent = self._presence.absent()
        self._suspects = {place: when for place, when in self._suspects.items() if place in absent}
        never, gone = list(discovery.missing), dict[str, str]()
        hangs, never_answered = dict[str, str](), dict[str, str]()
        for place in absent:
            name, topics = f"{place[0]} {place[1]}", self._plan.places[place]
            service, there = self._presence.services[place], discovery.elsewhere.get(place)
            if service.ever_responded:
                left = service.state is ServiceState.LEFT or there is not None
                (gone if left else hangs)[name] = _since(service.since_ns, now.wall_ns)
            elif there is not None:
                never.append(name)
            elif not discovery.rechecking_instances:
                never_answered[name] = some(
                    self._names(each for each in topics if each in unanswered)
                )
            unanswered = [each for each in unanswered if each not in topics]
        settled = [each for each in unanswered if not self._presence.is_unsettled(each)]
        paths = self._names(each for each in settled if not self._presence.ever_answered(each))
        stopped = self._names(each for each in settled if self._presence.ever_answered(each))
        if not (never or gone or hangs or never_answered or paths or stopped):
            return None
        return device_errors.fields_missing(
            self._host,
            never,
            paths,
            stopped,
            left=gone,
            hanging=hangs,
            never_answered=never_answered,
        )

    def _one_cause(self, discovery: Discovery, unanswered: list[str], now: Now) -> Trouble | None:
        """Return the one cause of all unanswered requests, or a problem to resolve first."""
        assert self._plan is not None
        if discovery.choices:
            return device_errors.choice_left(*next(iter(discovery.choices.items())))
        needed = {*self._plan.fields} - self._plan.optional
        any_answer = discovery.echoed or self._presence.any_answered
        any_answer = any_answer or discovery.rechecking_instances
        if needed and needed <= {*unanswered} and not any_answer:
            portal = self._plan.portal
            return device_errors.questions_unanswered(self._host, portal, self._prefix, values=True)
        if self._has_no_vebus(discovery, now.mono) and examples.named(discovery.places):
            return device_errors.no_vebus(self._host, discovery.places)
        for place in self._presence.absent():
            service, there = self._presence.services[place], discovery.elsewhere.get(place)
            moved = discovery.moved(place) if service.state is ServiceState.LEFT else ()
            if others := moved or (there if not service.ever_responded else ()):
                return device_errors.wrong_instance(self._host, *place, others, self._config)
        return None

    def _has_no_vebus(self, discovery: Discovery, now: float) -> bool:
        """Return whether the inverter has been missing for W/8: it may boot more slowly."""
        missing = "vebus" in discovery.missing
        self._no_vebus_since = min(self._no_vebus_since, now) if missing else math.inf
        return now >= self._no_vebus_since + self._boot_delay

    def _instead(self, topic: str) -> str:
        return "null" if self._kind[topic] in _NULL else self._kind[topic].value

    def _never_had(self, topic: str, now: float) -> bool:
        since = self._void.get(topic, math.inf)
        return topic not in self._filled and now >= since + self._boot_delay

    def _unanswered(self, now: float) -> list[str]:
        """Return the unanswered topics that are required, without the optional ones."""
        assert self._plan is not None
        return [each for each in self._presence.unanswered(now) if each not in self._plan.optional]

    def _names(self, topics: Iterable[str]) -> list[str]:
        """Return the fields of `topics` with their paths, for a message."""
        assert self._plan is not None
        prefix = len(f"N/{self._plan.portal}/")
        return [f"{'/'.join(self._plan.fields[each])} ({each[prefix:]})" for each in topics]


def _topics(topics: Sequence[str]) -> str:
    """Return the topics for a journal field: as many as the text names."""
    return " ".join(topics[:MAX_NAMED])


def _since(then_ns: int, now_ns: int) -> str:
    """Return "since" and a local time as text; with the date if it is more than a day ago."""
    shape = "%H:%M:%S" if now_ns - then_ns < _DAY * NS else "%Y-%m-%d %H:%M"
    return time.strftime(f"since {shape}", time.localtime(then_ns / NS))
