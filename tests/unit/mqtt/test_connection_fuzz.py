"""Whatever a peer sends, a connection ends with a trouble or continues; it never raises."""

import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import Protocol
from bat2influx.venus.protocol import NoValue, decode

OLD, NEW = Protocol
CONNACK = {OLD: b"\x20\x02\x00\x00", NEW: b"\x20\x03\x00\x00\x00"}
SUBACK = {OLD: b"\x90\x03\x00\x01\x00", NEW: b"\x90\x04\x00\x01\x00\x00"}


def length(number: int) -> bytes:
    """Return the remaining length of a packet, as MQTT 3.1.1 writes it (section 2.2.3)."""
    made = bytearray()
    while True:
        number, digit = divmod(number, 128)
        made.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(made)


def packet(head: int, body: bytes) -> bytes:
    """Return a packet of the given first byte."""
    return bytes([head]) + length(len(body)) + body


def publish(topic: bytes, payload: bytes) -> bytes:
    """Return a PUBLISH of QoS 0; in MQTT 5 the payload begins with the properties."""
    return packet(0x30, len(topic).to_bytes(2, "big") + topic + payload)


TOPIC, VALUE = b"N/c0619ab1c2d3/vebus/275/Soc", b'{"value":87.5}'
FORMAT, PAIR = b"\x01\x01", b"\x26\0\x01a\0\x02bc"  # properties
GOOD = {
    OLD: [publish(TOPIC, VALUE)],
    NEW: [publish(TOPIC, length(len(more)) + more + VALUE) for more in (b"", FORMAT, PAIR * 40)],
}
KINDS = st.sampled_from([*(kind << 4 for kind in range(16)), 0x32, 0x62])
PACKETS = st.one_of(
    st.binary(max_size=40),
    st.builds(packet, st.integers(0, 255) | KINDS, st.binary(max_size=40)),
    st.builds(publish, st.binary(max_size=20), st.binary(max_size=40)),
    st.sampled_from(GOOD[OLD] + GOOD[NEW]),
)


def talk(stream: bytes, protocol: Protocol, *, piece: int) -> Connection:
    """Let a peer send `stream`, in pieces, and then close; return the connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    endpoint = Endpoint("peer", 1883, "u", "p", "c")
    connection = Connection(Link(ours), endpoint, "bat2influx-fuzz", protocol)
    with theirs:
        for start in range(0, len(stream), piece):
            try:
                theirs.sendall(stream[start : start + piece])
            except OSError:
                break  # it has had enough
            connection.step(readable=True, writable=True)
    for _ in range(2000):
        if connection.trouble:
            break
        connection.step(readable=True, writable=True)
    return connection


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(Protocol),
    st.booleans(),
    st.lists(PACKETS, max_size=8),
    st.sampled_from([1, 3, 1000]),
)
def test_no_stream_of_bytes_raises(
    protocol: Protocol, accepted: bool, packets: list[bytes], piece: int
) -> None:
    """Packets of all types, complete, broken and in pieces, end the connection or are accepted."""
    stream = (CONNACK[protocol] + SUBACK[protocol] if accepted else b"") + b"".join(packets)
    connection = talk(stream, protocol, piece=piece)
    assert connection.trouble is not None
    for message in connection.received():
        value = decode(message.payload)
        assert isinstance(value, float | NoValue)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(Protocol), st.integers(0, 30), st.sampled_from([1, 2, 7, 4096]))
def test_every_message_before_the_end_is_received(
    protocol: Protocol, count: int, piece: int
) -> None:
    """However a valid stream is cut into pieces, no message is missing."""
    good = [GOOD[protocol][number % len(GOOD[protocol])] for number in range(count)]
    connection = talk(CONNACK[protocol] + b"".join(good), protocol, piece=piece)
    received = [(message.topic, message.payload) for message in connection.received()]
    assert received == [(TOPIC.decode(), VALUE)] * count
    assert connection.trouble is not None
    assert connection.trouble.cause == "closed"
