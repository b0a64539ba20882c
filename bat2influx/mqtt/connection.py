"""The MQTT connection to a device.

A `Connection` is made from a `Link`, a connected socket; the main thread steps it, and nothing here
blocks. Each connection has a new paho client, so that no state outlives it.

Callbacks only append. Any exception while a packet is read is the peer's fault and ends the
connection; it must not end the daemon like a bug.

The memory that a peer can fill is bounded: a packet (packets.MAX_BYTES and MAX_ANSWER_BYTES),
received messages that nobody has taken (BURST, BURST_BYTES; MAX_PAYLOAD of each message), the send
queue (paho_client.MAX_QUEUED), and packets without acknowledgement (MAX_SUBSCRIPTIONS,
MAX_UNACKNOWLEDGED).
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from bat2influx.clock import boot_ns
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt import packets
from bat2influx.mqtt.connector import Endpoint, reason
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import NOT_AUTHORISED, REFUSED, Protocol, Response
from bat2influx.mqtt.paho_client import MALFORMED, SUCCESS, SendQueueFullError, new_client
from bat2influx.mqtt.publishes import Packet
from bat2influx.printable import plain

CONNACK_TIMEOUT = 10.0  # s; the answer to a wrong password takes up to 6
KEEPALIVE = 30  # s; missing answers reveal a dead connection long before
BURST = 500  # packets taken in one step, so that a flood does not delay the ticks
BURST_BYTES = 1 << 20  # of these packets; after that no more are taken in the same step
MAX_PAYLOAD = (1 << 16) + 1  # bytes of a message that are kept: a value has 300
MAX_SUBSCRIPTIONS = 100  # (un)subscribed and not acknowledged; a daemon has three at once
MAX_UNACKNOWLEDGED = 2_000  # published with QoS 1; one takes some 3 kB in paho
ENOUGH_UNACKNOWLEDGED = 1_000  # after that a caller with many messages waits
LONGEST_REASON = 120  # characters of a broker's reason

_LOGIN = (4, 5, 134, NOT_AUTHORISED)  # codes of a CONNACK, the first two of MQTT 3.1.1
_VERSION = (1, 132)
SHARED = "$share/"  # and a group: the prefix of a shared subscription


class Message(NamedTuple):
    """A received PUBLISH; `topic` is "" if it is not UTF-8, `arrival` in ns since the boot."""

    topic: str
    payload: bytes
    retain: bool
    arrival: int


def message_of(packet: Packet, prefix: str) -> Message:
    """Return the message of a packet; its topic is "" if it does not begin with `prefix`."""
    topic, payload, retain, arrival = packet
    try:
        name = topic.decode()
    except UnicodeDecodeError:
        name = ""
    if prefix:
        name = name[len(prefix) :] if name.startswith(prefix) else ""
    return Message(name, payload, bool(retain), arrival)


def client_id() -> str:
    """Return a unique client id: of two clients with the same id, a broker keeps one."""
    return f"bat2influx-{os.urandom(4).hex()}"


class Connection:
    """An MQTT session over a link, from CONNECT to its end, stepped by the main thread.

    `accepted` turns true with the CONNACK; `trouble` is set after its end; `received` and
    `take_packets` return received messages, and `acknowledged` has the ids of subscriptions and
    barriers that the broker has confirmed. `declined` has rejections that do not end the
    connection, by the id, or by 0 for all publishes. Topics here are without the endpoint's prefix.
    """

    def __init__(
        self,
        link: Link,
        endpoint: Endpoint,
        client_id: str,
        protocol: Protocol = Protocol.MQTT_5,
    ) -> None:
        self.endpoint = endpoint
        self.protocol = protocol
        self.accepted = False
        self.trouble: Trouble | None = None
        self.acknowledged: set[int] = set()
        self.declined: dict[int, Trouble] = {}
        self._awaited: dict[int, list[str]] = {}  # by id; their topics must not be rejected
        self._checked: dict[int, str] = {}  # topics published to
        self._optional: set[int] = set()
        self._link = link
        self._received: deque[Packet] = deque()
        self._received_bytes = 0
        self._step_bytes = 0
        self._refusal: Trouble | None = None
        self._settled = False  # the broker uses MQTT 5, or the other version would not help
        self._client = client = new_client(link, client_id, protocol)
        client.username_pw_set(endpoint.user, endpoint.password or None)
        client.process_answer, client.process_publish = self._on_answer, self._on_publish
        self._guarded(lambda: client.begin(endpoint.host, endpoint.port, KEEPALIVE))

    @property
    def may_lack_mqtt5(self) -> bool:
        """Whether it has failed maybe because the broker does not support MQTT 5."""
        return bool(self.trouble) and self.protocol is Protocol.MQTT_5 and not self._settled

    def fileno(self) -> int:
        """Return the descriptor to select on; -1 once the connection has ended."""
        return -1 if self.trouble else cast(int, self._link.fileno())

    @property
    def wants_write(self) -> bool:
        """Whether a packet waits for room in the socket."""
        return not self.trouble and bool(self._client.want_write())

    @property
    def pending(self) -> bool:
        """Whether another step has work without waiting for the socket."""
        return not self.trouble and self._link.pending

    def step(self, *, readable: bool, writable: bool) -> None:
        """Read and write as far as the socket is ready, and do paho's housekeeping."""
        if writable:
            self._guarded(self._client.loop_write)
        if readable or self._link.pending:
            self._guarded(self._read)
        self._guarded(self._client.loop_misc)

    def _read(self) -> None:
        """Take packets until the read-ahead data is used up; paho takes all except plain messages.

        paho_client.py explains which packets bypass paho, and why: none in the middle of a packet
        that paho has begun.
        """
        link, client, received = self._link, self._client, self._received
        self._step_bytes = 0
        for _ in range(BURST):
            if self._refusal or (room := BURST - len(received)) <= 0:
                break
            if max(self._received_bytes, self._step_bytes) >= BURST_BYTES:
                break
            between = client.between_packets
            if between and link.used_up and not link.read_ahead():
                break
            if between and self._take_ordinary(room):
                pass
            elif between and (found := link.take_publish()):
                self._on_publish(*found)
            elif (code := client.read_packet()) != SUCCESS:
                if code == MALFORMED:
                    raise packets.MalformedError
                break
            if not link.pending:
                break

    def _take_ordinary(self, most: int) -> bool:
        """Take the next ordinary packets; return whether there are any, or a part of one."""
        found, size = self._link.take_packets(most, self.protocol)
        self._received.extend(found)
        self._received_bytes += size  # with their heads, until the last of them is taken away
        self._step_bytes += size
        return bool(found) or self._link.incomplete

    def received(self) -> Iterable[Message]:
        """Yield and remove the received messages, oldest first."""
        prefix = self.endpoint.prefix
        while self._received:
            packet = self._received.popleft()
            self._received_bytes -= len(packet[0]) + len(packet[1])
            if not self._received:
                self._received_bytes = 0
            yield message_of(packet, prefix)

    def take_packets(self) -> list[Packet]:
        """Return and remove the received packets, oldest first, with the prefix in the topics."""
        taken = [*self._received]
        self._received.clear()
        self._received_bytes = 0
        return taken

    def subscribe(
        self, topics: Iterable[str], *, optional: bool = False, share_group: str = ""
    ) -> int:
        """Subscribe to `topics` (QoS 0); return the id that will be acknowledged.

        If the broker rejects one of them the connection ends, unless it is `optional`. With a
        `share_group` each message goes to one of the clients with that group.
        """
        head = f"{SHARED}{share_group}/" if share_group else ""
        wanted = [f"{head}{self.endpoint.prefix}{topic}" for topic in topics]
        pairs = [(topic, 0) for topic in wanted]
        mid = self._guarded(lambda: self._client.subscribe(pairs)[1])
        if optional:
            self._optional.add(mid)
        return self._await(mid, wanted)

    def unsubscribe(self, topics: Iterable[str]) -> int:
        """Unsubscribe from `topics`; the broker confirms only after what it sent before.

        Return the id that will be acknowledged, so that this is a barrier, too.
        """
        wanted = [self.endpoint.prefix + topic for topic in topics]
        return self._await(self._guarded(lambda: self._client.unsubscribe(wanted)[1]), [])

    @property
    def awaiting_acknowledgement(self) -> bool:
        """Whether an acknowledgement of a subscribe or unsubscribe is outstanding."""
        return bool(self._awaited)

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        *,
        checked: bool = False,
        optional: bool = False,
    ) -> None:
        """Send `payload` to `topic` with QoS 0.

        With `checked`, and MQTT 5, it is QoS 1: if the broker rejects it the connection ends,
        unless it is `optional`.
        """
        full, qos = self.endpoint.prefix + topic, int(checked and self.protocol is Protocol.MQTT_5)
        mid = self._guarded(lambda: self._client.publish(full, payload, qos).mid)
        if qos and not self.trouble:
            self._checked[mid] = full
            if optional:
                self._optional.add(mid)
            if (count := len(self._checked)) > MAX_UNACKNOWLEDGED:
                self._end(self._not_processing(f"{count:,} messages are not acknowledged"))

    def has_room(self) -> bool:
        """Return whether more may be published now; otherwise acknowledgements must come first."""
        return not self.trouble and len(self._checked) < ENOUGH_UNACKNOWLEDGED

    def abandon(self, why: Trouble) -> None:
        """End the connection for this reason."""
        self._end(why)

    def close(self) -> None:
        """End the session with a DISCONNECT, as far as the socket accepts it without waiting."""
        if not self.trouble:
            with contextlib.suppress(Exception):
                self._client.disconnect()
            self._end(mqtt_errors.closed(self.endpoint.host, "closed by this program"))

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
        host, port = self.endpoint.host, self.endpoint.port
        match error:
            case OSError():
                return self._lost(reason(error))
            case SendQueueFullError():
                return self._not_processing(str(error))
            case packets.TooLargeError() if self.accepted:
                return mqtt_errors.too_large(host, str(error), packets.MAX_BYTES)
            case packets.UnexpectedError() if self.accepted:
                return mqtt_errors.unexpected(host, str(error))
        what = f"sent data that is not MQTT ({type(error).__name__})"
        return mqtt_errors.not_mqtt(host, port, what)

    def _not_processing(self, what: str) -> Trouble:
        return mqtt_errors.not_processing(self.endpoint.host, what)

    def _lost(self, why: str) -> Trouble:
        if self.accepted:
            return mqtt_errors.closed(self.endpoint.host, why)
        what = "accepts connections and does not answer in MQTT"
        return mqtt_errors.not_mqtt(self.endpoint.host, self.endpoint.port, what)

    def _end(self, why: Trouble) -> None:
        if not self.trouble:
            self.trouble = why
            self._link.close()
            # Without a reference cycle the client is freed at once, with its two descriptors.
            client = self._client
            client.process_answer = client.process_publish = None

    # The content of packets

    def _on_publish(self, head: int, body: bytes | bytearray) -> None:
        topic, payload = packets.publish(body, self.protocol)
        payload = payload[:MAX_PAYLOAD]
        self._received_bytes += len(topic) + len(payload)
        self._step_bytes += len(body)  # its properties take time, but no memory
        self._received.append((topic, payload, head & 1, boot_ns()))

    def _on_answer(self, kind: int, body: bytes) -> bool:
        """Process an answer; return whether paho has to see it, too."""
        self._step_bytes += len(body)
        answer = packets.response(kind, body, self.protocol)
        if kind == packets.CONNACK:
            return not self.accepted and self._on_connack(answer)
        if kind == packets.PUBACK:
            topic = self._checked.pop(answer.mid, None)
            optional = answer.mid in self._optional
            self._optional.discard(answer.mid)
            if topic and answer.code >= REFUSED:
                describe = mqtt_errors.publish_refused
                why = self._describe(describe, topic, answer.code, answer.reason_string)
                if optional:
                    self.declined[0] = why
                else:
                    self._refusal = why
            return topic is not None and (optional or answer.code < REFUSED)
        if kind == packets.DISCONNECT:
            reason_string = self._why(answer.code, answer.reason_string)
            self._refusal = mqtt_errors.closed(self.endpoint.host, reason_string)
        elif answer.mid in self._awaited:
            topics = self._awaited.pop(answer.mid)
            for topic, code in zip(topics, answer.codes, strict=False):
                if code < REFUSED:
                    continue
                describe = mqtt_errors.subscription_refused
                if topic.startswith(SHARED):
                    describe = mqtt_errors.share_refused
                why = self._describe(describe, topic, code, answer.reason_string)
                if answer.mid not in self._optional:
                    self._refusal = why
                    return False
                self.declined[answer.mid] = why
            self._optional.discard(answer.mid)
            self.acknowledged.add(answer.mid)
        return False

    def _on_connack(self, answer: Response) -> bool:
        """Process the CONNACK; return whether it accepts the connection."""
        code, endpoint = answer.code, self.endpoint
        if code == 0 and answer.complete:
            self.accepted = self._settled = True
            if answer.keepalive:
                self._client.limit_keepalive(min(KEEPALIVE, answer.keepalive))
            return True
        host, user, config = endpoint.host, endpoint.user, endpoint.config
        reason_string = self._plain(answer.reason_string)
        if code in _LOGIN and endpoint.vrm:
            self._refusal = mqtt_errors.vrm_login_refused(host, user, config, reason_string)
        elif code in _LOGIN:
            has_password = bool(endpoint.password)
            self._refusal = mqtt_errors.login_refused(
                host, user, has_password, config, reason_string
            )
        else:
            why = self._why(code or _VERSION[0], answer.reason_string)
            self._refusal = mqtt_errors.connack_refused(host, why)
        self._settled = code in _LOGIN or (answer.complete and code not in _VERSION)
        return False

    def _describe(
        self, make: Callable[..., Trouble], topic: str, code: int, reason_string: str
    ) -> Trouble:
        endpoint = self.endpoint
        if endpoint.vrm and code in (REFUSED, NOT_AUTHORISED):
            make = mqtt_errors.vrm_refused
        why = self._why(code, reason_string)
        return make(endpoint.host, endpoint.user, plain(topic, 200), why, endpoint.config)

    def _why(self, code: int, reason_string: str) -> str:
        meaning, own = packets.reason_text(code), self._plain(reason_string)
        return f"{meaning}: {own}" if own else meaning

    def _plain(self, reason_string: str) -> str:
        """Return a printable reason string; '' if it contains the password."""
        password = self.endpoint.password
        if password and password in reason_string:
            return ""
        return plain(reason_string, LONGEST_REASON)

    def _await(self, mid: int, topics: list[str]) -> int:
        # Ids repeat after 65,535 packets, that is some hours.
        self.acknowledged.discard(mid)
        self.declined.pop(mid, None)
        self._awaited[mid] = topics
        if (count := len(self._awaited)) > MAX_SUBSCRIPTIONS:
            self._end(self._not_processing(f"{count:,} subscriptions are not acknowledged"))
        return mid
