"""Certificates with keys that are quick to make, and handshake errors as OpenSSL raises them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from bat2influx.net.tls import fingerprint_of
from tests.standins.network.certificates import Certificate


def certificate(
    folder: Path, name: str, subject: str, by: Certificate | None = None
) -> Certificate:
    """Make a certificate for `subject`: the common name if self-signed, the DNS name with `by`."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", key, "-out", cert, "-subj", f"/CN={subject}"]
    if by:
        command += ["-CA", by.cert, "-CAkey", by.key, "-addext", f"subjectAltName=DNS:{subject}"]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(cert, key, fingerprint_of(ssl.PEM_cert_to_DER_cert(cert.read_text())))


def verification(code: int, message: str = "") -> ssl.SSLCertVerificationError:
    """Return the error for a certificate that is not trusted, by OpenSSL's number."""
    made = ssl.SSLCertVerificationError(1, "no")
    made.verify_code, made.verify_message = code, message
    return made


def openssl(reason: str | None) -> ssl.SSLError:
    """Return an error of OpenSSL's, such as WRONG_VERSION_NUMBER."""
    made = ssl.SSLError(1, "no")
    made.reason = reason
    return made
