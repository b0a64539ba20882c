"""The way to a database: the only module that knows the `influxdb` package.

A request in, a Reply out, whatever the peer does: nothing is raised. A request has a deadline in
all, since the timeout of `requests` begins anew with each byte.

Rules: the certificate is judged before a login leaves. Neither proxy variables nor ~/.netrc count,
unless `use_environment` says so. No redirect is followed.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.client import BadStatusLine, HTTPException, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode

from bat2influx.config.settings import Influx
from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx import lean_imports
from bat2influx.influx.dialects import Server, identify
from bat2influx.influx.secrets import Mask, mask_of
from bat2influx.net.tls import TlsFault, fault_of, openssl_reason
from bat2influx.printable import plain

with lean_imports.imports():
    import requests
    from influxdb import InfluxDBClient
    from requests.structures import CaseInsensitiveDict

    from bat2influx.influx.transport import (
        Adapter,
        Dialer,
        HandshakeError,
        OtherCertificateError,
        TrustError,
    )

DEADLINE = 8.0  # s, for one request in all
MOST_BODY = 64 * 1024  # bytes of an answer that are read; a list of databases is far shorter
_CHUNK = 8192  # bytes
_LONGEST = 500  # characters of what an error says
_ENDED = (RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
_NOT_TRUSTED = (TlsFault.EXPIRED, TlsFault.NOT_YET, TlsFault.OTHER_NAME, TlsFault.UNTRUSTED)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request has come to; `status` is 0 where nothing was answered.

    `trouble` says why there is no answer; `in_doubt`, whether it may have been carried out though
    it failed. `whole` is whether all of the body came, and could be read.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    words: str = ""  # of the status
    ok: bool = False  # answered as it should be
    trouble: Trouble | None = None
    in_doubt: bool = False
    whole: bool = True


class HttpClient:
    """Requests to one server, one after the other. Used by one thread, but for `cut`."""

    def __init__(
        self,
        influx: Influx,
        config: str,
        deadline: float = DEADLINE,
        mask: Mask | None = None,
    ) -> None:
        """`config` is the file to name in messages; `deadline` is in s.

        `mask` takes secrets out of what the server says, by default those of `influx`.
        """
        self.server = Server()
        self.progress: Callable[[], None] = lambda: None  # called after each request
        self.mask = mask or mask_of(influx)
        self._influx = influx
        self._config = config
        self._deadline = deadline
        self._dialer = Dialer()
        self._response: requests.Response | None = None
        self._body, self._whole = b"", True
        self._headers: Mapping[str, str] = {}
        session = requests.Session()
        session.headers["Accept-Encoding"] = "identity"  # an answer is short, and read as it comes
        session.trust_env = influx.use_environment
        session.max_redirects = 0
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none is kept
        session.hooks["response"].append(self._remember_response)
        if influx.token:
            session.auth = _Token(influx.token)  # which ~/.netrc does not replace
        self._client = InfluxDBClient(
            host=bracketed(influx.address),
            port=influx.port,
            path=influx.path,
            ssl=influx.tls is not None,
            username=influx.user.encode() or None,  # requests would make Latin-1 of a text
            password=influx.password.encode() if influx.user else None,
            timeout=deadline,
            retries=1,
            session=session,
            headers={"Accept": "application/json"},
        )
        adapter = Adapter(self._dialer, influx.tls)
        session.mount("http://", adapter)
        session.mount("https://", adapter)

    @property
    def where(self) -> str:
        """Address and port, and the path there, for people."""
        return f"{self._host}{self._influx.path}"

    @property
    def _host(self) -> str:
        return f"{bracketed(self._influx.address)}:{self._influx.port}"

    @property
    def _pin(self) -> str:
        return f"bat2influx pin {self._host}"

    @property
    def peer(self) -> str:
        """What it is, and where, for people."""
        return f"{self.server.name} at {self.where}"

    @property
    def connection(self) -> int:
        """The number of the latest connection; another one may lead to another server."""
        return self._dialer.connections

    def ping(self) -> Reply:
        """Find out what it is that answers there, in `server`."""
        reply = self.ask("ping", "GET", expected=204)
        if reply.status:
            self.recognise(reply.headers, reply.body)
        return reply

    def recognise(self, headers: Mapping[str, str], body: bytes = b"") -> bool:
        """Take in what an answer says of the server; return whether it is known by that."""
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
        """Carry out one request; the answer is as it should be with the status `expected`.

        A connection that was kept from an earlier request may end just as this one leaves, for
        the server has had it open for long enough. That is no failure of the server, and it is
        asked once more at once, by a new connection and within the same deadline.
        """
        self._response, self._dialer.reached = None, True
        failure: Exception | None = None
        in_doubt = False
        with self._dialer.deadline.within(self._deadline):
            for _ in range(2):
                before = self._dialer.connections
                failure = self._carry_out(
                    path,
                    method,
                    params=dict(params or {}),
                    data=data,
                    expected_response_code=expected,
                    headers={"Accept": "application/json", "Content-Type": content},
                )
                if before != self._dialer.connections or not self._has_ended(failure):
                    break
                in_doubt = True
        self.progress()
        reply = self._reply(failure)
        self._response = None  # nor what it holds
        return replace(reply, in_doubt=True) if in_doubt and reply.trouble else reply

    def _carry_out(self, path: str, method: str, **request: Any) -> Exception | None:
        try:
            self._client.request(path, method, **request)
        except Exception as error:  # noqa: BLE001 - what an answer makes them raise is the peer's
            return error
        return None

    def _has_ended(self, failure: Exception | None) -> bool:
        """Return whether a connection has ended without an answer, before its time was up."""
        if failure is None or self._response is not None or self._dialer.deadline.expired:
            return False
        return any(isinstance(inner, _ENDED) for inner in _chain(failure))

    def query(self, statement: str, db: str = "") -> Reply:
        """Carry out one statement of InfluxQL, times in ns.

        It goes in the body: it may hold a password, and a URL stands in logs.
        """
        data = urlencode({"q": statement, "db": db, "epoch": "ns"}).encode()
        return self.ask("query", data=data, content="application/x-www-form-urlencoded")

    def cut(self) -> None:
        """End the request under way, from another thread."""
        self._dialer.deadline.cut()

    def _reply(self, failure: Exception | None) -> Reply:
        response, why = self._response, None
        late = self._dialer.deadline.expired  # perhaps while a head was read
        if late or isinstance(failure, requests.Timeout):
            why = influx_errors.database_slow(self.peer, self._deadline)
        elif failure and response is None:
            why = self._why(failure)
        if response is None:
            return Reply(trouble=why, in_doubt=self._dialer.reached)
        status = response.status_code
        return Reply(
            status,
            self._headers,
            self._body,
            plain(self.mask(response.reason or ""), _LONGEST),
            ok=failure is None and why is None,
            trouble=why,
            in_doubt=status >= 500 or self._dialer.deadline.expired,
            whole=self._whole,
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
        for inner in _chain(failure):  # TLS 1.3 has it that ours is refused after the handshake
            if isinstance(inner, ssl.SSLError) and fault_of(inner) is TlsFault.OURS:
                return self._no_tls(TlsFault.OURS, inner)
        if self._influx.tls is None and any(map(_is_tls_alert, _whole_chain(failure))):
            return influx_errors.database_tls_wanted(self.peer, self._config)
        return influx_errors.database_unreachable(self.peer, _words_for(failure), self._config)

    def _no_tls(self, fault: TlsFault, error: Exception) -> Trouble:
        if fault in _NOT_TRUSTED:
            return influx_errors.database_certificate(
                self.peer, fault.value, self._pin, self._config
            )
        if fault is TlsFault.OURS:
            return influx_errors.client_certificate(self.peer, fault.value, self._config)
        words = openssl_reason(error) or (str(error) if fault is TlsFault.OTHER else "")
        what = fault.value + (f" ({plain(words, _LONGEST)})" if words else "")
        tls = self._influx.tls
        trusted = tls is not None and tls.trusts_one
        return influx_errors.database_tls(self.peer, what, self._config, trusted=trusted)

    def _unreadable(self, error: OSError) -> Trouble:
        """Return which file cannot be used; OpenSSL does not say."""
        tls = self._influx.tls
        assert tls is not None
        keys = ("client_cert", "client_key", "ca_file")
        what = " or ".join(f"{key} {getattr(tls, key)}" for key in keys if getattr(tls, key))
        why = openssl_reason(error) or error.strerror or "unreadable"
        return influx_errors.trust_unreadable(what, why, self._config)

    def _remember_response(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Read the body before `requests` does, which bounds nothing and keeps no part of one."""
        self._response = response
        self._dialer.deadline.shorten(DEADLINE)  # for a statement may take long, and no answer
        self._body, self._whole = read_bounded(response)
        # The package would unpack a msgpack, for which five bytes can reserve half a megabyte.
        self._headers, response.headers = response.headers, CaseInsensitiveDict()
        response._content = b""
        response._content_consumed = True


