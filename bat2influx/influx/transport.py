"""The way to one database: a connection that is kept, a time limit in all, and whom it trusts.

The timeout of a socket begins anew with each byte, so that an answer that drips would hold it for
ever. Here the deadline shuts the socket down when the time is up.

Rules: the certificate is judged before anything of a request leaves. What is trusted, and what the
environment has where it counts, is read again for each connection, so that a renewed certificate of
ours counts from the next one on. Nothing is sent on a connection that has ended, or has something
to say that nobody asked for.
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
from bat2influx.influx.exchange import MOST_BODY, Answer, exchange
from bat2influx.net import resolver
from bat2influx.net.deadline import Deadline
from bat2influx.net.tls import Tls, context, fault_of, fingerprint_of, shown_by
from bat2influx.printable import plain

if TYPE_CHECKING:
    import ssl

_LONGEST = 100  # characters of what a proxy says
_PORTS = {"http": 80, "https": 443}
_AGENT = f"User-Agent: bat2influx/{__version__}"


class HandshakeError(Exception):
    """TLS came to nothing, as `error` says; nothing of the request has left."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        self.fault = fault_of(error)


class TrustError(Exception):
    """A file that says whom to trust, or who we are, cannot be used, as `error` says."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class OtherCertificateError(Exception):
    """Not the certificate that is pinned; `shown` is the fingerprint of the one there is."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class Dialer:
    """Makes the sockets of requests to one server, all of which have one `deadline`.

    `connections` is how many were begun, ever.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.deadline = Deadline()

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to the first address that answers in half of the time left."""
        failure, deadline = OSError("no address"), self.deadline
        self.connections += 1
        # Less than all that is left: the deadline would end it without a reason.
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
        """Return the socket with TLS begun on it; it is closed where that comes to nothing.

        `fingerprint` is that of the one certificate that is trusted, '' where `settings` judge.
        Raises HandshakeError and OtherCertificateError, and anything at the deadline.
        """
        secured = sock
        try:
            secured = settings.wrap_socket(
                sock, server_hostname=_bare(host), do_handshake_on_connect=False
            )
            self.deadline.watch(secured)
            secured.do_handshake()
            shown = fingerprint_of(shown_by(secured))
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
    """Carries requests to one server, one after the other, on a connection that is kept.

    `reached` is whether the server may have seen something of the latest request, `most` how many
    bytes of an answer's body are read.
    """

    def __init__(self, influx: Influx, most: int = MOST_BODY) -> None:
        self.reached = False
        self._most = most
        self._influx = influx
        self._dialer = Dialer()
        self._sock: socket.socket | None = None
        self._start = influx.path  # of what is asked for: with a proxy, the whole address
        self._headers = b""

    def __del__(self) -> None:
        self.close()

    @property
    def deadline(self) -> Deadline:
        """The time limit of what is under way."""
        return self._dialer.deadline

    @property
    def connections(self) -> int:
        """How many connections were begun, ever."""
        return self._dialer.connections

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._sock is not None:
            self._dialer.deadline.watch(None)
            self._sock.close()
            self._sock = None

    def exchange(
        self, method: str, path: str, data: bytes, content: str, begun: Callable[[], None]
    ) -> Answer:
        """Carry out one request, within the deadline; return its answer.

        `path` follows on that of the configuration, `content` is the type of `data`. `begun` is
        called when the head of the answer is there. Raises what came between.
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
        """Return a new connection, on which the next thing to send is a request."""
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
        """Return a connection to a proxy, or through it where TLS is spoken from end to end."""
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
        """Have a proxy connect `sock` to the server. Raises OSError."""
        lines = [f"CONNECT {self._host} HTTP/1.1", f"Host: {self._host}", _AGENT]
        if proxy.login:
            lines.append(f"Proxy-Authorization: {proxy.login}")
        request = "\r\n".join([*lines, "", ""]).encode()
        answer = exchange(sock, "CONNECT", request)
        if answer.status // 100 != 2:
            said = plain(f"{answer.status} {answer.words}", _LONGEST)
            raise ProxyError(f"the proxy {proxy.where} answers {said}")

    @property
    def _host(self) -> str:
        """The server, as a proxy is told: a zone is no part of an address elsewhere."""
        return f"{bracketed(_bare(self._influx.address))}:{self._influx.port}"

    def _lines(self, proxy_login: str) -> bytes:
        """Return the headers that all requests on a connection have, and the empty line."""
        influx = self._influx
        scheme = "http" if influx.tls is None else "https"
        host = bracketed(_bare(influx.address))
        port = "" if influx.port == _PORTS[scheme] else f":{influx.port}"
        lines = [f"Host: {host}{port}", _AGENT, "Accept: application/json"]
        lines.append("Accept-Encoding: identity")  # an answer is short, and read as it comes
        if login := self._login():
            lines.append(f"Authorization: {login}")
        if proxy_login:
            lines.append(f"Proxy-Authorization: {proxy_login}")
        return "\r\n".join([*lines, "", ""]).encode()

    def _login(self) -> str:
        """Return our login; that of ~/.netrc comes last."""
        influx = self._influx
        if influx.token:  # InfluxDB 3 takes this form, too (INFLUXDB)
            return f"Token {influx.token}"
        if influx.user:
            return basic(influx.user, influx.password)
        if influx.use_environment and (found := environment.login_for(influx.address)):
            return basic(*found)
        return ""


def bracketed(address: str) -> str:
    """Return an address as it stands in front of a port."""
    return f"[{address}]" if ":" in address else address


def _bare(address: str) -> str:
    """Return an address as a peer knows it, without a zone and without its last dot."""
    return address.partition("%")[0].rstrip(".")


def is_usable(sock: socket.socket) -> bool:
    """Return whether a kept connection is quiet: its end could be read, as could a stray answer."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return not waiting.poll(0)
