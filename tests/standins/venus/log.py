"""The log of the Venus stand-in's requests and publishes, for tests to read while it runs.

Rules: every method may be called from any thread. Requests and publishes are recorded in order, the
latest `limit` of each or all; counters are never reset. Times are the device's clock, Unix seconds.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum


@dataclass(frozen=True, slots=True)
class Request:
    """A publish that reached the device, below R/ or W/."""

    time: float
    topic: str
    payload: bytes
    qos: int


class Why(Enum):
    """Why the device published something."""

    ANSWER = "answer to a read request that came over the broker"
    FOREIGN = "answer to a read of the pretended other client"
    NOTIFICATION = "change, or appearance, told unasked while a keepalive lasts"
    REPUBLISH = "part of a full republish, from the plugin's cache"
    FAREWELL = "empty message: the item is there no more"
    OTHER = "heartbeat, end of a republish, start of the plugin, retained Serial"


@dataclass(frozen=True, slots=True)
class Sent:
    """A publish that the device handed to the broker."""

    time: float
    topic: str
    payload: bytes
    why: Why


@dataclass(slots=True)
class Counters:
    """Counters since the start, device restarts included."""

    reads: int = 0  # read requests, answered or not
    keepalives: int = 0  # R/P/keepalive and R/P/system/0/Serial, or what the firmware takes for one
    republishes: int = 0  # full republishes sent
    throttled: int = 0  # full republishes refused, as there were three in that second
    errors: int = 0  # requests for which a real device logs an error
    wildcards: int = 0  # + or # in an R/ topic; the real broker disconnects such a client
    writes: int = 0  # publishes below W/
    foreign: int = 0  # reads and keepalives of the pretended other client
    withheld: int = 0  # publishes not handed to the broker of VRM, which had not asked of late
    sent: int = 0  # publishes handed to the broker


class Log:
    """The record of one device."""

    def __init__(self, limit: int | None = None) -> None:
        self.on_request: Callable[[Request], object] = lambda request: None
        self._changed = threading.Condition(threading.RLock())
        self._requests: deque[Request] = deque(maxlen=limit)
        self._sent: deque[Sent] = deque(maxlen=limit)
        self._counters = Counters()

    @property
    def requests(self) -> list[Request]:
        """The requests so far, the oldest first."""
        with self._changed:
            return list(self._requests)

    @property
    def sent(self) -> list[Sent]:
        """The publishes so far, the oldest first."""
        with self._changed:
            return list(self._sent)

    @property
    def counters(self) -> Counters:
        """The counters as they are now."""
        with self._changed:
            return replace(self._counters)

    def add_request(self, request: Request) -> None:
        """Record a request; `count` counts its kind."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
        self.on_request(request)

    def add_sent(self, sent: Sent) -> None:
        """Record and count a publish."""
        with self._changed:
            self._sent.append(sent)
            self._counters.sent += 1
            self._changed.notify_all()

    def count(self, name: str) -> None:
        """Add one to a counter."""
        with self._changed:
            setattr(self._counters, name, getattr(self._counters, name) + 1)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[["Log"], bool], timeout: float = 30.0) -> bool:
        """Wait for a condition on this log; False when it did not come true in `timeout` seconds.

        The condition is checked after each change of the log.
        """
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout)

    def clear(self) -> None:
        """Forget requests and publishes; the counters stay."""
        with self._changed:
            self._requests.clear()
            self._sent.clear()

    def forget(self, before: float) -> None:
        """Forget the requests and publishes of the time before; the counters stay."""
        with self._changed:
            for kept in (self._requests, self._sent):
                while kept and kept[0].time < before:
                    kept.popleft()
