"""The keys for trust in a broker and for the login: what they accept, and what they reject."""

import ssl
import subprocess
from pathlib import Path

import pytest

from bat2influx.net.tls import Tls
from tests.standins.network.certificates import device_certificate
from tests.unit.config.test_inifile import problems
from tests.unit.config.test_settings import read

PINNED = (
    "7A:36:EC:7F:C2:B3:F3:AE:24:AB:47:EF:58:86:17:EE:"
    "D2:4B:AA:56:70:2F:85:97:72:9E:38:A9:63:50:A1:44"
)
FINGERPRINT = "must be a SHA-256 fingerprint, 64 hexadecimal digits"
CA_FILE = "must be a path from the root"
WITH_TLS = "is used with tls = yes only; write that, too"


@pytest.mark.parametrize(("tls", "port"), [("", 1883), ("no", 1883), ("yes", 8883)])
def test_the_port_follows_tls_unless_it_is_given(tmp_path: Path, tls: str, port: int) -> None:
    """8883 is that of MQTT with TLS; a port in the file is used with and without TLS."""
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


def test_keys_of_tls_may_be_empty_without_it(tmp_path: Path) -> None:
    """Defaults that are written out have no effect."""
    text = "[Battery]\ntls = no\nfingerprint =\nca_file =\nverify_host = yes"
    assert read(tmp_path, text).batteries[0].tls is None


@pytest.mark.parametrize("user", ["token/reader/4711", "remoteconsole", '"a, b"', "Zoë"])
def test_users(tmp_path: Path, user: str) -> None:
    """A user is any text; that of a paired device has slashes."""
    (battery,) = read(tmp_path, f"[Battery]\nuser = {user}").batteries
    assert battery.user == user.strip('"')


def test_the_database_is_trusted_by_the_same_rules(tmp_path: Path) -> None:
    """It may have a client certificate in addition; names are always checked."""
    assert read(tmp_path, "[Influx]\ntls = no\nca_file =\nclient_key =").influx.tls is None
    assert read(tmp_path, "[Influx]\ntls = yes").influx.tls == Tls()
    pinned = read(tmp_path, f"[Influx]\ntls = yes\nfingerprint = {PINNED}").influx
    assert pinned.tls == Tls(fingerprint=PINNED)
    own = device_certificate(tmp_path)
    files = f"ca_file = {own.cert}\nclient_cert = {own.cert}\nclient_key = {own.key}"
    assert read(tmp_path, f"[Influx]\ntls = yes\n{files}").influx.tls == Tls(
        ca_file=str(own.cert), client_cert=str(own.cert), client_key=str(own.key)
    )


def test_a_client_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    """Both files are read with the configuration, and there is no prompt for a passphrase."""
    own, other = device_certificate(tmp_path), device_certificate(tmp_path, name="other")
    locked = tmp_path / "locked.key"
    openssl = ["openssl", "rsa", "-aes128", "-passout", "pass:geheim", "-in", own.key]
    subprocess.run([*openssl, "-out", locked], check=True, capture_output=True)
    pair = "and client_key are not a certificate and its key in PEM"
    for cert, key, problem in (
        (own.cert, other.key, pair),
        (own.cert, locked, pair),
        (own.cert, "", pair),
        (own.key, own.key, pair),
        (tmp_path / "absent", own.key, "cannot be read: No such file or directory"),
        (own.cert, tmp_path / "absent", "cannot be read: No such file or directory"),
    ):
        text = f"[Influx]\ntls = yes\nclient_cert = {cert}\nclient_key = {key}"
        (told,) = problems(tmp_path, text)
        assert told.startswith("line 3: [Influx] client_cert = /")
        assert told.endswith(f": {problem}")
    (told,) = problems(tmp_path, f"[Influx]\ntls = yes\nclient_key = {own.key}")
    assert told == "line 3: [Influx] client_key: is used with client_cert only; write that, too"
    (told,) = problems(tmp_path, f"[Influx]\nclient_cert = {own.cert}")
    assert told == f"line 2: [Influx] client_cert: {WITH_TLS}"


def test_one_login_excludes_the_other(tmp_path: Path) -> None:
    """It would be undefined whether user or token is used; a credential counts, too."""
    text = "[Influx]\nuser = me\n"
    both = "line 2: [Influx] user: token is set, too; keep one of the two"
    assert problems(tmp_path, f"{text}token = t0ken") == [both]
    (tmp_path / "influx-token").write_text("t0ken\n")
    assert problems(tmp_path, text, credentials=tmp_path) == [both]
    assert read(tmp_path, "[Influx]\ntoken = t0ken").influx.token == "t0ken"
    assert "t0ken" not in repr(read(tmp_path, "[Influx]\ntoken = t0ken").influx)


def test_the_daemons_own_measurement_differs_from_that_of_the_values(tmp_path: Path) -> None:
    """Otherwise its fields would look like those of the battery."""
    assert problems(tmp_path, "[Influx]\nself_measurement = dc") == [
        "line 2: [Influx] self_measurement = dc: is also the measurement of the values;"
        " choose another name"
    ]
    assert read(tmp_path, "[Influx]\nself_measurement = own").influx.self_measurement == "own"


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
def test_settings_of_tls_that_are_not_allowed(tmp_path: Path, line: str, problem: str) -> None:
    """An invalid value, or one without effect, is reported with what to write instead."""
    (told,) = problems(tmp_path, f"[Battery]\n{line}")
    assert told.startswith(f"line 2: [Battery] {problem}")


def test_trusting_any_certificate_is_not_allowed(tmp_path: Path) -> None:
    """The system's authorities sign for everybody, and then any name would be accepted."""
    assert problems(tmp_path, "[Battery]\ntls = yes\nverify_host = no") == [
        "line 3: [Battery] verify_host = no: would accept any certificate; write ca_file or"
        " fingerprint, too"
    ]


def test_one_kind_of_trust_excludes_the_other(tmp_path: Path) -> None:
    """It would be undefined whether the fingerprint or the file is used."""
    file = device_certificate(tmp_path).cert
    text = f"[Battery]\ntls = yes\nfingerprint = {PINNED}\nca_file = {file}"
    assert problems(tmp_path, text) == [
        "line 4: [Battery] ca_file: fingerprint is set, too; keep one of the two"
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
    """It is read with the configuration, not only at the first connection."""
    der = ssl.PEM_cert_to_DER_cert(device_certificate(tmp_path).cert.read_text())
    (tmp_path / "device.der").write_bytes(der)
    (tmp_path / "empty.pem").touch()
    (told,) = problems(tmp_path, f"[Battery]\ntls = yes\nca_file = {tmp_path / name}")
    assert told.startswith("line 3: [Battery] ca_file = /")
    assert told.endswith(f": {problem}")


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "client_key"])
def test_a_list_of_files_is_reported_and_not_read(tmp_path: Path, key: str) -> None:
    """A comma in a path makes it a list, which is not a file."""
    own = device_certificate(tmp_path)
    files = {"client_cert": str(own.cert), "client_key": str(own.key)} | {key: "/a, /b"}
    lines = "\n".join(f"{name} = {file}" for name, file in sorted(files.items()))
    (told,) = problems(tmp_path, f"[Influx]\ntls = yes\n{lines}")
    assert f"[Influx] {key} = /a, /b: must be printable, and in quotes" in told
