"""The targets of the figures, in one table; `make bench` prints them beside the results.

Rules: a target of a time or of memory applies to an unloaded machine like that of
docs/performance.md. A ratio to `BEFORE` is to another version in the same run (`OLD=`), and is
valid on any machine: of what 275a7c7 took where the targets were set (10.7 µs in a flood, 4.5 ms/s,
0.265 s), 7, 3 and 0.18 are these shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.tools.bench.table import Figure

BEFORE = "the version before"
BUNCHED, EVEN = "fleet in bunches of 5 ms", "fleet evenly spread"
QUEUE = "a flood, default queue"


@dataclass(frozen=True, slots=True)
class Bound:
    """The figure (or its ratio) has to be `least` or more, `most` or less; None is no bound."""

    least: float | None = None
    most: float | None = None


TARGETS = {
    (f"{BUNCHED}, processor", ""): Bound(most=24),
    (f"{EVEN}, processor", ""): Bound(most=32),
    (f"{BUNCHED}, of a core", ""): Bound(most=22),
    (f"{BUNCHED}, processor of InfluxDB", BEFORE): Bound(most=0.5),
    (f"{EVEN}, processor of InfluxDB", BEFORE): Bound(most=0.5),
    (f"{BUNCHED}, lost", ""): Bound(most=0),
    (f"{EVEN}, lost", ""): Bound(most=0),
    ("processor in a flood", ""): Bound(most=7),
    ("processor in a flood", BEFORE): Bound(most=0.65),
    ("a flood, stored", "mosquitto_sub"): Bound(least=0.8),
    (f"{QUEUE}, lost", ""): Bound(most=0),
    (f"{QUEUE}, stored", "mosquitto_sub"): Bound(least=0.8),
    (f"{QUEUE}, processor", ""): Bound(most=7),
    ("processor at 9 values/s", ""): Bound(most=3),
    ("processor at 9 values/s", BEFORE): Bound(most=0.67),
    ("start to first stored value", BEFORE): Bound(most=0.68),
    ("delay, median", BEFORE): Bound(most=1.3),
    ("delay, p99", BEFORE): Bound(most=1.5),
    ("delay of nine at once, median", BEFORE): Bound(most=1.3),
    ("delay of nine at once, p99", BEFORE): Bound(most=1.5),
    ("memory at rest", ""): Bound(most=27),
    ("memory at any load", ""): Bound(most=45),
    ("backlog on disk", ""): Bound(most=8),
}


def aimed(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures with the table's targets in place of their own."""
    return [_aimed(figure, TARGETS.get((figure.what, figure.beside))) for figure in figures]


def start_within(imports: float) -> float:
    """Return the limit of a start in s: 0.18, or 1.2 of the time of its `imports` alone."""
    return max(0.18, 1.2 * imports)


def _aimed(figure: Figure, bound: Bound | None) -> Figure:
    return figure if bound is None else replace(figure, least=bound.least, most=bound.most)
