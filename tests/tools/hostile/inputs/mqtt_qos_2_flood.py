"""A broker that sends 20,000 messages of 29 kB with QoS 2, and releases none."""

from __future__ import annotations

from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

MESSAGES = 20_000
PAYLOAD = bytes(29_000)
QOS_2 = 4  # flags of a PUBLISH


def run(directory: Path, scale: float) -> Outcome:
    """Send them, with all possible packet ids."""
    topic = f"N/{PORTAL_ID}/vebus/275/State"
    chunks = (
        publish(topic, (number % 65_535 + 1).to_bytes(2, "big") + PAYLOAD, QOS_2)
        for number in range(round(MESSAGES * scale))
    )
    return brokers.struck(directory, chunks, "packet PUBLISH of QoS 2")
