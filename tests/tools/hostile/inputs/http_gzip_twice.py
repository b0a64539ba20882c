"""A database's answer of some hundred bytes that decompresses to 4.6 GB, compressed twice.

The daemon requests no compression, and decompresses nothing.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from tests.standins.databases.http_peers import answer
from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

SIZE = 4_600_000_000
CHUNK = bytes(1 << 20)


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes."""
    packer = zlib.compressobj(9, wbits=31)
    inner = b"".join(packer.compress(CHUNK) for _ in range(round(SIZE * scale) // len(CHUNK)))
    body = gzip.compress(inner + packer.flush())
    packed = answer("400 Bad Request", body, "Content-Encoding: gzip, gzip")
    return databases.struck(directory, packed)
