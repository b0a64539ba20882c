"""A connected socket to a broker, as far as a session uses one; it reads ahead.

Rules: nothing but its taker uses it. What TLS adds is in secured_link.py, since `ssl` takes 4 MB of
memory and a daemon that speaks TLS with nobody has no need of it.
"""

from __future__ import annotations

import socket
from typing import Any

from bat2influx.clock import boot_ns
from bat2influx.mqtt import packets, publishes
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.publishes import Packet

RECEIVE = 65_536  # bytes asked of the socket at once


class Link:
    """A connected socket without TLS, and all that there is to a socket in the eyes of paho.

    It reads ahead: paho asks for a packet in three or more small pieces, and each of them would
    be a system call. What lies there whole, a value that a device says, need not go through paho
    at all: to have it cut the stream takes as long as all the rest. An ordinary one of which a part
    is there waits here for the rest (publishes.py), in 16 KiB at the most.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead = b""
        self._position = 0
        self.incomplete = False  # what is left is the beginning of an ordinary packet
        self._ended = False  # nothing more will come

    @property
    def pending(self) -> bool:
        """Whether something was read ahead, which select() would not tell."""
        return not self.used_up

    @property
    def used_up(self) -> bool:
        """Whether nothing was read ahead that can be taken before more is read."""
        return self.incomplete or self._position >= len(self._ahead)

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, in DER; None without TLS."""
        return None

    @property
    def says(self) -> dict[str, Any]:
        """What the certificate says, as ssl.SSLSocket.getpeercert has it; {} if not verified."""
        return {}

    @property
    def version(self) -> str | None:
        """The version of TLS, such as TLSv1.3; None without it."""
        return None

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end; BlockingIOError when there are none yet."""
        start = self._position
        if start >= len(self._ahead):
            self._ahead, start = self._receive(), 0
        chunk = self._ahead[start : start + size]
        self._position = start + len(chunk)
        return chunk

    def read_ahead(self) -> bool:
        """Read what there is; return whether something is to be taken, be it the end.

        The end, and a failure, is left for `recv` to meet with.
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

    def cut(self, most: int, protocol: Protocol) -> tuple[list[Packet], int]:
        """Take the ordinary packets that come next, `most` at the most; their size is in bytes."""
        if self._ended:
            return [], 0
        start = self._position
        found = publishes.cut(self._ahead, start, most, protocol, boot_ns)
        self._position, self.incomplete = found.end, found.incomplete
        return found.packets, found.end - start

    def take_publish(self) -> tuple[int, bytes] | None:
        """Return first byte and body of the next packet: a PUBLISH of QoS 0, read ahead as a whole.

        None for any other, which is left to be received.
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
        """Return how many bytes were taken; BlockingIOError when there is no room yet."""
        return self._sock.send(data)

    def _receive(self) -> bytes:
        """Return what there is; b"" at the end; BlockingIOError when there is nothing yet."""
        return self._sock.recv(RECEIVE)

    def __getattr__(self, name: str) -> Any:  # fileno, setblocking, close
        return getattr(self._sock, name)
