"""The client of paho: which packets it sees, and which bypass it. Over a socketpair."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from paho.mqtt.properties import Properties

from bat2influx.mqtt import paho_client
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import (
    CONNACK,
    DISCONNECT,
    MAX_BYTES,
    PUBACK,
    SUBACK,
    UNSUBACK,
    Protocol,
    TooLargeError,
    UnexpectedError,
)
from bat2influx.mqtt.paho_client import SUCCESS, Client, SendQueueFullError, new_client

OLD, NEW = Protocol
WELCOME = {OLD: b"\x20\x02\0\0", NEW: b"\x20\x03\0\0\0"}
PUBLISH = b"\x31\x06\0\x01tabc"
PINGRESP = b"\xd0\x00"


class Talk:
    """A client that has sent its CONNECT, its peer, and what bypassed paho."""

    def __init__(self, protocol: Protocol = NEW, client_id: str = "us") -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.heard: list[tuple[int, bytes]] = []
        self.taken: list[tuple[int, bytes]] = []
        self.paho: list[str] = []  # what it has told of
        self.lets = True  # paho see the answers
        self.client = client = new_client(Link(ours), client_id, protocol)
        client.process_answer, client.process_publish = self._on_answer, self._take
        client.on_connect = lambda *_: self.paho.append("connect")
        client.on_subscribe = lambda *_: self.paho.append("subscribe")
        client.on_message = lambda _client, _data, message: self.paho.append(message.topic)
        client.begin("venus.local", 1883, 30)
        self.hello = self.peer.recv(4096)

    def _on_answer(self, kind: int, body: bytes) -> bool:
        self.heard.append((kind, body))
        return self.lets

    def _take(self, head: int, body: bytearray) -> None:
        self.taken.append((head, bytes(body)))

    def read(self, *packets: bytes) -> None:
        """Let the peer send packets, and the client read them."""
        for packet in packets:
            self.peer.sendall(packet)
            assert self.client.read_packet() == SUCCESS

    def close(self) -> None:
        """End both sides."""
        self.client.disconnect()
        self.peer.close()


@pytest.fixture(params=Protocol, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Each version."""
    return request.param


@pytest.fixture
def talk(protocol: Protocol) -> Iterator[Talk]:
    """A talk in each version."""
    made = Talk(protocol)
    yield made
    made.close()


def test_the_client_uses_the_link_and_the_given_version(talk: Talk, protocol: Protocol) -> None:
    """Its CONNECT has the level of the version, and the client id."""
    assert talk.hello[0] == 0x10
    assert talk.hello[2:9] == b"\0\x04MQTT" + bytes([protocol])
    assert b"\0\x02us" in talk.hello


def test_a_link_is_used_once(talk: Talk) -> None:
    """paho would reconnect by itself, without a check of the certificate."""
    with pytest.raises(ConnectionAbortedError):
        talk.client.reconnect()


def test_values_bypass_paho(talk: Talk) -> None:
    """A PUBLISH of QoS 0 is handed over unchanged, and paho reports none."""
    talk.read(PUBLISH)
    assert talk.taken == [(0x31, b"\0\x01tabc")]
    assert talk.paho == []


@pytest.mark.parametrize("packet", [b"\x32\x08\0\x01t\0\x07abc", b"\x34\x09\0\x01t\0\x07abcd"])
def test_a_message_of_more_than_qos_0_is_not_admitted(talk: Talk, packet: bytes) -> None:
    """No such one was subscribed to, and paho would keep it, or an answer to it."""
    talk.peer.sendall(packet)
    with pytest.raises(UnexpectedError):
        talk.client.loop_read()
    assert (talk.taken, talk.paho) == ([], [])
    assert not talk.client._in_messages


