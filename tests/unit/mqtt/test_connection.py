"""The link that paho reads from: it reads ahead, and never past the end."""

import gc
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt import connection as mqtt_connection
from bat2influx.mqtt import paho_client
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.paho_client import new_client
from bat2influx.venus.protocol import NoValue, decode
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
    """One system call reads all data; `pending` covers what select() does not see."""
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
    """Those of QoS 0 that were read ahead, of any length; other packets are left for `recv`."""
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
    """BlockingIOError, as from any non-blocking socket."""
    link, _ = pair
    with pytest.raises(BlockingIOError):
        link.recv(1)


def test_a_link_gives_what_came_before_the_end(pair: tuple[Link, socket.socket]) -> None:
    """b"" at the end, after all the data before it."""
    link, peer = pair
    peer.sendall(b"ab")
    peer.shutdown(socket.SHUT_WR)
    assert [link.recv(1) for _ in range(4)] == [b"a", b"b", b"", b""]


def attempt(host: str, port: int) -> Link | Trouble:
    """Try to connect, and return the outcome."""
    connector = Connector(Endpoint(host, port, "u", "secret", "/etc/x.ini"), lambda: None)
    return wait("the outcome", lambda: connector.outcome)


def test_a_closed_port_and_an_unknown_name_have_different_messages() -> None:
    """Both say what to do; no secret is in them."""
    refused, unknown = attempt("127.0.0.1", free_port()), attempt("nowhere.invalid", 1883)
    assert isinstance(refused, Trouble)
    assert isinstance(unknown, Trouble)
    assert refused.cause == "refused"
    assert unknown.text == (
        "cannot resolve nowhere.invalid; set address in /etc/x.ini to the device's IP address"
    )
    assert "secret" not in refused.text + unknown.text + repr(Endpoint("h", 1, "u", "secret", "c"))


def test_an_impossible_name_is_an_unknown_one() -> None:
    """A label that IDNA rejects is a name that does not resolve."""
    outcome = attempt("a" * 70 + ".local", 1883)
    assert isinstance(outcome, Trouble)
    assert outcome.cause == "name"


