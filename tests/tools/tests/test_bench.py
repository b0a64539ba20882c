"""The table of `make bench`, and all of its measurements once, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests import TOP
from tests.tools.bench.compare import compared
from tests.tools.bench.table import Figure, as_json, lines

SMALL = {"values": 2000, "rounds": 1, "million": 4000, "singles": 3, "seconds": 4}


def test_a_ratio_is_what_counts_where_there_is_one() -> None:
    """Speeds of a machine say little; beside a reference of the same run they do."""
    assert Figure("rate", 80.0, "/s", 100.0, "alone", least=0.75).met
    assert not Figure("rate", 70.0, "/s", 100.0, "alone", least=0.75).met
    assert not Figure("memory", 37.0, "MB", most=36.0).met
    table = lines([Figure("memory", 37.0, "MB", most=36.0), Figure("age", 1234.5, "s")])
    assert table[0].split("|")[1:6] == [
        "        ",
        " bat2influx ",
        " beside ",
        " ratio ",
        " wanted ",
    ]
    assert "| memory | 37 MB      |        |       | ≤ 36   | NOT MET |" in table
    assert "| age    | 1,234 s    |        |       |        |         |" in table


def test_two_runs_are_compared_by_what_counts() -> None:
    """A ratio where there is one, by what it is of; what only one run has is in neither."""
    before, after = (
        json.loads(
            as_json(
                [
                    Figure("rate", rate, "/s", 100.0, "alone"),
                    Figure("memory", 30.0, "MB"),
                    Figure(new, 1.0, "s"),
                ]
            )
        )
        for rate, new in ((50.0, "age"), (75.0, "youth"))
    )
    named, also, *table = compared(before, after)
    assert named.startswith("before: ")
    assert also.startswith("after: ")
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in table[2:]] == [
        ["rate", "0.5 of alone", "0.75 of alone", "+50%"],
        ["memory", "30 MB", "30 MB", "+0%"],
    ]


def test_each_measurement_gives_its_figures(tmp_path: Path) -> None:
    """In small they say nothing of the daemon, but that all of them can be made."""
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.tools.bench", "--json", str(out)]
    command += [f"--{name}={number}" for name, number in SMALL.items()]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert out.exists(), done.stdout + done.stderr
    figures = json.loads(out.read_text())["figures"]
    assert len(figures) == len(done.stdout.splitlines()) - 2
    assert {figure["beside"] for figure in figures} >= {
        "paho alone",
        "mosquitto_sub",
        "a post for each value",
        "a bare post",
    }
    counts = {figure["what"]: figure["value"] for figure in figures}
    assert counts["written to disk"] == 0
    assert all(counts[what] > 0 for what in ("a flood, stored", "delay, median", "memory at rest"))
