"""TLS: which certificate is trusted, and what a failed handshake means.

A GX device signs its own certificate: RSA-2048, CN=venus.local, no subject alternative name, made
anew when it is invalid or a year from its end (VENUS, "Login and security profiles"). So nobody
vouches for it, and it is either pinned by its fingerprint or given as its own authority.

Rules: TLS 1.2 at least. The certificate is judged before the socket is handed on, so that no
password leaves for somebody else. A handshake has a deadline in all, however bytes drip or flood.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from enum import Enum

from bat2influx import trouble
from bat2influx.deadline import cut_after
from bat2influx.trouble import Trouble

MQTT_TLS_PORT, MQTT_PORT = 8883, 1883  # of MQTT, with and without TLS
HANDSHAKE_TIMEOUT = 10.0  # s; a small device with RSA takes under one

# X509_verify_cert_error_string(3): the numbers of what certificates are refused for
_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
# What OpenSSL calls an answer that is no TLS, or a peer that shares no version with us.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
# What a server says that wants a certificate of ours, or another one (alerts of RFC 8446, 6.2).
_OURS = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
)


class TlsFault(Enum):
    """What a handshake can fail for."""

    EXPIRED = "has expired"
    NOT_YET = "is not valid yet"
    OTHER_NAME = "is for another name"
    UNTRUSTED = "is not trusted"
    SILENT = "accepts connections and does not answer in TLS"
    NO_TLS = "does not speak TLS"
    OLD_TLS = "has no TLS 1.2"
    OURS = "refuses our certificate, or wants one"
    OTHER = "comes to no agreement with us"


@dataclass(frozen=True, slots=True)
class Tls:
    """What is trusted: the system's authorities, or those in `ca_file`, or one certificate.

    `fingerprint` is the SHA-256 of the certificate as `fingerprint_of` gives it, '' for none.
    With `trust_any` every certificate will do: for looking, never with a secret. `only`, in DER,
    is a certificate that alone is trusted. `client_cert` and `client_key` are files with our own
    certificate and its key ('': in the same file), for a server that asks for one.
    """

    ca_file: str = ""
    fingerprint: str = ""
    verify_host: bool = True
    trust_any: bool = False
    only: bytes = b""
    client_cert: str = ""
    client_key: str = ""

    @property
    def unverified(self) -> bool:
        """Whether the handshake itself checks nothing."""
        return self.trust_any or bool(self.fingerprint)


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate in DER, as `openssl x509` and browsers do."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def context(tls: Tls) -> ssl.SSLContext:
    """Return what a handshake needs. Raises OSError when a file cannot be read or is none."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    if tls.client_cert:
        # A passphrase would be asked for on the terminal.
        made.load_cert_chain(tls.client_cert, tls.client_key or None, password=lambda: b"")
    if tls.unverified:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    made.check_hostname = tls.verify_host
    made.hostname_checks_common_name = True  # a GX device's certificate has no other name
    if tls.ca_file or tls.only:
        made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # it may be the very one
        made.load_verify_locations(tls.ca_file or None, cadata=tls.only or None)
    else:
        made.load_default_certs()
    return made


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
        return trouble.ca_unreadable(tls.ca_file, why, config)
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
        return trouble.certificate_changed(host, port, shown, tls.fingerprint, config)
    return secured


def shown_by(secured: ssl.SSLSocket) -> bytes:
    """Return the certificate that the peer has shown, in DER."""
    return secured.getpeercert(binary_form=True) or b""


def _shake_hands(secured: ssl.SSLSocket, timeout: float) -> None:
    """Do the handshake. Raises OSError; TimeoutError after `timeout` s.

    It has to be cut: while something comes, OpenSSL need not return.
    """
    secured.setblocking(True)
    with cut_after(secured, timeout) as over:
        try:
            secured.do_handshake()
        except OSError:
            if over.is_set():
                raise TimeoutError from None
            raise
    secured.setblocking(False)


def fault_of(error: Exception) -> TlsFault:
    """Return what a handshake failed for."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        date = {_EXPIRED: TlsFault.EXPIRED, _NOT_YET: TlsFault.NOT_YET}
        return date.get(code, TlsFault.OTHER_NAME if code in _OTHER_NAME else TlsFault.UNTRUSTED)
    if isinstance(error, TimeoutError):
        return TlsFault.SILENT
    reason = getattr(error, "reason", None) or ""
    if reason in _OLD_TLS:
        return TlsFault.OLD_TLS
    if reason in _OURS:
        return TlsFault.OURS
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError)
    return TlsFault.NO_TLS if ended or reason in _NO_TLS else TlsFault.OTHER


def openssl_reason(error: Exception) -> str:
    """Return OpenSSL's reason for an error in a few words, '' if it is none of OpenSSL's."""
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return (reason or "").replace("_", " ").lower()


def _meaning(error: Exception, host: str, port: int, tls: Tls, config: str) -> Trouble:
    match fault_of(error):
        case TlsFault.EXPIRED | TlsFault.NOT_YET as fault:
            return trouble.certificate_out_of_date(host, port, fault.value, config)
        case TlsFault.OTHER_NAME:
            return trouble.certificate_of_another(host, port, config)
        case TlsFault.UNTRUSTED:
            assert isinstance(error, ssl.SSLCertVerificationError)
            return trouble.certificate_untrusted(
                host, port, error.verify_message, tls.ca_file, config
            )
        case TlsFault.SILENT:
            return trouble.not_mqtt(host, port, TlsFault.SILENT.value)
        case TlsFault.OLD_TLS:
            return trouble.tls_too_old(host, port)
        case TlsFault.NO_TLS:
            return trouble.no_tls(host, port, config)
    return trouble.tls_failed(host, port, openssl_reason(error) or str(error))
