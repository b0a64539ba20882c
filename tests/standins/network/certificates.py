"""Certificates for the tests, made by the openssl program.

Rules: keys are RSA-2048 and without a passphrase. A certificate is made once in a process, since
its key takes time: the same arguments give the same certificate again, in whatever directory.
For another one, as after a renewal, give another `name`, which names its files; to
overwrite one that may be in use raises FileExistsError.
"""

import ipaddress
import secrets
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

# Days from now: the first and the last of the validity.
VALID, EXPIRED, NOT_YET = (-1, 3650), (-400, -35), (35, 400)

# Only openssl ca sets both ends of the validity, in OpenSSL 3.0 as in 3.5.
_SETTINGS = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = made
[made]
database = {directory}/index
serial = {directory}/serial
new_certs_dir = {directory}
policy = any
default_md = sha256
x509_extensions = extensions
unique_subject = no
[any]
commonName = supplied
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
{extensions}
"""
# `openssl req -x509` adds this by itself, and so the device's certificate has it too.
_SELF_SIGNED = "basicConstraints = critical, CA:TRUE"
_AUTHORITY = _SELF_SIGNED + "\nkeyUsage = critical, keyCertSign, cRLSign"
_SERVER = "basicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = "


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM files; `fingerprint` is its SHA-256, as in AB:01:...:7F."""

    cert: Path
    key: Path
    fingerprint: str


def device_certificate(
    directory: Path,
    *,
    name: str = "device",
    common_name: str = "venus.local",
    days: tuple[int, int] = VALID,
) -> Certificate:
    """Make a GX device's certificate: self-signed, CN=venus.local, without any alternative name.

    Source: VENUS, "Login and security profiles". `days` is one such as VALID, EXPIRED, NOT_YET.
    """
    return _write(directory, name, *_make(name, common_name, _SELF_SIGNED, days))


def authority(directory: Path, *, name: str = "authority") -> Certificate:
    """Make a certificate authority that signs other certificates."""
    return _write(directory, name, *_make(name, f"Test {name}", _AUTHORITY, VALID))


def signed_certificate(
    directory: Path,
    by: Certificate,
    *,
    name: str = "server",
    names: tuple[str, ...] = ("localhost", "127.0.0.1"),
    days: tuple[int, int] = VALID,
) -> Certificate:
    """Make a server's certificate for `names`, host names and IP addresses, signed by `by`."""
    extensions = _SERVER + ", ".join(map(_alternative_name, names))
    signer = by.cert.read_bytes(), by.key.read_bytes()
    return _write(directory, name, *_make(name, names[0], extensions, days, signer))


def _alternative_name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _write(directory: Path, name: str, cert: bytes, key: bytes) -> Certificate:
    directory.mkdir(parents=True, exist_ok=True)
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    paths[1].touch(mode=0o600)
    for path, content in zip(paths, (cert, key), strict=True):
        if path.exists() and path.read_bytes() not in {b"", content}:
            raise FileExistsError(path)
        path.write_bytes(content)
    digest = sha256(ssl.PEM_cert_to_DER_cert(cert.decode())).digest()
    return Certificate(*paths, digest.hex(":").upper())


@cache
def _make(
    name: str,
    common_name: str,
    extensions: str,
    days: tuple[int, int],
    signer: tuple[bytes, bytes] | None = None,
) -> tuple[bytes, bytes]:
    """Return certificate and key in PEM; `name` distinguishes those of the same kind."""
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        settings, key, request = (directory / each for each in ("settings", "key", "request"))
        settings.write_text(_SETTINGS.format(directory=directory, extensions=extensions))
        (directory / "index").touch()
        (directory / "serial").write_text(secrets.token_hex(16))
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
        subject = "-subj", f"/CN={common_name}"
        _openssl("req", "-config", settings, "-new", "-key", key, *subject, "-out", request)
        by: list[str | Path] = ["-selfsign", "-keyfile", key]
        if signer:
            signer_files = directory / "by.pem", directory / "by.key"
            for path, content in zip(signer_files, signer, strict=True):
                path.write_bytes(content)
            by = ["-cert", signer_files[0], "-keyfile", signer_files[1]]
        first, last = map(_moment, days)
        validity = "-startdate", first, "-enddate", last
        made = directory / "cert"
        how = "-batch", "-notext", "-in", request, "-out", made
        _openssl("ca", "-config", settings, *how, *by, *validity)
        return made.read_bytes(), key.read_bytes()


def _moment(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days)).strftime("%Y%m%d%H%M%SZ")


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed\n{done.stderr}")
