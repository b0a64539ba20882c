"""`python3 -m tests.tools.render DASHBOARD.json --influxdb URL --out x.png`: one picture."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tests.tools.render.browser import render


def main() -> int:
    """Write a picture, print the report, and return 1 if a panel has an error."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.tools.render", description=__doc__)
    parser.add_argument("dashboard", type=Path)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--influxdb", metavar="URL")
    where.add_argument("--victoriametrics", metavar="URL")
    parser.add_argument("--db", default="battery")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--width", type=int, default=1600, help="px (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--time", type=int, nargs=2, metavar=("FROM", "TO"), help="ms since 1970")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--queries", action="store_true", help="print the queries to the database")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    given = parser.parse_args()
    source = ("influxdb", given.influxdb, given.db, given.user, given.password)
    if given.victoriametrics:
        source = ("victoriametrics", given.victoriametrics)
    page = render(
        given.dashboard,
        source,
        theme=given.theme,
        width=given.width,
        scale=given.scale,
        zone=given.zone,
        time=(*given.time,) if given.time else None,
        variables=dict(each.split("=", 1) for each in given.var),
    )
    given.out.write_bytes(page.png)
    for panel in page.panels:
        print(json.dumps({**asdict(panel), "double": panel.double}))
    for line in (*page.problems, *(page.queries if given.queries else ())):
        print(line)
    return int(any(panel.error for panel in page.panels))


if __name__ == "__main__":
    sys.exit(main())
