"""The link: a connected socket as paho uses it, without TLS."""

from __future__ import annotations

import socket
import struct

import pytest

from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import Protocol


def test_a_link_sends_what_the_socket_has_room_for() -> None:
    """`send` returns how much that was, and raises BlockingIOError without any room."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        taken = Link(ours).send(bytes(10**8))
        assert 0 < taken < 10**8
        with pytest.raises(BlockingIOError):
            Link(ours).send(b"x")


def test_ordinary_packets_are_taken_from_the_data_read_ahead() -> None:
    """The beginning of an ordinary packet stays until select() reports the rest."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        link = Link(ours)
        assert not link.read_ahead()
        theirs.sendall(b"\x30\x05\0\1tab\x31\x05\0\1uc")
        assert link.read_ahead()
        found, size = link.take_packets(9, Protocol.MQTT_3_1_1)
        assert ([each[:3] for each in found], size) == ([(b"t", b"ab", 0)], 7)
        assert (link.incomplete, link.pending) == (True, False)
        assert not link.read_ahead()
        assert (link.incomplete, link.pending) == (True, False)
        theirs.sendall(b"d\xd0\0")
        assert link.read_ahead()
        found, size = link.take_packets(9, Protocol.MQTT_3_1_1)
        assert ([each[:3] for each in found], size) == ([(b"u", b"cd", 1)], 7)
        assert link.take_packets(9, Protocol.MQTT_3_1_1) == ([], 0)
        assert link.pending
        assert link.recv(9) == b"\xd0\0"


@pytest.mark.parametrize("reset", [False, True])
def test_recv_reports_the_end(reset: bool) -> None:
    """After the data before it; a failure of the socket looks the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with ours:
            theirs.sendall(b"\x30\x05\0\1ta")
            link = Link(ours)
            assert link.read_ahead()
            assert link.take_packets(9, Protocol.MQTT_5) == ([], 0)
            assert link.used_up
            if reset:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
            assert link.read_ahead()
            assert link.take_packets(9, Protocol.MQTT_5) == ([], 0)
            assert link.pending
            assert link.recv(9) == b"\x30\x05\0\1ta"
            assert link.recv(9) == b""


def test_a_link_without_tls_has_no_certificate() -> None:
    """Nor a version of TLS."""
    with socket.socket() as sock:
        link = Link(sock)
        assert (link.certificate, link.certificate_fields, link.version) == (None, {}, None)