def test_found_pings_of_a_broker_filled_the_queue(talk: Talk) -> None:
    """A PINGREQ, which only clients send, gets no answer; the answers took 12 MB a second."""
    talk.peer.sendall(b"\xc0\x00" * 100)
    with pytest.raises(UnexpectedError, match="PINGREQ"):
        talk.client.loop_read()
    assert not talk.client.want_write()


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 150_000_000])
def test_found_a_large_message_was_stored_before_its_size_was_checked(
    talk: Talk, size: int
) -> None:
    """The fixed header has its size, and no byte of the body is read."""
    body = size - 1 - len(length(size))
    talk.peer.sendall(b"\x31" + length(body) + bytes(100))
    with pytest.raises(TooLargeError, match=f"{size:,}"):
        talk.client.loop_read()
    assert not talk.client._in_packet["packet"]


def test_the_largest_packet_is_accepted(talk: Talk) -> None:
    """The bound includes the fixed header, as the announced one does."""
    head = b"\x31" + length(MAX_BYTES - 4)
    talk.peer.setblocking(False)
    data = memoryview(head + b"\0\x01t" + bytes(MAX_BYTES - len(head) - 3))
    assert len(data) == MAX_BYTES
    while data:
        with suppress(BlockingIOError):
            data = data[talk.peer.send(data) :]
        assert talk.client.loop_read() == SUCCESS
    while not talk.taken:
        assert talk.client.loop_read() == SUCCESS
    assert len(talk.taken[0][1]) == MAX_BYTES - len(head)


def test_with_mqtt_5_the_broker_withholds_packets_that_are_too_large(
    talk: Talk, protocol: Protocol
) -> None:
    """The CONNECT has the bound as its Maximum Packet Size; 3.1.1 has no such property."""
    announced = b"\x27" + MAX_BYTES.to_bytes(4, "big")
    assert (announced in talk.hello) == (protocol is NEW)


