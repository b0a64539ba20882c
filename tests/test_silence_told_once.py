"""A device that speaks again, to a daemon that is too busy to read each packet as it comes."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

import pytest

from bat2influx.clock import Clock
from bat2influx.config import Battery
from bat2influx.device import Device
from bat2influx.memory import Memory
from bat2influx.venus import DEFAULT_FIELDS
from tests.parts import peers
from tests.parts.daemon import BOUND

W = 2.0  # s


class Back(peers.Device):
    """Answers once on its first connection, and always on the second.

    There the second subscription is confirmed late: together with a heartbeat and with the end of
    the first subscription, in one packet of TCP.
    """

    def serve(self, connection: socket.socket) -> None:
        """Be a broker."""
        speaks, late = len(self.calls) > 1, b""
        for kind, body in peers.packets(connection):
            if kind == peers.CONNECT:
                connection.sendall(peers.WELCOME)
            elif kind == peers.SUBSCRIBE and speaks and b"+/system/0/Serial" not in body:
                topics = body.count(b"N/")
                late = peers.packet(peers.SUBACK, body[:2] + bytes(topics))
            elif kind == peers.SUBSCRIBE:
                topics = body.count(b"N/")
                connection.sendall(peers.packet(peers.SUBACK, body[:2] + bytes(topics)))
            elif kind == peers.UNSUBSCRIBE:
                heartbeat = peers.publish(f"N/{peers.PORTAL_ID}/heartbeat", b'{"value":1}')
                end = peers.packet(peers.UNSUBACK, body[:2])
                connection.sendall(late + heartbeat + end if speaks else end)
            elif kind == peers.PUBLISH and (speaks or not self.requests):
                self._answer(connection, body)


def test_a_device_that_has_answered_is_not_called_silent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its silence is told once, and so is the end of that."""
    caplog.set_level("INFO", "bat2influx")
    clock = Clock()
    with Back() as peer:
        device = Device(
            battery(peer.port),
            by_tick=False,
            watchdog=W,
            config="",
            memory=Memory(tmp_path),
            wake=lambda: None,
        )
        until = time.monotonic() + BOUND
        while "answers, after" not in caplog.text or not device.readings:
            assert time.monotonic() < until, device.trouble
            now = clock.look()
            watched = [] if device.fileno() < 0 else [device.fileno()]
            writes = watched if device.wants_write else []
            pause = min(device.timeout(now), 0.01)
            readable, writable, _ = select.select(watched, writes, [], pause)
            device.step(clock.look(), readable=bool(readable), writable=bool(writable))
        device.close()
    assert caplog.text.count("is silent") == 1
    assert caplog.text.count("answers, after") == 1


def battery(port: int) -> Battery:
    """Return the settings of a device on a port, with nothing to find out."""
    return Battery(
        name="",
        address="127.0.0.1",
        port=port,
        user="bat2influx",
        password="",
        serial=peers.PORTAL_ID,
        instance=275,
        interval=0.2,
        soc_interval=0.2,
        fields=DEFAULT_FIELDS,
        tls=None,
    )
