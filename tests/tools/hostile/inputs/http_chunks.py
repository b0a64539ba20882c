"""A database's answer in chunks of a byte, each with a long extension."""

from __future__ import annotations

from pathlib import Path

from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

COUNT = 100_000


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes."""
    chunk = b"1;" + b"x" * 2000 + b"\r\nx\r\n"
    head = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [head, *[chunk * 100] * max(1, round(COUNT * scale) // 100)]
    return databases.struck(directory, databases.poured(chunks))
