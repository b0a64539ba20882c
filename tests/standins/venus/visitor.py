"""A client with just enough MQTT to log in at a Venus device's front door.

Rules: the test controls each byte; nothing is sent without a call of the test.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.standins.network.certificates import Certificate, device_certificate
from tests.standins.network.mqtt_peers import CONNECT, packet
from tests.standins.venus.door import Door
from tests.standins.venus.login import Profile

PASSWORD = "sesame"
TOKEN, TOKEN_PASSWORD = "token/viewer/7", "paired"
WELCOME, REFUSED, REFUSED_5 = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05", b"\x20\x03\x00\x87\x00"
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
WAIT = 60.0  # s; on an idle machine it takes milliseconds
Opener = Callable[..., Door]


@contextmanager
def doors(directory: Path, broker_port: int) -> Iterator[Opener]:
    """Open doors before a broker, and close them at the end; their refusals have no delay."""
    with ExitStack() as stack:

        def opened(profile: Profile = Profile.SECURED, **options: Any) -> Door:
            settings = {
                "password": PASSWORD,
                "tokens": {TOKEN: TOKEN_PASSWORD},
                "refusal_delay": (0, 0),
                **options,
            }
            if "certificate" not in settings:
                settings["certificate"] = device_certificate(directory)
            return stack.enter_context(Door(profile, broker_port, **settings))

        yield opened


def text(value: str) -> bytes:
    """Return a string in MQTT's form, after its length."""
    return len(value).to_bytes(2, "big") + value.encode()


def hello(
    user: str | None = "user",
    password: str | None = PASSWORD,
    *,
    client_id: str = "",
    level: int = 4,
    name: str = "MQTT",
) -> bytes:
    """Return a CONNECT."""
    flags = 0x02 | (user is not None) << 7 | (password is not None) << 6
    body = text(name) + bytes([level, flags, 0, 60]) + (b"\0" if level == 5 else b"")
    body += text(client_id) + b"".join(text(each) for each in (user, password) if each is not None)
    return packet(CONNECT, body)


def trusting(certificate: Certificate | None) -> ssl.SSLContext:
    """Return a context that trusts one certificate, or any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = certificate is not None
    if certificate is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(certificate.cert)
    return context


def call(port: int, *, tls: bool = False, trust: Certificate | None = None) -> socket.socket:
    """Connect as a client that trusts one certificate, or any."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
    return trusting(trust).wrap_socket(sock, server_hostname="venus.local") if tls else sock


@contextmanager
def visit(door: Door, first: bytes | None = None, *, tls: bool = True) -> Iterator[socket.socket]:
    """Connect to the door and send `first`, by default a valid login."""
    with call(door.tls_port if tls else door.plain_port, tls=tls) as sock:
        sock.sendall(hello() if first is None else first)
        yield sock


def answer(sock: socket.socket, size: int = 100) -> bytes:
    """Return all bytes until the end, or `size` bytes."""
    come = b""
    while len(come) < size and (more := sock.recv(size - len(come))):
        come += more
    return come


def said(door: Door, first: bytes | None = None, *, tls: bool = True, size: int = 4) -> bytes:
    """Return the answer to a CONNECT; b"" when it ends without one."""
    with visit(door, first, tls=tls) as sock:
        return answer(sock, size)


def is_open(port: int) -> bool:
    """Return whether a process listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
