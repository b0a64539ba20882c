"""TLS: what is trusted, by handshakes in memory, and the meaning of each failure."""

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
    peer_certificate,
)
from tests.standins.network.certificates import Certificate
from tests.support.tls_by_hand import certificate, openssl, verification

GX = "venus.local"


def handshake(shown: Certificate, trust: Tls, name: str = GX) -> TlsFault | ssl.SSLObject:
    """Do a handshake in memory; return its failure, or the client's side."""
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
    """The directory of the certificates."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def device(folder: Path) -> Certificate:
    """A GX device's certificate: self-signed, with a common name only."""
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
    """As a file or as DER; its common name is checked, because it has no other name."""
    der = ssl.PEM_cert_to_DER_cert(device.cert.read_text())
    trust = {
        "ca_file": Tls(str(device.cert), verify_host=verify_host),
        "only": Tls(only=der, verify_host=verify_host),
    }[how]
    found = handshake(device, trust, name)
    assert found is fault if fault else isinstance(found, ssl.SSLObject)


def test_an_authority_is_trusted_for_the_certificates_it_has_signed_only(
    folder: Path, device: Certificate
) -> None:
    """The certificate itself is accepted, too; the system's store has neither of them."""
    signer = certificate(folder, "signer", "an authority")
    signed = certificate(folder, "signed", "db.example", signer)
    for trusted in (signer, signed):
        own = Tls(str(trusted.cert))
        assert isinstance(handshake(signed, own, "db.example"), ssl.SSLObject)
        assert handshake(signed, own, "other.example") is TlsFault.OTHER_NAME
        assert handshake(device, own) is TlsFault.UNTRUSTED
    for trust in (Tls(), Tls(str(device.cert))):
        assert handshake(signed, trust, "db.example") is TlsFault.UNTRUSTED


def test_the_systems_authorities_are_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read for each connection; a configured authority replaces them."""
    system = certificate(folder, "system", "the system's")
    signed = certificate(folder, "of system", "db.example", system)
    own = Tls(str(certificate(folder, "own", "one's own").cert))
    monkeypatch.setenv("SSL_CERT_FILE", str(system.cert))
    assert isinstance(handshake(signed, Tls(), "db.example"), ssl.SSLObject)
    assert handshake(signed, own, "db.example") is TlsFault.UNTRUSTED


@pytest.mark.parametrize("trust", [Tls(fingerprint="AB"), Tls(trust_any=True)])
def test_with_a_fingerprint_the_handshake_checks_nothing(device: Certificate, trust: Tls) -> None:
    """The certificate is available for the comparison afterwards."""
    client = handshake(device, trust, "other.local")
    assert isinstance(client, ssl.SSLObject)
    assert fingerprint_of(peer_certificate(client)) == device.fingerprint


def test_a_key_may_be_in_the_file_of_its_certificate(device: Certificate, folder: Path) -> None:
    """Then no file is named for the key."""
    both = folder / "both.pem"
    both.write_bytes(device.cert.read_bytes() + device.key.read_bytes())
    context(Tls(client_cert=str(both)))


def test_a_key_with_a_passphrase_is_an_error_without_a_prompt(
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
    """Whether it is missing or not a certificate."""
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
def test_tls_1_2_is_the_oldest_version_without_renegotiation(
    trust: Tls, mode: ssl.VerifyMode, names: bool
) -> None:
    """Whatever is trusted; without other checks a fingerprint is compared afterwards."""
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
        (TimeoutError(), TlsFault.NO_ANSWER),
        (openssl("UNSUPPORTED_PROTOCOL"), TlsFault.OLD_TLS),
        (openssl("TLSV1_ALERT_PROTOCOL_VERSION"), TlsFault.OLD_TLS),
        (openssl("NO_PROTOCOLS_AVAILABLE"), TlsFault.OLD_TLS),
        (openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED"), TlsFault.CLIENT_CERTIFICATE),
        (openssl("SSLV3_ALERT_BAD_CERTIFICATE"), TlsFault.CLIENT_CERTIFICATE),
        (openssl("TLSV1_ALERT_UNKNOWN_CA"), TlsFault.CLIENT_CERTIFICATE),
        (openssl("SSLV3_ALERT_CERTIFICATE_EXPIRED"), TlsFault.CLIENT_CERTIFICATE),
        (openssl("SSLV3_ALERT_CERTIFICATE_UNKNOWN"), TlsFault.CLIENT_CERTIFICATE),
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
def test_a_reason_of_openssl_is_returned_as_words(error: Exception, words: str) -> None:
    """An error of another kind has none."""
    assert openssl_reason(error) == words


def test_a_peer_that_has_shown_nothing_has_no_certificate() -> None:
    """Its fingerprint is that of an empty certificate, which cannot be pinned."""

    class Bare:
        def getpeercert(self, *, binary_form: bool) -> None:
            assert binary_form

    assert peer_certificate(Bare()) == b""
