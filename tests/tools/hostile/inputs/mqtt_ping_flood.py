"""A broker that sends 20,000,000 PINGREQ, and reads no answer."""

from __future__ import annotations

from pathlib import Path

from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

PINGS = 20_000_000
AT_ONCE = 100_000


def run(directory: Path, scale: float) -> Outcome:
    """Send them."""
    chunks = (b"\xc0\x00" * AT_ONCE for _ in range(max(1, round(PINGS * scale / AT_ONCE))))
    return brokers.struck(directory, chunks, "packet PINGREQ")
