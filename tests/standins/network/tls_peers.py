"""The other side of TLS, for tests: servers written for tests, and both ends of a handshake."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.mqtt.handshake import secure
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import Protocol
from bat2influx.net.tls import Tls
from tests.standins.network.certificates import Certificate
from tests.standins.network.mqtt_peers import Peer
from tests.standins.venus.visitor import WAIT
from tests.support.daemon import wait

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class TlsServer(Peer):
    """Does a handshake and `act`, and records each client's bytes until it disconnects."""

    def __init__(
        self,
        certificate: Certificate,
        act: Callable[[ssl.SSLSocket], object] = lambda secured: None,
        version: ssl.TLSVersion | None = None,
    ) -> None:
        self.heard: list[bytes] = []  # after the handshake, one per client
        self._act = act
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.cert, certificate.key)
        if version is not None:
            self._context.minimum_version = self._context.maximum_version = version
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Serve one client."""
        with self._context.wrap_socket(connection, server_side=True) as secured:
            heard = bytearray()
            try:
                self._act(secured)
                while data := secured.recv(4096):
                    heard += data
            finally:
                self.heard.append(bytes(heard))


def shake(
    port: int, trust: Tls, host: str = "127.0.0.1", timeout: float = WAIT
) -> ssl.SSLSocket | Trouble:
    """Begin TLS with a server on 127.0.0.1, by the name `host`."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    outcome = secure(sock, host, port, trust, "/etc/x.ini", timeout=timeout)
    if isinstance(outcome, Trouble):
        assert sock.fileno() == -1, "it is left open"
    return outcome


def record(kind: int, body: bytes) -> bytes:
    """Return a record of TLS 1.2."""
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


@contextmanager
def login(port: int, trust: Tls, host: str = "127.0.0.1") -> Iterator[Connection]:
    """Begin a session of MQTT 3.1.1 by TLS."""
    endpoint = Endpoint(host, port, "u", "", "/etc/x.ini", trust)
    connector = Connector(endpoint, lambda: None)
    link = wait("the outcome", lambda: connector.outcome)
    assert isinstance(link, Link), link
    connection = Connection(link, endpoint, "bat2influx-test", Protocol.MQTT_3_1_1)
    try:
        yield connection
    finally:
        connection.close()


def step_until(connection: Connection, done: Callable[[], object]) -> None:
    """Step as the daemon does: when the socket is ready, or the connection has bytes buffered."""
    while not done() and not connection.trouble:
        events = 0
        if not connection.pending:
            poll = select.poll()
            write = select.POLLOUT if connection.wants_write else 0
            poll.register(connection.fileno(), select.POLLIN | write)
            ready = poll.poll(WAIT * 1000)
            assert ready, "no more bytes come, and it is not done"
            events = ready[0][1]
        connection.step(
            readable=bool(events & ~select.POLLOUT), writable=bool(events & select.POLLOUT)
        )
