"""A database's answer with an endless body, as fast as it is read."""

from __future__ import annotations

from itertools import chain, repeat
from pathlib import Path

from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

SIZE = 3_000_000_000
CHUNK = b"x" * (1 << 20)


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes."""
    head = b'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{"error":"'
    times = max(8, round(SIZE * scale) // len(CHUNK))
    chunks = list(chain([head], repeat(CHUNK, times)))
    return databases.struck(directory, databases.poured(chunks))
