"""TLS: which certificate is trusted, and the meaning of a failed handshake.

A GX device signs its own certificate: RSA-2048, CN=venus.local, no subject alternative name. It
creates a new one if the old one is invalid or expires within a year (VENUS, "Login and security
profiles"). So no certificate authority has signed it, and it is either pinned by its fingerprint or
configured as its own authority.

Rules: TLS 1.2 at least. No socket here: mqtt/handshake.py and influx/transport.py make the
handshakes. `ssl`, with OpenSSL, takes 4 MB of memory and a tenth of the time of a start: it is
imported when a context is made, so that a daemon without TLS does not load it. Before that, no
error can be an SSLError.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl

HANDSHAKE_TIMEOUT = 10.0  # s; a small device with RSA takes under one

# X509_verify_cert_error_string(3): why a certificate is rejected
_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
# OpenSSL's reasons for an answer that is not TLS, and for no common version.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
# Alerts of a server that requires a client certificate, or another one (RFC 8446, 6.2).
_OURS = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
)


class TlsFault(Enum):
    """Why a handshake failed."""

    EXPIRED = "has expired"
    NOT_YET = "is not valid yet"
    OTHER_NAME = "is for another name"
    UNTRUSTED = "is not trusted"
    NO_ANSWER = "accepts connections and does not answer in TLS"
    NO_TLS = "does not use TLS"
    OLD_TLS = "does not support TLS 1.2 or later"
    CLIENT_CERTIFICATE = "rejects the client certificate, or requires one"
    OTHER = "fails the TLS handshake"


class Tls(NamedTuple):
    """What is trusted: the system's authorities, or those in `ca_file`, or one certificate.

    `fingerprint` is the SHA-256 of the certificate as from `fingerprint_of`, '' for none. With
    `trust_any` every certificate is accepted: for probing, never with a secret. `only`, in DER, is
    the only trusted certificate. `client_cert` and `client_key` are files with a client certificate
    and its key ('': in the same file), for a server that asks for one.
    """

    ca_file: str = ""
    fingerprint: str = ""
    verify_host: bool = True
    trust_any: bool = False
    only: bytes = b""
    client_cert: str = ""
    client_key: str = ""

    @property
    def has_trust_anchor(self) -> bool:
        """Whether the configuration names what is trusted, other than the system's authorities."""
        return bool(self.ca_file or self.fingerprint or self.only)

    @property
    def unverified(self) -> bool:
        """Whether the handshake itself checks no certificate."""
        return self.trust_any or bool(self.fingerprint)


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate in DER, as `openssl x509` and browsers do."""
    import hashlib  # noqa: PLC0415 - it takes 0.7 MB, and a daemon without a pin does not need it

    return hashlib.sha256(certificate).digest().hex(":").upper()


def context(tls: Tls) -> ssl.SSLContext:
    """Return the context for a handshake. Raises OSError if a file is unreadable or invalid."""
    import ssl  # noqa: PLC0415 - see the rules

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    if tls.client_cert:
        # Otherwise OpenSSL would ask for a passphrase on the terminal.
        made.load_cert_chain(tls.client_cert, tls.client_key or None, password=lambda: b"")
    if tls.unverified:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    made.check_hostname = tls.verify_host
    made.hostname_checks_common_name = True  # a GX device's certificate has no other name
    if tls.ca_file or tls.only:
        # The file may hold the server's certificate itself.
        made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        made.load_verify_locations(tls.ca_file or None, cadata=tls.only or None)
    else:
        made.load_default_certs()
    return made


def peer_certificate(secured: ssl.SSLSocket) -> bytes:
    """Return the peer's certificate, in DER."""
    return secured.getpeercert(binary_form=True) or b""


def fault_of(error: Exception) -> TlsFault:
    """Return why a handshake failed."""
    import ssl  # noqa: PLC0415 - the handshake has loaded it

    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        date = {_EXPIRED: TlsFault.EXPIRED, _NOT_YET: TlsFault.NOT_YET}
        return date.get(code, TlsFault.OTHER_NAME if code in _OTHER_NAME else TlsFault.UNTRUSTED)
    if isinstance(error, TimeoutError):
        return TlsFault.NO_ANSWER
    reason = getattr(error, "reason", None) or ""
    if reason in _OLD_TLS:
        return TlsFault.OLD_TLS
    if reason in _OURS:
        return TlsFault.CLIENT_CERTIFICATE
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError)
    return TlsFault.NO_TLS if ended or reason in _NO_TLS else TlsFault.OTHER


def is_ssl_error(error: BaseException) -> bool:
    """Return whether an error is one of TLS, an SSLError."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, ssl.SSLError)


def is_end_of_file(error: BaseException) -> bool:
    """Return whether the peer has closed the connection without the closing alert of TLS."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, ssl.SSLEOFError)


def openssl_reason(error: Exception) -> str:
    """Return OpenSSL's reason for an error in a few words, '' for an error of another kind."""
    reason = getattr(error, "reason", "") if is_ssl_error(error) else ""
    return (reason or "").replace("_", " ").lower()
