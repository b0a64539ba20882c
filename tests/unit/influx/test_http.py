"""The HTTP client: the Trouble for each failure of a request, and the Reply for each answer."""

from __future__ import annotations

import errno
import gc
import socket
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from bat2influx.failure import Backoff
from bat2influx.influx.environment import ProxyError
from bat2influx.influx.exchange import Answer, NoAnswerError, NoHttpError
from bat2influx.influx.http import DEADLINE, Reply
from bat2influx.influx.transport import HandshakeError, OtherCertificateError, TrustError
from bat2influx.net.tls import Tls
from tests.support.tls_by_hand import openssl, verification
from tests.unit.influx.http_by_hand import answer, client, failing

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "unknown")
LATE = TimeoutError("name resolution of db takes more than 6.4 s")
OURS = openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED")
CA_OR_PIN = (
    "this may not be your database. If you know that it is, set ca_file to the certificate of its"
)
ENDED = "it closed the connection without an answer; it may require TLS or a certificate"
PROXY = ProxyError("the proxy p:3128 answers 403 Forbidden")


@pytest.mark.parametrize(
    ("failure", "cause", "words"),
    [
        (REFUSED, "database", "is unreachable (connection refused)"),
        (NO_NAME, "database", "(its name does not resolve)"),
        (LATE, "database", "(name resolution of db takes more than"),
        (PROXY, "database", "(the proxy p:3128 answers 403 Forbidden)"),
        (NoAnswerError("no answer"), "database", ENDED),
        (NoHttpError(b"SSH-2.0-"), "database", "(its answer is not HTTP)"),
        (NoHttpError(), "database", "(its answer is not HTTP)"),
        (ssl.SSLEOFError(), "database", ENDED),
        (OSError(), "database", "(OSError)"),
        (TimeoutError(), "database", "(TimeoutError)"),
        (KeyError("x"), "database", "(KeyError)"),
        (HandshakeError(verification(10)), "database certificate", "has expired"),
        (HandshakeError(verification(9)), "database certificate", "is not valid yet"),
        (HandshakeError(verification(62)), "database certificate", "is for another name"),
        (HandshakeError(verification(64)), "database certificate", "is for another name"),
        (HandshakeError(verification(18)), "database certificate", f"is not trusted; {CA_OR_PIN}"),
        (HandshakeError(OURS), "database certificate", "set client_cert and client_key"),
        (OURS, "database certificate", "set client_cert and client_key"),
        (
            HandshakeError(openssl("UNSUPPORTED_PROTOCOL")),
            "database tls",
            "does not support TLS 1.2 or later (",
        ),
        (HandshakeError(openssl("WRONG_VERSION_NUMBER")), "database tls", "does not use TLS ("),
        (HandshakeError(ConnectionResetError(104, "reset")), "database tls", "does not use TLS;"),
        (HandshakeError(TimeoutError()), "database tls", "does not answer in TLS;"),
        (HandshakeError(ValueError("odd")), "database tls", "fails the TLS handshake (odd);"),
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
    made, transport = client(monkeypatch, tls=trust, user="me", password="gehe1m")
    transport.act, transport.reached = failing(failure), False
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


@pytest.mark.parametrize(("tls", "wanted"), [(None, True), (Tls(), False)])
def test_an_alert_of_tls_means_that_the_server_requires_tls(
    monkeypatch: pytest.MonkeyPatch, tls: Tls | None, wanted: bool
) -> None:
    """If TLS is not used yet."""
    made, transport = client(monkeypatch, tls=tls)
    transport.act = failing(NoHttpError(b"\x15\x03\x01\x00\x02\x02F"))
    why = made.ask("write").trouble
    assert why
    assert ("requires TLS" in why.text) is wanted


def test_a_timeout_after_a_request_is_a_slow_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as after the kernel's last retransmission."""
    made, transport = client(monkeypatch)
    transport.act = failing(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    why = made.ask("write").trouble
    assert why
    assert (why.cause, "within 8 s" in why.text) == ("database slow", True)


@pytest.mark.parametrize("reached", [True, False])
def test_an_unanswered_request_is_in_doubt_if_it_may_have_been_sent(
    monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """The server may have executed it."""
    made, transport = client(monkeypatch)
    transport.act, transport.reached = failing(REFUSED), reached
    assert made.ask("write").uncertain is reached


@pytest.mark.parametrize(
    ("status", "ok", "uncertain"),
    [
        (204, True, False),
        (200, False, False),
        (400, False, False),
        (404, False, False),
        (500, False, True),
        (503, False, True),
    ],
)
def test_an_answer_is_a_reply_and_no_trouble(
    monkeypatch: pytest.MonkeyPatch, status: int, ok: bool, uncertain: bool
) -> None:
    """It is ok with the expected status; a failing server may have executed the request."""
    made, transport = client(monkeypatch)
    transport.act = lambda: answer(status, b"body", "Wo\x1b[2J\nrds", Retry_After="7")
    reply = made.ask("write", expected=204)
    assert reply == Reply(status, reply.headers, b"body", "Wo [2J rds", ok, None, uncertain)
    assert reply.headers["retry-after"] == "7"


def test_an_incomplete_body_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status counts alone."""
    made, transport = client(monkeypatch)
    transport.act = lambda: answer(400, b"some", whole=False)
    reply = made.ask("write")
    assert (reply.status, reply.body, reply.whole) == (400, b"some", False)


def test_a_late_answer_is_a_slow_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its status is known, but not whether the request was executed completely."""
    made, transport = client(monkeypatch)

    def act() -> Answer:
        made.abort()
        return answer(204)

    transport.act = act
    reply = made.ask("write", expected=204)
    assert (reply.status, reply.ok, reply.uncertain) == (204, False, True)
    assert reply.trouble
    assert reply.trouble.cause == "database slow"
    transport.act = failing(REFUSED)
    reply = made.ask("write")  # which is not late because the one before was
    assert reply.status == 0
    assert reply.trouble
    assert reply.trouble.cause == "database"


def test_a_body_has_all_the_time_of_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """InfluxDB 1 sends the head of an answer at once, and its rows after the statement."""
    made, transport = client(monkeypatch)
    made._deadline = 600.0
    left: list[float] = []

    def exchange(*arguments: Any) -> Answer:
        begun: Callable[[], None] = arguments[-1]
        begun()
        left.append(transport.deadline.left())
        return answer(204)

    monkeypatch.setattr(transport, "exchange", exchange)
    assert made.ask("query").status == 204
    assert left[0] > 10 * DEADLINE


@pytest.mark.parametrize("failure", [None, KeyError()])
def test_each_request_calls_progress(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """However it ended."""
    made, transport = client(monkeypatch)
    signs: list[int] = []
    made.progress = lambda: signs.append(1)
    if failure:
        transport.act = failing(failure)
    made.ask("write")
    assert signs == [1]


def test_a_failure_does_not_outlive_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames refer to the sent data, perhaps half a megabyte."""
    made, transport = client(monkeypatch)
    failures: list[weakref.ref[Exception]] = []

    class Failure(Exception):  # noqa: N818 - one that can be referred to
        pass

    def act() -> Answer:
        failure = Failure()
        failures.append(weakref.ref(failure))
        try:
            raise failure
        finally:
            del failure

    transport.act = act
    gc.disable()
    try:
        made.ask("write")
        assert failures[0]() is None
    finally:
        gc.enable()


def test_a_secret_in_the_version_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` and `watch` show the server's version."""
    made, transport = client(monkeypatch, user="me", password="S3cret")
    transport.act = lambda: answer(204, X_Influxdb_Version="S3cret")
    made.ping()
    assert made.server.known
    assert made.server.version == "…"