def test_the_send_queue_is_bounded(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In packets and in bytes, for a peer that does not read."""
    fill(talk)
    waiting = len(talk.client._out_packet)
    monkeypatch.setattr(paho_client, "MAX_QUEUED", waiting + 2)
    for _ in range(2):
        talk.client.publish("t", b"x")
    with pytest.raises(SendQueueFullError, match=f"{waiting + 3:,} packets of "):
        talk.client.publish("t", b"x")
    monkeypatch.setattr(paho_client, "MAX_QUEUED", waiting + 1000)
    monkeypatch.setattr(paho_client, "MAX_QUEUED_BYTES", talk.client.queued_bytes + 50)
    talk.client.publish("t", b"x")
    with pytest.raises(SendQueueFullError):
        talk.client.publish("t", bytes(50))
    assert len(talk.client._out_packet) == waiting + 3


def test_sent_bytes_leave_the_queue(talk: Talk) -> None:
    """The queued bytes are those that the socket has not accepted."""
    fill(talk)
    assert talk.client.queued_bytes > 0
    while talk.client.want_write():
        talk.peer.recv(1 << 20)
        talk.client.loop_write()
    assert talk.client.queued_bytes == 0


def fill(talk: Talk) -> None:
    """Publish until the socket accepts no more."""
    talk.read(WELCOME[talk.client.mqtt_protocol])
    while not talk.client.want_write():
        talk.client.publish("t", bytes(10_000))


def length(number: int) -> bytes:
    """Return the remaining length of a packet."""
    made = bytearray()
    while True:
        number, digit = divmod(number, 128)
        made.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(made)


def test_found_paho_read_a_packet_for_each_unacknowledged_message(talk: Talk) -> None:
    """It reads one at a time, so that the next may bypass paho."""
    talk.read(WELCOME[talk.client.mqtt_protocol])
    for _ in range(5):
        talk.client.publish("t", b"x", 1)
    talk.peer.sendall(PUBLISH * 3)
    for number in (1, 2, 3, 3):
        assert talk.client.read_packet() == SUCCESS
        assert len(talk.taken) == number
        assert talk.client.between_packets


def test_without_take_paho_handles_values(talk: Talk, protocol: Protocol) -> None:
    """Then the client is like any client of paho."""
    talk.client.process_publish = None
    talk.read(PUBLISH if protocol is OLD else b"\x31\x07\0\x01t\0abc")
    assert talk.paho == ["t"]


@pytest.mark.parametrize("lets", [False, True])
def test_hear_gets_an_answer_first_and_decides_whether_paho_does(
    talk: Talk, protocol: Protocol, lets: bool
) -> None:
    """Kind and body of a CONNACK are handed over, whatever paho may see of it."""
    talk.lets = lets
    talk.read(WELCOME[protocol])
    assert talk.heard == [(CONNACK, WELCOME[protocol][2:])]
    assert talk.paho == (["connect"] if lets else [])


@pytest.mark.parametrize("protocol", [NEW], indirect=True)
def test_found_the_properties_of_an_answer_held_a_step_for_minutes(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """paho's time for them grows with the square of their size, so it must not see them."""
    unpacked: list[int] = []
    unpack = Properties.unpack

    def seen(properties: Properties, buffer: bytes) -> Any:
        unpacked.append(len(buffer))
        return unpack(properties, buffer)

    monkeypatch.setattr(Properties, "unpack", seen)
    properties = length(60_000) + b"\x26\0\0\0\0" * 12_000
    for kind, answer in ((b"\x20", b"\0\0" + properties), (b"\x40", b"\0\7\x10" + properties)):
        talk.peer.sendall(kind + length(len(answer)) + answer)
        heard = len(talk.heard)
        while len(talk.heard) == heard:
            assert talk.client.read_packet() == SUCCESS
        assert talk.heard[-1] == (kind[0] >> 4, answer)
    assert talk.paho == ["connect"]
    assert max(unpacked) <= 1


@pytest.mark.parametrize(
    ("protocol", "kind", "packet", "heard"),
    [
        (OLD, SUBACK, b"\x90\x03\0\x01\0", True),
        (NEW, SUBACK, b"\x90\x04\0\x01\0\0", True),
        (OLD, UNSUBACK, b"\xb0\x02\0\x01", True),
        (NEW, UNSUBACK, b"\xb0\x04\0\x01\0\0", True),
        (OLD, PUBACK, b"\x40\x02\0\x01", False),
        (NEW, PUBACK, b"\x40\x02\0\x01", True),
        (NEW, DISCONNECT, b"\xe0\x01\x8b", True),
    ],
    indirect=["protocol"],
)
def test_hear_gets_the_answers_of_its_version(
    talk: Talk, kind: int, packet: bytes, heard: bool
) -> None:
    """With 3.1.1 a PUBACK has nothing that paho does not handle."""
    talk.lets = False
    talk.read(packet)
    assert talk.heard == ([(kind, packet[2:])] if heard else [])


def test_without_hear_paho_handles_answers(talk: Talk, protocol: Protocol) -> None:
    """Then the client is like any client of paho."""
    talk.client.process_answer = None
    talk.read(WELCOME[protocol])
    assert talk.paho == ["connect"]


def test_only_paho_handles_other_packets(talk: Talk) -> None:
    """A PINGRESP answers no request of this program."""
    talk.read(PINGRESP)
    assert (talk.heard, talk.taken) == ([], [])


def test_a_partial_packet_is_not_between_packets(talk: Talk) -> None:
    """The data after it must not be treated as the beginning of a packet."""
    client: Client = talk.client
    assert client.between_packets
    for byte in PUBLISH[:-1]:
        talk.peer.sendall(bytes([byte]))
        client.loop_read()
        assert not client.between_packets
    assert not talk.taken
    talk.read(PUBLISH[-1:])
    assert client.between_packets
    assert talk.taken


def test_a_shorter_keepalive_is_kept_from_then_on(
    talk: Talk, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping is sent after so long without sending, by paho's own clock."""
    talk.read(WELCOME[protocol])
    now = talk.client._last_msg_out
    monkeypatch.setattr("paho.mqtt.client.time_func", lambda: now + 6.0)
    talk.client.loop_misc()
    talk.client.limit_keepalive(5)
    talk.client.loop_misc()
    talk.client.loop_write()
    assert talk.peer.recv(4096) == b"\xc0\x00"
