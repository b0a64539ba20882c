"""Sends a form to a device by HTTPS, and reads its answer: with a limit in size, and in total time.

Rules: the certificate is compared with the known one before the request is sent. No redirect is
followed, no cookie kept, and a connection carries one request.
"""

from __future__ import annotations

from bat2influx import __version__
from bat2influx.influx.exchange import Answer, NoAnswerError, NoHttpError, exchange
from bat2influx.influx.transport import Dialer, HandshakeError, OtherCertificateError, bracketed
from bat2influx.net.tls import Tls, context
from bat2influx.printable import plain
from bat2influx.venus.pairing import HTTPS_PORT

REQUEST_WITHIN = 10.0  # s with name, TLS and answer; a small device creates a token in under one

__all__ = ["REQUEST_WITHIN", "NoHttpError", "OtherCertificateError", "UnansweredError", "post"]


class UnansweredError(Exception):
    """There was no complete answer; the text says why in a few words."""


def post(host: str, port: int, path: str, form: bytes, fingerprint: str) -> Answer:
    """Send a form to the host whose certificate has this fingerprint; return its answer.

    Raises UnansweredError, OtherCertificateError, and NoHttpError for an answer that is not HTTP.
    """
    assert fingerprint, "nothing is sent to an unknown server"
    name = bracketed(host.partition("%")[0].rstrip("."))
    where = name if port == HTTPS_PORT else f"{name}:{port}"
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {where}",
        f"User-Agent: bat2influx/{__version__}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(form)}",
        "Connection: close",
    )
    request = "\r\n".join([*lines, "", ""]).encode("ascii") + form
    dialer = Dialer()
    try:
        with dialer.deadline.within(REQUEST_WITHIN):
            sock = dialer.connect(host, port)
            settings = context(Tls(fingerprint=fingerprint))
            with dialer.secure(sock, host, settings, fingerprint) as secured:
                secured.settimeout(None)  # the deadline ends it
                answer = exchange(secured, "POST", request)
    except HandshakeError as error:
        raise UnansweredError(f"TLS failed: it {error.fault.value}") from None
    except NoHttpError:
        if not dialer.deadline.expired:
            raise
        raise UnansweredError(_why(dialer, "")) from None
    except NoAnswerError:
        raise UnansweredError(_why(dialer, "it closed the connection")) from None
    except OSError as error:
        raise UnansweredError(_why(dialer, plain(error.strerror or str(error)).lower())) from None
    finally:
        dialer.deadline.close()
    if not answer.whole:
        raise UnansweredError(_why(dialer, "it closed the connection in the middle of its answer"))
    return answer


def _why(dialer: Dialer, otherwise: str) -> str:
    return f"no answer in {REQUEST_WITHIN:.0f} s" if dialer.deadline.expired else otherwise
