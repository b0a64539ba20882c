"""TLS: whom it trusts, by handshakes in memory, and what each failure is taken for."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from bat2influx.net.tls import (
    Tls,
    TlsFault,
    context,
    fault_of,
    fingerprint_of,
    openssl_reason,
    shown_by,
)
from tests.standins.network.certificates import Certificate
from tests.support.tls_by_hand import certificate, openssl, verification

GX = "venus.local"


def handshake(shown: Certificate, trust: Tls, name: str = GX) -> TlsFault | ssl.SSLObject:
    """Do a handshake in memory; return what it failed for, or the client's side."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(shown.cert, shown.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context(trust).wrap_bio(down, up, server_hostname=name)
    peer = server.wrap_bio(up, down, server_side=True)
    try:
        for side in (client, peer, client, peer):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except OSError as error:
        return fault_of(error)
    return client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def device(folder: Path) -> Certificate:
    """What a GX device shows: self-signed, with a common name and no other."""
    return certificate(folder, "device", GX)


@pytest.mark.parametrize(
    ("name", "verify_host", "fault"),
    [
        (GX, True, None),
        ("10.0.0.2", True, TlsFault.OTHER_NAME),
        ("other.local", True, TlsFault.OTHER_NAME),
        ("other.local", False, None),
    ],
)
@pytest.mark.parametrize("how", ["ca_file", "only"])
def test_a_devices_certificate_is_its_own_authority(
    device: Certificate, how: str, name: str, verify_host: bool, fault: TlsFault | None
) -> None:
    """As a file or as DER; its common name counts, since it has no other name."""
    der = ssl.PEM_cert_to_DER_cert(device.cert.read_text())
    trust = {
        "ca_file": Tls(str(device.cert), verify_host=verify_host),
        "only": Tls(only=der, verify_host=verify_host),
    }[how]
    found = handshake(device, trust, name)
    assert found is fault if fault else isinstance(found, ssl.SSLObject)


def test_an_authority_vouches_for_what_it_has_signed_and_for_nothing_else(
    folder: Path, device: Certificate
) -> None:
    """The very certificate is enough, too; the system's store has neither of them."""
    signer = certificate(folder, "signer", "an authority")
    signed = certificate(folder, "signed", "db.example", signer)
    for trusted in (signer, signed):
        own = Tls(str(trusted.cert))
        assert isinstance(handshake(signed, own, "db.example"), ssl.SSLObject)
        assert handshake(signed, own, "other.example") is TlsFault.OTHER_NAME
        assert handshake(device, own) is TlsFault.UNTRUSTED
    for trust in (Tls(), Tls(str(device.cert))):
        assert handshake(signed, trust, "db.example") is TlsFault.UNTRUSTED


def test_the_systems_authorities_count_where_no_other_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read for each connection; with one of one's own they do not count."""
    system = certificate(folder, "system", "the system's")
    signed = certificate(folder, "of system", "db.example", system)
    own = Tls(str(certificate(folder, "own", "one's own").cert))
    monkeypatch.setenv("SSL_CERT_FILE", str(system.cert))
    assert isinstance(handshake(signed, Tls(), "db.example"), ssl.SSLObject)
    assert handshake(signed, own, "db.example") is TlsFault.UNTRUSTED


@pytest.mark.parametrize("trust", [Tls(fingerprint="AB"), Tls(trust_any=True)])
def test_what_is_judged_by_its_fingerprint_is_not_judged_in_the_handshake(
    device: Certificate, trust: Tls
) -> None:
    """The certificate that was shown can be looked at afterwards."""
    client = handshake(device, trust, "other.local")
    assert isinstance(client, ssl.SSLObject)
    assert fingerprint_of(shown_by(client)) == device.fingerprint


def test_a_key_may_stand_in_the_file_of_its_certificate(device: Certificate, folder: Path) -> None:
    """Then no file is named for it."""
    both = folder / "both.pem"
    both.write_bytes(device.cert.read_bytes() + device.key.read_bytes())
    context(Tls(client_cert=str(both)))


def test_a_key_with_a_passphrase_is_an_error_and_asks_nobody(
    device: Certificate, folder: Path
) -> None:
    """OpenSSL would ask on the terminal, and a daemon has none (that is another OSError)."""
    locked = folder / "locked.key"
    command = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", device.key]
    subprocess.run([*command, "-out", locked], check=True, capture_output=True)
    with pytest.raises(ssl.SSLError):
        context(Tls(client_cert=str(device.cert), client_key=str(locked)))


