"""HTTP requests to a database: a request in, a Reply out; a peer's failure raises nothing.

transport.py carries the request, within one deadline for all of it.

Rules: the certificate is verified before a login is sent. Proxy variables and ~/.netrc count only
with `use_environment`. No redirect is followed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode

from bat2influx.config.settings import Influx
from bat2influx.failure import Trouble
from bat2influx.influx import environment
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import Server, identify
from bat2influx.influx.environment import ProxyError
from bat2influx.influx.exchange import MAX_BODY, Answer, NoAnswerError, NoHttpError
from bat2influx.influx.secrets import Mask, mask_of
from bat2influx.influx.transport import (
    HandshakeError,
    OtherCertificateError,
    Transport,
    TrustError,
    bracketed,
)
from bat2influx.net.tls import (
    TlsFault,
    fault_of,
    is_end_of_file,
    is_ssl_error,
    openssl_reason,
)
from bat2influx.printable import plain

DEADLINE = 8.0  # s, for one complete request
_LONGEST = 500  # characters of an error's text
_ENDED = (NoAnswerError, ConnectionResetError, BrokenPipeError)
_NOT_TRUSTED = (TlsFault.EXPIRED, TlsFault.NOT_YET, TlsFault.OTHER_NAME, TlsFault.UNTRUSTED)


class Reply(NamedTuple):
    """The result of one request; `status` is 0 without an answer.

    `trouble` says why there is no answer. `uncertain` is whether the server may have executed the
    request although it failed. `whole` is whether the complete body was read.
    """

    status: int = 0
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    reason: str = ""  # of the status
    ok: bool = False  # the expected status
    trouble: Trouble | None = None
    uncertain: bool = False
    whole: bool = True


class HttpClient:
    """Requests to one server, one after the other. Used by one thread, but for `abort`."""

    def __init__(
        self,
        influx: Influx,
        config: str,
        deadline: float = DEADLINE,
        mask: Mask | None = None,
        most: int = MAX_BODY,
    ) -> None:
        """`config` is the file to name in messages; `deadline` is in s.

        At most `most` bytes of an answer's body are read. `mask` removes secrets from the server's
        texts, by default those of `influx`.
        """
        self.server = Server()
        self.progress: Callable[[], None] = lambda: None  # called after each request
        more = environment.secrets_for(influx.address) if influx.use_environment else ()
        self.mask = mask or mask_of(influx, more=more)
        self._influx = influx
        self._config = config
        self._deadline = deadline
        self._transport = Transport(influx, most)
        self._answered = False  # whether the latest request has the head of an answer

    @property
    def where(self) -> str:
        """Address, port and path, for messages."""
        return f"{self._host}{self._influx.path}"

    @property
    def _host(self) -> str:
        return f"{bracketed(self._influx.address)}:{self._influx.port}"

    @property
    def _pin(self) -> str:
        return f"bat2influx pin {self._host}"

    @property
    def peer(self) -> str:
        """Kind and address of the server, for messages."""
        return f"{self.server.name} at {self.where}"

    @property
    def connection(self) -> int:
        """The number of the latest connection; each may lead to another server."""
        return self._transport.connections

    def ping(self) -> Reply:
        """Determine which server answers, in `server`."""
        reply = self.ask("ping", "GET", expected=204)
        if reply.status:
            self.recognise(reply.headers, reply.body)
        return reply

    def recognise(self, headers: Mapping[str, str], body: bytes = b"") -> bool:
        """Set `server` from an answer; return whether the answer identifies it."""
        self.server = found = identify(headers, body, self.mask)
        return found.known

    def ask(
        self,
        path: str,
        method: str = "POST",
        *,
        params: Mapping[str, str] | None = None,
        data: bytes = b"",
        content: str = "text/plain; charset=utf-8",
        expected: int = 200,
    ) -> Reply:
        """Carry out one request; the Reply is `ok` with the status `expected`.

        The server may close a persistent connection just as a request is sent, because of its idle
        timeout. That is not a failure: the request is repeated at once, on a new connection and
        within the same deadline.
        """
        target = f"{path}?{urlencode(params)}" if params else path
        transport, uncertain = self._transport, False
        with transport.deadline.within(self._deadline):
            for _ in range(2):
                before = transport.connections
                got = self._carry_out(method, target, data, content)
                if before != transport.connections or not self._has_ended(got):
                    break
                uncertain = True
        self.progress()
        reply = self._reply(got, expected)
        del got  # otherwise a failure and its frames would keep each other and the sent data alive
        return reply._replace(uncertain=True) if uncertain and reply.trouble else reply

    def _carry_out(self, method: str, target: str, data: bytes, content: str) -> Answer | Exception:
        self._answered = False
        try:
            return self._transport.exchange(method, target, data, content, self._begun)
        except Exception as error:  # noqa: BLE001 - a peer's answer may raise any of them
            return error

    def _begun(self) -> None:
        """Note that the head of an answer is complete. The body has the rest of the deadline.

        InfluxDB 1 sends the head of an answer at once, and its rows when the statement has ended.
        """
        self._answered = True

    def _has_ended(self, got: Answer | Exception) -> bool:
        """Return whether the connection was closed without an answer, before the deadline."""
        if self._answered or self._transport.deadline.expired:
            return False
        return isinstance(got, _ENDED) or (isinstance(got, Exception) and is_end_of_file(got))

    def query(self, statement: str, db: str = "") -> Reply:
        """Carry out one statement of InfluxQL, times in ns.

        The statement is sent in the body: it may contain a password, and servers log URLs.
        """
        data = urlencode({"q": statement, "db": db, "epoch": "ns"}).encode()
        return self.ask("query", data=data, content="application/x-www-form-urlencoded")

    def abort(self) -> None:
        """Abort the pending request, from another thread."""
        self._transport.deadline.abort()

    def _reply(self, got: Answer | Exception, expected: int) -> Reply:
        transport, why = self._transport, None
        late = transport.deadline.expired  # possibly while the head was read
        if late or (isinstance(got, TimeoutError) and transport.reached):
            why = influx_errors.database_slow(self.peer, self._deadline)
        elif isinstance(got, Exception):
            why = self._why(got)
        if isinstance(got, Exception):
            return Reply(trouble=why, uncertain=transport.reached)
        return Reply(
            got.status,
            got.headers,
            got.body,
            plain(self.mask(got.reason), _LONGEST),
            ok=got.status == expected and why is None,
            trouble=why,
            uncertain=got.status >= 500 or late,
            whole=got.whole,
        )

    def _why(self, failure: Exception) -> Trouble:
        """Return why there was no answer."""
        if isinstance(failure, TrustError):
            return self._unreadable(failure.error)
        if isinstance(failure, OtherCertificateError):
            pinned = self._influx.tls.fingerprint if self._influx.tls else ""
            return influx_errors.database_certificate_changed(
                self.peer, failure.shown, pinned, self._pin, self._config
            )
        if isinstance(failure, HandshakeError):
            return self._no_tls(failure.fault, failure.error)
        # With TLS 1.3 a server rejects the client certificate after the handshake.
        if is_ssl_error(failure) and fault_of(failure) is TlsFault.CLIENT_CERTIFICATE:
            return self._no_tls(TlsFault.CLIENT_CERTIFICATE, failure)
        if self._influx.tls is None and _is_tls_alert(failure):
            return influx_errors.database_tls_required(self.peer, self._config)
        reason = self.mask(_cause_text(failure))
        return influx_errors.database_unreachable(self.peer, reason, self._config)

    def _no_tls(self, fault: TlsFault, error: Exception) -> Trouble:
        if fault in _NOT_TRUSTED:
            return influx_errors.database_certificate(
                self.peer, fault.value, self._pin, self._config
            )
        if fault is TlsFault.CLIENT_CERTIFICATE:
            return influx_errors.client_certificate(self.peer, fault.value, self._config)
        reason = openssl_reason(error) or (str(error) if fault is TlsFault.OTHER else "")
        what = fault.value + (f" ({plain(reason, _LONGEST)})" if reason else "")
        tls = self._influx.tls
        trusted = tls is not None and tls.has_trust_anchor
        return influx_errors.database_tls(self.peer, what, self._config, trusted=trusted)

    def _unreadable(self, error: OSError) -> Trouble:
        """Return the Trouble with all files that may be unusable; OpenSSL names none."""
        tls = self._influx.tls
        assert tls is not None
        keys = ("client_cert", "client_key", "ca_file")
        what = " or ".join(f"{key} {getattr(tls, key)}" for key in keys if getattr(tls, key))
        why = openssl_reason(error) or error.strerror or "unreadable"
        return influx_errors.trust_unreadable(what, why, self._config)


def _is_tls_alert(error: Exception) -> bool:
    """Return whether an answer begins like a TLS alert, which some servers send without a text."""
    return isinstance(error, NoHttpError) and error.begun.startswith(b"\x15\x03")


def _cause_text(error: Exception) -> str:
    """Return the cause as a short text."""
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if isinstance(error, (TimeoutError, ProxyError)) and error.args:
        return str(error.args[-1])
    if isinstance(error, NoAnswerError) or is_end_of_file(error):
        return "it closed the connection without an answer; it may require TLS or a certificate"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, NoHttpError):
        return "its answer is not HTTP"
    return type(error).__name__
