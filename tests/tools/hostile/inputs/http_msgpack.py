"""A database's answer of 65,000 bytes of msgpack, where every 5 bytes reserve 0.5 MB."""

from __future__ import annotations

from pathlib import Path

from tests.standins.databases.http_peers import answer
from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

LISTS = b"\xdd\x00\x00\xf0\x00" * 13_000


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes; it is as large at any scale."""
    del scale
    packed = answer("500 Oops", LISTS, "Content-Type: application/x-msgpack")
    return databases.struck(directory, packed)