@pytest.mark.parametrize(
    "which", [{"ca_file": "{}"}, {"client_cert": "{}"}, {"client_cert": "{}", "fingerprint": "AB"}]
)
def test_a_file_that_cannot_be_used_is_an_os_error(which: dict[str, str], tmp_path: Path) -> None:
    """Whether it is not there or no certificate."""
    path = tmp_path / "file.pem"
    trust = Tls(**{key: value.format(path) for key, value in which.items()})
    with pytest.raises(FileNotFoundError):
        context(trust)
    path.write_text("none")
    with pytest.raises(ssl.SSLError):
        context(trust)


@pytest.mark.parametrize(
    ("trust", "mode", "names"),
    [
        (Tls(), ssl.CERT_REQUIRED, True),
        (Tls(verify_host=False), ssl.CERT_REQUIRED, False),
        (Tls(fingerprint="AB"), ssl.CERT_NONE, False),
        (Tls(trust_any=True), ssl.CERT_NONE, False),
    ],
)
def test_tls_1_2_is_the_oldest_and_no_renegotiation_is_taken(
    trust: Tls, mode: ssl.VerifyMode, names: bool
) -> None:
    """Whatever is trusted; who checks nothing else does so by a fingerprint afterwards."""
    made = context(trust)
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.options & ssl.OP_NO_RENEGOTIATION
    assert (made.verify_mode, made.check_hostname) == (mode, names)
    assert trust.unverified is (mode is ssl.CERT_NONE)


def test_a_fingerprint_is_written_as_openssl_writes_it(device: Certificate) -> None:
    """SHA-256, in capitals, with colons."""
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", device.cert]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert device.fingerprint == printed.strip().partition("=")[2]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (verification(10), TlsFault.EXPIRED),
        (verification(9), TlsFault.NOT_YET),
        (verification(62), TlsFault.OTHER_NAME),
        (verification(64), TlsFault.OTHER_NAME),
        (verification(18), TlsFault.UNTRUSTED),
        (verification(20), TlsFault.UNTRUSTED),
        (TimeoutError(), TlsFault.SILENT),
        (openssl("UNSUPPORTED_PROTOCOL"), TlsFault.OLD_TLS),
        (openssl("TLSV1_ALERT_PROTOCOL_VERSION"), TlsFault.OLD_TLS),
        (openssl("NO_PROTOCOLS_AVAILABLE"), TlsFault.OLD_TLS),
        (openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED"), TlsFault.OURS),
        (openssl("SSLV3_ALERT_BAD_CERTIFICATE"), TlsFault.OURS),
        (openssl("TLSV1_ALERT_UNKNOWN_CA"), TlsFault.OURS),
        (openssl("SSLV3_ALERT_CERTIFICATE_EXPIRED"), TlsFault.OURS),
        (openssl("SSLV3_ALERT_CERTIFICATE_UNKNOWN"), TlsFault.OURS),
        (openssl("WRONG_VERSION_NUMBER"), TlsFault.NO_TLS),
        (openssl("RECORD_LAYER_FAILURE"), TlsFault.NO_TLS),
        (openssl("HTTP_REQUEST"), TlsFault.NO_TLS),
        (openssl("PACKET_LENGTH_TOO_LONG"), TlsFault.NO_TLS),
        (ssl.SSLEOFError(), TlsFault.NO_TLS),
        (ssl.SSLZeroReturnError(), TlsFault.NO_TLS),
        (ConnectionResetError(), TlsFault.NO_TLS),
        (BrokenPipeError(), TlsFault.NO_TLS),
        (openssl("BAD_SIGNATURE"), TlsFault.OTHER),
        (openssl(None), TlsFault.OTHER),
        (ValueError("no name"), TlsFault.OTHER),
    ],
)
def test_each_error_of_a_handshake_has_a_fault(error: Exception, fault: TlsFault) -> None:
    """By number or reason of OpenSSL's, and by the end of the connection."""
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (openssl("BAD_SIGNATURE"), "bad signature"),
        (openssl(None), ""),
        (ConnectionResetError(), ""),
    ],
)
def test_a_reason_of_openssl_is_told_in_words(error: Exception, words: str) -> None:
    """An error of anybody else has none."""
    assert openssl_reason(error) == words


def test_a_peer_that_has_shown_nothing_has_no_certificate() -> None:
    """Its fingerprint is then that of nothing, which nobody has pinned."""

    class Bare:
        def getpeercert(self, *, binary_form: bool) -> None:
            assert binary_form

    assert shown_by(Bare()) == b""
