"""The MQTT connection to a device: the only module that knows paho.

A `Connection` is made from a `Link`, a connected socket, and stepped by the main thread, which
nothing here blocks. Each connection is a new paho client, so that no state outlives it.

paho 1.6 and 2.1 differ in the constructor and in what they pass to callbacks; both take the
connected socket from `_create_socket_connection`, and hand a message to `_handle_on_message`: the
two names here that are not public in paho, kept in `_Client`.
Callbacks only append. Whatever paho raises while it parses is the peer's fault and ends the
connection: a short PUBLISH is a struct.error in 1.6, and an exception must never be mistaken
for a bug that ends the daemon.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import paho.mqtt.client as mqtt

from bat2influx import trouble
from bat2influx.clock import boot_ns
from bat2influx.connector import Endpoint, Link, reason
from bat2influx.trouble import Trouble

CONNACK_TIMEOUT = 10.0  # s; a wrong password is answered after up to 6
KEEPALIVE = 30  # s; a dead connection is noticed by silence long before
BURST = 500  # messages taken in one step, so that a flood does not hold up the ticks

# CONNACK return codes of MQTT 3.1.1, section 3.2.2.3; paho 2 reports them by MQTT 5's numbers.
_REFUSALS = {
    1: "protocol version",
    2: "client id",
    3: "server unavailable",
    4: "login",
    5: "login",
    132: "protocol version",
    133: "client id",
    134: "login",
    135: "login",
    136: "server unavailable",
}


class Message(NamedTuple):
    """A PUBLISH as it came; `topic` is "" when it is not UTF-8, `arrival` in ns since the boot."""

    topic: str
    payload: bytes
    retain: bool
    arrival: int


def client_id() -> str:
    """Return a client id of one's own: of two clients with the same one, a broker keeps one."""
    return f"bat2influx-{secrets.token_hex(4)}"


