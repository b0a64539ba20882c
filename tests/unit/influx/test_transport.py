"""The dialer: one deadline over name resolution, connect and TLS; the clock is made by hand."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict
from urllib3.util.ssl_match_hostname import CertificateError

from bat2influx.influx import transport
from bat2influx.influx.transport import Adapter, Dialer, HandshakeError, TrustError
from bat2influx.net import deadline
from bat2influx.net.tls import Tls, TlsFault
from tests.support.tls_by_hand import openssl, verification

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_ROUTE = OSError(errno.EHOSTUNREACH, "No route to host")
LIMIT = 1000.0  # s; a real clock would not get near its half


class Network:
    """A dialer, and in place of resolver and sockets what takes time by the test's own clock."""

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
    """A network in which a name has no address yet, in a request that has LIMIT in all."""
    made = Network(monkeypatch)
    with made.dialer.deadline.within(LIMIT):
        yield made
    made.dialer.deadline.close()
    for sock in made.sockets:
        sock.close()


def test_a_name_has_four_fifths_of_the_time_that_is_left(network: Network) -> None:
    """So that it ends with a reason of its own, and not by the deadline."""
    network.connecting = {"10.0.0.2": (0.0, None)}
    network.connect()
    network.now = LIMIT / 2
    network.connect()
    assert network.asked == [("db", 8086, 800.0), ("db", 8086, 400.0)]


def test_each_address_has_half_of_the_time_that_is_left(network: Network) -> None:
    """Whatever the ones before have used up; the connected socket then has all the rest."""
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
    assert network.dialer.reached


def test_the_last_address_that_fails_is_the_reason(network: Network) -> None:
    """All sockets are closed, and the server has seen nothing."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED), "10.0.0.3": (0.0, NO_ROUTE)}
    with pytest.raises(OSError, match="No route to host"):
        network.connect()
    assert [sock.fileno() < 0 for sock in network.sockets] == [True, True]
    assert not network.dialer.reached


def test_a_name_without_an_address_is_an_error(network: Network) -> None:
    """It is one of the network, as any other."""
    with pytest.raises(OSError, match="no address"):
        network.connect()
    assert not network.dialer.reached


def test_nothing_is_begun_after_the_deadline(network: Network) -> None:
    """Neither a resolution nor a further address."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED), "10.0.0.3": (0.0, None)}
    network.dialer.deadline.cut()
    with pytest.raises(TimeoutError):
        network.connect()
    assert not network.asked


def test_a_deadline_that_is_over_among_the_addresses_ends_them(network: Network) -> None:
    """The address that was under way is the last that was tried."""
    dialer = network.dialer

    class Cutting(dict[str, Any]):
        def __getitem__(self, address: str) -> tuple[float, OSError]:
            dialer.deadline.cut()
            return 0.0, REFUSED

    network.connecting = Cutting({"10.0.0.2": None, "10.0.0.3": None})
    with pytest.raises(TimeoutError):
        network.connect()
    assert [address for address, _ in network.tried] == ["10.0.0.2"]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; the peer waits for 60 s at the most."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(60.0)
    with ours, theirs:
        yield ours, theirs


def test_the_deadline_reaches_a_socket_on_which_tls_begins(
    network: Network, pair: tuple[socket.socket, socket.socket]
) -> None:
    """TLS takes the descriptor out of the socket; its double is what is cut then."""
    ours, theirs = pair
    lent = network.dialer.lend(ours)
    assert lent is ours
    taken = socket.socket(fileno=lent.detach())
    network.dialer.deadline.cut()
    assert theirs.recv(1) == b""
    taken.close()


@pytest.mark.parametrize("cut", [True, False])
def test_after_the_handshake_the_deadline_reaches_what_it_made(
    network: Network, pair: tuple[socket.socket, socket.socket], cut: bool
) -> None:
    """The double is closed then, or the peer would not see the end of the connection."""
    ours, theirs = pair
    dialer, secured = network.dialer, SimpleNamespace(sock=None)
    with dialer.through(secured):
        secured.sock = socket.socket(fileno=dialer.lend(ours).detach())
    secured.sock.sendall(b"x")
    assert theirs.recv(1) == b"x"
    if cut:
        dialer.deadline.cut()
        assert theirs.recv(1) == b""
    secured.sock.close()
    assert theirs.recv(1) == b""


