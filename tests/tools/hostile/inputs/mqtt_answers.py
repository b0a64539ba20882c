"""A broker that sends 10,000,000 unrequested PINGRESP."""

from __future__ import annotations

from pathlib import Path

from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

ANSWERS = 10_000_000
AT_ONCE = 100_000


def run(directory: Path, scale: float) -> Outcome:
    """Send them. Found: a step read all available packets, and ticks were late."""
    chunks = (b"\xd0\x00" * AT_ONCE for _ in range(max(1, round(ANSWERS * scale / AT_ONCE))))
    return brokers.struck(directory, chunks, "")
