"""The link over TLS: no byte is lost, and its end is reported with the cause."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bat2influx.mqtt import paho_client
from bat2influx.mqtt.connection import Message
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.secured_link import SecuredLink
from bat2influx.net.tls import Tls
from tests.standins.network import mqtt_peers
from tests.standins.network.certificates import device_certificate
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.network.mqtt_peers import WELCOME, publish
from tests.standins.network.tls_peers import TlsServer, login, record, shake, step_until
from tests.standins.venus.visitor import WAIT, call, hello
from tests.support.daemon import wait
from tests.support.process import free_port

MANY = 5000  # messages: more than a step handles, and than fit into a TLS record
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
LOOPBACK_6 = "00000000000000000000000000000001"


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Mosquitto, int, Tls]]:
    """A Mosquitto, its port for TLS, and its authority; `port` is without TLS."""
    made = device_certificate(tmp_path)
    port, version = free_port(), request.param.lower()
    config = "max_queued_messages 0\n"  # otherwise it drops messages that it cannot send at once
    config += f"listener {port} 127.0.0.1\ncertfile {made.cert}\nkeyfile {made.key}\n"
    config += f"tls_version {version}"
    with Mosquitto(tmp_path / "broker", config=config) as server:
        yield server, port, Tls(fingerprint=made.fingerprint)


def test_a_burst_from_a_real_broker_arrives_completely(broker: tuple[Mosquitto, int, Tls]) -> None:
    """Thousands of messages come in order, and no later packet is needed to read all."""
    server, port, trust = broker
    come: list[Message] = []

    def complete() -> bool:
        come.extend(connection.received())
        return len(come) >= MANY

    with login(port, trust) as connection:
        step_until(connection, lambda: connection.accepted)
        mid = connection.subscribe(["burst/#"])
        step_until(connection, lambda: mid in connection.acknowledged)
        with call(server.port) as publisher:
            burst = [publish(f"burst/{n % 9}", b"%d" % n) for n in range(MANY)]
            publisher.sendall(hello() + b"".join(burst))
            step_until(connection, complete)
    assert [message.payload for message in come] == [b"%d" % n for n in range(MANY)]


@VERSIONS
def test_bytes_buffered_in_tls_are_read(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A TLS record has more messages than a step handles; the next steps read the rest."""
    burst = b"".join(publish("t", b"%d" % n) for n in range(MANY))

    def act(secured: ssl.SSLSocket) -> None:
        secured.recv(4096)
        secured.sendall(WELCOME + burst)

    made = device_certificate(tmp_path)
    come: list[Message] = []

    def complete() -> bool:
        come.extend(connection.received())
        return len(come) >= MANY

    with (
        TlsServer(made, act, version) as server,
        login(server.port, Tls(fingerprint=made.fingerprint)) as connection,
    ):
        step_until(connection, complete)
    assert [message.payload for message in come] == [b"%d" % n for n in range(MANY)]


