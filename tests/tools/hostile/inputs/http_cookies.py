"""A database's answer with 90 cookies of 60 kB, which take minutes to parse."""

from __future__ import annotations

from pathlib import Path

from tests.standins.databases.http_peers import answer
from tests.tools.hostile import databases
from tests.tools.hostile.registry import Outcome

COUNT = 90
ODD = "a=" + "\\x;" * 20_000


def run(directory: Path, scale: float) -> Outcome:
    """Answer so to writes."""
    count = max(3, round(COUNT * scale))
    cookies = ["Set-Cookie: a=b", *[f"Set-Cookie2: {ODD}" for _ in range(count)]]
    return databases.struck(directory, answer("500 Oops", "x", *cookies))
