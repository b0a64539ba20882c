"""A Writer as in the daemon, and lines to write, for tests of delivery."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from bat2influx.config.settings import Influx
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.writer import DEADLINE, Writer

BOUND = 30.0  # s
CONFIG = "/etc/bat2influx/bat2influx.ini"
START = 1_700_000_000_000_000_000  # ns; in the middle of one of InfluxDB's weekly shards
DEFAULTS = Influx(
    address="127.0.0.1",
    port=8086,
    tls=None,
    user="",
    password="",
    token="",
    use_environment=False,
    db="battery",
    measurement="dc",
    retention_policy="",
    timestamps="arrival",
    tags=(),
)


def writer(port: int, deadline: float = DEADLINE, **settings: Any) -> Writer:
    """Return a writer to 127.0.0.1; `settings` as in [Influx] of the ini."""
    return Writer(DEFAULTS._replace(port=port, **settings), CONFIG, deadline)


def write(made: Writer, lines: Sequence[bytes], *, bound: float = BOUND) -> Outcome:
    """Write, and return the outcome. AssertionError when there is none within `bound` s."""
    outcomes: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(made.write(lines, lambda: None)), daemon=True
    )
    thread.start()
    thread.join(bound)
    assert not thread.is_alive(), f"the writer hangs, {bound:g} s later"
    assert outcomes, "the writer has raised"
    return outcomes[0]


def lines(field: str = "Voltage", count: int = 1, *, start: int = START) -> list[bytes]:
    """Return `count` lines of one field, a second apart, with the values 0.5, 1.5, ..."""
    return [f"dc {field}={n + 0.5} {start + n * 10**9}".encode() for n in range(count)]


def mixed(*fields: str, count: int) -> list[bytes]:
    """Return `count` lines of each field, in the order in which a device sends them."""
    each = [lines(field, count) for field in fields]
    return [line for moment in zip(*each, strict=True) for line in moment]
