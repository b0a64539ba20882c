"""The way to a broker: name, port, TLS.

A connection is made by a `Connector`, on a thread of its own for each attempt, because name
resolution, a TCP connect and a handshake are slow to give up. It hands over a `Link`, which nothing
but its taker uses.

What went wrong is found out here as far as the network can tell: which port is open instead, and
whether TLS is spoken where none is expected. Whoever has a password looks for TLS first, until the
port has spoken MQTT: a port that may speak TLS gets none in clear.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bat2influx.clock import boot_ns
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt import packets, publishes
from bat2influx.mqtt.clear_text import Look, takes_mqtt
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.publishes import Packet
from bat2influx.net import resolver
from bat2influx.net.deadline import cut_after
from bat2influx.net.tls import (
    HANDSHAKE_TIMEOUT,
    Tls,
    TlsFault,
    context,
    fault_of,
    fingerprint_of,
    openssl_reason,
    shown_by,
)
from bat2influx.service.journal import event

log = logging.getLogger(__name__)

MQTT_TLS_PORT, MQTT_PORT = 8883, 1883  # with and without TLS
RESOLVE_TIMEOUT = 20.0  # s; as long as two name servers take that do not answer, 5 s twice each
CONNECT_TIMEOUT = 8.0  # s, for each address of the host
LOOK_TIMEOUT = 3.0  # s, for a look at another port, or at TLS where none is expected
_RECEIVE = 65_536  # bytes asked of the socket at once
_SIBLINGS = {MQTT_TLS_PORT: MQTT_PORT, MQTT_PORT: MQTT_TLS_PORT}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker is and how to log in; `config` is the file to name in messages.

    `prefix` is what a bridge puts in front of the device's topics, with a slash at its end, or ''.
    With `vrm` it is the VRM cloud.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    config: str
    tls: Tls | None = None
    prefix: str = ""
    vrm: bool = False


class Link:
    """A connected socket, with TLS or without, as far as paho uses one.

    It reads ahead: paho asks for a packet in three or more small pieces, and each of them would
    be a system call. What lies there whole, a value that a device says, need not go through paho
    at all: to have it cut the stream takes as long as all the rest. An ordinary one of which a part
    is there waits here for the rest (publishes.py), in 16 KiB at the most. That TLS has to wait for
    the other direction does not come up: without renegotiation it reads to read, and writes to
    write.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._secured = sock if isinstance(sock, ssl.SSLSocket) else None
        self._ahead = b""
        self._position = 0
        self.incomplete = False  # what is left is the beginning of an ordinary packet
        self._ended = False  # nothing more will come

    @property
    def pending(self) -> bool:
        """Whether something was read ahead, which select() would not tell."""
        if not self.used_up:
            return True
        return self._secured is not None and self._secured.pending() > 0

    @property
    def used_up(self) -> bool:
        """Whether nothing was read ahead that can be taken before more is read."""
        return self.incomplete or self._position >= len(self._ahead)

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, in DER; None without TLS."""
        return shown_by(self._secured) if self._secured else None

    @property
    def says(self) -> dict[str, Any]:
        """What the certificate says, as ssl.SSLSocket.getpeercert has it; {} if not verified."""
        return dict(self._secured.getpeercert() or {}) if self._secured else {}

    @property
    def version(self) -> str | None:
        """The version of TLS, such as TLSv1.3; None without it."""
        return self._secured.version() if self._secured else None

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end; BlockingIOError when there are none yet."""
        start = self._position
        if start >= len(self._ahead):
            try:
                self._ahead, start = self._sock.recv(_RECEIVE), 0
            except ssl.SSLWantReadError:
                raise BlockingIOError from None
        chunk = self._ahead[start : start + size]
        self._position = start + len(chunk)
        return chunk

    def read_ahead(self) -> bool:
        """Read what there is; return whether something is to be taken, be it the end.

        The end, and a failure, is left for `recv` to meet with.
        """
        try:
            more = self._sock.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):
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
        try:
            return self._sock.send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None

    def __getattr__(self, name: str) -> Any:  # fileno, setblocking, close
        return getattr(self._sock, name)