class _Token(requests.auth.AuthBase):  # type: ignore[misc]
    """A login of InfluxDB 2 and 3, which the latter takes in this form, too (INFLUXDB)."""

    def __init__(self, token: str) -> None:
        self._value = b"Token " + token.encode()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def bracketed(address: str) -> str:
    """Return an address as it stands in front of a port."""
    return f"[{address}]" if ":" in address else address


def read_bounded(response: requests.Response) -> tuple[bytes, bool]:
    """Return the body of an answer as far as it came, and whether that is all of it.

    A reset behind an answer takes nothing of it away. What is not read to its end costs the
    connection, as does a body that is packed though nobody has asked for that.
    """
    body, packed, source = b"", False, response.raw
    if source is None:  # there already
        return bytes(response._content or b""), True
    try:
        packed = source.headers.get("Content-Encoding", "").lower() not in ("", "identity")
        while len(body) <= MOST_BODY and (more := source._fp.read1(_CHUNK)):
            body += more
        if len(body) > MOST_BODY or source._fp.length or (packed and body):
            raise ValueError("not all, or packed")
    except Exception:  # noqa: BLE001 - what a body makes the libraries raise is the peer's
        source.close()
        return b"" if packed else body[:MOST_BODY], False
    source._fp.close()  # which leaves the connection for the next request
    source.release_conn()
    return body, True


