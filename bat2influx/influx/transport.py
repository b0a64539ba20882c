"""The connections of HTTP requests: a time limit in all, which `requests` lacks, and our trust.

Its own timeout begins anew with each byte, so that an answer that drips holds it for ever. Here the
socket is made by the dialer, and its deadline shuts it down when the time is up.

The certificate is judged before anything of a request leaves. What is trusted is read anew for
each connection, so that a renewed certificate of ours counts from the next one on.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_match_hostname import CertificateError

from bat2influx.net import resolver
from bat2influx.net.deadline import Deadline
from bat2influx.net.tls import Tls, TlsFault, context, fault_of, fingerprint_of

# Of an answer's first line, and of each of its headers, of which http.client takes a hundred: their
# parser needs ten times their size. It has a bound of 64 KiB and no way to ask for another one.
LONGEST_LINE = 8192  # bytes
http.client._MAXLINE = LONGEST_LINE  # type: ignore[attr-defined]


class HandshakeError(Exception):
    """TLS came to nothing, as `error` says; nothing of the request has left."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        of_name = isinstance(error, CertificateError)
        self.fault = TlsFault.OTHER_NAME if of_name else fault_of(error)


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

    `reached` is whether the server may have seen something of the latest request; `connections`
    is how many were begun, ever.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.deadline = Deadline()
        self.reached = True
        self._double: socket.socket | None = None

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to the first address that answers in half of the time left."""
        failure, deadline = OSError("no address"), self.deadline
        self.reached = False
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
                self.reached = True
                return sock
        raise failure

    @contextlib.contextmanager
    def through(self, secured: urllib3.connection.HTTPSConnection) -> Iterator[None]:
        """Let a connection begin TLS on the socket, which then is another object."""
        try:
            yield
        except Exception as error:
            if self.reached and not self.deadline.expired:
                self.reached = False
                raise HandshakeError(error) from error
            raise
        finally:
            if self._double is not None:
                self._double.close()
                self._double = None
            self.deadline.watch(secured.sock)

    def lend(self, sock: socket.socket) -> socket.socket:
        """Return `sock` to begin TLS on, which empties it: what can be cut is a double."""
        self._double = sock.dup()
        self.deadline.watch(self._double)
        return sock


class Adapter(HTTPAdapter):  # type: ignore[misc]
    """Has a dialer make the connections, and `tls` alone say whom to trust."""

    def __init__(self, dialer: Dialer, tls: Tls | None) -> None:
        self._pools = _pools(dialer, tls)
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def build_response(self, req: Any, resp: Any) -> Any:
        """Leave cookies out before they are parsed, which takes long for hostile ones."""
        for headers in (
            resp.headers,
            getattr(getattr(resp, "_original_response", None), "msg", {}),
        ):
            for name in ("Set-Cookie", "Set-Cookie2"):
                if name in headers:
                    del headers[name]
        return super().build_response(req, resp)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, *_: Any) -> None:
        """Leave trust to the connections."""

    def build_connection_pool_key_attributes(self, *args: Any) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(*args)
        return host, {}


def _host_of(connection: urllib3.connection.HTTPConnection) -> str:
    """Return its host, with its last dot, and a zone as it was: urllib3 2 has %25 for its %."""
    return str(connection._dns_host).replace("%25", "%")


def _pools(dialer: Dialer, tls: Tls | None) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    trust = tls or Tls()

    class Connection(urllib3.connection.HTTPConnection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            return dialer.connect(_host_of(self), self.port)

    class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Connection

    class SecureConnection(urllib3.connection.HTTPSConnection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            return dialer.lend(dialer.connect(_host_of(self), self.port))

        def connect(self) -> None:
            try:
                self.ssl_context = settings = context(trust)
            except OSError as error:
                raise TrustError(error) from None
            self.cert_reqs = settings.verify_mode
            settings.check_hostname = False  # urllib3 does it, and 1.26 does not know both ways
            self.assert_hostname = None if trust.verify_host else False
            with dialer.through(self):
                super().connect()
            if trust.fingerprint:
                shown = fingerprint_of(self.sock.getpeercert(binary_form=True))
                if shown != trust.fingerprint:
                    self.close()
                    dialer.reached = False
                    raise OtherCertificateError(shown)
            self.is_verified = True

    class SecurePool(urllib3.HTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
