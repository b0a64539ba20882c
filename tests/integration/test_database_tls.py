"""The writer's trust in a database: real servers with TLS, and simulated faulty ones."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.failure import Backoff
from bat2influx.influx.diagnosis import REQUIRES_TLS
from bat2influx.influx.outcome import Outcome
from bat2influx.net.tls import Tls, fingerprint_of
from tests.standins.databases.http_peers import ACCEPTED, PONG, HttpPeer, answer
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.standins.network.certificates import (
    EXPIRED,
    Certificate,
    authority,
    device_certificate,
    signed_certificate,
)
from tests.standins.network.mqtt_peers import Peer
from tests.standins.network.tls_front import TlsFront, client_certificate
from tests.standins.network.tls_peers import TLS_1_2, TLS_1_3, TlsServer
from tests.support.daemon import wait
from tests.support.writing import lines, write, writer

BATCH = lines(count=3)
SECRET = "gehe1m"
DEADLINE = 1.0  # s
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A private certificate authority."""
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, signer: Certificate
) -> Iterator[VictoriaMetrics]:
    """A database with TLS, whose certificate is for localhost and 127.0.0.1."""
    directory = tmp_path_factory.mktemp("victoria")
    shown = signed_certificate(directory, signer)
    with VictoriaMetrics(directory, certificate=shown) as made:
        yield made


def answering(connection: ssl.SSLSocket) -> None:
    """Answer two requests, in HTTP."""
    for each in (PONG, ACCEPTED):
        if connection.recv(65_536):
            connection.sendall(each)


def assert_kept(outcome: Outcome, cause: str, *found: str) -> None:
    """Assert that the whole batch is to be sent again, and the text of the log."""
    assert (outcome.accepted, outcome.rejected) == (0, [])
    assert outcome.undecided == BATCH
    assert not outcome.uncertain
    assert outcome.trouble is not None
    assert outcome.trouble.cause == cause
    for each in found:
        assert each in outcome.trouble.text
    assert SECRET not in outcome.trouble.text


# Trust


def test_a_private_authority_is_trusted_by_ca_file(
    server: VictoriaMetrics, signer: Certificate
) -> None:
    """By name and by address."""
    for address in ("localhost", "127.0.0.1"):
        made = writer(server.port, address=address, tls=Tls(str(signer.cert)), db=address)
        assert write(made, BATCH).accepted == 3
        assert len(server.samples(db=address)) == 3


def test_a_pinned_certificate_is_enough(server: VictoriaMetrics) -> None:
    """Whatever its signer and its name, and without a warning."""
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = writer(server.port, tls=Tls(fingerprint=fingerprint_of(shown)), db="pinned")
        assert write(made, BATCH).accepted == 3


@VERSIONS
@pytest.mark.parametrize("trust", ["nobody", "another authority", "another fingerprint"])
def test_nothing_is_sent_to_a_server_that_is_not_trusted(
    tmp_path: Path, version: ssl.TLSVersion, trust: str
) -> None:
    """Neither a login nor a value; the reason and advice are logged."""
    shown = device_certificate(tmp_path)
    other = device_certificate(tmp_path, name="other")
    tls, found = {
        "nobody": (Tls(), "is not trusted; this may not be"),
        "another authority": (
            Tls(str(other.cert)),
            "is not trusted; this may not be",
        ),
        "another fingerprint": (
            Tls(fingerprint=other.fingerprint),
            f"{shown.fingerprint} instead of {other.fingerprint}",
        ),
    }[trust]
    with TlsServer(shown, answering, version) as peer:
        made = writer(peer.port, tls=tls, user="me", password=SECRET)
        outcome = write(made, BATCH)
        if trust == "another fingerprint":  # the others end in the middle of the handshake
            wait("its end", lambda: peer.heard)
        assert not any(peer.heard)
    pin = f"'bat2influx pin 127.0.0.1:{peer.port}'"
    assert_kept(outcome, "database certificate", found, pin)


@pytest.mark.parametrize(
    ("settings", "found"),
    [({"days": EXPIRED}, "has expired"), ({"names": ("db.example",)}, "is for another name")],
)
def test_a_certificate_out_of_date_or_for_another_name(
    tmp_path: Path, signer: Certificate, settings: dict[str, tuple[int, int]], found: str
) -> None:
    """Also from a trusted authority it is rejected."""
    shown = signed_certificate(tmp_path, signer, **settings)  # type: ignore[arg-type]
    with TlsServer(shown, answering) as peer:
        outcome = write(writer(peer.port, tls=Tls(str(signer.cert))), BATCH)
    assert_kept(outcome, "database certificate", found)


def test_certificate_files_are_read_again_for_each_connection(
    server: VictoriaMetrics, signer: Certificate, tmp_path: Path
) -> None:
    """A corrected or renewed file takes effect without a restart."""
    file = tmp_path / "ca.pem"
    made = writer(server.port, tls=Tls(str(file)), db="renewed")
    assert_kept(write(made, BATCH), "database certificate", f"ca_file {file}", "No such file")
    file.write_text("nonsense")
    assert_kept(write(made, BATCH), "database certificate", f"ca_file {file}", "no certificate")
    file.write_bytes(signer.cert.read_bytes())
    assert write(made, BATCH).accepted == 3


# TLS with a server without it, and the reverse


