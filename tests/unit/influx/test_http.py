"""The HTTP client: what each failure of a request, and each answer, is told as."""

from __future__ import annotations

import errno
import socket
import ssl
from http.client import RemoteDisconnected

import pytest
import requests
from urllib3.util.ssl_match_hostname import CertificateError

from bat2influx.failure import Backoff
from bat2influx.influx.http import MOST_BODY, Reply
from bat2influx.influx.transport import HandshakeError, OtherCertificateError, TrustError
from bat2influx.net.tls import Tls
from tests.support.tls_by_hand import openssl, verification
from tests.unit.influx.http_by_hand import client, failing, response


def wrapped(outer: BaseException, **inner: BaseException) -> BaseException:
    """Return an error with its `__cause__`, or the `__context__` that it was met in."""
    for name, value in inner.items():
        setattr(outer, name, value)
    return outer


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "unknown")
LATE = TimeoutError("name resolution of db takes more than 6.4 s")
DISCONNECTED = RemoteDisconnected("no answer")
OURS = openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED")
CA_OR_PIN = (
    "this may not be your database. If you know that it is, write ca_file with who has signed it"
)
ENDED = "ends the connection without an answer, as for want of TLS or a certificate"


@pytest.mark.parametrize(
    ("failure", "cause", "words"),
    [
        (REFUSED, "database", "cannot be reached (connection refused)"),
        (requests.ConnectionError(REFUSED), "database", "(connection refused)"),
        (
            wrapped(requests.ConnectionError(), __cause__=REFUSED),
            "database",
            "(connection refused)",
        ),
        (wrapped(requests.ConnectionError(), __context__=REFUSED), "database", "(connection refu"),
        (requests.ConnectionError(KeyError(REFUSED)), "database", "(connection refused)"),
        (requests.ConnectionError(NO_NAME), "database", "(its name does not resolve)"),
        (requests.ConnectionError(LATE), "database", "(name resolution of db takes more than"),
        (requests.ConnectionError(DISCONNECTED), "database", ENDED),
        (requests.ConnectionError(ssl.SSLEOFError()), "database", ENDED),
        (requests.ConnectionError(OSError()), "database", "(OSError)"),
        (requests.ConnectionError(TimeoutError()), "database", "(TimeoutError)"),
        (KeyError("x"), "database", "(KeyError)"),
        (requests.ReadTimeout(), "database slow", "does not answer within 8 s"),
        (requests.ConnectTimeout(), "database slow", "does not answer within 8 s"),
        (HandshakeError(verification(10)), "database certificate", "has expired"),
        (HandshakeError(verification(9)), "database certificate", "is not valid yet"),
        (HandshakeError(verification(62)), "database certificate", "is for another name"),
        (HandshakeError(CertificateError("x")), "database certificate", "is for another name"),
        (HandshakeError(verification(18)), "database certificate", f"is not trusted; {CA_OR_PIN}"),
        (HandshakeError(OURS), "database certificate", "set client_cert and client_key"),
        (requests.ConnectionError(OURS), "database certificate", "set client_cert and client_key"),
        (HandshakeError(openssl("UNSUPPORTED_PROTOCOL")), "database tls", "has no TLS 1.2 ("),
        (HandshakeError(openssl("WRONG_VERSION_NUMBER")), "database tls", "does not speak TLS ("),
        (HandshakeError(ConnectionResetError(104, "reset")), "database tls", "does not speak TLS;"),
        (HandshakeError(TimeoutError()), "database tls", "does not answer in TLS;"),
        (HandshakeError(ValueError("odd")), "database tls", "no agreement with us (odd);"),
        (OtherCertificateError("CD:02"), "database certificate", "CD:02 instead of AB:01"),
        (TrustError(FileNotFoundError(2, "No such file")), "database certificate", "(No such file"),
        (TrustError(openssl("NO_CERTIFICATE")), "database certificate", "(no certificate)"),
        (TrustError(OSError()), "database certificate", "cannot be used (unreadable)"),
    ],
)
def test_each_failure_has_its_cause(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException, cause: str, words: str
) -> None:
    """Nothing is raised; the text has the reason and where to look, and no secret."""
    trust = Tls("/ca.pem", fingerprint="AB:01", client_cert="/us.pem")
    made, package = client(monkeypatch, tls=trust, user="me", password="gehe1m")
    package.act = failing(failure)
    reply = made.ask("write")
    assert (reply.status, reply.ok, reply.body) == (0, False, b"")
    assert reply.trouble
    assert reply.trouble.cause == cause
    assert words in reply.trouble.text
    assert (
        "127.0.0.1:8086" in reply.trouble.text or "/us.pem or ca_file /ca.pem" in reply.trouble.text
    )
    assert "gehe1m" not in repr(reply)
    people = cause in ("database certificate", "database tls")
    assert reply.trouble.backoff is (Backoff.DATABASE_LOGIN if people else Backoff.DATABASE)


