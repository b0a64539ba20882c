"""A broker that sends 500 messages of 1 MB, each within the limit."""

from __future__ import annotations

from pathlib import Path

from tests.standins.network.mqtt_peers import PORTAL_ID, publish
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

MESSAGES = 500
SIZE = 1_000_000


def run(directory: Path, scale: float) -> Outcome:
    """Send them in place of an answer, and continue."""
    large = publish(f"N/{PORTAL_ID}/vebus/275/State", bytes(SIZE))
    return brokers.struck(directory, [large] * max(5, round(MESSAGES * scale)), "")
