"""HTTP servers written for tests, for behaviour that a real InfluxDB does not show on demand.

Rules: as in `mqtt_peers`, on which these are built. A peer keeps its requests in `requests`, head
and body, unchanged. `Relay` is the exception: it stands before a real server and only records.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO

from tests.standins.network.mqtt_peers import Peer

Act = Callable[[socket.socket], object]
GOES_ON = object()  # an act returns it to keep the connection open


def answer(status: str, body: bytes | str = b"", *headers: str) -> bytes:
    """Return an answer in InfluxDB's form: "503 Service Unavailable", its body, headers."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


ACCEPTED = answer("204 No Content")
CREATED = answer("200 OK", '{"results":[{"statement_id":0}]}', "Content-Type: application/json")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PONG = answer("204 No Content", "", "X-Influxdb-Version: 1.6.7~rc0", "X-Influxdb-Build: OSS")
NO_DATABASE = answer("404 Not Found", '{"error":"database not found: \\"battery\\""}')


class HttpPeer(Peer):
    """Answers each request with the next of `answers`, and then always with the last.

    An answer is the bytes to send, or a function that disturbs the connection, which is then
    closed unless the function returns GOES_ON. `GET /ping` has a separate answer, that of InfluxDB
    1.6.7, and is not recorded; with None it is a request like any other.
    """

    def __init__(self, *answers: bytes | Act, ping: bytes | None = PONG) -> None:
        self._ping = ping
        self.requests: list[bytes] = []
        self.times: list[float] = []  # of arrival (monotonic, s)
        self._answers = answers
        self._lock = threading.Lock()
        super().__init__()

    def asked(self, what: bytes) -> list[bytes]:
        """Return the requests with `what` in the first line."""
        return [each for each in list(self.requests) if what in each.split(b"\r\n", 1)[0]]

    @property
    def batches(self) -> list[list[bytes]]:
        """The lines of each write, in the order of arrival."""
        bodies = [each.partition(b"\r\n\r\n")[2] for each in self.asked(b"/write")]
        return [body.splitlines() for body in bodies]

    @property
    def lines(self) -> list[bytes]:
        """The lines of all writes."""
        return [line for batch in self.batches for line in batch]

    def serve(self, connection: socket.socket) -> None:
        """Read one request after the other and answer it."""
        with connection.makefile("rb") as stream:
            while request := read_request(stream, connection):
                head, body = request
                if self._ping is not None and re.match(rb"GET \S*/ping ", head[0]):
                    connection.sendall(self._ping)
                    continue
                with self._lock:
                    self.times.append(time.monotonic())
                    self.requests.append(b"".join(head) + body)
                    act = self._answers[min(len(self.requests), len(self._answers)) - 1]
                if not callable(act):
                    connection.sendall(act)
                elif act(connection) is not GOES_ON:
                    return


def read_request(
    stream: BinaryIO, connection: socket.socket
) -> tuple[Sequence[bytes], bytes] | None:
    """Return the lines of the head and the body of the next request, or None when there is none.

    A client that sends Expect: 100-continue gets "100 Continue" before its body.
    """
    head: list[bytes] = []
    while not head or head[-1] != b"\r\n":
        line = stream.readline()
        if not line:
            return None
        head.append(line)
    if any(line.lower() == b"expect: 100-continue\r\n" for line in head):
        connection.sendall(CONTINUE)
    lengths = [line[15:] for line in head if line.lower().startswith(b"content-length:")]
    return head, stream.read(int(lengths[0])) if lengths else b""


class Dripping(HttpPeer):
    """Answers `start`, then `drop` again and again: each pause is short, and there is no end."""

    def __init__(self, start: bytes = b"", drop: bytes = b"x", *, pause: float = 0.02) -> None:
        def drip(connection: socket.socket) -> None:
            connection.sendall(start)
            while not self.closing.wait(pause):
                connection.sendall(drop)

        super().__init__(drip)


class Silent(HttpPeer):
    """Accepts every request and never answers."""

    def __init__(self) -> None:
        super().__init__(lambda _: self.closing.wait())


class Gate(HttpPeer):
    """Answers `answer` to each request, but only after the test has released it."""

    def __init__(self, answer: bytes = ACCEPTED) -> None:
        self.answer = answer
        self._passes = threading.Semaphore(0)

        def wait(connection: socket.socket) -> object:
            while not self._passes.acquire(timeout=0.1):
                if self.closing.is_set():
                    return None
            connection.sendall(self.answer)
            return GOES_ON

        super().__init__(wait)

    def open(self, times: int = 1_000_000) -> None:
        """Release the next requests."""
        self._passes.release(times)


class Relay(Peer):
    """Passes everything on to a real server, and records the sent bytes in `sent`."""

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self._to = port
        super().__init__()

    def count(self, what: bytes = b"POST /write") -> int:
        """Return how often `what` was sent."""
        return self.sent.count(what)

    def serve(self, connection: socket.socket) -> None:
        """Pass on until either side ends."""
        with socket.create_connection(("127.0.0.1", self._to)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def there(data: bytes) -> None:
                self.sent += data
                server.sendall(data)

            back = threading.Thread(
                target=_pump, args=(server, connection, connection.sendall), daemon=True
            )
            back.start()
            _pump(connection, server, there)
            back.join()


class Void:
    """An address and port from which a TCP connect gets no answer, as when a host is off."""

    def __init__(self, address: str, port: int) -> None:
        self._sockets = [socket.create_server((address, port), backlog=0)]
        for _ in range(4):  # one fits; the kernel ignores all further ones
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex((address, port))
            self._sockets.append(caller)

    def close(self) -> None:
        """Close the port."""
        for each in self._sockets:
            each.close()


def _pump(source: socket.socket, other: socket.socket, sink: Callable[[bytes], object]) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
