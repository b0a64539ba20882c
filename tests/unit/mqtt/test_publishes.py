"""The pass that takes ordinary packets, compared with parsing each packet alone."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bat2influx.mqtt import connection as mqtt_connection
from bat2influx.mqtt import packets, publishes
from bat2influx.mqtt.connection import BURST, Connection, Message, message_of
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import MalformedError, Protocol
from bat2influx.mqtt.publishes import Packet, Parsed, parse
from tests.standins.venus.payloads import TRANSCRIPT
from tests.unit.mqtt.test_connection_fuzz import CONNACK, PACKETS, SUBACK, packet, publish

OLD, NEW = Protocol
REAL = [
    (said["topic"].encode(), said["payload"].encode(), bool(said["retain"]))
    for said in map(json.loads, TRANSCRIPT.read_text().splitlines())
    if said.get("from") == "device"
]
TOPIC = b"N/c0619ab1c2d3/vebus/275/Soc"
PREFIXES = st.sampled_from(["", "site/7/", "é/"])
PAYLOADS = st.sampled_from([b'{"value":87.5}', b'{"value":null}', b"", bytes(120), bytes(20_000)])
PROPERTIES = {OLD: st.just(b""), NEW: st.sampled_from([b"\0", b"\0", b"\0", b"\2\1\1", b"\x80"])}


def length_of(number: int, digits: int) -> bytes:
    """Return a remaining length with so many bytes, even if it could be shorter."""
    made = [number >> 7 * place & 0x7F for place in range(digits)]
    return bytes([*(digit | 0x80 for digit in made[:-1]), made[-1]])


@st.composite
def published(draw: st.DrawFn, protocol: Protocol) -> bytes:
    """Return a PUBLISH that may be ordinary."""
    topic, payload, retain = draw(
        st.sampled_from(REAL)
        | st.tuples(st.sampled_from([TOPIC, b"", b"\xff", bytes(130)]), PAYLOADS, st.booleans())
    )
    head = 0x30 | retain | draw(st.sampled_from([0, 0, 0, 8]))
    claimed = len(topic) + draw(st.sampled_from([0, 0, 0, 0, 1, 500]))
    body = claimed.to_bytes(2, "big") + topic + draw(PROPERTIES[protocol]) + payload
    least = next(n for n in (1, 2, 3) if len(body) < 1 << 7 * n)
    return bytes([head]) + length_of(len(body), draw(st.sampled_from([least, least, 3, 4]))) + body


@st.composite
def streams(draw: st.DrawFn) -> tuple[Protocol, bytes]:
    """Return a version and the bytes of a broker with it, valid or not."""
    protocol = draw(st.sampled_from(Protocol))
    good = st.sampled_from([SUBACK[protocol], b"\xd0\x00"])
    parts = draw(st.lists(published(protocol) | good | PACKETS, max_size=20))
    return protocol, b"".join(parts)


def one_by_one(data: bytes, start: int, protocol: Protocol) -> Iterator[tuple[Packet, int]]:
    """Yield each complete PUBLISH of QoS 0, and its end, as long as they are valid.

    The first arrives at 7 ns, each later one 1 ns after the one before.
    """
    arrival = 7
    while start + 1 < len(data) and data[start] & 0xF6 == 0x30:
        try:
            length, body = packets.variable(data, start + 1)
            end = body + length
            if end > len(data):
                return
            topic, payload = packets.publish(data[body:end], protocol)
        except (IndexError, MalformedError):
            return
        yield (topic, payload, data[start] & 1, arrival), end
        start, arrival = end, arrival + 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.integers(0, 3), st.integers(1, 30))
def test_a_pass_gives_the_same_packets_as_parsing_each_alone(
    stream: tuple[Protocol, bytes], start: int, most: int
) -> None:
    """They are the first ones of those, up to the wanted number."""
    protocol, data = stream
    data = bytes(start) + data
    found = parse(data, start, most, protocol, lambda: 7)
    alone = [*one_by_one(data, start, protocol)][: len(found.packets)]
    assert found.packets == [each for each, _ in alone]
    assert found.end == (alone[-1][1] if alone else start)
    assert len(found.packets) <= most


@pytest.mark.parametrize("protocol", Protocol)
def test_the_packets_of_a_device_are_ordinary(protocol: Protocol) -> None:
    """One pass takes a whole recorded conversation, also its retained message."""
    gap = b"\0" if protocol is NEW else b""
    data = b"".join(publish(topic, gap + payload) for topic, payload, _ in REAL)
    found = parse(data, 0, 10_000, protocol, iter(range(10_000)).__next__)
    assert [each[:2] for each in found.packets] == [each[:2] for each in REAL]
    assert [each[3] for each in found.packets] == [*range(len(REAL))]
    assert (found.end, found.incomplete) == (len(data), False)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("payload", [b"", b'{"value":1}', bytes(100), bytes(300), bytes(16_000)])
def test_a_partial_ordinary_packet_stays_until_it_is_complete(
    protocol: Protocol, payload: bytes
) -> None:
    """From its third byte on, which shows that it is ordinary, to its last."""
    data = publish(TOPIC, (b"\0" if protocol is NEW else b"") + payload)
    found = [parse(data[:size], 0, 9, protocol, lambda: 7) for size in range(len(data) + 1)]
    assert [each.incomplete for each in found] == [False] * 3 + [True] * (len(data) - 3) + [False]
    assert [len(each.packets) for each in found] == [0] * len(data) + [1]


@pytest.mark.parametrize(
    "data",
    [
        publish(TOPIC, b"\0" + bytes(20_000)),
        publish(TOPIC, b"\2\1\1" + b"1"),
        publish(b"", b"\0" + b"1"),
        packet(0x32, TOPIC),
        packet(0x30, b"\0"),
        packet(0x30, b"\0\1t"),
        packet(0x30, b"\0\x09N/"),
        b"\xd0\x00",
        SUBACK[NEW],
    ],
    ids=["large", "properties", "alias", "QoS 1", "short", "no end", "too short", "pong", "suback"],
)
def test_another_packet_ends_the_pass(data: bytes) -> None:
    """It is neither taken nor waited for, and the packets before it are taken."""
    before = publish(TOPIC, b"\0" + b"1")
    for size in (3, len(data)):
        found = parse(before + data[:size], 0, 9, NEW, lambda: 7)
        assert found.end == len(before)
        if len(data) < 1000 and data[0] == 0x30 and size < len(data):
            continue  # it is not to be seen yet
        assert not found.incomplete


class Outcome(NamedTuple):
    """The result of a stream."""

    messages: list[tuple[str, bytes, bool]]
    trouble: str
    acknowledged: set[int]
    most: int  # messages in a step


@contextmanager
def no_pass() -> Iterator[None]:
    """Parse each packet alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishes, "parse", lambda _, start, *__: Parsed([], start, incomplete=False))
        yield