class Connector:
    """One attempt to get to a broker, on a thread of its own.

    `step` tells what it is at ("resolving", "connecting"), `addresses` what the name stands for;
    `outcome` is None until it is a Link or a Trouble, and `wake` is called then.
    """

    def __init__(
        self, endpoint: Endpoint, wake: Callable[[], None], *, look: Look = Look.NONE
    ) -> None:
        """`look` says what is looked at first, where no TLS is configured."""
        self.endpoint = endpoint
        self.step = "resolving"
        self.addresses: list[str] = []
        self.outcome: Link | Trouble | None = None
        self._look = look
        self._wake = wake
        self._lock = threading.Lock()
        self._abandoned = False
        threading.Thread(target=self._run, name="connector", daemon=True).start()

    def abandon(self) -> None:
        """Nobody waits for the outcome any more; a link that still comes is closed."""
        with self._lock:
            self._abandoned = True
            if isinstance(self.outcome, Link):
                self.outcome.close()

    def _run(self) -> None:
        try:
            outcome = self._attempt()
        except Exception as error:  # no attempt may go on for ever, whatever is wrong with it
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
        if wanted is None and (self._look is not Look.NONE or port == MQTT_TLS_PORT):
            sock = self._looked_at(sock, addresses)
            if isinstance(sock, Trouble):
                return sock
        if wanted is None:
            return Link(sock)
        secured = secure(sock, host, port, wanted, config)
        if not isinstance(secured, Trouble):
            return Link(secured)
        if self.endpoint.vrm and secured.cause.startswith("certificate"):
            return mqtt_errors.vrm_certificate(host, secured.cause, wanted.ca_file, config)
        return secured

    def _looked_at(
        self, sock: socket.socket, addresses: Sequence[tuple[Any, ...]]
    ) -> socket.socket | Trouble:
        """See whether a port wants TLS, where none is configured; return another socket to it.

        A password goes there by the table of clear_text.py.
        """
        host, port, config = self.endpoint.host, self.endpoint.port, self.endpoint.config
        seen = secure(sock, host, port, Tls(trust_any=True), config, timeout=LOOK_TIMEOUT)
        if not isinstance(seen, Trouble):
            seen.close()
            return mqtt_errors.tls_wanted(host, port, config)
        silent, none = seen.cause == "protocol", seen.cause == "no tls"
        if self.endpoint.password and (silent or (none and self._look is Look.PROOF)):
            again = self._connect(addresses)
            if isinstance(again, Trouble):
                return again
            if not takes_mqtt(again):
                return mqtt_errors.no_password(host, port)
        elif self.endpoint.password and not none:
            # Who wants a certificate of ours, or an older version, speaks it, too.
            return mqtt_errors.tls_wanted(host, port, config)
        return self._connect(addresses)

    def _connect(self, addresses: Iterable[tuple[Any, ...]]) -> socket.socket | Trouble:
        """Return a connected, non-blocking socket to the first address that takes one."""
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
        """The host is there, and the port is closed: see whether the other one is open."""
        host, port, config = self.endpoint.host, self.endpoint.port, self.endpoint.config
        other = _SIBLINGS.get(port)
        if other and any(_is_open(address, other) for address in addresses):
            if other == MQTT_TLS_PORT:
                return mqtt_errors.only_tls(host, config)
            tls = self.endpoint.tls
            return mqtt_errors.no_tls_port(host, config, trusted=bool(tls and tls.trusts_one))
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
        _connected(family, (host, port, *rest), LOOK_TIMEOUT).close()
    except OSError:
        return False
    return True


def reason(error: OSError) -> str:
    """Return why a socket failed, in a few words."""
    words = openssl_reason(error) or error.strerror or str(error) or type(error).__name__
    return words.lower()


def secure(
    sock: socket.socket,
    host: str,
    port: int,
    tls: Tls,
    config: str,
    *,
    timeout: float = HANDSHAKE_TIMEOUT,
) -> ssl.SSLSocket | Trouble:
    """Begin TLS on a connected, non-blocking socket, in `timeout` s.

    It is closed where that comes to nothing; the Trouble says why.
    """
    try:
        settings = context(tls)
    except OSError as error:
        sock.close()
        none = isinstance(error, ssl.SSLError)
        why = "no certificate in it" if none else error.strerror or "unreadable"
        return mqtt_errors.ca_unreadable(tls.ca_file, why, config)
    secured = sock
    try:
        secured = settings.wrap_socket(
            sock, server_hostname=host.rstrip("."), do_handshake_on_connect=False
        )
        _shake_hands(secured, timeout)
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be one in TLS
        secured.close()
        return _meaning(error, host, port, tls, config)
    shown = fingerprint_of(shown_by(secured))
    if tls.fingerprint and shown != tls.fingerprint:
        secured.close()
        return mqtt_errors.certificate_changed(host, port, shown, tls.fingerprint, config)
    return secured


def _shake_hands(secured: ssl.SSLSocket, timeout: float) -> None:
    """Do the handshake. Raises OSError; TimeoutError after `timeout` s.

    It has to be cut: while something comes, OpenSSL need not return.
    """
    secured.setblocking(True)
    with cut_after(secured, timeout) as over:
        try:
            secured.do_handshake()
        except OSError:
            if over.expired:
                raise TimeoutError from None
            raise
    secured.setblocking(False)


def _meaning(error: Exception, host: str, port: int, tls: Tls, config: str) -> Trouble:
    match fault_of(error):
        case TlsFault.EXPIRED | TlsFault.NOT_YET as fault:
            return mqtt_errors.certificate_out_of_date(host, port, fault.value, config)
        case TlsFault.OTHER_NAME:
            return mqtt_errors.certificate_of_another(host, port, config)
        case TlsFault.UNTRUSTED:
            assert isinstance(error, ssl.SSLCertVerificationError)
            return mqtt_errors.certificate_untrusted(
                host, port, error.verify_message, tls.ca_file, config
            )
        case TlsFault.SILENT:
            return mqtt_errors.not_mqtt(host, port, TlsFault.SILENT.value)
        case TlsFault.OLD_TLS:
            return mqtt_errors.tls_too_old(host, port)
        case TlsFault.NO_TLS:
            return mqtt_errors.no_tls(host, port, config, trusted=tls.trusts_one)
    return mqtt_errors.tls_failed(host, port, openssl_reason(error) or str(error))