@pytest.mark.parametrize("reached", [True, False])
def test_what_was_not_answered_is_in_doubt_if_it_may_have_left(
    monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """A request on a connection that is there already has reached the server."""
    made, package = client(monkeypatch)

    def act() -> None:
        made._dialer.reached = made._dialer.reached and reached
        raise requests.ConnectionError(REFUSED)

    made._dialer.reached = False  # of the request before
    package.act = act
    assert made.ask("write").in_doubt is reached


@pytest.mark.parametrize(
    ("status", "raised", "ok", "in_doubt"),
    [
        (204, None, True, False),
        (400, ValueError(), False, False),
        (404, None, True, False),  # the package raises where another status was expected
        (500, ValueError(), False, True),
        (503, ValueError(), False, True),
    ],
)
def test_an_answer_is_a_reply_and_no_trouble(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    raised: Exception | None,
    ok: bool,
    in_doubt: bool,
) -> None:
    """Whatever the package makes of it; a server in trouble may have done what was asked."""
    made, package = client(monkeypatch)

    def act() -> None:
        package.answer(response(status, b"body", Retry_After="7"))
        if raised:
            raise raised

    package.act = act
    reply = made.ask("write")
    assert reply == Reply(status, reply.headers, b"body", "Words", ok, None, in_doubt)
    assert reply.headers["Retry-After"] == "7"


def test_an_answer_that_came_too_late_is_a_server_that_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its status is known, and nobody knows whether all of it was carried out."""
    made, package = client(monkeypatch)

    def act() -> None:
        package.answer(response(204))
        made.cut()

    package.act = act
    reply = made.ask("write")
    assert (reply.status, reply.ok, reply.in_doubt) == (204, False, True)
    assert reply.trouble
    assert reply.trouble.cause == "database slow"


def test_the_answer_to_one_request_is_not_that_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it late because one before was."""
    made, package = client(monkeypatch)
    package.act = lambda: (package.answer(response(204)), made.cut())
    made.ask("write")
    package.act = failing(requests.ConnectionError(REFUSED))
    reply = made.ask("write")
    assert reply.status == 0
    assert reply.trouble
    assert reply.trouble.cause == "database"


class Raw:
    """The body of an answer as it comes: its parts, and then what is raised, if anything."""

    def __init__(self, *parts: bytes, left: int | None = 0, packed: str = "") -> None:
        self.headers = {"Content-Encoding": packed} if packed else {}
        self.length, self.failure = left, None
        self.done = ""
        self._parts = list(parts)
        self._fp = self

    def read1(self, most: int) -> bytes:
        """Read what is there."""
        if self._parts:
            assert len(self._parts[0]) <= most
            return self._parts.pop(0)
        if self.failure:
            raise self.failure
        return b""

    def close(self) -> None:
        """End."""
        self.done += "closed "

    def release_conn(self) -> None:
        """Leave the connection to the next request."""
        self.done += "kept"


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("consumed"),
        ConnectionResetError(104, "reset"),
        requests.exceptions.ChunkedEncodingError(),
        ValueError("a chunk of no length"),
    ],
)
def test_what_came_of_a_body_before_a_failure_is_kept(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The status counts by itself, and it is known that more was to come."""
    made, package = client(monkeypatch)
    answer = response(400, reason="Bad\x1b[2J\nRequest")
    answer.raw = Raw(b"some", b"thing")
    answer.raw.failure = failure
    package.act = lambda: package.answer(answer)
    reply = made.ask("write")
    assert (reply.status, reply.body, reply.words) == (400, b"something", "Bad [2J Request")
    assert not reply.whole
    assert answer.raw.done == "closed "


@pytest.mark.parametrize(
    ("raw", "whole", "length"),
    [
        (Raw(), True, 0),
        (Raw(b"a", b"b"), True, 2),
        (Raw(b"a", left=None), True, 1),
        (Raw(b"a", left=7), False, 1),
        (Raw(b"a", packed="gzip"), False, 0),
        (Raw(*[b"x" * 8192] * 8), True, MOST_BODY),
        (Raw(*[b"x" * 8192] * 10_000), False, MOST_BODY),
    ],
)
def test_a_body_is_read_as_far_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch, raw: Raw, whole: bool, length: int
) -> None:
    """64 KiB at the most; what is not read to its end costs the connection."""
    made, package = client(monkeypatch)
    answer = response(400)
    answer.raw = raw
    package.act = lambda: package.answer(answer)
    reply = made.ask("write")
    assert (reply.whole, len(reply.body)) == (whole, length)
    assert raw.done == ("closed kept" if whole else "closed ")


def test_an_answer_may_have_neither_body_nor_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then both are empty."""
    made, package = client(monkeypatch)
    package.act = lambda: package.answer(response(204, None, None))
    reply = made.ask("write")
    assert (reply.status, reply.body, reply.words, reply.ok) == (204, b"", "", True)


@pytest.mark.parametrize("failure", [None, KeyError()])
def test_each_request_is_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """However it ended."""
    made, package = client(monkeypatch)
    signs: list[int] = []
    made.progress = lambda: signs.append(1)
    package.act = failing(failure) if failure else lambda: None
    made.ask("write")
    assert signs == [1]


def test_the_package_gets_nothing_to_unpack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five bytes of msgpack can reserve half a megabyte; none is ever asked for."""
    made, package = client(monkeypatch)
    answer = response(200, b"\xdd\x00\x00\xf0\x00", Content_Type="application/x-msgpack")
    package.act = lambda: package.answer(answer)
    reply = made.ask("ping")
    assert (dict(answer.headers), answer.content) == ({}, b"")
    assert reply.headers["Content-Type"] == "application/x-msgpack"
    assert reply.body == b"\xdd\x00\x00\xf0\x00"


def test_a_secret_in_the_version_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` and `watch` show what a server says it is."""
    made, package = client(monkeypatch, user="me", password="S3cret")
    package.act = lambda: package.answer(response(204, X_Influxdb_Version="S3cret"))
    made.ping()
    assert made.server.known
    assert made.server.version == "…"
