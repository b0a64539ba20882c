"""A broker, the devices behind it and sessions with it, made by hand, for the commands.

The test says what the network, the broker and the devices do. Time is a number that moves only
while a session waits.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from paho.mqtt.client import topic_matches_sub

from bat2influx.config.settings import Battery
from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.connector import Endpoint
from bat2influx.net.tls import fingerprint_of
from bat2influx.venus.protocol import Field, parse_field

P, OTHER = "c0619ab1c2d3", "0a1b2c3d4e5f"
CONFIG = "/etc/bat2influx/bat2influx.ini"
CERTIFICATE = b"a certificate in DER"
START = 1000.0  # s, when a broker is made
TICK = 0.25  # s, between two looks of a session that waits


def fields(**paths: str) -> tuple[Field, ...]:
    """Return fields, each as [Fields] has it."""
    return tuple(parse_field(name, path) for name, path in paths.items())


def battery(**changes: Any) -> Battery:
    """Return a section of the file, with two fields of vebus and nothing else given."""
    usual = Battery(
        name="",
        address="venus.local",
        port=1883,
        user="bat2influx",
        password="",
        serial="",
        instance=None,
        interval=1.0,
        soc_interval=10.0,
        fields=fields(Voltage="vebus/Dc/0/Voltage", Soc="vebus/Soc"),
        tls=None,
    )
    return usual._replace(**changes)


MULTI = {"vebus/275/ProductId": 2623, "vebus/275/Dc/0/Voltage": 52.6, "vebus/275/Soc": 88.5}


class HandDevice:
    """A device with these values, by service/instance/path; bytes are a payload as they are.

    A `silent` one answers nothing; one that does not `end` a republish has old firmware; one that
    is not `listed` has no retained Serial. An `old` one has firmware before 3.20: the read of its
    Serial alone has it say all, and of a sub-tree it answers the leaves alone. A bridge puts the
    `prefix` in front of its topics.
    """

    def __init__(
        self,
        portal: str = P,
        values: Mapping[str, object] = MULTI,
        *,
        silent: bool = False,
        ends: bool = True,
        listed: bool = True,
        old: bool = False,
        prefix: str = "",
    ) -> None:
        self.portal, self.values = portal, values
        self.silent, self.ends, self.listed = silent, ends and not old, listed
        self.old, self.prefix = old, prefix

    def retained(self) -> Iterator[Message]:
        """Yield what the broker has of it at any time."""
        if self.listed:
            topic = f"{self.prefix}N/{self.portal}/system/0/Serial"
            yield Message(topic, _payload(self.portal), True, 0)

    def answers(self, topic: str, payload: bytes) -> Iterator[Message]:
        """Yield what it publishes when this is published."""
        start, _, asked = topic.partition(f"{self.prefix}R/{self.portal}/")
        if self.silent or start or not asked:
            return
        own = f"{self.prefix}N/{self.portal}"
        everything = asked == "system/0/Serial" or (asked == "keepalive" and not self.old)
        for leaf, value in self.values.items():
            below = leaf.startswith(f"{asked}/") and not self.old
            if everything or leaf == asked or below:
                yield Message(f"{own}/{leaf}", _payload(value), False, 0)
        if everything and self.ends:
            (option,) = json.loads(payload)["keepalive-options"] if payload else ({},)
            yield Message(f"{own}/full_publish_completed", json.dumps(option).encode(), False, 0)


def _payload(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps({"value": value}).encode()


class HandLink:
    """Stands in for a link; without a `version` it has no TLS."""

    def __init__(self, version: str = "", says: Mapping[str, Any] | None = None) -> None:
        self.version = version or None
        self.certificate = CERTIFICATE if version else None
        self.certificate_fields = says or {}
        self.closed = False

    def close(self) -> None:
        """Close it."""
        self.closed = True


class HandConnection:
    """Stands in for a connection to a broker that acknowledges everything at once, or nothing."""

    def __init__(self, broker: HandBroker, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.acknowledged: set[int] = set()
        self.filters: list[str] = []  # subscribed to at present
        self._broker = broker
        self._queue: deque[Message] = deque()

    def subscribe(self, topics: Iterable[str], *, optional: bool = False) -> int:
        """Subscribe; what is retained comes at once."""
        new = [self.endpoint.prefix + topic for topic in topics]
        self.filters += new
        self._broker.subscribed += new
        for message in (each for one in self._broker.devices for each in one.retained()):
            if any(topic_matches_sub(each, message.topic) for each in new):
                self._queue.append(message)
        return self._acknowledge()

    def unsubscribe(self, topics: Iterable[str]) -> int:
        """Unsubscribe from topics."""
        gone = {self.endpoint.prefix + topic for topic in topics}
        self.filters = [each for each in self.filters if each not in gone]
        return self._acknowledge()

    def publish(self, topic: str, payload: bytes = b"", *, checked: bool = False) -> None:
        """Publish; devices that are asked answer at once."""
        full = self.endpoint.prefix + topic
        self._broker.published.append((full, payload))
        for device in self._broker.devices:
            for message in device.answers(full, payload):
                self.hear(message)

    def hear(self, message: Message) -> None:
        """Take a message that has come to the broker, if it is subscribed to."""
        if any(topic_matches_sub(each, message.topic) for each in self.filters):
            self._queue.append(message)

    def received(self) -> Iterator[Message]:
        """Yield and forget what has come."""
        prefix = self.endpoint.prefix
        while self._queue:
            message = self._queue.popleft()
            yield message._replace(topic=message.topic.removeprefix(prefix))

    def _acknowledge(self) -> int:
        mid = len(self.acknowledged) + 1
        if self._broker.acknowledges:
            self.acknowledged.add(mid)
        return mid


class HandSession:
    """Stands in for a Session."""

    def __init__(self, broker: HandBroker, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.addresses: list[str] = []
        self.fingerprint: str | None = None
        self.trouble: Trouble | None = None
        self.connection = HandConnection(broker, endpoint)
        self.closed = False
        self._broker = broker

    def open(self) -> Trouble | None:
        """Connect and log in."""
        link = self.connect()
        return link if isinstance(link, Trouble) else self.log_in(link)

    def connect(self) -> HandLink | Trouble:
        """Have the outcome that the test has set."""
        self.addresses = self._broker.addresses
        outcome = self._broker.connect(self.endpoint)
        if isinstance(outcome, Trouble):
            self.trouble = outcome
        elif outcome.certificate:
            self.fingerprint = fingerprint_of(outcome.certificate)
        return outcome

    def log_in(self, link: HandLink) -> Trouble | None:
        """Have the outcome that the test has set."""
        self.trouble = self._broker.log_in(self.endpoint)
        return self.trouble

    def subscribe(self, topics: Iterable[str]) -> Trouble | None:
        """Subscribe, unless the test has it refused."""
        wanted = [*topics]
        refused = (self._broker.refuses.get(topic) for topic in wanted)
        self.trouble = next(filter(None, refused), self.trouble)
        if not self.trouble:
            self.connection.subscribe(wanted)
        return self.trouble

    def publish(self, topic: str, payload: bytes = b"", *, checked: bool = False) -> None:
        """Publish."""
        self.connection.publish(topic, payload, checked=checked)

    def until(self, see: Callable[[Message], bool], seconds: float) -> bool:
        """Hand each message to `see` until that returns True."""
        return self.wait(lambda: any(map(see, self.connection.received())), seconds)

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until `done`."""
        end = self._broker.now + seconds
        while not done():
            if self.trouble or self._broker.now >= end:
                return False
            self._broker.go_on(self)
        return True

    def close(self) -> None:
        """Leave."""
        self.closed = True


