"""The size of databases, and the effect of `timestamps = tick`: real days, written and measured.

    /usr/bin/python3 -m tests.tools.sizes [--days 7] [--interval 1.0]

The same days of the nine values (tests/support/house.py) go into InfluxDB and VictoriaMetrics, once
with times of arrival and once of ticks (tests/support/stampings.py). Prints tables: the differences
of the two, and the size of a day and a year of values. A MB has 1,000,000 bytes.

The days end at the latest beginning of a shard of seven days, and so differ from week to week;
their values do not.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bat2influx.commands.setup_db.downsampling import GRAINS, Retention
from bat2influx.commands.setup_db.plan import RAW
from bat2influx.influx.influxql import DAY
from tests.standins.databases.influxdb import InfluxDB
from tests.support import long_run
from tests.support.stampings import QUERIES, STAMPINGS, WEEKLY, Span, Stored, measure

DAYS = 7
MOST_DAYS = Retention().raw // DAY - 7  # older ones would be rejected
YEAR = 365  # days
MB = 1e6


def tables(span: Span, stored: Mapping[str, Stored]) -> Iterator[str]:
    """Yield the lines of all tables."""
    both = [stored[each] for each in STAMPINGS]
    raw = [each.sizes[RAW] for each in both]
    days = span.seconds / DAY

    def per_value(growing: list[int]) -> list[float]:
        return [size / its.values for size, its in zip(growing, both, strict=True)]

    yield _heading(f"{days:g} d, a round each {span.interval:g} s")
    yield _line("values", [each.values for each in both], ",")
    yield _line("rows in the last day, SELECT *", [each.rows for each in both], ",")
    yield _line("raw values on disk, MB", [size.all / MB for size in raw], ".2f")
    yield _line("  in TSM files", [size.values / MB for size in raw], ".2f")
    yield _line("  in the WAL", [size.wal / MB for size in raw], ".2f")
    yield _line("  beside them", [(size.beside + size.series) / MB for size in raw], ".2f")
    yield _line("bytes a value", per_value([size.growing for size in raw]), ".2f")
    weekly = [each.sizes[WEEKLY].growing for each in both]
    yield _line("  in shards of 7 days", per_value(weekly), ".2f")
    yield _line("  in VictoriaMetrics", per_value([each.victoria.growing for each in both]), ".2f")
    yield ""
    yield _heading("queries, median of the times in ms")
    for name in QUERIES:
        answers = [each.answers[name] for each in both]
        yield _line(name, [answer.ms for answer in answers], ".1f")
        yield _line("  rows", [answer.rows for answer in answers], ",", ratio=False)
        if any(answer.filled != answer.rows for answer in answers):
            filled = [answer.filled for answer in answers]
            yield _line("  with a value", filled, ",", ratio=False)
        yield _line("  kB of JSON", [answer.size / 1e3 for answer in answers], ",.1f", ratio=False)
    growing = {
        **{
            policy: [each.sizes[policy].growing for each in both]
            for policy in (RAW, *(grain.policy for grain in GRAINS))
        },
        "VictoriaMetrics, raw": [each.victoria.growing for each in both],
    }
    for title, times, form in (("MB a day", 1, ".3f"), ("MB a year", YEAR, ",.1f")):
        yield ""
        yield _heading(title)
        for name, sizes in growing.items():
            yield _line(name, [size / days * times / MB for size in sizes], form)


def _heading(title: str) -> str:
    return f"{title:<40}{STAMPINGS[0]:>14}{STAMPINGS[1]:>14}{' / '.join(STAMPINGS):>16}"


def _line(label: str, figures: Sequence[float], form: str, *, ratio: bool = True) -> str:
    one, two = figures
    quotient = f"{one / two:.2f}" if ratio and two else ""
    return f"{label:<40}{one:>14{form}}{two:>14{form}}{quotient:>16}".rstrip()


def machine(server: InfluxDB) -> str:
    """Return a line with the machine and the versions."""
    versions = [row["Version"] for row in server.query("SHOW DIAGNOSTICS") if "Version" in row]
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((row.split(":")[1].strip() for row in cpus if row.startswith("model name")), "")
    debian = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"InfluxDB {versions[0]}, {debian}, {os.cpu_count()} x {model or platform.machine()}"


def main(arguments: list[str]) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.sizes", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--days", type=int, default=DAYS, help=f"1 to {MOST_DAYS}; default: {DAYS}")
    parser.add_argument("--interval", type=float, default=1.0, help="s between rounds (1.0)")
    given = parser.parse_args(arguments)
    if not 1 <= given.days <= MOST_DAYS:
        parser.error(f"--days must be from 1 to {MOST_DAYS}")
    end = int(time.time()) // (7 * DAY) * 7 * DAY
    span = Span(end, given.days * DAY, given.interval)
    with long_run.directory("sizes") as directory:
        with InfluxDB(directory / "asked") as server:
            told = machine(server)
        stored = measure(directory, span)
        print("\n".join([*tables(span, stored), "", told]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
