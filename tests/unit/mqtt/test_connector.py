"""The connector: the outcome of each answer of resolver, network and handshake."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt import connector, handshake
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import (
    CONNECT_TIMEOUT,
    PROBE_TIMEOUT,
    Connector,
    Endpoint,
    reason,
)
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.port_probe import Probe
from bat2influx.net.tls import HANDSHAKE_TIMEOUT, Tls
from tests.support.tls_by_hand import openssl

LONG = 60.0  # s
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_ROUTE = OSError(errno.EHOSTUNREACH, "No route to host")
NO_ANSWER = TimeoutError("timed out")
TWO = ("10.0.0.2", "10.0.0.3")
CA = Tls("/etc/ca.pem")


class Network:
    """Stands in for resolver and sockets: each (address, port) is open, or fails as given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: tuple[str, ...] = TWO
        self.open: set[tuple[str, int]] = set()
        self.failures: dict[tuple[str, int], list[OSError | None]] = {}  # one after the other
        self.asked: list[tuple[str, int, float]] = []  # address, port, timeout in s
        self.last: tuple[Any, ...] = ()  # address, in whole
        self.sockets: list[socket.socket] = []
        self.answers_mqtt = False  # without TLS
        self.takers: list[socket.socket] = []  # that were asked so
        network = self

        class Socket(socket.socket):
            def connect(self, address: Any) -> None:
                network.asked.append((*address[:2], self.gettimeout()))
                network.last = address
                network.sockets.append(self)
                failures = network.failures.get(address[:2])
                if failures and (failure := failures.pop(0)):
                    raise failure
                if address[:2] not in network.open:
                    raise REFUSED

        names = ("SOCK_STREAM", "IPPROTO_TCP", "TCP_NODELAY")
        constants = {name: getattr(socket, name) for name in names}
        monkeypatch.setattr(connector, "socket", SimpleNamespace(socket=Socket, **constants))
        monkeypatch.setattr(connector, "answers_mqtt", self._takes_mqtt)
        monkeypatch.setattr(connector, "resolver", SimpleNamespace(resolve=self._resolve))

    def _takes_mqtt(self, sock: socket.socket) -> bool:
        self.takers.append(sock)
        sock.close()
        return self.answers_mqtt

    def _resolve(self, _host: str, port: int, _timeout: float) -> list[Any]:
        found = []
        for each in self.addresses:
            family, rest = (socket.AF_INET6, (0, 2)) if ":" in each else (socket.AF_INET, ())
            found.append((family, socket.SOCK_STREAM, 6, "", (each, port, *rest)))
        return found


class Handshakes:
    """Stands in for `secure`: has `outcomes`, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: list[Any] = []
        self.asked: list[tuple[Tls, float]] = []
        monkeypatch.setattr(handshake, "secure", self)

    def __call__(
        self,
        sock: socket.socket,
        _host: str,
        _port: int,
        tls: Tls,
        _config: str,
        timeout: float = HANDSHAKE_TIMEOUT,
    ) -> Any:
        """Shake hands."""
        self.asked.append((tls, timeout))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Trouble):
            sock.close()
        return outcome


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A host with two addresses at which every port is closed."""
    made = Network(monkeypatch)
    yield made
    for sock in made.sockets:
        sock.close()


@pytest.fixture
def handshakes(monkeypatch: pytest.MonkeyPatch) -> Handshakes:
    """Handshakes with the outcomes that the test sets."""
    return Handshakes(monkeypatch)


def attempt(
    port: int = 1883,
    tls: Tls | None = None,
    *,
    vrm: bool = False,
    probe: Probe = Probe.NONE,
    password: str = "secret",
) -> Connector:
    """Make one attempt, and return the connector after its wake-up."""
    endpoint = Endpoint("venus.local", port, "u", password, "/etc/x.ini", tls, vrm=vrm)
    woken = threading.Event()
    made = Connector(endpoint, woken.set, probe=probe)
    assert woken.wait(LONG)
    return made


def cause(made: Connector) -> str:
    """Return the cause of the trouble, or "link"."""
    return made.outcome.cause if isinstance(made.outcome, Trouble) else "link"


