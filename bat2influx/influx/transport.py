"""Connections to one database: persistent, with a deadline for each request, and with TLS.

The timeout of a socket restarts with each byte, so that a server that sends single bytes could
block it for ever. Here the deadline shuts the socket down.

Rules: the certificate is verified before any part of a request is sent. Certificate files, and the
environment if it counts, are read again for each connection, so that a renewed client certificate
counts from the next connection on. Nothing is sent on a connection that is closed, or that has
unrequested data.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from bat2influx import __version__
from bat2influx.config.settings import Influx
from bat2influx.influx import environment
from bat2influx.influx.environment import Proxy, ProxyError, basic
from bat2influx.influx.exchange import MAX_BODY, Answer, exchange
from bat2influx.net import resolver
from bat2influx.net.deadline import Deadline
from bat2influx.net.tls import Tls, context, fault_of, fingerprint_of, peer_certificate
from bat2influx.printable import plain

if TYPE_CHECKING:
    import ssl

_LONGEST = 100  # characters of a proxy's text
_PORTS = {"http": 80, "https": 443}
_AGENT = f"User-Agent: bat2influx/{__version__}"


class HandshakeError(Exception):
    """The TLS handshake failed with `error`; no part of the request was sent."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        self.fault = fault_of(error)


class TrustError(Exception):
    """A file with trusted certificates or the client certificate is unusable; `error` says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class OtherCertificateError(Exception):
    """The certificate is not the pinned one; `shown` is its fingerprint."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class Dialer:
    """Connects the sockets of requests to one server, which share one `deadline`.

    `connections` counts all connection attempts.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.deadline = Deadline()

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to the first address that answers.

        Each address has half of the remaining time. Raises OSError.
        """
        failure, deadline = OSError("no address"), self.deadline
        self.connections += 1
        # Less than the remaining time: the deadline would end it without a reason.
        most = 0.8 * deadline.left()
        for family, kind, protocol, _, address in resolver.resolve(host, port, most):
            sock = socket.socket(family, kind, protocol)
            deadline.watch(sock)
            try:
                sock.settimeout(deadline.left() / 2)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(deadline.left())
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def secure(
        self, sock: socket.socket, host: str, settings: ssl.SSLContext, fingerprint: str
    ) -> ssl.SSLSocket:
        """Return the socket with TLS after the handshake; on failure the socket is closed.

        `fingerprint` is that of the only trusted certificate, '' if `settings` verify it. Raises
        HandshakeError and OtherCertificateError, and any exception at the deadline.
        """
        secured = sock
        try:
            secured = settings.wrap_socket(
                sock, server_hostname=_bare(host), do_handshake_on_connect=False
            )
            self.deadline.watch(secured)
            secured.do_handshake()
            shown = fingerprint_of(peer_certificate(secured))
        except Exception as error:
            secured.close()
            if self.deadline.expired:
                raise
            raise HandshakeError(error) from error
        if fingerprint and shown != fingerprint:
            secured.close()
            raise OtherCertificateError(shown)
        return secured


