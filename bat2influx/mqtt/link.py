"""A connected socket to a broker, with the methods that a session uses; it reads ahead.

Rules: only one session uses it. What TLS adds is in secured_link.py, because `ssl` takes 4 MB of
memory, and a daemon without TLS does not need it.
"""

from __future__ import annotations

import socket
from typing import Any

from bat2influx.clock import boot_ns
from bat2influx.mqtt import packets, publishes
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.publishes import Packet

RECEIVE = 65_536  # bytes to receive in one call


class Link:
    """A connected socket without TLS; paho uses it as its socket.

    It reads ahead: paho reads a packet in three or more small pieces, and each of them would be a
    system call. A complete ordinary packet, such as a value, bypasses paho: parsing by paho takes
    as long as everything else. A part of an ordinary packet stays here until the rest arrives
    (publishes.py), at most 16 KiB.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead = b""
        self._position = 0
        self.incomplete = False  # the rest is the beginning of an ordinary packet
        self._ended = False  # nothing more will come

    @property
    def pending(self) -> bool:
        """Whether there is read-ahead data, which select() does not see."""
        return not self.used_up

    @property
    def used_up(self) -> bool:
        """Whether more must be received before anything can be taken."""
        return self.incomplete or self._position >= len(self._ahead)

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, in DER; None without TLS."""
        return None

    @property
    def certificate_fields(self) -> dict[str, Any]:
        """The certificate's content, as from ssl.SSLSocket.getpeercert; {} if not verified."""
        return {}

    @property
    def version(self) -> str | None:
        """The version of TLS, such as TLSv1.3; None without it."""
        return None

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end; BlockingIOError if there are none yet."""
        start = self._position
        if start >= len(self._ahead):
            self._ahead, start = self._receive(), 0
        chunk = self._ahead[start : start + size]
        self._position = start + len(chunk)
        return chunk

    def read_ahead(self) -> bool:
        """Receive available data; return whether something can be taken, also the end.

        `recv` reports the end, or a failure.
        """
        try:
            more = self._receive()
        except BlockingIOError:
            return False
        except OSError:
            more = b""
        self._ended = not more
        self.incomplete = False
        if more:
            self._ahead, self._position = self._ahead[self._position :] + more, 0
        return True

    def take_packets(self, most: int, protocol: Protocol) -> tuple[list[Packet], int]:
        """Take the next ordinary packets, at most `most`, and their size in bytes."""
        if self._ended:
            return [], 0
        start = self._position
        found = publishes.parse(self._ahead, start, most, protocol, boot_ns)
        self._position, self.incomplete = found.end, found.incomplete
        return found.packets, found.end - start

    def take_publish(self) -> tuple[int, bytes] | None:
        """Return first byte and body of the next packet, if it is a complete PUBLISH of QoS 0.

        None for any other, which `recv` returns.
        """
        ahead, start = self._ahead, self._position
        body = start + 2
        if body > len(ahead) or ahead[start] & packets.KIND_AND_QOS != packets.PUBLISH_QOS_0:
            return None
        length = ahead[start + 1]
        if length >= 0x80:
            try:
                length, body = packets.variable(ahead, start + 1)
            except (IndexError, packets.MalformedError):
                return None
        end = body + length
        if end > len(ahead):
            return None
        self._position = end
        return ahead[start], ahead[body:end]

    def send(self, data: bytes) -> int:
        """Return how many bytes were sent; BlockingIOError if there is no room yet."""
        return self._sock.send(data)

    def _receive(self) -> bytes:
        """Return available data; b"" at the end; BlockingIOError if there is none yet."""
        return self._sock.recv(RECEIVE)

    def __getattr__(self, name: str) -> Any:  # fileno, setblocking, close
        return getattr(self._sock, name)
