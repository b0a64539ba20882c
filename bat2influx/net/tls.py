"""TLS: which certificate is trusted, and what a failed handshake means.

A GX device signs its own certificate: RSA-2048, CN=venus.local, no subject alternative name, made
anew when it is invalid or a year from its end (VENUS, "Login and security profiles"). So no
certificate authority has signed it, and it is either pinned by its fingerprint or given as its own
authority.

Rules: TLS 1.2 at least. No socket here: the handshakes are made in mqtt/handshake.py and
influx/transport.py. `ssl`, with OpenSSL behind it, takes 4 MB of memory and a tenth of the time of
a start: it is imported when a context is made, so that a daemon without TLS does without. Before
that no error can be one of its own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

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
    NO_TLS = "does not use TLS"
    OLD_TLS = "does not support TLS 1.2 or later"
    OURS = "rejects the client certificate, or requires one"
    OTHER = "fails the TLS handshake"


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
    def trusts_one(self) -> bool:
        """Whether it is said who is trusted, beside the authorities of the system."""
        return bool(self.ca_file or self.fingerprint or self.only)

    @property
    def unverified(self) -> bool:
        """Whether the handshake itself checks nothing."""
        return self.trust_any or bool(self.fingerprint)


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate in DER, as `openssl x509` and browsers do."""
    import hashlib  # noqa: PLC0415 - it takes 0.7 MB, and a daemon without a pin has no need of it

    return hashlib.sha256(certificate).digest().hex(":").upper()


def context(tls: Tls) -> ssl.SSLContext:
    """Return what a handshake needs. Raises OSError when a file cannot be read or is none."""
    import ssl  # noqa: PLC0415 - see the rules

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


def shown_by(secured: ssl.SSLSocket) -> bytes:
    """Return the certificate that the peer has shown, in DER."""
    return secured.getpeercert(binary_form=True) or b""


def fault_of(error: Exception) -> TlsFault:
    """Return what a handshake failed for."""
    import ssl  # noqa: PLC0415 - a handshake had need of it

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


def is_of_openssl(error: BaseException) -> bool:
    """Return whether an error is one of TLS, an SSLError."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, ssl.SSLError)


def is_end_of_file(error: BaseException) -> bool:
    """Return whether the peer has ended the connection against the rules of TLS."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, ssl.SSLEOFError)


def openssl_reason(error: Exception) -> str:
    """Return OpenSSL's reason for an error in a few words, '' if it is none of OpenSSL's."""
    reason = getattr(error, "reason", "") if is_of_openssl(error) else ""
    return (reason or "").replace("_", " ").lower()