def test_an_abandoned_attempt_closes_its_link() -> None:
    """A discarded link does not stay open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connector = Connector(Endpoint("127.0.0.1", port, "u", "", "c"), lambda: None)
        connector.abandon()
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            assert peer.recv(1) == b""


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_dropped_connection_leaves_no_descriptor(pair: tuple[Link, socket.socket]) -> None:
    """The two descriptors of its paho client are closed with it, without garbage collection."""
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


@pytest.mark.parametrize(
    "name",
    ["_create_socket_connection", "_packet_handle", "_packet_queue", "_sock_recv", "_sock_send"],
)
def test_paho_has_what_the_client_overrides(name: str) -> None:
    """Without these methods paho would receive nothing, report nothing, or have no bound."""
    assert callable(getattr(mqtt.Client, name))


def test_paho_has_the_attributes_that_the_client_reads(pair: tuple[Link, socket.socket]) -> None:
    """The incoming packet and the keepalive are where the client expects them."""
    client = new_client(pair[0], "bat2influx-test", Protocol.MQTT_5)
    client.connect("127.0.0.1", 1883, 30)
    names = {"command", "packet", "have_remaining", "remaining_count", "remaining_length"}
    assert names <= client._in_packet.keys()
    assert not client._out_packet
    assert client._keepalive == 30
    client.disconnect()


def test_found_a_repeated_packet_id_acknowledged_a_new_subscription(
    pair: tuple[Link, socket.socket],
) -> None:
    """An old acknowledgement is not valid for a new subscription."""
    link, _ = pair
    endpoint = Endpoint("10.0.0.2", 1883, "u", "", "/etc/x.ini")
    connection = Connection(link, endpoint, "bat2influx-1", Protocol.MQTT_3_1_1)
    connection.acknowledged.add(7)
    connection.declined[7] = Trouble("subscription refused", "hours ago")
    assert connection._await(7, ["N/+/system/0/Serial"]) == 7
    assert 7 not in connection.acknowledged
    assert 7 not in connection.declined
    assert connection.awaiting_acknowledgement


ENDPOINT = Endpoint("10.0.0.2", 1883, "u", "", "/etc/x.ini")
WELCOME = {Protocol.MQTT_3_1_1: b"\x20\x02\0\0", Protocol.MQTT_5: b"\x20\x03\0\0\0"}
PAIR = tuple[Link, socket.socket]


def opened(pair: PAIR, protocol: Protocol = Protocol.MQTT_5, *, welcome: bool = True) -> Connection:
    """Return a connection that is logged in."""
    connection = Connection(pair[0], ENDPOINT, "bat2influx-1", protocol)
    if welcome:
        pair[1].sendall(WELCOME[protocol])
        connection.step(readable=True, writable=True)
        assert connection.accepted
    return connection


def trouble_of(connection: Connection, peer: socket.socket, data: bytes) -> Trouble:
    """Return the trouble that `data` from the peer causes."""
    peer.sendall(data)
    connection.step(readable=True, writable=True)
    assert connection.trouble
    return connection.trouble


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize(
    ("data", "cause", "text"),
    [
        (b"\x30\xff\xff\xff\x7f", "packet: too large", "of 268,435,460 bytes"),
        (b"\xc0\x00" * 50, "packet: unexpected", "packet PINGREQ"),
        (b"\x34\x08\0\x01t\0\x07abc" * 50, "packet: unexpected", "packet PUBLISH of QoS 2"),
        (b"\x00\x05", "packet: unexpected", "packet type 0"),
        (b"\x00\x00", "packet: unexpected", "packet type 0"),
        (b"\x62\x02\0\x01", "packet: unexpected", "packet PUBREL"),
        (b"\xf0\x00", "packet: unexpected", "packet AUTH"),
        (b"\x30\xff\xff\xff\xff\x01", "protocol", "sent data that is not MQTT (MalformedError)"),
        (b"\x30\x04\x00\x09N/", "protocol", "sent data that is not MQTT (MalformedError)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_packet_that_no_broker_sends_ends_the_connection(
    pair: PAIR, protocol: Protocol, data: bytes, cause: str, text: str
) -> None:
    """The message names it, and nothing is received or queued for sending."""
    connection = opened(pair, protocol)
    told = trouble_of(connection, pair[1], data)
    assert told.cause == cause
    assert text in told.text
    assert not [*connection.received()]
    assert not connection.wants_write


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x03\0\x02", b"\x30\xff\xff\xff\x7f"]
)
def test_before_a_login_the_peer_may_not_be_a_broker(pair: PAIR, data: bytes) -> None:
    """Then address and port may be wrong."""
    told = trouble_of(opened(pair, welcome=False), pair[1], data)
    assert told.cause == "protocol"
    assert "check that address and port are the device's" in told.text


def test_a_step_receives_a_bounded_number_of_bytes(pair: PAIR) -> None:
    """A step takes fewer large messages; none is lost by that."""
    link, peer = pair
    connection = opened(pair, Protocol.MQTT_3_1_1)
    body = b"\0\x01t" + bytes(60_000)
    message = b"\x30" + bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    data = memoryview((message + body) * 100)
    peer.setblocking(False)
    count = held = 0
    while count < 100:
        with suppress(BlockingIOError):
            data = data[peer.send(data) :] if data else data
        connection.step(readable=True, writable=False)
        assert not connection.trouble
        held = max(held, connection._received_bytes)
        if not data or connection._received_bytes >= mqtt_connection.BURST_BYTES:
            count += len([*connection.received()])
    assert mqtt_connection.BURST_BYTES <= held <= mqtt_connection.BURST_BYTES + 60_001
    assert connection._received_bytes == 0
    assert link.pending is False


def test_a_large_payload_is_cut(pair: PAIR) -> None:
    """Whoever keeps a message keeps 64 KiB of it and not a megabyte."""
    _, peer = pair
    connection = opened(pair, Protocol.MQTT_3_1_1)
    body = b"\0\x01t" + b"x" * 500_000
    head = b"\x30" + bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    data = memoryview(head + body)
    peer.setblocking(False)
    while data or not connection._received:
        with suppress(BlockingIOError):
            data = data[peer.send(data) :] if data else data
        connection.step(readable=True, writable=False)
        assert not connection.trouble
    (message,) = connection.received()
    assert message.payload == b"x" * mqtt_connection.MAX_PAYLOAD
    assert decode(message.payload) is NoValue.TOO_LONG


@pytest.mark.parametrize(
    "packet",
    [b"\xd0\0", b"\x40\x02\0\x63", b"\x90\x04\0\x63\0\0", b"\x20\x03\0\0\0"],
    ids=["PINGRESP", "PUBACK", "SUBACK", "CONNACK"],
)
def test_other_packets_count_in_a_step_too(pair: PAIR, packet: bytes) -> None:
    """A step takes as many of them as of messages."""
    link, peer = pair
    connection = opened(pair, Protocol.MQTT_5)
    peer.sendall(packet * 4 * mqtt_connection.BURST)
    connection.step(readable=True, writable=False)
    taken = link._position // len(packet)
    assert not connection.trouble
    assert mqtt_connection.BURST // 2 < taken <= mqtt_connection.BURST
    assert connection.pending


def test_the_bytes_of_other_packets_count_in_a_step_too(pair: PAIR) -> None:
    """A reason string may fill a packet."""
    _, peer = pair
    connection = opened(pair, Protocol.MQTT_5)
    said = b"\x1f\xea\x60" + bytes(60_000)
    body = b"\0\x63\0" + bytes([len(said) & 127 | 128, len(said) >> 7 & 127 | 128, len(said) >> 14])
    body += said
    head = b"\x40" + bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    data = memoryview((head + body) * 60)
    peer.setblocking(False)
    most = 0
    while data:
        with suppress(BlockingIOError):
            data = data[peer.send(data) :]
        connection.step(readable=True, writable=False)
        assert not connection.trouble
        most = max(most, connection._step_bytes)
    assert most <= mqtt_connection.BURST_BYTES + len(body)


def test_properties_count_in_a_step_like_payload(pair: PAIR) -> None:
    """Parsing them takes time, and a message without a payload can have a megabyte of them."""
    _, peer = pair
    connection = opened(pair, Protocol.MQTT_5)
    properties = b"\x26\0\0\0\0" * 60_000
    size = len(properties)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    body = b"\0\x01t" + length + properties
    size = len(body)
    head = b"\x30" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    data = memoryview((head + body) * 12)
    peer.setblocking(False)
    came: list[int] = []
    while sum(came) < 12:
        with suppress(BlockingIOError):
            data = data[peer.send(data) :] if data else data
        connection.step(readable=True, writable=False)
        assert not connection.trouble
        came.append(len([*connection.received()]))
    assert max(came) <= mqtt_connection.BURST_BYTES // len(body) + 1


def test_messages_without_an_acknowledgement_are_bounded(
    pair: PAIR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the first limit callers wait; above the second the connection ends."""
    monkeypatch.setattr(mqtt_connection, "ENOUGH_UNACKNOWLEDGED", 3)
    monkeypatch.setattr(mqtt_connection, "MAX_UNACKNOWLEDGED", 5)
    connection = opened(pair)
    for number in range(5):
        assert connection.has_room() == (number < 3)
        connection.publish("R/c0619ab1c2d3/keepalive", checked=True)
    pair[1].sendall(b"\x40\x02\0\x01" + b"\x40\x02\0\x02" + b"\x40\x02\0\x03")
    connection.step(readable=True, writable=True)
    assert connection.has_room()
    for _ in range(4):
        assert not connection.trouble
        connection.publish("R/c0619ab1c2d3/keepalive", checked=True)
    assert connection.trouble
    assert "(6 messages are not acknowledged)" in connection.trouble.text
    assert not connection.has_room()


