"""The dialer: one deadline over name resolution, connect and TLS; the clock is made by hand."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.influx import transport
from bat2influx.influx.transport import Dialer, HandshakeError
from bat2influx.net import deadline
from bat2influx.net.tls import TlsFault
from tests.support.tls_by_hand import openssl, verification

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_ROUTE = OSError(errno.EHOSTUNREACH, "No route to host")
LIMIT = 1000.0  # s; a real clock would not get near its half


class Network:
    """A dialer with stand-ins for resolver and sockets that take time by the test's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.asked: list[tuple[str, int, float]] = []  # host, port and time limit of a resolution
        self.resolving = 0.0  # s that it takes
        self.connecting: dict[str, tuple[float, OSError | None]] = {}  # s, and how it fails
        self.tried: list[tuple[str, float]] = []  # address, and the time that it was given
        self.sockets: list[socket.socket] = []
        network = self

        class Socket(socket.socket):
            def connect(self, address: Any) -> None:
                network.sockets.append(self)
                network.tried.append((address[0], self.gettimeout()))
                seconds, failure = network.connecting[address[0]]
                network.now += seconds
                if failure:
                    raise failure

        constants = {each: getattr(socket, each) for each in ("IPPROTO_TCP", "TCP_NODELAY")}
        monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(transport, "socket", SimpleNamespace(socket=Socket, **constants))
        monkeypatch.setattr(transport, "resolver", SimpleNamespace(resolve=self._resolve))
        self.dialer = Dialer()

    def _resolve(self, host: str, port: int, timeout: float) -> list[Any]:
        self.asked.append((host, port, timeout))
        self.now += self.resolving
        own = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        return [(*own, (address, port)) for address in self.connecting]

    def connect(self) -> socket.socket:
        """Connect, to what has addresses in `connecting`."""
        return self.dialer.connect("db", 8086)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A network in which a name has no address yet, for a request with LIMIT s in total."""
    made = Network(monkeypatch)
    with made.dialer.deadline.within(LIMIT):
        yield made
    made.dialer.deadline.close()
    for sock in made.sockets:
        sock.close()


def test_resolution_has_four_fifths_of_the_remaining_time(network: Network) -> None:
    """So that it ends with its own reason, and not by the deadline."""
    network.connecting = {"10.0.0.2": (0.0, None)}
    network.connect()
    network.now = LIMIT / 2
    network.connect()
    assert network.asked == [("db", 8086, 800.0), ("db", 8086, 400.0)]


def test_each_address_has_half_of_the_remaining_time(network: Network) -> None:
    """After the time of earlier ones; the connected socket then has the rest."""
    network.resolving = 200.0
    network.connecting = {
        "10.0.0.2": (400.0, TimeoutError()),
        "10.0.0.3": (0.0, REFUSED),
        "10.0.0.4": (100.0, None),
        "10.0.0.5": (0.0, None),
    }
    made = network.connect()
    assert network.tried == [("10.0.0.2", 400.0), ("10.0.0.3", 200.0), ("10.0.0.4", 200.0)]
    assert made is network.sockets[-1]
    assert made.gettimeout() == 300.0
    assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert [sock.fileno() < 0 for sock in network.sockets] == [True, True, False]


def test_the_last_failed_address_is_the_reason(network: Network) -> None:
    """All sockets are closed, and the server has seen nothing."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED), "10.0.0.3": (0.0, NO_ROUTE)}
    with pytest.raises(OSError, match="No route to host"):
        network.connect()
    assert [sock.fileno() < 0 for sock in network.sockets] == [True, True]


def test_a_name_without_an_address_is_an_error(network: Network) -> None:
    """An error of the network like any other."""
    with pytest.raises(OSError, match="no address"):
        network.connect()


def test_nothing_is_begun_after_the_deadline(network: Network) -> None:
    """Neither a resolution nor a further address."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED), "10.0.0.3": (0.0, None)}
    network.dialer.deadline.abort()
    with pytest.raises(TimeoutError):
        network.connect()
    assert not network.asked


def test_the_deadline_ends_the_attempts(network: Network) -> None:
    """The present address is the last."""
    dialer = network.dialer

    class Cutting(dict[str, Any]):
        def __getitem__(self, address: str) -> tuple[float, OSError]:
            dialer.deadline.abort()
            return 0.0, REFUSED

    network.connecting = Cutting({"10.0.0.2": None, "10.0.0.3": None})
    with pytest.raises(TimeoutError):
        network.connect()
    assert [address for address, _ in network.tried] == ["10.0.0.2"]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (verification(62), TlsFault.OTHER_NAME),
        (verification(10), TlsFault.EXPIRED),
        (openssl("WRONG_VERSION_NUMBER"), TlsFault.NO_TLS),
        (TimeoutError(), TlsFault.NO_ANSWER),
    ],
)
def test_a_failed_handshake_has_its_fault(error: Exception, fault: TlsFault) -> None:
    """And the original error."""
    made = HandshakeError(error)
    assert (made.fault, made.error) == (fault, error)


class Context:
    """Stands in for a TLS context: `act` is its handshake, on the socket that it took."""

    def __init__(self, act: Any) -> None:
        self.names: list[str] = []
        self.sock: Any = None
        self._act = act

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str, **given: object) -> Any:
        """Take over the socket's descriptor."""
        assert given == {"do_handshake_on_connect": False}
        self.names.append(server_hostname)
        context = self

        class Secured(socket.socket):
            def do_handshake(self) -> None:
                context._act()

            def getpeercert(self, *, binary_form: bool) -> bytes:
                assert binary_form
                return b"shown"

        self.sock = Secured(fileno=sock.detach())
        return self.sock


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; the peer has a timeout of 60 s."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(60.0)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("host", "name"),
    [("db", "db"), ("db.example.", "db.example"), ("::1", "::1"), ("fe80::1%eth0", "fe80::1")],
)
def test_the_name_for_tls_is_the_name_in_a_certificate(
    network: Network, pair: tuple[socket.socket, socket.socket], host: str, name: str
) -> None:
    """Without a trailing dot, and without a zone."""
    context = Context(lambda: None)
    made = network.dialer.secure(pair[0], host, context, "")  # type: ignore[arg-type]
    assert made is context.sock
    assert context.names == [name]
    made.close()


def test_the_deadline_ends_a_handshake(
    network: Network, pair: tuple[socket.socket, socket.socket]
) -> None:
    """This is not reported as a failed handshake."""

    def cut() -> None:
        network.dialer.deadline.abort()
        assert pair[1].recv(1) == b""
        raise OSError("ended")

    with pytest.raises(OSError, match="ended"):
        network.dialer.secure(pair[0], "db", Context(cut), "")  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [openssl("WRONG_VERSION_NUMBER"), OSError(), ValueError("name")])
def test_a_failed_handshake_closes_the_connection(
    network: Network, pair: tuple[socket.socket, socket.socket], error: Exception
) -> None:
    """Whatever the reason."""

    def fail() -> None:
        raise error

    with pytest.raises(HandshakeError) as found:
        network.dialer.secure(pair[0], "db", Context(fail), "")  # type: ignore[arg-type]
    assert found.value.error is error
    assert pair[1].recv(1) == b""