@VERSIONS
def test_a_slow_reader_finally_gets_all(
    tmp_path: Path, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that the socket does not accept are buffered and sent later; none is changed."""
    monkeypatch.setattr(paho_client, "MAX_QUEUED_BYTES", 16 << 20)  # for buffers that are large
    reads = threading.Event()

    def act(secured: ssl.SSLSocket) -> None:
        secured.recv(4096)
        secured.sendall(WELCOME)
        reads.wait(WAIT)

    made = device_certificate(tmp_path)
    payloads = [os.urandom(1 << 20) for _ in range(8)]
    with TlsServer(made, act, version) as server:
        with login(server.port, Tls(fingerprint=made.fingerprint)) as connection:
            step_until(connection, lambda: connection.accepted)
            for payload in payloads:
                connection.publish("t", payload)
            assert connection.wants_write, "all of it fits into the buffers"
            reads.set()
            step_until(connection, lambda: not connection.wants_write)
            assert not connection.trouble
        wait("the end", lambda: server.heard)
    sent = b"".join(publish("t", payload) for payload in payloads)
    assert server.heard == [sent + mqtt_peers.packet(mqtt_peers.DISCONNECT)]


def cut(secured: ssl.SSLSocket) -> None:
    """End the connection without TLS's close_notify."""
    secured.shutdown(socket.SHUT_RDWR)


def garble(secured: ssl.SSLSocket) -> None:
    """Send bytes that are no TLS, as after lost bytes."""
    socket.socket.send(secured, record(23, bytes(100)))
    with suppress(OSError):
        secured.recv(1)


def say_goodbye(secured: ssl.SSLSocket) -> None:
    """End TLS with close_notify."""
    with suppress(OSError):
        secured.unwrap()


@VERSIONS
@pytest.mark.parametrize("end", [cut, say_goodbye, mqtt_peers.reset, garble])
@pytest.mark.parametrize("welcome", [WELCOME, b""], ids=["logged in", "before the login"])
def test_the_end_of_tls_is_the_end_of_the_connection(
    tmp_path: Path, version: ssl.TLSVersion, end: Callable[[ssl.SSLSocket], None], welcome: bytes
) -> None:
    """With or without close_notify; earlier messages are read, and the cause is as without TLS."""

    def act(secured: ssl.SSLSocket) -> None:
        secured.recv(4096)
        if welcome:
            secured.sendall(welcome + publish("t", b"1") * 3)
            taken.wait(WAIT)
        end(secured)

    taken = threading.Event()
    made = device_certificate(tmp_path)
    with (
        TlsServer(made, act, version) as server,
        login(server.port, Tls(fingerprint=made.fingerprint)) as connection,
    ):
        if welcome:
            step_until(connection, lambda: connection.accepted)
            step_until(connection, lambda: len(connection._received) == 3)
        taken.set()
        step_until(connection, lambda: False)
        assert connection.trouble
        assert connection.trouble.cause == ("closed" if welcome else "protocol")
        assert [message.payload for message in connection.received()] == [b"1"] * (
            3 * bool(welcome)
        )


def test_a_broken_record_is_reported_readably(tmp_path: Path) -> None:
    """An error of OpenSSL is reported without the names of its source files."""

    def act(secured: ssl.SSLSocket) -> None:
        secured.recv(4096)
        secured.sendall(WELCOME)
        garble(secured)

    made = device_certificate(tmp_path)
    with (
        TlsServer(made, act) as server,
        login(server.port, Tls(fingerprint=made.fingerprint)) as connection,
    ):
        step_until(connection, lambda: False)
        assert connection.trouble
        assert "_ssl" not in connection.trouble.text


@pytest.mark.parametrize("command", ["k", "K"], ids=["theirs", "both"])
def test_key_updates_do_not_disturb_the_link(tmp_path: Path, command: str) -> None:
    """After a key update of TLS 1.3, of one side's key or both, both directions work."""
    made = device_certificate(tmp_path)
    port = free_port()
    options = ["-accept", f"127.0.0.1:{port}", "-tls1_3", "-cert", made.cert, "-key", made.key]
    with subprocess.Popen(
        ["openssl", "s_server", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        assert server.stdin
        assert server.stdout
        try:
            while server.stdout.readline() != b"ACCEPT\n":
                assert server.poll() is None
            secured = shake(port, Tls(fingerprint=made.fingerprint))
            assert isinstance(secured, ssl.SSLSocket)
            link = SecuredLink(secured)
            link.send(b"first\n")
            while server.stdout.readline() != b"first\n":
                pass
            with suppress(BlockingIOError):  # session tickets
                link.recv(1)
            server.stdin.write(f"{command}\n".encode())
            server.stdin.flush()
            wait_for_more(link)
            with pytest.raises(BlockingIOError):  # the key update alone
                link.recv(1)
            server.stdin.write(b"hello\n")
            server.stdin.flush()
            wait_for_more(link)
            assert link.recv(6) == b"hello\n"
            link.send(b"second\n")
            while (line := server.stdout.readline()) != b"second\n":
                assert line
            link.close()
        finally:
            server.kill()


def wait_for_more(link: Link) -> None:
    """Wait until bytes have come."""
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    assert poll.poll(WAIT * 1000)
