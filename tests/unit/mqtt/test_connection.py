"""The link that paho reads from: ahead of need, and never past the end."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Connector, Endpoint, Link
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.paho_client import new_client
from tests.support.daemon import wait
from tests.support.process import free_port


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    """A link and its peer."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Link(ours), theirs


def test_a_link_reads_ahead_and_says_so(pair: tuple[Link, socket.socket]) -> None:
    """One system call fetches what there is; `pending` tells what select() does not."""
    link, peer = pair
    peer.sendall(b"abcdef")
    assert not link.pending
    assert link.recv(1) == b"a"
    assert link.pending
    assert link.recv(2) == b"bc"
    assert link.recv(100) == b"def"
    assert not link.pending


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (b"", False),
        (b"\x30", True),
        (b"\x30\x05abcd", True),
        (b"\x30\x80", True),
        (b"\x30\xff\xff\xff\xff\x01", True),
        (b"\x32\x03abc", True),
        (b"\xd0\x00", True),
    ],
    ids=["nothing", "head", "part", "half a length", "no length", "QoS 1", "PINGRESP"],
)
def test_a_link_hands_out_whole_messages(
    pair: tuple[Link, socket.socket], after: bytes, *, left: bool
) -> None:
    """Those of QoS 0 that were read ahead, of any length; whatever is none is left to be read."""
    link, peer = pair
    long = bytes(300)
    peer.sendall(b"\xd0\x00" + b"\x30\x03abc" + b"\x31\x00" + b"\x38\xac\x02" + long + after)
    assert link.take_publish() is None  # nothing was read ahead
    assert link.recv(2) == b"\xd0\x00"
    assert [link.take_publish() for _ in range(3)] == [(0x30, b"abc"), (0x31, b""), (0x38, long)]
    assert link.take_publish() is None
    assert link.pending == left
    if left:
        assert link.recv(len(after)) == after


def test_a_link_without_data_would_block(pair: tuple[Link, socket.socket]) -> None:
    """Nothing there is BlockingIOError, as of any socket that does not block."""
    link, _ = pair
    with pytest.raises(BlockingIOError):
        link.recv(1)


def test_a_link_gives_what_came_before_the_end(pair: tuple[Link, socket.socket]) -> None:
    """The end is b"", after all that was sent before."""
    link, peer = pair
    peer.sendall(b"ab")
    peer.shutdown(socket.SHUT_WR)
    assert [link.recv(1) for _ in range(4)] == [b"a", b"b", b"", b""]


def attempt(host: str, port: int) -> Link | Trouble:
    """Try to connect, and return the outcome."""
    connector = Connector(Endpoint(host, port, "u", "secret", "/etc/x.ini"), lambda: None)
    return wait("the outcome", lambda: connector.outcome)


def test_a_closed_port_is_told_from_an_unknown_name() -> None:
    """The words of the two differ, and say what to do; no secret is in them."""
    refused, unknown = attempt("127.0.0.1", free_port()), attempt("nowhere.invalid", 1883)
    assert isinstance(refused, Trouble)
    assert isinstance(unknown, Trouble)
    assert refused.cause == "refused"
    assert unknown.text == (
        "cannot resolve nowhere.invalid; write the device's IP address as address in /etc/x.ini"
    )
    assert "secret" not in refused.text + unknown.text + repr(Endpoint("h", 1, "u", "secret", "c"))


def test_an_impossible_name_is_an_unknown_one() -> None:
    """A label that IDNA refuses is a name that does not resolve."""
    outcome = attempt("a" * 70 + ".local", 1883)
    assert isinstance(outcome, Trouble)
    assert outcome.cause == "name"


def test_an_abandoned_attempt_closes_what_it_reached() -> None:
    """A link that nobody waits for any more does not stay open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connector = Connector(Endpoint("127.0.0.1", port, "u", "", "c"), lambda: None)
        connector.abandon()
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            assert peer.recv(1) == b""


def descriptors() -> int:
    """Return how many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_dropped_connection_leaves_no_descriptor(pair: tuple[Link, socket.socket]) -> None:
    """Two descriptors of each paho client go with it, without waiting for the collector."""
    link, _ = pair
    endpoint = Endpoint("127.0.0.1", 1883, "u", "", "c")
    gc.disable()
    try:
        before = descriptors()
        for _ in range(5):
            connection = Connection(link, endpoint, "bat2influx-test")
            connection.close()
            del connection
        assert descriptors() <= before
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["_create_socket_connection", "_packet_handle"])
def test_paho_has_what_the_client_overrides(name: str) -> None:
    """A paho without these two would be fed by nobody, or be deaf; either is to be noticed."""
    assert callable(getattr(mqtt.Client, name))


def test_paho_has_what_the_client_looks_at(pair: tuple[Link, socket.socket]) -> None:
    """A packet lies where it is looked for, and the keepalive is where it is changed."""
    client = new_client(pair[0], "bat2influx-test", Protocol.MQTT_5)
    client.connect("127.0.0.1", 1883, 30)
    assert {"command", "packet"} <= client._in_packet.keys()
    assert client._keepalive == 30
    client.disconnect()


def test_found_a_packet_id_that_came_again_acknowledged_a_new_subscription(
    pair: tuple[Link, socket.socket],
) -> None:
    """What the broker confirmed hours ago says nothing about what is asked now."""
    link, _ = pair
    endpoint = Endpoint("10.0.0.2", 1883, "u", "", "/etc/x.ini")
    connection = Connection(link, endpoint, "bat2influx-1", Protocol.MQTT_3_1_1)
    connection.acknowledged.add(7)
    connection.declined[7] = Trouble("subscription refused", "hours ago")
    assert connection._await(7, ["N/+/system/0/Serial"]) == 7
    assert 7 not in connection.acknowledged
    assert 7 not in connection.declined
    assert connection.awaits
