"""The client of paho: which packets it sees, and which go past it. Over a socketpair."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from bat2influx.mqtt.connector import Link
from bat2influx.mqtt.packets import (
    CONNACK,
    DISCONNECT,
    PUBACK,
    SUBACK,
    UNSUBACK,
    Protocol,
)
from bat2influx.mqtt.paho_client import SUCCESS, Client, new_client

OLD, NEW = Protocol
WELCOME = {OLD: b"\x20\x02\0\0", NEW: b"\x20\x03\0\0\0"}
PUBLISH = b"\x31\x06\0\x01tabc"
PINGRESP = b"\xd0\x00"


class Talk:
    """A client that has sent its CONNECT, its peer, and what went past paho."""

    def __init__(self, protocol: Protocol = NEW, client_id: str = "us") -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.heard: list[tuple[int, bytes]] = []
        self.taken: list[tuple[int, bytes]] = []
        self.paho: list[str] = []  # what it has told of
        self.lets = True  # paho see the answers
        self.client = client = new_client(Link(ours), client_id, protocol)
        client.hear, client.take = self._hear, self._take
        client.on_connect = lambda *_: self.paho.append("connect")
        client.on_subscribe = lambda *_: self.paho.append("subscribe")
        client.on_message = lambda _client, _data, message: self.paho.append(message.topic)
        client.connect("venus.local", 1883, 30)
        self.hello = self.peer.recv(4096)

    def _hear(self, kind: int, body: bytes) -> bool:
        self.heard.append((kind, body))
        return self.lets

    def _take(self, head: int, body: bytearray) -> None:
        self.taken.append((head, bytes(body)))

    def read(self, *packets: bytes) -> None:
        """Have the peer send packets, and the client read them."""
        for packet in packets:
            self.peer.sendall(packet)
            assert self.client.loop_read() == SUCCESS

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


def test_the_client_speaks_over_the_link_in_the_version_it_is_told(
    talk: Talk, protocol: Protocol
) -> None:
    """Its CONNECT has the level of the version, and the client id."""
    assert talk.hello[0] == 0x10
    assert talk.hello[2:9] == b"\0\x04MQTT" + bytes([protocol])
    assert b"\0\x02us" in talk.hello


def test_a_link_is_used_once(talk: Talk) -> None:
    """Paho would connect again by itself, where nobody has judged the certificate."""
    with pytest.raises(ConnectionAbortedError):
        talk.client.reconnect()


def test_values_go_past_paho(talk: Talk) -> None:
    """A PUBLISH of QoS 0 is handed over as it came, and paho tells of none."""
    talk.read(PUBLISH)
    assert talk.taken == [(0x31, b"\0\x01tabc")]
    assert talk.paho == []


def test_a_message_of_more_than_qos_0_is_pahos(talk: Talk, protocol: Protocol) -> None:
    """It has to be acknowledged, which paho does."""
    body = b"" if protocol is OLD else b"\0"
    talk.read(bytes([0x32, 8 + len(body)]) + b"\0\x01t\0\x07" + body + b"abc")
    assert talk.taken == []
    assert talk.paho == ["t"]
    talk.client.loop_write()
    assert talk.peer.recv(4096)[:4] == b"\x40\x02\0\x07"


def test_values_are_pahos_where_nobody_takes_them(talk: Talk, protocol: Protocol) -> None:
    """A client without `take` is a client of paho as any other."""
    talk.client.take = None
    talk.read(PUBLISH if protocol is OLD else b"\x31\x07\0\x01t\0abc")
    assert talk.paho == ["t"]


@pytest.mark.parametrize("lets", [False, True])
def test_an_answer_is_heard_first_and_seen_by_paho_where_that_is_let(
    talk: Talk, protocol: Protocol, lets: bool
) -> None:
    """Kind and body of a CONNACK are handed over, whatever paho may see of it."""
    talk.lets = lets
    talk.read(WELCOME[protocol])
    assert talk.heard == [(CONNACK, WELCOME[protocol][2:])]
    assert talk.paho == (["connect"] if lets else [])


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
def test_the_answers_of_its_version_are_heard(
    talk: Talk, kind: int, packet: bytes, heard: bool
) -> None:
    """With 3.1.1 a PUBACK says nothing that paho does not know."""
    talk.lets = False
    talk.read(packet)
    assert talk.heard == ([(kind, packet[2:])] if heard else [])


def test_answers_are_pahos_where_nobody_hears_them(talk: Talk, protocol: Protocol) -> None:
    """A client without `hear` is a client of paho as any other."""
    talk.client.hear = None
    talk.read(WELCOME[protocol])
    assert talk.paho == ["connect"]


def test_other_packets_are_pahos_alone(talk: Talk) -> None:
    """A PINGRESP is no answer to anything of ours."""
    talk.read(PINGRESP)
    assert (talk.heard, talk.taken) == ([], [])


def test_a_packet_of_which_a_part_is_there_is_not_between_packets(talk: Talk) -> None:
    """What is read ahead behind it must not be taken for the beginning of one."""
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
    """A ping goes out once nothing was sent for so long, by paho's own clock."""
    talk.read(WELCOME[protocol])
    now = talk.client._last_msg_out
    monkeypatch.setattr("paho.mqtt.client.time_func", lambda: now + 6.0)
    talk.client.loop_misc()
    talk.client.hurry(5)
    talk.client.loop_misc()
    talk.client.loop_write()
    assert talk.peer.recv(4096) == b"\xc0\x00"