class Transport:
    """Carries requests to one server, one after the other, on a persistent connection.

    `reached` is whether the server may have received part of the latest request. At most `most`
    bytes of an answer's body are read.
    """

    def __init__(self, influx: Influx, most: int = MAX_BODY) -> None:
        self.reached = False
        self._most = most
        self._influx = influx
        self._dialer = Dialer()
        self._sock: socket.socket | None = None
        self._start = influx.path  # of the request's target: with a proxy, the whole address
        self._headers = b""

    def __del__(self) -> None:
        self.close()

    @property
    def deadline(self) -> Deadline:
        """The time limit of the pending request."""
        return self._dialer.deadline

    @property
    def connections(self) -> int:
        """The number of connection attempts since the start."""
        return self._dialer.connections

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._sock is not None:
            self._dialer.deadline.watch(None)
            self._sock.close()
            self._sock = None

    def exchange(
        self, method: str, path: str, data: bytes, content: str, begun: Callable[[], None]
    ) -> Answer:
        """Carry out one request, within the deadline; return its answer.

        `path` is appended to that of the configuration, `content` is the type of `data`. `begun` is
        called when the head of the answer is complete. Raises any failure of the connection.
        """
        self.reached = False
        if self._sock is not None and not is_usable(self._sock):
            self.close()
        if self._sock is None:
            self._sock = self._open()
            self._sock.settimeout(None)  # the deadline ends it
        head = f"{method} {self._start}/{path} HTTP/1.1\r\n".encode("ascii")
        if data or method != "GET":
            head += b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content.encode(), len(data))
        self.reached = True
        answer = None
        try:
            answer = exchange(self._sock, method, head + self._headers + data, begun, self._most)
        finally:
            if answer is None or not answer.kept:
                self.close()
        return answer

    def _open(self) -> socket.socket:
        """Return a new connection that is ready for a request."""
        influx = self._influx
        scheme = "http" if influx.tls is None else "https"
        try:
            settings = None if influx.tls is None else context(influx.tls)
        except OSError as error:
            raise TrustError(error) from None
        proxy = None
        if influx.use_environment:
            proxy = environment.proxy_for(scheme, influx.address, influx.port)
        if proxy is None:
            sock = self._dialer.connect(influx.address, influx.port)
        else:
            sock = self._through(proxy)
        if influx.tls is not None and settings is not None:
            sock = self._dialer.secure(sock, influx.address, settings, influx.tls.fingerprint)
        absolute = proxy is not None and settings is None
        self._start = f"http://{self._host}{influx.path}" if absolute else influx.path
        self._headers = self._lines(proxy.login if absolute and proxy else "")
        return sock

    def _through(self, proxy: Proxy) -> socket.socket:
        """Return a connection to a proxy, or a tunnel through it for end-to-end TLS."""
        if proxy.tls and self._influx.tls is not None:
            text = f"the proxy {proxy.where} would need TLS within TLS; use one of type http"
            raise ProxyError(text)
        sock = self._dialer.connect(proxy.host, proxy.port)
        if proxy.tls:
            return self._dialer.secure(sock, proxy.host, context(Tls()), "")
        if self._influx.tls is not None:
            try:
                self._tunnel(sock, proxy)
            except BaseException:
                sock.close()
                raise
        return sock

    def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        """Request from a proxy a tunnel to the server on `sock`. Raises OSError."""
        lines = [f"CONNECT {self._host} HTTP/1.1", f"Host: {self._host}", _AGENT]
        if proxy.login:
            lines.append(f"Proxy-Authorization: {proxy.login}")
        request = "\r\n".join([*lines, "", ""]).encode()
        answer = exchange(sock, "CONNECT", request)
        if answer.status // 100 != 2:
            said = plain(f"{answer.status} {answer.reason}", _LONGEST)
            raise ProxyError(f"the proxy {proxy.where} answers {said}")

    @property
    def _host(self) -> str:
        """The server's address for a proxy, without a zone, which is valid on this machine only."""
        return f"{bracketed(_bare(self._influx.address))}:{self._influx.port}"

    def _lines(self, proxy_login: str) -> bytes:
        """Return the headers of all requests on a connection, with the empty line."""
        influx = self._influx
        scheme = "http" if influx.tls is None else "https"
        host = bracketed(_bare(influx.address))
        port = "" if influx.port == _PORTS[scheme] else f":{influx.port}"
        lines = [f"Host: {host}{port}", _AGENT, "Accept: application/json"]
        lines.append("Accept-Encoding: identity")  # answers are short, and read uncompressed
        if login := self._login():
            lines.append(f"Authorization: {login}")
        if proxy_login:
            lines.append(f"Proxy-Authorization: {proxy_login}")
        return "\r\n".join([*lines, "", ""]).encode()

    def _login(self) -> str:
        """Return the login header; a login of ~/.netrc has the lowest priority."""
        influx = self._influx
        if influx.token:  # InfluxDB 3 accepts this form, too (INFLUXDB)
            return f"Token {influx.token}"
        if influx.user:
            return basic(influx.user, influx.password)
        if influx.use_environment and (found := environment.login_for(influx.address)):
            return basic(*found)
        return ""


def bracketed(address: str) -> str:
    """Return an address in the form for a port after it."""
    return f"[{address}]" if ":" in address else address


def _bare(address: str) -> str:
    """Return an address without a zone and without a trailing dot, for a peer."""
    return address.partition("%")[0].rstrip(".")


def is_usable(sock: socket.socket) -> bool:
    """Return whether a persistent connection is still open and has no unrequested data."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return not waiting.poll(0)
