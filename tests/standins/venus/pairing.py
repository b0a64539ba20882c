"""The pairing page of a Venus device, by HTTPS, and the tokens that it returns.

Source: VENUS, "Pairing". The status of a real device's refusals is not known; here it is 403 while
pairing mode is off, 401 for a wrong password, and a JSON object with the reason.

Rules: one connection carries one request. Every request is recorded, with whether its password was
right. A setting from outside applies to the next connection.
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs

from tests.standins.network.certificates import Certificate
from tests.standins.venus.door import Door
from tests.standins.venus.login import Profile
from tests.support.part import Part

PATH = "/auth/generate-token/"
PAIRING_MODE = 120.0  # s
LONGEST = 16_384  # bytes of a request
Answer = tuple[int, bytes]


class Asked(NamedTuple):
    """A request; `right` is whether its password was right, None for none."""

    path: str
    role: str
    name: str
    right: bool | None
    status: int


class PairingPage(Part):
    """Pairs every client in pairing mode, or with `password`; `tokens` are those of the door.

    The next requests get `answers` instead, raw if they are bytes; after `hang` no request is
    answered.
    """

    def __init__(
        self,
        tokens: dict[str, str],
        certificate: Certificate,
        *,
        password: str = "",
        door: Door | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked: list[Asked] = []
        self.handshakes = 0
        self.certificate = certificate
        self.answers: deque[Answer | bytes] = deque()
        self.hang = False
        self.on_request: Callable[[], object] = lambda: None
        self._tokens = tokens
        self._password = password
        self._door = door
        self._clock = clock
        self._until = 0.0
        self._server = socket.create_server((host, port))
        self._ended = threading.Event()
        self.port: int = self._server.getsockname()[1]

    def set_up(self) -> None:
        """Start answering."""
        threading.Thread(target=self._accept, name="pairing", daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def press(self) -> None:
        """Switch pairing mode on, as a person does at the device."""
        self._until = self._clock() + PAIRING_MODE

    def remove(self, token: str) -> None:
        """Remove a token at the device: it is rejected from now on, and its client disconnected."""
        del self._tokens[token]
        if self._door:
            self._door.end_connections_of(token)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.cert, self.certificate.key)
        with connection, suppress(OSError):
            connection.settimeout(60.0)
            with context.wrap_socket(connection, server_side=True) as secured:
                self.handshakes += 1
                if request := _request(secured):
                    self.on_request()
                    if self.hang:
                        self._ended.wait(60.0)
                        return
                    secured.sendall(self._response(*request))
                    with suppress(ssl.SSLError):
                        secured.unwrap()

    def _response(self, path: str, body: bytes) -> bytes:
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        given = form.get("password")
        right = None if given is None else bool(self._password) and given == self._password
        found = self.answers.popleft() if self.answers else self._judge(path, form, right)
        status = found[0] if isinstance(found, tuple) else 0
        own = form.get("role", ""), form.get("device_id", "")
        self.asked.append(Asked(path, *own, right, status))
        if isinstance(found, bytes):
            return found
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(found[1])}\r\nConnection: close\r\n"
        return f"{head}\r\n".encode() + found[1]

    def _judge(self, path: str, form: dict[str, str], right: bool | None) -> Answer:
        role, name = form.get("role", ""), form.get("device_id", "")
        if path != PATH:
            return 404, b"<html><body><h1>404 Not Found</h1></body></html>"
        if not all(each.isascii() and each.isalnum() for each in (role, name)):
            return 400, b'{"error": "role and device_id have letters and digits"}'
        if right is False:
            return 401, b'{"error": "Wrong password"}'
        if right is None and self._clock() >= self._until:
            return 403, b'{"error": "Pairing mode is off"}'
        token, password = f"token/{role}/{name}", secrets.token_urlsafe(24)
        self._tokens[token] = password
        if self._door and self._door.profile is Profile.OFF:
            self._door.set_profile(Profile.PAIRED)
        return 200, json.dumps({"token_name": token, "password": password}).encode()


def _request(secured: ssl.SSLSocket) -> tuple[str, bytes] | None:
    """Return path and body of a request, None without one."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LONGEST:
        if not (more := secured.recv(4096)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *headers = head.decode("latin-1").split("\r\n")
    lengths = [int(h.split(":")[1]) for h in headers if h.lower().startswith("content-length:")]
    while len(body) < (lengths or [0])[0]:
        if not (more := secured.recv(4096)):
            return None
        body += more
    return first.split(" ")[1], body
