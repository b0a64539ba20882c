"""The TLS of the stand-in's front door: a Venus device's certificates, and the faults of others."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.network.certificates import (
    EXPIRED,
    NOT_YET,
    authority,
    device_certificate,
    signed_certificate,
)
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.login import Profile
from tests.standins.venus.visitor import (
    PINGREQ,
    PINGRESP,
    WELCOME,
    Opener,
    answer,
    call,
    doors,
    hello,
    said,
    trusting,
    visit,
)
from tests.support.daemon import wait
from tests.support.process import free_port


@pytest.fixture
def opened(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Opener]:
    """Open a door before the broker; it is closed when the test ends."""
    with doors(tmp_path, mosquitto.port) as opener:
        yield opener


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        trusting(None).wrap_bio(incoming, outgoing, server_hostname="venus.local").do_handshake()
    return outgoing.read()


# The certificates.


def test_the_certificate_is_a_devices(tmp_path: Path) -> None:
    """The certificate is self-signed, for venus.local, RSA-2048, without alternative name."""
    made = device_certificate(tmp_path)
    command = ["openssl", "x509", "-in", made.cert, "-noout", "-text", "-fingerprint", "-sha256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.replace(" = ", "=").count("CN=venus.local") == 2
    assert "(2048 bit)" in told
    assert "Alternative" not in told
    assert made.fingerprint in told


def test_a_certificate_is_made_once_for_its_name(tmp_path: Path) -> None:
    """A name has the same certificate in every directory; another name has another one."""
    first, again = device_certificate(tmp_path / "1"), device_certificate(tmp_path / "2")
    other = device_certificate(tmp_path / "1", name="other")
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_device_certificate_is_its_own_authority(opened: Opener, tmp_path: Path) -> None:
    """A client that trusts it connects to venus.local; one that trusts another does not."""
    mine, other = device_certificate(tmp_path), device_certificate(tmp_path, name="other")
    door = opened(certificate=mine)
    call(door.tls_port, tls=True, trust=mine).close()
    with pytest.raises(ssl.SSLCertVerificationError):
        call(door.tls_port, tls=True, trust=other)
    wait("the failure", lambda: any("UNKNOWN_CA" in f.reason for f in door.failed_handshakes))
    assert not door.attempts


@pytest.mark.parametrize(("days", "code"), [(EXPIRED, 10), (NOT_YET, 9)])
def test_a_certificate_can_be_out_of_date(
    opened: Opener, tmp_path: Path, days: tuple[int, int], code: int
) -> None:
    """OpenSSL calls it expired (10) or not yet valid (9)."""
    made = device_certificate(tmp_path, days=days)
    door = opened(certificate=made)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        call(door.tls_port, tls=True, trust=made)
    assert caught.value.verify_code == code


def test_an_authority_signs_for_names_and_addresses(opened: Opener, tmp_path: Path) -> None:
    """A certificate that it signed is trusted for these names and for no other."""
    signer = authority(tmp_path)
    names = "venus.local", "127.0.0.1"
    door = opened(certificate=signed_certificate(tmp_path, signer, names=names))
    context = trusting(signer)
    for name in names:
        with (
            call(door.tls_port) as sock,
            context.wrap_socket(sock, server_hostname=name) as secure,
        ):
            assert secure.version() == "TLSv1.3"
    with call(door.tls_port) as sock, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(sock, server_hostname="other.local")


def test_a_renewed_certificate_counts_for_new_connections(opened: Opener, tmp_path: Path) -> None:
    """Existing connections continue with the old one."""
    old, new = device_certificate(tmp_path), device_certificate(tmp_path, name="new")
    door = opened(certificate=old)
    with visit(door) as sock:
        assert answer(sock, 4) == WELCOME
        door.certificate = new
        call(door.tls_port, tls=True, trust=new).close()
        sock.sendall(PINGREQ)
        assert answer(sock, 2) == PINGRESP


# Faults of a handshake.


def test_an_old_tls_is_all_that_is_offered(opened: Opener) -> None:
    """A client that requires TLS 1.2 gets an alert: protocol version."""
    door = opened(tls_versions=(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1))
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        call(door.tls_port, tls=True)
    assert wait("the failure", lambda: door.failed_handshakes)[0].first[:2] == b"\x16\x03"


def test_tls_1_2_can_be_the_newest(opened: Opener) -> None:
    """A door may have TLS 1.2 and nothing newer."""
    door = opened(tls_versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    with visit(door) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.version() == "TLSv1.2"
        assert answer(sock, 4) == WELCOME


def test_a_held_handshake_is_never_answered(opened: Opener) -> None:
    """The connection is accepted, and nothing is sent."""
    door = opened()
    door.hold_handshake = True
    with call(door.tls_port) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            trusting(None).wrap_socket(sock)
    assert not door.failed_handshakes
    door.hold_handshake = False
    assert said(door) == WELCOME


def test_a_dripping_handshake_comes_byte_by_byte(opened: Opener) -> None:
    """Each byte is sent alone, and in the end the handshake succeeds."""
    door = opened()
    door.drip = 600.0
    with call(door.tls_port) as sock:
        sock.sendall(client_hello())
        assert len(sock.recv(100_000)) == 1
    door.drip = 0.0005
    assert said(door) == WELCOME


# Bytes that do not fit the port.


def end_of(port: int, data: bytes) -> tuple[bytes, str]:
    """Send bytes; return the answer, and how the connection ended."""
    with call(port) as sock:
        sock.sendall(data)
        come = b""
        try:
            while more := sock.recv(1000):
                come += more
        except ConnectionResetError:
            return come, "RST"
        return come, "FIN"


STRANGE = [
    pytest.param(True, hello(), id="MQTT to TLS"),
    pytest.param(True, hello()[:5], id="five bytes to TLS"),
    pytest.param(True, b"GET / HTTP/1.0\r\n\r\n", id="HTTP to TLS"),
    pytest.param(False, client_hello(), id="TLS to plain"),
    pytest.param(False, b"GET / HTTP/1.0\r\n\r\n", id="HTTP to plain"),
    pytest.param(False, PINGREQ, id="PINGREQ first"),
    pytest.param(False, hello(name="MXXT"), id="other protocol"),
    pytest.param(False, hello(level=9), id="other version"),
    pytest.param(False, hello(None), id="password without user"),
]


@pytest.mark.parametrize(("tls", "data"), STRANGE)
def test_strange_bytes_end_as_with_a_real_broker(
    opened: Opener, tmp_path: Path, tls: bool, data: bytes
) -> None:
    """The door answers them, and ends the connection, as Mosquitto does."""
    made = device_certificate(tmp_path)
    secure = free_port()
    config = f"listener {secure} 127.0.0.1\ncertfile {made.cert}\nkeyfile {made.key}\n"
    door = opened(Profile.WEAK)
    with Mosquitto(tmp_path / "real", config=config) as real:
        real_end = end_of(secure if tls else real.port, data)
    assert end_of(door.tls_port if tls else door.plain_port, data) == real_end


def test_plain_mqtt_on_the_tls_port_is_recorded(opened: Opener) -> None:
    """The reason is OpenSSL's; only the first bytes are recorded, and so no password."""
    door = opened()
    end_of(door.tls_port, hello())
    [failed] = door.failed_handshakes
    assert (failed.reason, failed.first) == ("WRONG_VERSION_NUMBER", hello()[:8])
    assert not door.attempts
