"""The fields that do not come: which, and why, as far as the device lets one know.

A path that is not answered is a path that the device does not have, or one of a service that is not
there, or that has another instance: the last two are what the doubt about an instance brings out.
A path that is answered without a number has no value now. Of an optional field nothing is told.

Rules: no thread, no socket; times are monotonic seconds. What is told is told once, and at its end.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

from bat2influx.device import errors as device_errors
from bat2influx.device.discovery import Discovery
from bat2influx.device.plan import SYSTEM, Plan, Request
from bat2influx.device.silence import Unanswered
from bat2influx.failure import Trouble
from bat2influx.service.journal import Episode
from bat2influx.venus.protocol import NoValue

log = logging.getLogger(__name__)

_NULL = (NoValue.NULL, NoValue.EMPTY_LIST)  # the device's words for having no value
_ODD = (NoValue.TEXT, NoValue.BOOLEAN, NoValue.OTHER_TYPE)  # values, but never to become numbers


class Presence:
    """What is missing of one device's fields."""

    def __init__(self, host: str, config: str, watchdog: float) -> None:
        self._host = host
        self._config = config
        self._void_after = watchdog / 8
        self._doubt_again = 5 * watchdog
        self._unanswered = Unanswered(watchdog)
        self._plan: Plan | None = None
        self._doubted: dict[tuple[str, int], float] = {}  # when each was last
        self._void: dict[str, float] = {}  # topic: since when it has had no value
        self._kind: dict[str, NoValue] = {}  # topic: what it had instead, the last time
        self._filled: set[str] = set()  # topics that have had one
        self._worked: set[str] = set()  # topics that have been answered, with a value or without
        self._paths = Episode(log, {"PEER": host})
        self._voids = Episode(log, {"PEER": host})

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything."""
        return self._paths.trouble or self._voids.trouble

    def begin(self, plan: Plan) -> None:
        """The device is there (again), read by `plan`."""
        self._unanswered.begin()
        if self._plan is not plan:
            self._plan = plan
            self._unanswered.forget_all_but(plan.fields)
            self._void = {
                topic: since for topic, since in self._void.items() if topic in plan.fields
            }

    def to_ask(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those of `requests` that are to be sent now."""
        return self._unanswered.to_ask(requests, now)

    def to_ask_again(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those for silent paths whose turn it is, where the others come by themselves."""
        return self._unanswered.to_ask_again(requests, now)

    def expect(self, requests: Iterable[Request], now: float) -> None:
        """What brings the answers to `requests` has been sent."""
        self._unanswered.expect(requests, now)

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long."""
        self._unanswered.stalled(seconds)
        self._void = {topic: since + seconds for topic, since in self._void.items()}

    def silent(self, now: float) -> list[str]:
        """Return the topics on which no answer has come for long, the optional ones among them."""
        return self._unanswered.silent(now)

    def answered(self, topic: str) -> None:
        """A message has come on `topic`."""
        self._worked.add(topic)
        self._unanswered.answered(topic)

    def awaits(self, since: float) -> bool:
        """Return whether an answer is under way to what was asked since then."""
        return self._unanswered.awaits(since)

    def filled(self, topic: str) -> None:
        """It had a value."""
        self._filled.add(topic)
        self._void.pop(topic, None)

    def void(self, topic: str, reason: NoValue, now: float) -> None:
        """It had none."""
        if reason in _NULL or reason in _ODD:
            self._void.setdefault(topic, now)
            self._kind[topic] = reason

    def without_value(self) -> dict[str, str]:
        """Return the names of the fields without a value now, with what they have instead."""
        if self._plan is None:
            return {}
        return {
            name: "null" if self._kind[topic] in _NULL else self._kind[topic].value
            for topic, names in self._plan.fields.items()
            if topic in self._void and topic not in self._plan.optional
            for name in names
        }

    def doubtful(self, now: float) -> list[tuple[str, int]]:
        """Return the instances of services to ask about now: those that say nothing at all."""
        due = []
        for place in self._silent_places(now):
            last = self._doubted.get(place)
            if last is None or now >= last + self._doubt_again:
                self._doubted[place] = now
                due.append(place)
        return due

    def tell(self, discovery: Discovery, now: float) -> None:
        """Tell of what is missing while the rest comes, and of its end."""
        assert self._plan is not None
        fields = {"PORTAL_ID": self._plan.portal}
        silent = self._silent(now)
        if discovery.reconsidering:
            pass  # in a moment there is more to tell
        elif why := self._unanswered_trouble(discovery, silent, now):
            self._paths.failed(why, now, TOPIC=" ".join(silent), **fields)
        else:
            self._paths.recovered("every field is answered", now)
        needed = [topic for topic in self._plan.fields if topic not in self._plan.optional]
        void = [topic for topic in needed if self._never_had(topic, now)]
        odd = [topic for topic in void if self._kind[topic] in _ODD]
        if odd:
            kind = self._kind[odd[0]].value
            why = device_errors.fields_odd(self._host, self._names(odd), kind)
            self._voids.failed(why, now, TOPIC=" ".join(odd), **fields)
        elif void:
            why = device_errors.fields_void(self._host, self._names(void))
            self._voids.failed(why, now, TOPIC=" ".join(void), **fields)
        elif self._voids.trouble:
            self._voids.recovered("every field has a value", now)

    def _unanswered_trouble(
        self, discovery: Discovery, silent: list[str], now: float
    ) -> Trouble | None:
        if discovery.choices:
            return device_errors.choice_left(*next(iter(discovery.choices.items())))
        places = self._silent_places(now)
        self._doubted = {place: when for place, when in self._doubted.items() if place in places}
        gone = list(discovery.missing)
        for service, instance in places:
            there = discovery.elsewhere.get((service, instance))
            if there and not self._worked.intersection(self._plan_topics(service, instance)):
                return device_errors.wrong_instance(
                    self._host, service, instance, there, self._config
                )
            if there is not None:
                gone.append(f"{service} {instance}")
                silent = [each for each in silent if f"/{service}/{instance}/" not in each]
        never = self._names(each for each in silent if each not in self._worked)
        stopped = self._names(each for each in silent if each in self._worked)
        if not (gone or never or stopped):
            return None
        return device_errors.fields_missing(self._host, gone, never, stopped)

    def _plan_topics(self, service: str, instance: int) -> tuple[str, ...]:
        assert self._plan is not None
        return self._plan.places[service, instance]

    def _never_had(self, topic: str, now: float) -> bool:
        since = self._void.get(topic, math.inf)
        return topic not in self._filled and now >= since + self._void_after

    def _silent_places(self, now: float) -> list[tuple[str, int]]:
        assert self._plan is not None
        silent = set(self._silent(now))
        if not silent:
            return []
        optional = self._plan.optional
        return [
            place
            for place, topics in self._plan.places.items()
            if place[0] != SYSTEM and silent.issuperset(needed := {*topics} - optional) and needed
        ]

    def _silent(self, now: float) -> list[str]:
        assert self._plan is not None
        return [each for each in self._unanswered.silent(now) if each not in self._plan.optional]

    def _names(self, topics: Iterable[str]) -> list[str]:
        """Return the fields of `topics` with their paths, for people."""
        assert self._plan is not None
        prefix = len(f"N/{self._plan.portal}/")
        return [f"{'/'.join(self._plan.fields[each])} ({each[prefix:]})" for each in topics]