def outcome(protocol: Protocol, pieces: list[bytes], prefix: str = "") -> Outcome:
    """Let a peer send pieces, each of which is read before the next, and then close."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    endpoint = Endpoint("peer", 1883, "u", "p", "c", prefix=prefix)
    connection = Connection(Link(ours), endpoint, "bat2influx-test", protocol)
    messages: list[Message] = []
    most = 0

    def step() -> None:
        nonlocal most
        connection.step(readable=True, writable=True)
        taken = connection.take_packets()
        most = max(most, len(taken))
        messages.extend(message_of(each, prefix) for each in taken)
        assert connection._received_bytes == 0

    with theirs:
        for piece in (CONNACK[protocol], *pieces):
            try:
                theirs.sendall(piece)
            except OSError:
                break  # it has had enough
            step()
            while connection.pending:
                step()
    for _ in range(2000):
        if connection.trouble:
            break
        step()
    assert connection.trouble
    said = [(each.topic, each.payload, each.retain) for each in messages]
    return Outcome(said, connection.trouble.text, connection.acknowledged, most)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return `data`, cut at these places."""
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.lists(st.integers(0, 60_000), max_size=12), PREFIXES)
def test_both_ways_have_the_same_result(
    stream: tuple[Protocol, bytes], cuts: list[int], prefix: str
) -> None:
    """However a stream is cut into reads: the same messages, acknowledgements, and end."""
    protocol, data = stream
    quick = outcome(protocol, in_pieces(data, cuts), prefix)
    with no_pass():
        assert quick == outcome(protocol, in_pieces(data, cuts), prefix)._replace(most=quick.most)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(Protocol), st.lists(st.integers(0, 60_000), max_size=30))
def test_a_conversation_is_the_same_by_both_ways(protocol: Protocol, cuts: list[int]) -> None:
    """A recorded conversation of a device, with the broker's answers in between."""
    gap = b"\0" if protocol is NEW else b""
    data = b"".join(
        packet(0x30 | retain, len(topic).to_bytes(2, "big") + topic + gap + payload)
        + (SUBACK[protocol] if number % 7 == 0 else b"")
        for number, (topic, payload, retain) in enumerate(REAL)
    )
    quick = outcome(protocol, in_pieces(data, cuts))
    assert quick.messages == [(topic.decode(), *rest) for topic, *rest in REAL]
    with no_pass():
        assert quick == outcome(protocol, in_pieces(data, cuts))._replace(most=quick.most)


@pytest.mark.parametrize("protocol", Protocol)
def test_a_step_takes_a_bounded_number_of_packets(protocol: Protocol) -> None:
    """A flood of small messages, and one of large ones, leave time for the ticks."""
    gap = b"\0" if protocol is NEW else b""
    small = publish(TOPIC, gap + b'{"value":1}') * 5 * BURST
    found = outcome(protocol, in_pieces(small, [*range(0, len(small), 60_000)]))
    assert (len(found.messages), found.most) == (5 * BURST, BURST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mqtt_connection, "BURST_BYTES", 100_000)
        one = publish(TOPIC, gap + bytes(15_000))
        found = outcome(protocol, in_pieces(one * 50, [*range(0, 50 * len(one), 65_000)]))
        assert len(found.messages) == 50
        assert found.most <= (100_000 + (1 << 17)) // len(one)


def test_the_end_within_a_packet_is_detected() -> None:
    """The rest never arrives; the connection is lost, and does not wait for ever."""
    whole = publish(TOPIC, b"\0" + b'{"value":1}')
    for size in range(len(whole)):
        found = outcome(NEW, [whole, whole[:size]])
        assert found.messages == [(TOPIC.decode(), b'{"value":1}', False)]
        assert "connection lost" in found.trouble