def _chain(error: BaseException) -> Iterator[Exception]:
    """Yield an error and what is inside of it; requests wraps what it meets several times."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, Exception):
            yield seen
        inner = seen.__cause__ or seen.__context__
        if inner is None:
            inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner


def _whole_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that is inside of it, by each way in."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [each.__cause__, each.__context__, *each.args]
        left += [one for one in inner if isinstance(one, BaseException)]


def _is_tls_alert(error: BaseException) -> bool:
    """Return whether an answer began as an alert of TLS does, as of a server that has no words."""
    line = str(error).lstrip("'")
    return isinstance(error, BadStatusLine) and line.startswith(("\x15\x03", r"\x15\x03"))


def _words_for(error: BaseException) -> str:
    """Return the cause in a few words."""
    last: BaseException = error
    for last in _chain(error):
        if isinstance(last, socket.gaierror):
            return "its name does not resolve"
        if isinstance(last, TimeoutError) and last.args:
            return str(last.args[-1])
        if isinstance(last, RemoteDisconnected | ssl.SSLEOFError):
            return "it ends the connection without an answer, as for want of TLS or a certificate"
        if isinstance(last, OSError) and last.strerror:
            return last.strerror.lower()
    if any(isinstance(inner, HTTPException) for inner in _whole_chain(error)):
        return "what it answers is no HTTP"
    return type(last).__name__