def test_a_server_that_requires_tls_is_reported_as_such(server: VictoriaMetrics) -> None:
    """InfluxDB answers that; VictoriaMetrics answers nothing."""
    says_so = answer(
        "400 Bad Request", f"Client sent an {REQUIRES_TLS[0].decode()}.\n", "Connection: close"
    )
    with HttpPeer(says_so, ping=None) as peer:
        outcome = write(writer(peer.port), BATCH)
    assert_kept(outcome, "database tls", "requires TLS; set tls = yes under [Influx]")
    outcome = write(writer(server.port), BATCH)
    assert_kept(
        outcome, "database", "it closed the connection without an answer; it may require TLS"
    )


def test_a_server_without_tls_is_reported_as_such() -> None:
    """It answers in plain HTTP."""
    with Handshake(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"") as peer:
        outcome = write(writer(peer.port, tls=Tls()), BATCH)
    assert_kept(outcome, "database tls", "does not use TLS", "check port and tls under [Influx]")


class Handshake(Peer):
    """Sends `start`, and then `drop` again and again."""

    def __init__(self, start: bytes, drop: bytes) -> None:
        self._start, self._drop = start, drop
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Send slowly."""
        connection.sendall(self._start)
        while not self.closing.wait(0.02):
            if self._drop:
                connection.sendall(self._drop)


@pytest.mark.parametrize(
    ("start", "drop"),
    [(b"", b""), (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0")],
    ids=["silent", "dripping"],
)
def test_a_handshake_has_a_time_limit_in_all(start: bytes, drop: bytes) -> None:
    """However slow it is, the thread continues after the limit."""
    with Handshake(start, drop) as peer:
        outcome = write(writer(peer.port, DEADLINE, tls=Tls()), BATCH)
    assert outcome.undecided == BATCH
    assert outcome.trouble is not None
    assert "does not answer" in outcome.trouble.text
    assert outcome.trouble.backoff in (Backoff.DATABASE, Backoff.DATABASE_LOGIN)


def test_cutting_a_writer_ends_a_handshake_under_way() -> None:
    """The daemon's exit does not wait for a server's handshake."""
    with Handshake(b"", b"") as peer:
        made = writer(peer.port, 60.0, tls=Tls())
        outcomes: list[Outcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(made.write(BATCH, lambda: None)))
        thread.start()
        wait("a connection", lambda: peer.calls)
        wait("its end", lambda: made.abort() or not thread.is_alive())
    assert outcomes[0].undecided == BATCH


# A client certificate


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory, signer: Certificate
) -> Iterator[tuple[TlsFront, InfluxDB, Certificate]]:
    """A real InfluxDB behind TLS that requires a client certificate; and its authority."""
    directory = tmp_path_factory.mktemp("front")
    clients = authority(directory, name="clients")
    with (
        InfluxDB(directory / "influxdb") as server,
        TlsFront(server.port, signed_certificate(directory, signer), clients=clients) as door,
    ):
        yield door, server, clients


@pytest.mark.parametrize("together", [False, True])
def test_a_client_certificate_is_accepted(
    front: tuple[TlsFront, InfluxDB, Certificate],
    signer: Certificate,
    tmp_path: Path,
    together: bool,
) -> None:
    """With its key in a separate file, or in the same one."""
    door, server, clients = front
    own = client_certificate(tmp_path, clients, name="us")
    key = str(own.key)
    if together:
        own.cert.write_bytes(own.cert.read_bytes() + own.key.read_bytes())
        key = ""
    tls = Tls(str(signer.cert), client_cert=str(own.cert), client_key=key)
    db = f"together {together}"
    assert write(writer(door.port, tls=tls, db=db), BATCH).accepted == 3
    assert "us" in door.shown
    assert len(server.query("SELECT * FROM dc", db)) == 3


@pytest.mark.parametrize("own", ["none", "a stranger's"])
def test_a_missing_or_wrong_client_certificate_is_reported_as_such(
    front: tuple[TlsFront, InfluxDB, Certificate], signer: Certificate, tmp_path: Path, own: str
) -> None:
    """With TLS 1.3 the server's alert comes only after the handshake."""
    door = front[0]
    tls = Tls(str(signer.cert))
    if own != "none":
        made = client_certificate(tmp_path, authority(tmp_path, name="stranger"))
        tls = tls._replace(client_cert=str(made.cert), client_key=str(made.key))
    outcome = write(writer(door.port, tls=tls), BATCH)
    assert outcome.undecided == BATCH
    assert outcome.trouble is not None
    assert (
        "rejects the client certificate, or requires one; set client_cert" in outcome.trouble.text
    )


def test_a_renewed_client_certificate_needs_no_restart(
    front: tuple[TlsFront, InfluxDB, Certificate], signer: Certificate, tmp_path: Path
) -> None:
    """Such certificates may last a day; each connection reads the files again."""
    door, _, clients = front
    own = client_certificate(tmp_path, clients, name="renewed")
    good = own.cert.read_bytes()
    tls = Tls(str(signer.cert), client_cert=str(own.cert), client_key=str(own.key))
    made = writer(door.port, tls=tls, db="renewed")
    own.cert.unlink()
    outcome = write(made, BATCH)
    assert_kept(outcome, "database certificate", f"client_cert {own.cert}", "No such file")
    own.cert.write_bytes(good)
    assert write(made, BATCH).accepted == 3
