"""MQTT peers written for tests, for behaviour that no real broker or network shows on demand.

Rules: each listens on 127.0.0.1 and serves every connection on a separate thread; `calls` has the
time of each connection. A peer may send bytes that are no MQTT. It reads all bytes as MQTT 3.1.1;
so peers that continue after a login act as brokers before MQTT 5, and reject version 5. Nothing
here checks the daemon: a peer causes a fault, and tests check the result.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

from tests.support.part import Part

PORTAL_ID = "c0619ab1c2d3"
CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK = 1, 2, 3, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14
WELCOME, REFUSED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
WELCOME_5, REFUSED_5 = b"\x20\x03\x00\x00\x00", b"\x20\x03\x00\x87\x00"
OTHER_VERSION = b"\x20\x02\x00\x01"


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """Return an MQTT packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind << 4 | flags]) + length + body


def publish(topic: str | bytes, payload: bytes, flags: int = 0) -> bytes:
    """Return a PUBLISH, with QoS 0 unless `flags` differ."""
    name = topic.encode() if isinstance(topic, str) else topic
    return packet(PUBLISH, struct.pack("!H", len(name)) + name + payload, flags)


def packets(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each packet that the other side sends, until it ends."""
    with connection.makefile("rb") as stream:
        while first := stream.read(1):
            length = 0
            for shift in count(0, 7):
                digit = stream.read(1)[0]
                length |= (digit & 0x7F) << shift
                if digit < 0x80:
                    break
            yield first[0] >> 4, stream.read(length)


def level(connect: bytes) -> int:
    """Return the protocol level in the body of a CONNECT: 4 for MQTT 3.1.1."""
    return connect[6]


def wants_5(connection: socket.socket) -> bool:
    """Return whether the first packet is a CONNECT of MQTT 5; the packet stays unread."""
    first = connection.recv(10, socket.MSG_PEEK | socket.MSG_WAITALL)
    return first[:1] == bytes([CONNECT << 4]) and b"\x00\x04MQTT\x05" in first


class Peer(Part):
    """Accepts every connection and sends nothing; the other peers override `serve`.

    With `before_5` it rejects each CONNECT of MQTT 5, and does not count it in `calls`.
    """

    before_5 = False

    def __init__(self) -> None:
        self.calls: list[float] = []  # monotonic, s
        self.closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop it, and close every connection."""
        self.closing.set()
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def serve(self, connection: socket.socket) -> None:
        """Serve a connection, which is closed when this returns."""
        while connection.recv(65_536):
            pass

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self.before_5:
                    self.calls.append(time.monotonic())
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with connection, suppress(OSError, IndexError):  # IndexError: it ended within a packet
            if not self.before_5:
                self.serve(connection)
            elif wants_5(connection):
                next(packets(connection))  # or the kernel would send a reset
                connection.sendall(OTHER_VERSION)
            else:
                self.calls.append(time.monotonic())
                self.serve(connection)
        self._open.discard(connection)


class Talker(Peer):
    """Answers the first bytes with `answer`, whatever they are; closes the connection if `ends`."""

    def __init__(self, answer: bytes, *, ends: bool = False) -> None:
        self._answer = answer
        self._ends = ends
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Say it."""
        connection.recv(65_536)
        connection.sendall(self._answer)
        if not self._ends:
            super().serve(connection)


class Refusing(Peer):
    """A broker that rejects every login, after each of `delays` (s) in turn."""

    def __init__(self, *delays: float) -> None:
        self._delays = delays
        self.logins: list[bytes] = []  # the body of each CONNECT
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Reject one login."""
        for kind, body in packets(connection):
            if kind == CONNECT:
                delay = self._delays[len(self.logins) % len(self._delays)]
                self.logins.append(body)
                self.closing.wait(delay)
                connection.sendall(REFUSED_5 if level(body) == 5 else REFUSED)
                return


class Device(Peer):
    """A broker and the device behind it, which answers every read with a number that counts up.

    Tests call `strike`: the device then disturbs a connection in place of the next answer. `mutes`
    has the kinds of packets that it does not answer.
    """

    before_5 = True

    def __init__(self, *, mutes: frozenset[int] = frozenset()) -> None:
        self.mutes = mutes
        self.requests: list[tuple[float, str, bytes]] = []  # monotonic time, topic, payload
        self.subscriptions: list[bytes] = []
        self.said: list[tuple[str, int]] = []  # topic and value of each answer
        self._value = count(1)
        self._strike: Callable[[socket.socket], object] | None = None
        super().__init__()

    def strike(self, act: Callable[[socket.socket], object]) -> None:
        """Call `act` with the connection of the next read request."""
        self._strike = act

    def send(self, data: bytes) -> None:
        """Send `data` in place of the next answer."""
        self.strike(lambda connection: connection.sendall(data))

    def serve(self, connection: socket.socket) -> None:
        """Be a broker."""
        for kind, body in packets(connection):
            if kind in self.mutes:
                continue
            if kind == CONNECT:
                connection.sendall(WELCOME)
            elif kind == SUBSCRIBE:
                self.subscriptions.append(body)
                connection.sendall(packet(SUBACK, body[:2] + bytes(_topics(body))))
            elif kind == UNSUBSCRIBE:
                connection.sendall(packet(UNSUBACK, body[:2]))
            elif kind == PINGREQ:
                connection.sendall(packet(PINGRESP))
            elif kind == PUBLISH:
                self._answer(connection, body)
            elif kind == DISCONNECT:
                return

    def _answer(self, connection: socket.socket, body: bytes) -> None:
        length = struct.unpack("!H", body[:2])[0]
        topic = body[2 : 2 + length].decode()
        self.requests.append((time.monotonic(), topic, body[2 + length :]))
        act, self._strike = self._strike, None
        if act is not None:
            act(connection)
            return
        if topic.endswith("/keepalive"):
            topic = topic.replace("keepalive", "heartbeat")
        name, value = topic.replace("R/", "N/", 1), next(self._value)
        self.said.append((name, value))
        connection.sendall(publish(name, b'{"value":%d}' % value))


class OldBroker(Peer):
    """A real broker at `port`, as one before MQTT 5: it rejects version 5, and relays all else."""

    before_5 = True

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Relay the bytes of both sides, until one ends."""
        with socket.create_connection(("127.0.0.1", self._port)) as broker:
            self._open.add(broker)
            back = threading.Thread(target=_hand_on, args=(broker, connection), daemon=True)
            back.start()
            _hand_on(connection, broker)
            back.join()
            self._open.discard(broker)


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _topics(body: bytes) -> int:
    """Return the number of topics in a SUBSCRIBE."""
    position, topics = 2, 0
    while position < len(body):
        position += 2 + struct.unpack_from("!H", body, position)[0] + 1
        topics += 1
    return topics


def reset(connection: socket.socket) -> None:
    """End a connection with an RST, so that bytes under way are lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Void:
    """A port to which a TCP connect gets no answer at all, as when a host is off."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._server.getsockname()[1]
        # One connection fits; the kernel then ignores all others.
        self._callers = [socket.socket() for _ in range(4)]
        for caller in self._callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", self.port))

    def close(self) -> None:
        """Close the port."""
        for each in (self._server, *self._callers):
            each.close()