class Connection:
    """A MQTT session over a link, from CONNECT to its end, stepped by the main thread.

    `accepted` turns true with the CONNACK; `trouble` is set once it has ended; `received` holds
    what came, and `acknowledged` the ids of subscriptions and barriers that the broker confirmed.
    """

    def __init__(self, link: Link, endpoint: Endpoint, client_id: str) -> None:
        self.endpoint = endpoint
        self.accepted = False
        self.trouble: Trouble | None = None
        self.acknowledged: set[int] = set()
        self._awaited: set[int] = set()
        self._link = link
        self._received: deque[tuple[Any, int]] = deque()
        self._refusal: Trouble | None = None
        self._client = _client(link, client_id)
        self._client.username_pw_set(endpoint.user, endpoint.password or None)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_acknowledged
        self._client.on_unsubscribe = self._on_acknowledged
        self._guarded(lambda: self._client.connect(endpoint.host, endpoint.port, KEEPALIVE))

    def fileno(self) -> int:
        """Return the descriptor to select on; -1 once the connection has ended."""
        return -1 if self.trouble else cast(int, self._link.fileno())

    @property
    def wants_write(self) -> bool:
        """Whether a packet waits for the socket to take it."""
        return not self.trouble and bool(self._client.want_write())

    @property
    def pending(self) -> bool:
        """Whether another step has work without waiting for the socket."""
        return not self.trouble and self._link.pending

    def step(self, *, readable: bool, writable: bool) -> None:
        """Do what the socket is ready for, and paho's housekeeping."""
        if writable:
            self._guarded(self._client.loop_write)
        if readable or self._link.pending:
            self._guarded(self._read)
        self._guarded(self._client.loop_misc)

    def _read(self) -> None:
        """Have paho take packets, one at a call, until what was read ahead is used up."""
        link, received, read = self._link, self._received, self._client.loop_read
        while read() == mqtt.MQTT_ERR_SUCCESS and link.pending and len(received) < BURST:
            pass

    def received(self) -> Iterable[Message]:
        """Yield and forget what has come, oldest first."""
        while self._received:
            message, arrival = self._received.popleft()
            try:
                topic = message.topic
            except UnicodeDecodeError:
                topic = ""
            yield Message(topic, message.payload, message.retain, arrival)

    def subscribe(self, topics: Iterable[str]) -> int:
        """Ask for `topics` (QoS 0); return the id that will be acknowledged."""
        wanted = [(topic, 0) for topic in topics]
        return self._await(self._guarded(lambda: self._client.subscribe(wanted)[1]))

    def unsubscribe(self, topics: Iterable[str]) -> int:
        """Drop `topics`; the broker confirms only after what it sent before.

        Return the id that will be acknowledged, so that this is a barrier too.
        """
        return self._await(self._guarded(lambda: self._client.unsubscribe(list(topics))[1]))

    @property
    def awaits(self) -> bool:
        """Whether the broker has yet to acknowledge something."""
        return bool(self._awaited)

    def publish(self, topic: str, payload: bytes = b"") -> None:
        """Send `payload` to `topic` with QoS 0."""
        self._guarded(lambda: self._client.publish(topic, payload).rc and None)

    def close(self) -> None:
        """End the session in good order, as far as the socket takes it without waiting."""
        if not self.trouble:
            with contextlib.suppress(Exception):
                self._client.disconnect()
            self._end(trouble.closed(self.endpoint.host, "closed by us"))

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Call paho. Whatever it raises, or a failure it returns, ends the connection."""
        if self.trouble:
            return -1
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - see the rules above
            self._end(self._ended_by(error))
            return -1
        if self._refusal:
            self._end(self._refusal)
        elif not self._client.socket():
            self._end(self._lost("connection lost"))
        return result

    def _ended_by(self, error: Exception) -> Trouble:
        if isinstance(error, OSError):
            return self._lost(reason(error))
        what = f"sent what is not MQTT ({type(error).__name__})"
        return trouble.not_mqtt(self.endpoint.host, self.endpoint.port, what)

    def _lost(self, why: str) -> Trouble:
        if self.accepted:
            return trouble.closed(self.endpoint.host, why)
        what = "takes connections and does not answer in MQTT"
        return trouble.not_mqtt(self.endpoint.host, self.endpoint.port, what)

    def _end(self, why: Trouble) -> None:
        if not self.trouble:
            self.trouble = why
            self._link.close()
            # A client in no cycle goes, with its two descriptors, as soon as this connection does.
            client = self._client
            client.on_connect = client.on_message = None
            client.on_subscribe = client.on_unsubscribe = None

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, *_: Any) -> None:
        number = getattr(code, "value", code)
        what = _REFUSALS.get(number, f"code {number}")
        if number == 0:
            self.accepted = True
        elif what == "login":
            self._refusal = trouble.login_refused(
                self.endpoint.host,
                self.endpoint.user,
                bool(self.endpoint.password),
                self.endpoint.config,
            )
        else:
            self._refusal = trouble.connack_refused(self.endpoint.host, what)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._received.append((message, boot_ns()))

    def _on_acknowledged(self, _client: Any, _data: Any, mid: int, *_: Any) -> None:
        self.acknowledged.add(mid)
        self._awaited.discard(mid)

    def _await(self, mid: int) -> int:
        self._awaited.add(mid)
        return mid


class _Client(mqtt.Client):  # type: ignore[misc]
    """A paho client, of either generation, that takes a connected link for its socket, once.

    Without `_handle_on_message` all would still work: paho's own calls on_message, after a search
    through its tree of filters that takes a quarter of all the time there is.
    """

    link: Link | None = None

    def _handle_on_message(self, message: Any) -> None:
        self.on_message(self, None, message)

    def _create_socket_connection(self) -> Link:
        link, self.link = self.link, None
        if link is None:  # paho tries MQTT 3.1 by itself when 3.1.1 is refused
            raise ConnectionAbortedError(errno.ECONNABORTED, "MQTT 3.1.1 was refused")
        return link


def _client(link: Link, client_id: str) -> _Client:
    if hasattr(mqtt, "CallbackAPIVersion"):
        client = _Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    else:
        client = _Client(client_id=client_id)
    client.link = link
    return client
