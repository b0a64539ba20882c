"""Compares two runs of the benchmark.

    /usr/bin/python3 -m tests.tools.bench.compare BEFORE.json AFTER.json

A figure with a reference is compared by its ratio, which is valid on a machine of another speed
too; the others by their values, so that machine and load have to be the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tools.bench.table import rows_of, short

Run = dict[str, Any]


def compared(before: Run, after: Run) -> Iterator[str]:
    """Yield the lines of a table in Markdown; figures of only one run are left out."""
    for name, run in (("before", before), ("after", after)):
        yield f"{name}: {run['commit']}, {run['time']}, on {run['machine']}"
    earlier = {(each["what"], each["beside"]): each for each in before["figures"]}
    rows = [("", "before", "after", "by")]
    for each in after["figures"]:
        old = earlier.get((each["what"], each["beside"]))
        if old is None:
            continue
        counts = "value" if each["ratio"] is None else "ratio"
        unit = each["unit"] if counts == "value" else f"of {each['beside']}"
        figures = (f"{short(figure[counts])} {unit}" for figure in (old, each))
        change = f"{each[counts] / old[counts] - 1:+.0%}" if old[counts] else ""
        rows.append((each["what"], *figures, change))
    yield from rows_of(rows)


if __name__ == "__main__":
    print(*compared(*(json.loads(Path(name).read_text()) for name in sys.argv[1:])), sep="\n")
