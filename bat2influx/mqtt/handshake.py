"""Starts TLS with a broker: the handshake, the pin, and the meaning of a failure.

It is imported only if TLS is configured, or probed for: `ssl` takes 4 MB of memory.
"""

from __future__ import annotations

import socket
import ssl

from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.net.deadline import shutdown_after
from bat2influx.net.tls import (
    HANDSHAKE_TIMEOUT,
    Tls,
    TlsFault,
    context,
    fault_of,
    fingerprint_of,
    openssl_reason,
    peer_certificate,
)


def secure(
    sock: socket.socket,
    host: str,
    port: int,
    tls: Tls,
    config: str,
    *,
    timeout: float = HANDSHAKE_TIMEOUT,
) -> ssl.SSLSocket | Trouble:
    """Start TLS on a connected, non-blocking socket, in `timeout` s.

    After a failure the socket is closed; the Trouble says why.
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
    shown = fingerprint_of(peer_certificate(secured))
    if tls.fingerprint and shown != tls.fingerprint:
        secured.close()
        return mqtt_errors.certificate_changed(host, port, shown, tls.fingerprint, config)
    return secured


def _shake_hands(secured: ssl.SSLSocket, timeout: float) -> None:
    """Do the handshake. Raises OSError; TimeoutError after `timeout` s.

    The deadline shuts the socket down, because OpenSSL need not return while data arrives.
    """
    secured.setblocking(True)
    with shutdown_after(secured, timeout) as over:
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
            return mqtt_errors.certificate_name_mismatch(host, port, config)
        case TlsFault.UNTRUSTED:
            assert isinstance(error, ssl.SSLCertVerificationError)
            return mqtt_errors.certificate_untrusted(
                host, port, error.verify_message, tls.ca_file, config
            )
        case TlsFault.NO_ANSWER:
            return mqtt_errors.not_mqtt(host, port, TlsFault.NO_ANSWER.value)
        case TlsFault.OLD_TLS:
            return mqtt_errors.tls_too_old(host, port)
        case TlsFault.NO_TLS:
            return mqtt_errors.no_tls(host, port, config, trusted=tls.has_trust_anchor)
    return mqtt_errors.tls_failed(host, port, openssl_reason(error) or str(error))
