"""The client of paho: the only module that knows it.

paho cuts the stream into packets (but for plain values that were read ahead whole, connector.py),
sends, and keeps the connection alive. What the packets say is
left to others (packets.py): paho loses the code of each DISCONNECT without a text and, in 1.6, of
each PUBACK; it stumbles at codes that it does not know; and MQTT 5 has it make so much of each
PUBLISH that it receives a fifth of what it does with 3.1.1.

1.6 and 2.1 differ in the constructor. In both a packet goes through `_packet_handle` once it lies
in `_in_packet`, the connected socket comes from `_create_socket_connection`, and `_keepalive` is
how long nothing may be sent: the names here that are not public in paho.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt

from bat2influx.mqtt.connector import Link
from bat2influx.mqtt.packets import ANSWERS, KIND_AND_QOS, PUBLISH_QOS_0, Protocol

SUCCESS = mqtt.MQTT_ERR_SUCCESS


class Client(mqtt.Client):  # type: ignore[misc]
    """A paho client, of either generation, that takes a connected link for its socket, once.

    `take` gets each PUBLISH of QoS 0, its first byte and the rest. `hear` gets kind and body of
    each answer, and tells whether paho is to see that.
    """

    spoken: Protocol
    link: Link | None = None
    hear: Callable[[int, bytes], bool] | None = None
    take: Callable[[int, bytearray], None] | None = None

    def hurry(self, seconds: int) -> None:
        """Send something each so many seconds at the least: MQTT 5 lets the broker say so."""
        self._keepalive = seconds

    @property
    def between_packets(self) -> bool:
        """Whether nothing of a packet has been received yet."""
        return not self._in_packet["command"]

    def _packet_handle(self) -> Any:
        head, body = self._in_packet["command"], self._in_packet["packet"]
        if head & KIND_AND_QOS == PUBLISH_QOS_0 and self.take:
            self.take(head, body)
            return SUCCESS
        kind = head >> 4
        if kind in ANSWERS[self.spoken] and self.hear and not self.hear(kind, bytes(body)):
            return SUCCESS
        return super()._packet_handle()

    def _create_socket_connection(self) -> Link:
        link, self.link = self.link, None
        if link is None:  # paho would try once more
            raise ConnectionAbortedError(errno.ECONNABORTED, "there is one connection alone")
        return link


def new_client(link: Link, client_id: str, protocol: Protocol) -> Client:
    """Return a client that will speak over `link`."""
    how = {"client_id": client_id, "protocol": int(protocol)}
    if hasattr(mqtt, "CallbackAPIVersion"):
        client = Client(mqtt.CallbackAPIVersion.VERSION2, **how)
    else:
        client = Client(**how)
    client.link, client.spoken = link, protocol
    return client
