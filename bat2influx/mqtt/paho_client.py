"""The client of paho: the only module that uses paho.

paho keeps the session: it sends CONNECT, SUBSCRIBE, PUBLISH and PINGREQ, processes the
acknowledgements, and ends a dead connection. It reads a packet at a time, in three or more calls
each. A PUBLISH of QoS 0 needs no acknowledgement and does not change the session, and nearly all
packets are such: complete ones in the read-ahead data are taken before paho sees them (link.py,
publishes.py), in a fraction of the time. paho's keepalive does not see them, so that paho pings
every 30 s, and reads the answer.

packets.py parses the packets, and paho gets no properties: its time for them grows with the square
of their size. paho drops the code of each DISCONNECT without a text and, in 1.6, of each PUBACK; it
fails at unknown codes; and with MQTT 5 it takes so long for each PUBLISH that it receives a fifth
of the rate with 3.1.1.

1.6 and 2.1 differ in the constructor. In both a packet goes through `_packet_handle` once it is in
`_in_packet`, its bytes come from `_sock_recv`, the connected socket comes from
`_create_socket_connection`, and `_keepalive` is the longest time without sending. Outgoing packets
go through `_packet_queue` into `_out_packet`, and leave it by `_sock_send`. These names are not
public in paho.

Rules: an incoming packet is admitted (packets.py) before a byte of its body is read; the send queue
holds MAX_QUEUED packets and MAX_QUEUED_BYTES at most. paho has no bound for either.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from bat2influx.mqtt import packets
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import ANSWERS, KIND_AND_QOS, PUBLISH_QOS_0, Protocol
from bat2influx.service import lean_imports

with lean_imports.imports_of_paho():
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

SUCCESS = mqtt.MQTT_ERR_SUCCESS
MALFORMED = mqtt.MQTT_ERR_PROTOCOL  # paho's code for invalid data that it received
MAX_QUEUED = 10_000  # packets to be sent; one takes some 2.5 kB in paho
MAX_QUEUED_BYTES = 1 << 20


class SendQueueFullError(ValueError):
    """The peer does not read: the send queue is full. The text says how large it is."""


class Client(mqtt.Client):  # type: ignore[misc]
    """A paho client, of either generation, that uses a connected link as its socket, once.

    `process_publish` gets each PUBLISH of QoS 0, its first byte and the rest. `process_answer` gets
    kind and body of each answer, and returns whether paho gets it, too.
    """

    mqtt_protocol: Protocol
    link: Link | None = None
    process_answer: Callable[[int, bytes], bool] | None = None
    process_publish: Callable[[int, bytearray], None] | None = None
    queued_bytes = 0  # queued, and not sent yet
    _handled = False  # whether this read has completed a packet

    def begin(self, host: str, port: int, keepalive: int) -> None:
        """Send the CONNECT; with MQTT 5 it sets the maximum packet size (section 3.1.2.11.4).

        `host` and `port` are for paho's records, `keepalive` is in s.
        """
        properties = None
        if self.mqtt_protocol is Protocol.MQTT_5:
            properties = Properties(PacketTypes.CONNECT)
            properties.MaximumPacketSize = packets.MAX_BYTES
        self.connect(host, port, keepalive, properties=properties)

    def limit_keepalive(self, seconds: int) -> None:
        """Send something at least every `seconds`: with MQTT 5 the broker may require that."""
        self._keepalive = seconds

    @property
    def between_packets(self) -> bool:
        """Whether nothing of a packet has been received yet."""
        return not self._in_packet["command"]

    def read_packet(self) -> int:
        """Read a packet, or continue with a partial one; return a code of paho's.

        By default paho reads one packet per unacknowledged message, a thousand for a fleet, most of
        which could have bypassed it.
        """
        self._handled = False
        return int(self.loop_read())

    def _sock_recv(self, bufsize: int) -> Any:
        if self._handled and self.between_packets:
            raise BlockingIOError
        self._admit()
        return super()._sock_recv(bufsize)

    def _admit(self) -> None:
        """Check whether the packet that is being received is allowed; called before each piece."""
        packet = self._in_packet
        size = 0
        if packet["have_remaining"]:
            size = 1 + len(packet["remaining_count"]) + packet["remaining_length"]
        if size or packet["command"]:
            packets.admit(packet["command"], size, self.mqtt_protocol)

    def _packet_queue(self, command: int, packet: bytes, *more: Any, **named: Any) -> Any:
        queued, size = len(self._out_packet) + 1, self.queued_bytes + len(packet)
        if queued > MAX_QUEUED or size > MAX_QUEUED_BYTES:
            raise SendQueueFullError(f"{queued:,} packets of {size:,} bytes are queued to be sent")
        self.queued_bytes = size
        return super()._packet_queue(command, packet, *more, **named)

    def _sock_send(self, buf: bytes) -> Any:
        sent = super()._sock_send(buf)
        self.queued_bytes -= sent
        return sent

    def _packet_handle(self) -> Any:
        self._admit()  # a packet without a body was not checked before
        self._handled = True
        head, body = self._in_packet["command"], self._in_packet["packet"]
        if head & KIND_AND_QOS == PUBLISH_QOS_0 and self.process_publish:
            self.process_publish(head, body)
            return SUCCESS
        kind = head >> 4
        if kind in ANSWERS[self.mqtt_protocol] and self.process_answer:
            if not self.process_answer(kind, bytes(body)):
                return SUCCESS
            bare = packets.without_properties(kind, bytes(body), self.mqtt_protocol)
            self._in_packet.update(packet=bare, remaining_length=len(bare))
        return super()._packet_handle()

    def _create_socket_connection(self) -> Link:
        link, self.link = self.link, None
        if link is None:  # paho would try again
            raise ConnectionAbortedError(errno.ECONNABORTED, "there is only one connection")
        return link


def new_client(link: Link, client_id: str, protocol: Protocol) -> Client:
    """Return a client that uses `link`."""
    how = {"client_id": client_id, "protocol": int(protocol)}
    if hasattr(mqtt, "CallbackAPIVersion"):
        client = Client(mqtt.CallbackAPIVersion.VERSION2, **how)
    else:
        client = Client(**how)
    client.link, client.mqtt_protocol = link, protocol
    return client
