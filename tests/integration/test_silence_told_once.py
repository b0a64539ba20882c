"""A device that responds again, with a daemon too busy to read each packet on arrival."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.standins.network import mqtt_peers
from tests.support.stepped import stepped, steps

W = 2.0  # s


class Back(mqtt_peers.Device):
    """Answers once on its first connection, and always on the second.

    There the second subscription is confirmed late: in one TCP packet with a heartbeat and with the
    end of the first subscription.
    """

    def serve(self, connection: socket.socket) -> None:
        """Act as a broker."""
        speaks, late = len(self.calls) > 1, b""
        for kind, body in mqtt_peers.packets(connection):
            if kind == mqtt_peers.CONNECT:
                connection.sendall(mqtt_peers.WELCOME)
            elif kind == mqtt_peers.SUBSCRIBE and speaks and b"+/system/0/Serial" not in body:
                topics = body.count(b"N/")
                late = mqtt_peers.packet(mqtt_peers.SUBACK, body[:2] + bytes(topics))
            elif kind == mqtt_peers.SUBSCRIBE:
                topics = body.count(b"N/")
                connection.sendall(mqtt_peers.packet(mqtt_peers.SUBACK, body[:2] + bytes(topics)))
            elif kind == mqtt_peers.UNSUBSCRIBE:
                heartbeat = mqtt_peers.publish(
                    f"N/{mqtt_peers.PORTAL_ID}/heartbeat", b'{"value":1}'
                )
                end = mqtt_peers.packet(mqtt_peers.UNSUBACK, body[:2])
                connection.sendall(late + heartbeat + end if speaks else end)
            elif kind == mqtt_peers.PUBLISH and (speaks or not self.requests):
                self._answer(connection, body)


def test_a_device_that_has_answered_is_not_reported_as_not_responding(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The outage is logged once, and so is its end."""
    caplog.set_level("INFO", "bat2influx")
    with Back() as peer, stepped(peer.port, tmp_path, watchdog=W) as device:
        for _ in steps(device, lambda: "responds again, after" in caplog.text and device.latest):
            pass
    assert caplog.text.count("does not respond") == 1
    assert caplog.text.count("responds again, after") == 1
