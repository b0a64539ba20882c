"""`check` with a broker that sends 200 messages of 1 MB on as many topics of the device."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.standins.network import mqtt_peers
from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.tools.hostile.commands import peak_of
from tests.tools.hostile.registry import Outcome

MESSAGES = 200
LEAST = 30  # at least, at any scale, to show in memory
SIZE = 1_000_000  # bytes
VALUE = b'{"value":7}'
FIELD = f"N/{PORTAL_ID}/vebus/275/State"


def run(directory: Path, scale: float) -> Outcome:
    """Run it without them, and with them before the value of the field."""
    before, _ = _measured(directory, 0)
    after, seconds = _measured(directory, max(LEAST, round(MESSAGES * scale)))
    return Outcome(before, after, seconds, 0, "until it has ended")


def _measured(directory: Path, count: int) -> tuple[int, float]:
    """Return the peak of a run and its s."""
    ini, output = directory / "check.ini", directory / "check.log"
    with mqtt_peers.Device() as peer:
        peer.strike(partial(_answer, peer, count))
        ini.write_text(
            f"[Battery]\naddress = 127.0.0.1\nport = {peer.port}\nserial = {PORTAL_ID}\n"
            "instance = 275\n[Influx]\naddress = 127.0.0.1\nport = 1\n"
            "[Fields]\ndefaults = no\nState = vebus/275/State\n"
        )
        found = peak_of(ini, output, "check")
    assert "7 (vebus/275/State)" in output.read_text(), output.read_text()
    return found


def _answer(peer: mqtt_peers.Device, count: int, connection: socket.socket) -> None:
    """Publish the inverter; when the field is read, send them, and then its value."""
    with suppress(OSError):
        if not peer.requests[-1][1].endswith("/State"):
            peer.strike(partial(_answer, peer, count))
            connection.sendall(publish(f"N/{PORTAL_ID}/vebus/275/ProductId", VALUE))
            connection.sendall(publish(f"N/{PORTAL_ID}/full_publish_completed", VALUE))
            return
        for number in range(count):
            connection.sendall(publish(f"N/{PORTAL_ID}/q{number}", bytes(SIZE)))
        connection.sendall(publish(FIELD, VALUE))
