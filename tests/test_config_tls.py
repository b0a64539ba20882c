"""The keys by which a broker is trusted and logged in to: what they take, and what they refuse."""

import ssl
from pathlib import Path

import pytest

from bat2influx.tls import Tls
from tests.parts.certificates import device_certificate
from tests.test_config import read
from tests.test_config_problems import problems

PINNED = (
    "7A:36:EC:7F:C2:B3:F3:AE:24:AB:47:EF:58:86:17:EE:"
    "D2:4B:AA:56:70:2F:85:97:72:9E:38:A9:63:50:A1:44"
)
FINGERPRINT = "must be a SHA-256 fingerprint, 64 hexadecimal digits"
CA_FILE = "must be a path from the root"
WITH_TLS = "counts with tls = yes only; write that, too"


@pytest.mark.parametrize(("tls", "port"), [("", 1883), ("no", 1883), ("yes", 8883)])
def test_the_port_follows_tls_unless_it_is_given(tmp_path: Path, tls: str, port: int) -> None:
    """8883 is that of MQTT with TLS, and a port in the file counts with and without it."""
    (battery,) = read(tmp_path, f"[Battery]\ntls = {tls}").batteries
    assert battery.port == port
    (battery,) = read(tmp_path, f"[Battery]\nport = 1884\ntls = {tls}").batteries
    assert battery.port == 1884
    assert battery.tls == (Tls() if tls == "yes" else None)


@pytest.mark.parametrize(
    "written",
    [
        PINNED,
        PINNED.lower(),
        PINNED.replace(":", ""),
        PINNED.replace(":", " "),
        f'"{PINNED}"',
        f"{PINNED} # of the Cerbo",
    ],
)
def test_fingerprints(tmp_path: Path, written: str) -> None:
    """However openssl, a browser or `pin` shows it, it is the same."""
    (battery,) = read(tmp_path, f"[Battery]\ntls = yes\nfingerprint = {written}").batteries
    assert battery.tls == Tls(fingerprint=PINNED)


@pytest.mark.parametrize("verify_host", ["", "yes", "no"])
def test_a_file_of_certificates(tmp_path: Path, verify_host: str) -> None:
    """A device's own certificate can be its own authority, whatever the host is called."""
    file = device_certificate(tmp_path).cert
    text = f"[Battery]\ntls = yes\nca_file = {file}\nverify_host = {verify_host}"
    (battery,) = read(tmp_path, text).batteries
    assert battery.tls == Tls(ca_file=str(file), verify_host=verify_host != "no")


def test_keys_of_tls_may_stay_empty_without_it(tmp_path: Path) -> None:
    """Defaults that are written out ask for nothing."""
    text = "[Battery]\ntls = no\nfingerprint =\nca_file =\nverify_host = yes"
    assert read(tmp_path, text).batteries[0].tls is None


@pytest.mark.parametrize("user", ["token/reader/4711", "remoteconsole", '"a, b"', "Zoë"])
def test_users(tmp_path: Path, user: str) -> None:
    """A user is any text; that of a paired device has slashes."""
    (battery,) = read(tmp_path, f"[Battery]\nuser = {user}").batteries
    assert battery.user == user.strip('"')


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tls = on", "tls = on: must be yes or no"),
        ("verify_host = 0", "verify_host = 0: must be yes or no"),
        ("fingerprint = A1:B2", f"fingerprint = A1:B2: {FINGERPRINT}"),
        (f"fingerprint = {PINNED}:A1", f"fingerprint = {PINNED[:59]}…: {FINGERPRINT}"),
        (f"fingerprint = {'g' * 64}", f"fingerprint = {'g' * 59}…: {FINGERPRINT}"),
        ("fingerprint = A1, B2", f"fingerprint = A1, B2: {FINGERPRINT}"),
        ("ca_file = ca.pem", f"ca_file = ca.pem: {CA_FILE}, as in /etc/bat2influx/"),
        ("ca_file = ~/ca.pem", f"ca_file = ~/ca.pem: {CA_FILE}"),
        ("ca_file = /a, /b", "ca_file = /a, /b: must be printable"),
        ("user = me+you", "user = me+you: must be without + and #"),
        ("user = 'a#b'", "user = a#b: must be without + and #"),
        ("user = a, b", "user = a, b: must be printable, and in quotes"),
        (f"fingerprint = {PINNED}", f"fingerprint: {WITH_TLS}"),
        ("ca_file = /nowhere/ca.pem", f"ca_file: {WITH_TLS}"),
        ("verify_host = no", f"verify_host: {WITH_TLS}"),
    ],
)
def test_what_is_not_allowed(tmp_path: Path, line: str, problem: str) -> None:
    """A value that cannot be used, or does nothing, is told with what to write instead."""
    (told,) = problems(tmp_path, f"[Battery]\n{line}")
    assert told.startswith(f"line 2: [Battery] {problem}")


def test_what_trusts_everybody_is_not_allowed(tmp_path: Path) -> None:
    """The authorities of the system vouch for everybody, and then any name would do."""
    assert problems(tmp_path, "[Battery]\ntls = yes\nverify_host = no") == [
        "line 3: [Battery] verify_host = no: would trust everybody's certificate; write ca_file or"
        " fingerprint, too"
    ]


def test_one_kind_of_trust_excludes_the_other(tmp_path: Path) -> None:
    """It would be left open which of a fingerprint and a file counts."""
    file = device_certificate(tmp_path).cert
    text = f"[Battery]\ntls = yes\nfingerprint = {PINNED}\nca_file = {file}"
    assert problems(tmp_path, text) == [
        "line 4: [Battery] ca_file: the fingerprint trusts one certificate; keep one of both"
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.pem", "cannot be read: No such file or directory"),
        ("", "cannot be read: Is a directory"),
        ("empty.pem", "holds no certificate in PEM"),
        ("device.key", "holds no certificate in PEM"),
        ("device.der", "holds no certificate in PEM"),
    ],
)
def test_a_file_of_certificates_that_cannot_be_used(
    tmp_path: Path, name: str, problem: str
) -> None:
    """It is read with the configuration, rather than at the first connection."""
    der = ssl.PEM_cert_to_DER_cert(device_certificate(tmp_path).cert.read_text())
    (tmp_path / "device.der").write_bytes(der)
    (tmp_path / "empty.pem").touch()
    (told,) = problems(tmp_path, f"[Battery]\ntls = yes\nca_file = {tmp_path / name}")
    assert told.startswith("line 3: [Battery] ca_file = /")
    assert told.endswith(f": {problem}")