def test_subscriptions_without_an_acknowledgement_are_bounded(
    pair: PAIR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unsubscribed topics count, too."""
    monkeypatch.setattr(mqtt_connection, "MAX_SUBSCRIPTIONS", 3)
    connection = opened(pair)
    connection.subscribe(["a"])
    connection.unsubscribe(["a"])
    connection.subscribe(["b"])
    assert not connection.trouble
    connection.subscribe(["c"])
    assert connection.trouble
    assert "(4 subscriptions are not acknowledged)" in connection.trouble.text


def test_a_broker_that_does_not_read_ends_the_connection(
    pair: PAIR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The send queue is freed with the connection."""
    monkeypatch.setattr(paho_client, "MAX_QUEUED", 50)
    connection = opened(pair)
    while not connection.trouble:
        connection.publish("R/c0619ab1c2d3/vebus/275/Soc", bytes(5_000))
    assert connection.trouble.cause == "not taking"
    assert "(51 packets of " in connection.trouble.text


def test_a_connection_can_be_abandoned_with_a_reason(pair: PAIR) -> None:
    """A second reason changes nothing."""
    connection = opened(pair)
    why = Trouble("not taking", "subscriptions are not acknowledged")
    connection.abandon(why)
    connection.abandon(Trouble("closed", "x"))
    assert connection.trouble is why
    assert connection.fileno() == -1
