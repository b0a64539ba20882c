"""TLS to a broker: trusted certificates, and failed handshakes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.net import tls
from bat2influx.net.tls import Tls
from tests.standins.network import mqtt_peers
from tests.standins.network.certificates import (
    EXPIRED,
    NOT_YET,
    Certificate,
    authority,
    device_certificate,
    signed_certificate,
)
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import Peer, Talker
from tests.standins.network.tls_peers import TlsServer, login, record, shake, step_until
from tests.standins.venus.visitor import Opener, doors
from tests.support.daemon import wait
from tests.support.process import free_port

MANY = 5000  # messages: more than a step handles, and than fit into a TLS record
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
LOOPBACK_6 = "00000000000000000000000000000001"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Open a door without a broker behind it, because no login gets that far."""
    with doors(tmp_path, free_port()) as opener:
        yield opener


def version_of(outcome: ssl.SSLSocket | Trouble) -> str | None:
    """Return the negotiated version of TLS, and close it."""
    assert not isinstance(outcome, Trouble), outcome.text
    with outcome:
        return outcome.version()


def trouble_of(outcome: ssl.SSLSocket | Trouble) -> Trouble:
    """Return the error."""
    assert isinstance(outcome, Trouble)
    return outcome


# Trusted certificates


def test_the_systems_authorities_are_trusted_for_a_name(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without settings the system's authorities are trusted, for the names in certificates."""
    signer = authority(tmp_path)
    door = opened(certificate=signed_certificate(tmp_path, signer))
    why = trouble_of(shake(door.tls_port, Tls(), "localhost"))
    assert why.cause == "certificate untrusted"
    assert "unable to get local issuer certificate" in why.text
    assert f"'bat2influx pin localhost:{door.tls_port}' prints in /etc/x.ini" in why.text
    monkeypatch.setenv("SSL_CERT_FILE", str(signer.cert))
    for name in ("localhost", "127.0.0.1"):
        assert version_of(shake(door.tls_port, Tls(), name)) == "TLSv1.3"
    assert trouble_of(shake(door.tls_port, Tls(), "venus.local")).cause == "certificate name"


def test_a_devices_certificate_is_its_own_authority(opened: Opener, tmp_path: Path) -> None:
    """As `ca_file` it is trusted for venus.local, and by address if the name is not checked."""
    door = opened()
    own = str(device_certificate(tmp_path).cert)
    for name in ("venus.local", "venus.local.", "VENUS.local"):
        version_of(shake(door.tls_port, Tls(own), name))
    why = trouble_of(shake(door.tls_port, Tls(own)))
    assert why.cause == "certificate name"
    assert "not for the name 127.0.0.1; " in why.text
    version_of(shake(door.tls_port, Tls(own, verify_host=False)))


def test_a_private_authority_is_trusted_for_a_name(opened: Opener, tmp_path: Path) -> None:
    """As `ca_file` it is trusted for certificates that it has signed, and for no others."""
    signer, other = authority(tmp_path), authority(tmp_path, name="other")
    door = opened(certificate=signed_certificate(tmp_path, signer))
    version_of(shake(door.tls_port, Tls(str(signer.cert))))
    assert trouble_of(shake(door.tls_port, Tls(str(signer.cert)), "x.y")).cause.endswith("name")
    version_of(shake(door.tls_port, Tls(str(signer.cert), verify_host=False), "x.y"))
    for trust in (Tls(str(other.cert)), Tls(str(other.cert), verify_host=False)):
        assert trouble_of(shake(door.tls_port, trust)).cause == "certificate untrusted"


def test_another_devices_certificate_is_no_authority(opened: Opener, tmp_path: Path) -> None:
    """Trust in one device is no trust in another one with the same name."""
    door = opened()
    other = str(device_certificate(tmp_path, name="other").cert)
    for trust in (Tls(other), Tls(other, verify_host=False)):
        why = trouble_of(shake(door.tls_port, trust, "venus.local"))
        assert why.cause == "certificate untrusted"
    assert not door.attempts


def test_certificates_need_not_follow_rules_that_devices_break(tmp_path: Path) -> None:
    """The strict checks of Python 3.13, which require some extensions, are off."""
    bare = odd_certificate(tmp_path, "/CN=venus.local", "basicConstraints=critical,CA:TRUE")
    assert not tls.context(Tls(str(bare.cert))).verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT
    with TlsServer(bare) as server:
        version_of(shake(server.port, Tls(str(bare.cert)), "venus.local"))


def odd_certificate(directory: Path, subject: str, *extensions: str) -> Certificate:
    """Make a self-signed certificate with these extensions alone."""
    cert, key, settings = (directory / f"odd.{each}" for each in ("pem", "key", "cnf"))
    settings.write_text("[req]\ndistinguished_name = name\n[name]\n")
    command = ["openssl", "req", "-x509", "-config", settings, "-newkey", "rsa:2048", "-nodes"]
    command += ["-keyout", key, "-out", cert, "-subj", subject]
    for extension in extensions:
        command += ["-addext", extension]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(cert, key, "")


@VERSIONS
def test_a_pin_is_the_only_check(opened: Opener, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Whatever its issuer, name and age: the right fingerprint is enough."""
    for made in (
        device_certificate(tmp_path),
        device_certificate(tmp_path, name="old", days=EXPIRED),
        signed_certificate(tmp_path, authority(tmp_path), names=("elsewhere.example",)),
    ):
        door = opened(certificate=made, tls_versions=(version, version))
        version_of(shake(door.tls_port, Tls(fingerprint=made.fingerprint)))


@VERSIONS
def test_a_server_with_another_certificate_than_the_pinned_gets_no_data(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Both fingerprints are reported, and not a byte is sent to it."""
    shown, pinned = device_certificate(tmp_path), device_certificate(tmp_path, name="other")
    with TlsServer(shown, version=version) as server:
        why = trouble_of(shake(server.port, Tls(fingerprint=pinned.fingerprint)))
        wait("its end", lambda: server.heard)
    assert server.heard == [b""]
    assert why.cause == "certificate changed"
    assert f"{shown.fingerprint} instead of {pinned.fingerprint};" in why.text
    assert f"'bat2influx pin 127.0.0.1:{server.port}' prints" in why.text


@pytest.mark.parametrize(
    ("days", "what"), [(EXPIRED, "has expired"), (NOT_YET, "is not valid yet")]
)
def test_a_certificate_out_of_date_is_reported_as_such(
    opened: Opener, tmp_path: Path, days: tuple[int, int], what: str
) -> None:
    """Whatever authority it is trusted by, its dates are checked."""
    signer = authority(tmp_path)
    own = device_certificate(tmp_path, name="own", days=days)
    for made, by in ((own, own), (signed_certificate(tmp_path, signer, days=days), signer)):
        door = opened(certificate=made)
        why = trouble_of(shake(door.tls_port, Tls(str(by.cert), verify_host=False)))
        assert why.cause == "certificate date"
        assert f"the certificate of 127.0.0.1 {what}" in why.text


def test_a_missing_authority_file_is_reported(opened: Opener, tmp_path: Path) -> None:
    """The file may be deleted, or emptied, after the start."""
    door = opened()
    gone, empty = tmp_path / "gone.pem", tmp_path / "empty.pem"
    empty.touch()
    for path, what in ((gone, "No such file or directory"), (empty, "no certificate in it")):
        why = trouble_of(shake(door.tls_port, Tls(str(path))))
        assert why.cause == "ca file"
        assert f"{path} cannot be used ({what})" in why.text


# Handshakes


@VERSIONS
def test_both_versions_work(opened: Opener, version: ssl.TLSVersion) -> None:
    """A server may have TLS 1.2 alone, or TLS 1.3 alone."""
    door = opened(tls_versions=(version, version))
    name = version.name.replace("_", ".")
    assert version_of(shake(door.tls_port, Tls(trust_any=True))) == name


def test_an_older_version_is_rejected(opened: Opener) -> None:
    """TLS 1.1 is reported as such, whatever the settings of trust."""
    door = opened(tls_versions=(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        why = trouble_of(shake(door.tls_port, Tls(trust_any=True)))
    assert why.cause == "tls version"
    assert "does not support TLS 1.2 or later" in why.text


class Flood(Peer):
    """Sends HelloRequests without end, faster than they are read."""

    def serve(self, connection: socket.socket) -> None:
        """Send them."""
        while not self.closing.is_set():
            connection.sendall(record(22, bytes(4)) * 10_000)  # HelloRequest, RFC 5246, 7.4.1.1


STRANGE = [
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "no tls", id="HTTP"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2p1\r\n", "no tls", id="SSH"),
    pytest.param(mqtt_peers.packet(mqtt_peers.CONNACK, b"\0\5") * 2, "no tls", id="MQTT"),
    pytest.param(bytes(1000), "no tls", id="zeros"),
    pytest.param(b"\xff" * 100_000, "no tls", id="ones"),
    pytest.param(record(21, b"\x02\x28"), "tls", id="alert"),
    pytest.param(record(21, b"\x02\x46"), "tls version", id="alert of the version"),
    pytest.param(record(22, b"\x02\0\0\x04abcd"), "tls", id="bad ServerHello"),
    pytest.param(record(22, b"\x02\xff\xff\xff" + bytes(100)), "tls", id="endless ServerHello"),
    pytest.param(record(23, b"abc"), "tls", id="data"),
    pytest.param(bytes([22, 3, 3, 255, 255]), "no tls", id="record too long"),
    pytest.param(b"", "no tls", id="nothing"),
    pytest.param(b"\x16\x03", "no tls", id="two bytes"),
    pytest.param(record(22, b"\x02\0\0\x60abcd"), "no tls", id="half a ServerHello"),
]


@pytest.mark.parametrize(("answer", "cause"), STRANGE)
def test_an_answer_that_is_no_tls_is_reported_as_such(answer: bytes, cause: str) -> None:
    """There is a text for every answer, and for none."""
    with Talker(answer, ends=True) as peer:
        assert trouble_of(shake(peer.port, Tls(trust_any=True))).cause == cause


def test_a_plain_broker_is_reported_as_without_tls(mosquitto: Mosquitto) -> None:
    """A port for plain MQTT is reported as one without TLS, with the settings to change."""
    why = trouble_of(shake(mosquitto.port, Tls(trust_any=True)))
    assert why.cause == "no tls"
    assert "does not use TLS; " in why.text


def test_a_handshake_has_a_deadline_in_all(opened: Opener) -> None:
    """No answer, half an answer, single bytes and an endless flood: each ends at the deadline."""
    dripping, held = opened(), opened()
    dripping.drip, held.hold_handshake = 0.05, True
    with Peer() as silent, Talker(record(22, b"\x02\0\0\x60abcd")) as half, Flood() as flood:
        for port in (silent.port, half.port, flood.port, held.tls_port, dripping.tls_port):
            began = time.monotonic()
            why = trouble_of(shake(port, Tls(trust_any=True), timeout=0.5))
            assert why.cause == "protocol"
            assert "accepts connections and does not answer in TLS" in why.text
            assert time.monotonic() - began < 20.0  # all bytes of a certificate take a minute


def test_a_long_chain_of_certificates_is_bounded(tmp_path: Path) -> None:
    """Some dozens are read; longer chains are rejected by OpenSSL, and do no harm."""
    made = device_certificate(tmp_path / "device")
    chain = made.cert.read_bytes()
    for length, cause in ((50, ""), (500, "tls")):
        long = tmp_path / "long.pem"
        long.write_bytes(chain * length)
        with TlsServer(Certificate(long, made.key, "")) as server:
            outcome = shake(server.port, Tls(fingerprint=made.fingerprint))
            if cause:
                assert trouble_of(outcome).cause == cause
            else:
                version_of(outcome)


def test_ipv6_works(tmp_path: Path) -> None:
    """TLS works with a broker at ::1, by an authority and by its fingerprint."""
    if LOOPBACK_6 not in Path("/proc/net/if_inet6").read_text():
        pytest.skip("this machine has no IPv6")
    signer = authority(tmp_path)
    made = signed_certificate(tmp_path, signer, names=("::1",))
    port = free_port()
    config = f"listener {port} ::1\ncertfile {made.cert}\nkeyfile {made.key}"
    with Mosquitto(tmp_path / "broker", config=config):
        for trust in (Tls(str(signer.cert)), Tls(fingerprint=made.fingerprint)):
            with login(port, trust, host="::1") as connection:
                step_until(connection, lambda c=connection: c.accepted)
        link = Connector(Endpoint("::1", port, "u", "", "c", Tls()), lambda: None)
        why = wait("the outcome", lambda: link.outcome)
        assert isinstance(why, Trouble)
        assert f"'bat2influx pin [::1]:{port}'" in why.text
