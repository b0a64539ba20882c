"""Connects to a broker: name, port, TLS.

A `Connector` makes a connection, on its own thread for each attempt, because name resolution, a TCP
connect and a handshake can block for long. It hands over a `Link`, which only the caller uses.

After a failure it determines the cause as far as the network shows it: which port is open instead,
and whether the port uses TLS although none is configured. With a password it probes for TLS first,
until the port has answered in MQTT: no password is sent unencrypted to a port that may use TLS.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.port_probe import Probe, answers_mqtt
from bat2influx.net import resolver
from bat2influx.net.tls import Tls, openssl_reason
from bat2influx.printable import without
from bat2influx.service.journal import event

log = logging.getLogger(__name__)

MQTT_TLS_PORT, MQTT_PORT = 8883, 1883  # with and without TLS
RESOLVE_TIMEOUT = 20.0  # s; the time for two name servers that do not answer, 5 s twice each
CONNECT_TIMEOUT = 8.0  # s, for each address of the host
PROBE_TIMEOUT = 3.0  # s, for probing another port, or TLS if none is configured
_SIBLINGS = {MQTT_TLS_PORT: MQTT_PORT, MQTT_PORT: MQTT_TLS_PORT}


class Endpoint(NamedTuple):
    """The address of a broker and the login; `config` is the file to name in messages.

    `prefix` is what a bridge puts in front of the device's topics, with a slash at its end, or ''.
    With `vrm` it is the VRM cloud.
    """

    host: str
    port: int
    user: str
    password: str
    config: str
    tls: Tls | None = None
    prefix: str = ""
    vrm: bool = False

    def __repr__(self) -> str:
        return without(["password"], self)


class Connector:
    """One attempt to connect to a broker, on its own thread.

    `step` is the current step ("resolving", "connecting"), `addresses` are those of the name;
    `outcome` is None until it is a Link or a Trouble, and `wake` is called then.
    """

    def __init__(
        self, endpoint: Endpoint, wake: Callable[[], None], *, probe: Probe = Probe.NONE
    ) -> None:
        """`probe` says what is probed first, if no TLS is configured."""
        self.endpoint = endpoint
        self.step = "resolving"
        self.addresses: list[str] = []
        self.outcome: Link | Trouble | None = None
        self._probe = probe
        self._wake = wake
        self._lock = threading.Lock()
        self._abandoned = False
        threading.Thread(target=self._run, name="connector", daemon=True).start()

    def abandon(self) -> None:
        """Discard the outcome; a link that is still made is closed."""
        with self._lock:
            self._abandoned = True
            if isinstance(self.outcome, Link):
                self.outcome.close()

    def _run(self) -> None:
        try:
            outcome = self._attempt()
        except Exception as error:  # every attempt must have an outcome, whatever the error
            log.exception("internal error while connecting", extra=event("internal error"))
            what = f"internal error: {type(error).__name__}"
            outcome = mqtt_errors.unreachable(self.endpoint.host, self.endpoint.port, what)
        with self._lock:
            self.outcome = outcome
            if self._abandoned and isinstance(outcome, Link):
                outcome.close()
        self._wake()

    def _attempt(self) -> Link | Trouble:
        host, port, config = self.endpoint.host, self.endpoint.port, self.endpoint.config
        try:
            found = resolver.resolve(host, port, RESOLVE_TIMEOUT)
        except OSError:
            return mqtt_errors.name_unknown(host, config)
        self.addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        self.step = "connecting"
        addresses = [(family, address[0], *address[2:]) for family, _, _, _, address in found]
        sock = self._connect(addresses)
        if isinstance(sock, Trouble):
            return sock
        wanted = self.endpoint.tls
        if wanted is None and (self._probe is not Probe.NONE or port == MQTT_TLS_PORT):
            sock = self._probed(sock, addresses)
            if isinstance(sock, Trouble):
                return sock
        if wanted is None:
            return Link(sock)
        # Imported late: `ssl` takes 4 MB, and is not needed without TLS.
        from bat2influx.mqtt.handshake import secure  # noqa: PLC0415
        from bat2influx.mqtt.secured_link import SecuredLink  # noqa: PLC0415

        secured = secure(sock, host, port, wanted, config)
        if not isinstance(secured, Trouble):
            return SecuredLink(secured)
        if self.endpoint.vrm and secured.cause.startswith("certificate"):
            return mqtt_errors.vrm_certificate(host, secured.cause, wanted.ca_file, config)
        return secured

    def _probed(
        self, sock: socket.socket, addresses: Sequence[tuple[Any, ...]]
    ) -> socket.socket | Trouble:
        """Probe whether a port uses TLS, if none is configured; return another socket to it.

        The table in port_probe.py says when a password is sent.
        """
        from bat2influx.mqtt.handshake import secure  # noqa: PLC0415 - as in `_attempt`

        host, port, config = self.endpoint.host, self.endpoint.port, self.endpoint.config
        seen = secure(sock, host, port, Tls(trust_any=True), config, timeout=PROBE_TIMEOUT)
        if not isinstance(seen, Trouble):
            seen.close()
            return mqtt_errors.tls_required(host, port, config)
        timed_out, no_tls = seen.cause == "protocol", seen.cause == "no tls"
        if self.endpoint.password and (timed_out or (no_tls and self._probe is Probe.MQTT)):
            again = self._connect(addresses)
            if isinstance(again, Trouble):
                return again
            if not answers_mqtt(again):
                return mqtt_errors.no_password(host, port)
        elif self.endpoint.password and not no_tls:
            # A port that requires a client certificate, or an older version, uses TLS, too.
            return mqtt_errors.tls_required(host, port, config)
        return self._connect(addresses)

    def _connect(self, addresses: Iterable[tuple[Any, ...]]) -> socket.socket | Trouble:
        """Return a connected, non-blocking socket to the first address that accepts."""
        port = self.endpoint.port
        failures: list[OSError] = []
        for family, host, *rest in addresses:
            try:
                return _connected(family, (host, port, *rest), CONNECT_TIMEOUT)
            except OSError as error:  # the kernel may not even have such a family
                failures.append(error)
        if not any(isinstance(failure, ConnectionRefusedError) for failure in failures):
            return self._unreachable(failures[-1] if failures else OSError("no address"))
        return self._refused(addresses)

    def _unreachable(self, error: OSError) -> Trouble:
        why = "no answer" if isinstance(error, TimeoutError) else reason(error)
        return mqtt_errors.unreachable(self.endpoint.host, self.endpoint.port, why)

    def _refused(self, addresses: Iterable[tuple[Any, ...]]) -> Trouble:
        """The host responds, and the port is closed: probe whether the other one is open."""
        host, port, config = self.endpoint.host, self.endpoint.port, self.endpoint.config
        other = _SIBLINGS.get(port)
        if other and any(_is_open(address, other) for address in addresses):
            if other == MQTT_TLS_PORT:
                return mqtt_errors.only_tls_port(host, config)
            tls = self.endpoint.tls
            return mqtt_errors.no_tls_port(host, config, trusted=bool(tls and tls.has_trust_anchor))
        return mqtt_errors.refused(host, port)


def _connected(family: int, address: tuple[Any, ...], timeout: float) -> socket.socket:
    """Return a connected, non-blocking socket. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _is_open(address: tuple[Any, ...], port: int) -> bool:
    family, host, *rest = address
    try:
        _connected(family, (host, port, *rest), PROBE_TIMEOUT).close()
    except OSError:
        return False
    return True


def reason(error: OSError) -> str:
    """Return why a socket failed, in a few words."""
    text = openssl_reason(error) or error.strerror or str(error) or type(error).__name__
    return text.lower()