@pytest.mark.parametrize(
    ("reached", "cut", "raised"),
    [(True, False, HandshakeError), (True, True, ssl.SSLError), (False, False, ssl.SSLError)],
)
def test_what_fails_in_the_handshake_is_told_from_what_fails_before_and_at_the_deadline(
    network: Network,
    pair: tuple[socket.socket, socket.socket],
    reached: bool,
    cut: bool,
    raised: type[Exception],
) -> None:
    """Then nothing of the request has left; in every case the peer sees the end."""
    dialer = network.dialer
    dialer.reached = reached
    if cut:
        dialer.deadline.cut()
    with pytest.raises(raised), dialer.through(SimpleNamespace(sock=None)):
        dialer.lend(pair[0])
        pair[0].close()
        raise openssl("WRONG_VERSION_NUMBER")
    assert dialer.reached is (reached and cut)
    assert pair[1].recv(1) == b""


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (CertificateError("another name"), TlsFault.OTHER_NAME),
        (verification(10), TlsFault.EXPIRED),
        (openssl("WRONG_VERSION_NUMBER"), TlsFault.NO_TLS),
        (TimeoutError(), TlsFault.SILENT),
    ],
)
def test_a_failed_handshake_has_its_fault(error: Exception, fault: TlsFault) -> None:
    """urllib3 has an error of its own for a name."""
    made = HandshakeError(error)
    assert (made.fault, made.error) == (fault, error)


def get(dialer: Dialer, url: str, tls: Tls, proxies: dict[str, str] | None = None) -> None:
    """Ask for a page by requests, as far as the dialer lets it."""
    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(dialer, tls))
        session.get(url, proxies=proxies)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://db.example:8086/", "db.example"),
        ("https://db.example:8086/", "db.example"),
        ("http://db.example.:8086/", "db.example."),
        ("http://[fe80::1%25eth0]:8086/", "fe80::1%eth0"),
    ],
)
def test_every_connection_of_requests_is_made_by_the_dialer(
    network: Network, url: str, host: str
) -> None:
    """By the host as it is configured, with its last dot, or the zone of an address."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED)}
    with pytest.raises(requests.ConnectionError):
        get(network.dialer, url, Tls())
    assert [asked[:2] for asked in network.asked] == [(host, 8086)]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_dialed_in_the_same_way(network: Network, scheme: str) -> None:
    """Where the environment counts there may be one."""
    network.connecting = {"10.0.0.2": (0.0, REFUSED)}
    proxies = {scheme: "http://proxy.example:3128"}
    with pytest.raises(requests.ConnectionError):
        get(network.dialer, f"{scheme}://db.example:8086/", Tls(), proxies)
    assert [asked[:2] for asked in network.asked] == [("proxy.example", 3128)]


@pytest.mark.parametrize("content", [None, "none"])
def test_a_file_that_cannot_be_used_ends_a_request_before_anything_leaves(
    network: Network, tmp_path: Path, content: str | None
) -> None:
    """It is read anew for each connection, and its error is told as it is."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(TrustError) as found:
        get(network.dialer, "https://db.example:8086/", Tls(str(path)))
    assert isinstance(found.value.error, ssl.SSLError if content else FileNotFoundError)
    assert not network.tried


def test_cookies_are_left_out_before_anybody_reads_them() -> None:
    """To parse hostile ones takes longer than any deadline, and none is kept."""
    headers = HTTPHeaderDict({"Set-Cookie": "a=b", "X-Influxdb-Version": "1.8"})
    headers.add("Set-Cookie2", "c=d")
    original = SimpleNamespace(msg=HTTPHeaderDict({"Set-Cookie": "a=b", "Date": "x"}))
    raw = HTTPResponse(headers=headers, status=204)
    raw._original_response = original
    request = requests.Request("GET", "http://db/").prepare()
    made = Adapter(Dialer(), None).build_response(request, raw)
    assert dict(made.headers) == {"X-Influxdb-Version": "1.8"}
    assert "Set-Cookie" not in original.msg
    assert not made.cookies
