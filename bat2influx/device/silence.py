"""The silence of a device and of its single paths: marks and a clock in, remedies out.

`Silence` follows one device: a message is any non-retained PUBLISH below `N/<portal id>/`,
heartbeats and nulls included, for a device that says anything is there. `Unanswered` follows its
single paths. Pure: all spans are fractions of the watchdog interval W, all times are monotonic
seconds.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from enum import Enum

from bat2influx.device.plan import Request


class Remedy(Enum):
    """What to do about a silent device."""

    KEEPALIVE = "keepalive"
    RECONNECT = "reconnect"


class Silence:
    """The silence of one device, from its first quiet moment to its next word.

    After W/12 a suppressed keepalive; after W/8 one reconnection, and from then on the device
    counts as silent: it is sent a keepalive at each new connection and each W/2, and nothing else.
    A device writes an error into its log at every request that it cannot answer.
    """

    def __init__(self, watchdog: float) -> None:
        self._ask_after = watchdog / 12
        self._silent_after = watchdog / 8
        self._again_after = watchdog / 2
        self.silent = False
        self.since: float | None = None  # None: not listening yet
        self.times = 0  # keepalives in this silence
        self._asked: float | None = None  # the latest of them

    def connected(self, now: float) -> None:
        """A connection is ready to carry answers."""
        self._asked = None
        if not self.silent:
            self.since = now

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long: what was said meanwhile is yet to come."""
        if self.since is not None:
            self.since += seconds
        if self._asked is not None:
            self._asked += seconds

    def message(self, now: float) -> bool:
        """The device has said something; return whether this ends its silence."""
        ended = self.silent
        self.silent, self.since, self._asked, self.times = False, now, None, 0
        return ended

    def remedy(self, now: float) -> Remedy | None:
        """Return what is to be done now; to be carried out at once."""
        if self.since is None or now < self.due():
            return None
        if self.silent or self._asked is None:
            self._asked = now
            self.times += 1
            return Remedy.KEEPALIVE
        self.silent = True
        return Remedy.RECONNECT

    def due(self) -> float:
        """Return when the next remedy is due, if nothing is heard until then."""
        if self.since is None:
            return math.inf
        if self.silent:
            return self.since if self._asked is None else self._asked + self._again_after
        return self.since + (self._ask_after if self._asked is None else self._silent_after)


class Unanswered:
    """The read requests that a device leaves without an answer.

    A path without an answer for W/8 is silent, until its next answer; a request all of whose
    paths are silent is sent each W/2 only. The answer of a silent path, and a new beginning, have
    everything asked for at the next tick.
    """

    def __init__(self, watchdog: float) -> None:
        self._silent_after = watchdog / 8
        self._again_after = watchdog / 2
        self._since: dict[str, float] = {}  # topic of the answer: first request without one
        self._asked: dict[str, float] = {}  # topic of the request: when it was sent last
        self._silent: dict[str, None] = {}  # topics of answers, in the order of their silence

    def to_ask(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those of `requests` that are to be sent now, and note them as sent."""
        silent = self.silent(now)
        chosen = []
        for request in requests:
            rested = now >= self._asked.get(request.topic, -math.inf) + self._again_after
            if rested or not all(topic in silent for topic in request.answers):
                chosen.append(request)
        self.expect(chosen, now)
        return chosen

    def to_ask_again(self, requests: Iterable[Request], now: float) -> list[Request]:
        """Return those for silent paths whose turn it is, and note them as sent."""
        silent = self.silent(now)
        chosen = []
        for request in requests:
            rested = now >= self._asked.get(request.topic, -math.inf) + self._again_after
            if rested and any(topic in silent for topic in request.answers):
                chosen.append(request)
                self.expect([request], now)
        return chosen

    def expect(self, requests: Iterable[Request], now: float) -> None:
        """These have been sent, or something that brings the same answers."""
        for request in requests:
            self._asked[request.topic] = now
            for topic in request.answers:
                self._since.setdefault(topic, now)

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long: what was said meanwhile is yet to come."""
        for topic in self._since:
            self._since[topic] += seconds

    def answered(self, topic: str) -> None:
        """A message has come on `topic`."""
        if self._since.pop(topic, None) is not None and topic in self._silent:
            del self._silent[topic]
            self._asked.clear()

    def awaits(self, since: float) -> bool:
        """Return whether an answer is under way to what was asked since then."""
        return any(asked >= since for asked in self._since.values())

    def begin(self) -> None:
        """The device is back, or the connection new: what went unanswered before counts no more."""
        self._since = dict.fromkeys(self._silent, -math.inf)
        self._asked.clear()

    def forget_all_but(self, topics: Container[str]) -> None:
        """What is asked for has changed: answers on other topics are not expected any more."""
        for state in (self._since, self._silent):
            for topic in [topic for topic in state if topic not in topics]:
                state.pop(topic)

    def silent(self, now: float) -> list[str]:
        """Return the topics that are silent."""
        for topic, since in self._since.items():
            if now - since >= self._silent_after:
                self._silent[topic] = None
        return list(self._silent)