class HandBroker:
    """What sessions meet, and what they have done, in order.

    `connect` and `log_in` return what becomes of an attempt, `refuses` has refused topics, and
    `addresses` are those of the name.
    """

    def __init__(self, *devices: HandDevice) -> None:
        self.devices = devices
        self.now = START  # s
        self.time = SimpleNamespace(monotonic=lambda: self.now)  # in the place of that module
        self.sessions: list[HandSession] = []
        self.subscribed: list[str] = []
        self.published: list[tuple[str, bytes]] = []
        self.addresses: list[str] = []
        self.refuses: dict[str, Trouble] = {}
        self.acknowledges = True
        self.connect: Callable[[Endpoint], HandLink | Trouble] = lambda _: HandLink()
        self.log_in: Callable[[Endpoint], Trouble | None] = lambda _: None
        self._later: list[tuple[float, Callable[[HandSession], None]]] = []

    def session(self, endpoint: Endpoint) -> HandSession:
        """Return another session; this takes the place of the class."""
        self.sessions.append(HandSession(self, endpoint))
        return self.sessions[-1]

    def at(
        self,
        seconds: float,
        topic: str,
        payload: bytes = b"{}",
        *,
        retain: bool = False,
        arrival: int = 0,
    ) -> None:
        """Have this message come after so many seconds, and no more of it; `arrival` is in ns."""
        message = Message(topic, payload, retain, arrival)
        self._later.append((self.now + seconds, lambda session: session.connection.hear(message)))

    def lose(self, seconds: float, why: Trouble) -> None:
        """Let the connection end after so many seconds."""

        def end(session: HandSession) -> None:
            session.trouble = why

        self._later.append((self.now + seconds, end))

    def go_on(self, session: HandSession) -> None:
        """Let a moment pass."""
        self.now += TICK
        due = [each for each in self._later if each[0] <= self.now]
        self._later = [each for each in self._later if each[0] > self.now]
        for _, act in due:
            act(session)
