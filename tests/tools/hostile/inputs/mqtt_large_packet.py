"""A broker that sends a packet of 150 MB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

SIZE = 150_000_000
CHUNK = 1 << 20


def run(directory: Path, scale: float) -> Outcome:
    """Send it once."""
    return brokers.struck(directory, chunks(round(SIZE * scale)), "started to send a packet of ")


def chunks(size: int) -> Iterator[bytes]:
    """Yield a PUBLISH with a payload of so many bytes, in parts."""
    whole = memoryview(publish(f"N/{PORTAL_ID}/vebus/275/State", bytes(size)))
    for start in range(0, len(whole), CHUNK):
        yield bytes(whole[start : start + CHUNK])
