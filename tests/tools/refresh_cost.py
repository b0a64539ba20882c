"""The cost of a refresh of each dashboard for an InfluxDB 1: processor time of the server.

    /usr/bin/python3 -m tests.tools.refresh_cost [--days 90] [--data nine] [FOLDER...]

A database has so many days of a house (tests/support/household_filled.py): in the last `--dense`
days one value per second and field, and before that fewer. The dashboards are those of the folders,
by default the shipped ones; two folders compare an old version with a new one.

The queries are those of Grafana at a refresh: all of a dashboard, over its default time range and
with the variables as when it is opened; without those of closed rows. The time is that of the end
of yesterday (UTC), when a dashboard of today has most values, and the server has most in memory.
Prints for each dashboard the median of the rounds, in s of processor time (user and system), and
the panels that take most of it.

Rules: the measurement begins when the server has finished its compactions. Its time has steps of
0.01 s: a dashboard is refreshed `--rounds` times, and the cost of a panel is that of all rounds.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.standins.databases.influxdb import InfluxDB
from tests.support import household_filled, long_run
from tests.support.grafana import (
    FOLDERS,
    INFLUXDB,
    Json,
    View,
    chosen,
    milliseconds,
    options,
    variables,
)
from tests.support.household_filled import DB, Filled
from tests.support.household_stored import Density
from tests.support.household_weather import DAY, MINUTE
from tests.support.long_run import progress
from tests.support.resources import processor

DAYS, ROUNDS, DENSE = 90, 5, 8
PRESETS = ("battery", "grid", "solar", "system")
HELD = 10  # seconds with the same values: their number causes the cost, and this saves time
IDLE = 0.02  # s of processor time per second of an idle server
BOUND = 600.0  # s until it is idle
PATIENCE = 120.0  # s for an answer
SHOWN = 3  # panels
MOST = 0.3  # s, the limit of a refresh


@dataclass(frozen=True)
class Cost:
    """The cost of a dashboard: s of processor time per refresh, number of queries, s by panel."""

    refresh: float
    queries: int
    panels: dict[str, float]


def moment(text: str, now: float) -> float:
    """Return the time of Grafana's `now`, `now-7d` or `now/d`, in s since 1970, for UTC.

    Raises ValueError for forms that no dashboard of this project has.
    """
    match = re.fullmatch(r"now(?:-(\d+)([smhdwMy]))?(?:/([dwMy]))?", text)
    if match is None:
        raise ValueError(f"{text!r} is no time")
    count, unit, start = match.groups()
    at = now
    if count:
        days = {"w": 7, "M": 30, "y": 365}.get(unit)
        at -= int(count) * days * DAY if days else milliseconds(f"{count}{unit}") / 1000
    if start:
        day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if start == "w":
            return day.timestamp() - day.weekday() * DAY
        if start in "My":
            day = day.replace(day=1)
        return (day.replace(month=1) if start == "y" else day).timestamp()
    return at


def queries(dashboard: Json, server: InfluxDB, now: float) -> Iterator[tuple[str, str]]:
    """Yield the title of a panel and the statement for each query of a refresh."""
    span = dashboard["time"]
    start, end = (round(moment(span[each], now) * 1000) for each in ("from", "to"))
    if span["to"].startswith("now/"):
        end = round(now * 1000)
    values = dict(chosen(dashboard))
    opened = View(dashboard, start, end, values)
    for name, each in variables(dashboard).items():
        if name not in values and each["type"] == "query":  # the first choice
            found = options(each, _ask(server, opened.query({}, each)))
            values[name] = found[0] if found else ""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            if "query" in target and not target.get("hide"):
                yield panel.get("title", ""), opened.query(panel, target)


def measure(dashboard: Json, server: InfluxDB, rounds: int, now: float) -> Cost:
    """Measure a dashboard, after a first refresh."""
    asked = [*queries(dashboard, server, now)]
    by_panel: dict[str, list[str]] = {}
    for title, statement in asked:
        _ask(server, statement)
        by_panel.setdefault(title, []).append(statement)
    refreshes = [_cost(server, [statement for _, statement in asked]) for _ in range(rounds)]
    panels = {
        title: _cost(server, statements * rounds) / rounds for title, statements in by_panel.items()
    }
    return Cost(statistics.median(refreshes), len(asked), panels)


def _ask(server: InfluxDB, statement: str) -> Json:
    asked = {"db": DB, "epoch": "ms", "q": statement}
    answer: Json = json.loads(server.ask("/query", asked, timeout=PATIENCE))
    error = answer["results"][0].get("error")
    assert error is None, f"{statement}: {error}"
    return answer


def _cost(server: InfluxDB, statements: list[str]) -> float:
    before = processor(server.pid)
    for each in statements:
        _ask(server, each)
    return processor(server.pid) - before


def settle(server: InfluxDB) -> None:
    """Wait until the server is idle."""
    deadline, quiet = time.monotonic() + BOUND, 0
    while quiet < 3:
        before = processor(server.pid)
        time.sleep(1.0)
        quiet = quiet + 1 if processor(server.pid) - before <= IDLE else 0
        assert time.monotonic() < deadline, f"the server is busy for {BOUND:g} s"


def table(folder: str, costs: dict[str, Cost]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"{folder:<40}{'queries':>10}{'CPU s':>10}  the dearest panels"
    for name, cost in costs.items():
        dearest = sorted(cost.panels.items(), key=lambda each: -each[1])[:SHOWN]
        told = ", ".join(f"{title} {seconds:.3f}" for title, seconds in dearest)
        over = " (too much)" if cost.refresh > MOST else ""
        yield f"{name:<40}{cost.queries:>10}{cost.refresh:>10.3f}  {told}{over}"


def main(arguments: list[str]) -> None:
    """Measure, and print a table for each folder."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.refresh_cost", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folders", nargs="*", type=Path, help="folders with dashboards, as *.json")
    parser.add_argument("--days", type=int, default=DAYS, help=f"days of values; default: {DAYS}")
    parser.add_argument("--dense", type=int, default=DENSE, help=f"days of every second: {DENSE}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument(
        "--data", choices=["nine", "house"], default="nine", help="fields; default: nine"
    )
    given = parser.parse_args(arguments)
    where = given.folders or [FOLDERS[INFLUXDB]]
    folders = {str(folder): sorted(folder.glob("*.json")) for folder in where}
    density = Density(seconds=given.dense * DAY, every=10, days=given.days, held=HELD)
    end = int(time.time()) // DAY * DAY - MINUTE
    own: dict[str, Any] = {"days": given.days, "density": density, "victoria": False, "end": end}
    fill = household_filled.nine
    if given.data == "house":
        fill, own["presets"] = household_filled.house, PRESETS
    with long_run.directory("refresh") as directory:
        progress(f"filling a database with {given.days} days")
        with fill(directory, **own) as filled:
            told = _measured(filled, folders, given.rounds)
    print("\n".join(told), flush=True)


def _measured(filled: Filled, folders: dict[str, list[Path]], rounds: int) -> list[str]:
    server = filled.influxdb
    progress(f"{filled.written:,} values")
    settle(server)
    lines = []
    for folder, files in folders.items():
        costs = {}
        for file in files:
            dashboard = json.loads(file.read_text(encoding="utf-8"))
            progress(file.name)
            costs[file.stem] = measure(dashboard, server, rounds, filled.end)
        lines += [*table(folder, costs), ""]
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