# The name


def test_a_resolver_that_does_not_return_is_left_and_its_late_answer_serves_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first attempt ends at its time limit; the second waits for the same answer."""
    answers, asked = threading.Event(), []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.9", 1883))]

    def hang(*question: Any, **_: Any) -> list[Any]:
        asked.append(question)
        assert answers.wait(LONG)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(connector, "_connected", lambda *_: socket.socket())
    monkeypatch.setattr(connector, "RESOLVE_TIMEOUT", 0.01)
    first = attempt()
    assert first.outcome == mqtt_errors.name_unknown("venus.local", "/etc/x.ini")
    assert (first.step, first.addresses) == ("resolving", [])
    monkeypatch.setattr(connector, "RESOLVE_TIMEOUT", LONG)
    answers.set()
    second = attempt()
    assert cause(second) == "link"
    assert second.addresses == ["10.0.0.9"]
    assert len(asked) == 1


def test_the_addresses_of_a_name_are_there_once_each(network: Network) -> None:
    """They are kept in the order of the resolver, and the attempt goes on to connect."""
    network.addresses = ("10.0.0.3", "fe80::1", "10.0.0.3")
    made = attempt()
    assert made.addresses == ["10.0.0.3", "fe80::1"]
    assert made.step == "connecting"


def test_an_address_of_ipv6_is_connected_to_with_its_scope(network: Network) -> None:
    """A link-local address needs it, because a host may have several links."""
    network.addresses, network.open = ("fe80::1",), {("fe80::1", 1883)}
    assert cause(attempt()) == "link"
    assert network.last == ("fe80::1", 1883, 0, 2)


# The port


def test_the_first_address_that_accepts_is_used(network: Network) -> None:
    """Each has its own time; the socket does not block, and sends small packets at once."""
    network.open = {(TWO[1], 1883)}
    network.failures[TWO[0], 1883] = [NO_ANSWER]
    made = attempt()
    assert isinstance(made.outcome, Link)
    assert network.asked == [(each, 1883, CONNECT_TIMEOUT) for each in TWO]
    failed, used = network.sockets
    assert failed.fileno() == -1
    assert made.outcome.fileno() == used.fileno()
    assert used.gettimeout() == 0.0
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("failures", "expected", "why"),
    [
        ([NO_ANSWER, NO_ANSWER], "unreachable", "(no answer)"),
        ([NO_ANSWER, NO_ROUTE], "unreachable", "(no route to host)"),
        ([NO_ROUTE, NO_ANSWER], "unreachable", "(no answer)"),
        ([NO_ANSWER, OSError()], "unreachable", "(oserror)"),
        ([REFUSED, NO_ANSWER], "refused", "connection refused by venus.local port 1883"),
        ([NO_ROUTE, REFUSED], "refused", "connection refused by venus.local port 1883"),
    ],
)
def test_one_refused_connection_shows_that_the_host_responds(
    network: Network, failures: list[OSError], expected: str, why: str
) -> None:
    """Otherwise the host is unreachable, for the reason of the last address."""
    for address, failure in zip(TWO, failures, strict=True):
        network.failures[address, 1883] = [failure]
    made = attempt()
    assert cause(made) == expected
    assert isinstance(made.outcome, Trouble)
    assert why in made.outcome.text
    assert all(sock.fileno() == -1 for sock in network.sockets)


def test_a_name_without_an_address_is_unreachable(network: Network) -> None:
    """A resolver may find a name and no address of it."""
    network.addresses = ()
    made = attempt()
    assert made.outcome == mqtt_errors.unreachable("venus.local", 1883, "no address")


@pytest.mark.parametrize(
    ("port", "other", "expected"),
    [
        (1883, {8883}, "only tls"),
        (8883, {1883}, "no tls port"),
        (1883, set(), "refused"),
        (8883, set(), "refused"),
        (1884, {1883, 8883}, "refused"),
    ],
)
@pytest.mark.parametrize("at", TWO)
def test_after_a_refused_connection_the_other_port_is_probed(
    network: Network, at: str, port: int, other: set[int], expected: str
) -> None:
    """An open one at any address is reported; a non-standard port has no other one."""
    network.open = {(at, each) for each in other}
    assert cause(attempt(port)) == expected
    probes = [timeout for _, asked, timeout in network.asked if asked != port]
    assert set(probes) <= {PROBE_TIMEOUT}
    assert bool(probes) == (port != 1884)
    assert all(sock.fileno() == -1 for sock in network.sockets)


# TLS


@pytest.mark.parametrize(
    ("port", "probe", "probes"),
    [(1883, Probe.NONE, 0), (1883, Probe.TLS, 1), (8883, Probe.NONE, 1)],
)
@pytest.mark.parametrize("speaks", [True, False])
def test_a_port_that_may_require_tls_is_probed_first(
    network: Network,
    handshakes: Handshakes,
    port: int,
    probe: Probe,
    probes: int,
    speaks: bool,
) -> None:
    """With a short handshake, any certificate and no login; then by a new connection."""
    network.open = {(TWO[0], port)}
    secured = socket.socket()
    handshakes.outcomes = [secured if speaks else mqtt_errors.no_tls("h", port, "")]
    made = attempt(port, probe=probe, password="")
    assert handshakes.asked == [(Tls(trust_any=True), PROBE_TIMEOUT)] * probes
    if probes and speaks:
        assert made.outcome == mqtt_errors.tls_required("venus.local", port, "/etc/x.ini")
        assert secured.fileno() == -1
    else:
        assert isinstance(made.outcome, Link)
        assert made.outcome.fileno() == network.sockets[-1].fileno()
        assert len(network.sockets) == 1 + probes
    secured.close()


SILENT = mqtt_errors.not_mqtt("h", 1883, "does not answer in TLS")


NO_TLS = mqtt_errors.no_tls("h", 1883, "")


@pytest.mark.parametrize(
    ("probe", "seen", "answers_mqtt", "cause_of_it"),
    [
        (Probe.TLS, NO_TLS, False, "link"),
        (Probe.TLS, SILENT, True, "link"),
        (Probe.TLS, SILENT, False, "protocol"),
        (Probe.MQTT, NO_TLS, True, "link"),
        (Probe.MQTT, NO_TLS, False, "protocol"),
        (Probe.MQTT, SILENT, True, "link"),
        (Probe.MQTT, SILENT, False, "protocol"),
        (Probe.TLS, mqtt_errors.tls_too_old("h", 1883), True, "tls wanted"),
        (Probe.MQTT, mqtt_errors.tls_too_old("h", 1883), True, "tls wanted"),
        (Probe.TLS, mqtt_errors.tls_failed("h", 1883, "certificate required"), True, "tls wanted"),
    ],
)
@pytest.mark.parametrize("port", [1883, 8883])
def test_no_password_is_sent_to_a_port_that_may_use_tls(
    network: Network,
    handshakes: Handshakes,
    port: int,
    probe: Probe,
    seen: Trouble,
    answers_mqtt: bool,
    cause_of_it: str,
) -> None:
    """A port that requires a client certificate does; one that does not answer, or closes, may."""
    network.open, network.answers_mqtt = {(TWO[0], port)}, answers_mqtt
    handshakes.outcomes = [seen]
    made = attempt(port, probe=probe)
    asked = seen is SILENT or (seen is NO_TLS and probe is Probe.MQTT)
    assert cause(made) == cause_of_it
    assert network.takers == (network.sockets[1:2] if asked else [])
    if isinstance(made.outcome, Link):
        assert made.outcome.fileno() == network.sockets[-1].fileno()
        assert len(network.sockets) == 2 + asked
    else:
        assert all(sock.fileno() == -1 for sock in network.sockets)
    if cause_of_it == "protocol":
        assert isinstance(made.outcome, Trouble)
        assert "neither MQTT nor TLS" in made.outcome.what


def test_without_a_password_a_port_that_does_not_answer_is_used(
    network: Network, handshakes: Handshakes
) -> None:
    """There is nothing to protect."""
    network.open = {(TWO[0], 8883)}
    handshakes.outcomes = [SILENT]
    assert cause(attempt(8883, password="")) == "link"
    assert not network.takers


@pytest.mark.parametrize("seen", [mqtt_errors.no_tls("h", 1884, ""), SILENT])
def test_a_port_that_closes_after_the_probe_is_reported_as_refused(
    network: Network, handshakes: Handshakes, seen: Trouble
) -> None:
    """The second connection may fail where the first did not."""
    network.open = {(TWO[0], 1884)}
    network.failures[TWO[0], 1884] = [None, REFUSED]
    handshakes.outcomes = [seen]
    assert cause(attempt(1884, probe=Probe.TLS)) == "refused"


@pytest.mark.parametrize("probe", Probe)
def test_configured_tls_is_used_at_once(
    network: Network, handshakes: Handshakes, probe: Probe
) -> None:
    """With the configured trust, the full time, and in one connection."""
    network.open = {(TWO[0], 8883)}
    secured = socket.socket()
    handshakes.outcomes = [secured]
    made = attempt(8883, CA, probe=probe)
    assert isinstance(made.outcome, Link)
    assert made.outcome.fileno() == secured.fileno()
    assert handshakes.asked == [(CA, HANDSHAKE_TIMEOUT)]
    secured.close()


@pytest.mark.parametrize(
    ("why", "vrm", "expected"),
    [
        (mqtt_errors.certificate_untrusted("h", 1, "", "", ""), False, "certificate untrusted"),
        (mqtt_errors.certificate_untrusted("h", 1, "", "", ""), True, "vrm certificate"),
        (mqtt_errors.certificate_name_mismatch("h", 1, ""), True, "vrm certificate"),
        (mqtt_errors.tls_too_old("h", 1), True, "tls version"),
        (mqtt_errors.ca_unreadable("", "", ""), True, "ca file"),
    ],
)
def test_a_certificate_of_the_vrm_cloud_has_its_own_message(
    network: Network, handshakes: Handshakes, why: Trouble, vrm: bool, expected: str
) -> None:
    """Every other failure of a handshake has the usual message."""
    network.open = {(TWO[0], 8883)}
    handshakes.outcomes = [why]
    made = attempt(8883, CA, vrm=vrm)
    assert cause(made) == expected
    assert made.outcome == why or expected == "vrm certificate"


def test_an_attempt_abandoned_after_its_outcome_closes_the_link(network: Network) -> None:
    """No socket stays open."""
    network.open = {(TWO[0], 1883)}
    made = attempt()
    made.abandon()
    assert network.sockets[0].fileno() == -1


def test_an_abandoned_attempt_that_fails_ends_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nothing to close then."""
    goes_on, woken = threading.Event(), threading.Event()

    def resolve(*_: Any) -> list[Any]:
        assert goes_on.wait(LONG)
        return []

    monkeypatch.setattr(connector, "resolver", SimpleNamespace(resolve=resolve))
    made = Connector(Endpoint("venus.local", 1883, "u", "", "/etc/x.ini"), woken.set)
    made.abandon()
    goes_on.set()
    assert woken.wait(LONG)
    assert cause(made) == "unreachable"


def test_found_an_unexpected_exception_left_a_device_connecting_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an outcome, with its traceback in the log; the next attempt may succeed."""

    def broken(self: Connector) -> object:
        raise KeyError("nobody has thought of this")

    monkeypatch.setattr(Connector, "_attempt", broken)
    woken = threading.Event()
    made = Connector(Endpoint("10.0.0.2", 1883, "u", "", "/etc/x.ini"), woken.set)
    assert woken.wait(60.0)
    assert isinstance(made.outcome, Trouble)
    assert made.outcome.cause == "unreachable"
    assert "internal error: KeyError" in made.outcome.text
    assert "nobody has thought of this" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (openssl("DECRYPTION_FAILED"), "decryption failed"),
        (OSError("Odd"), "odd"),
        (BrokenPipeError(), "brokenpipeerror"),
    ],
)
def test_the_reason_of_a_failed_link_is_short(error: OSError, words: str) -> None:
    """OpenSSL's reason, the kernel's, its text, or its name."""
    assert reason(error) == words
