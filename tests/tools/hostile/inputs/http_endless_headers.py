"""A database's answer with endless headers, each with a cookie."""

from __future__ import annotations

from pathlib import Path

from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

COUNT = 50_000


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes."""
    cookies = [b"Set-Cookie: c%d=%b\r\n" % (n, b"x" * 4000) for n in range(round(COUNT * scale))]
    chunks = [b"HTTP/1.1 204 No Content\r\n", *cookies, b"\r\n"]
    return databases.struck(directory, databases.poured(chunks))
