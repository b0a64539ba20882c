"""What the tasks of InfluxDB 2 compute, by the script and a stand-in for the command influx."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.flux import string
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, HOUR
from tests.unit.commands.setup_db.test_influxdb2 import ALONE, COUNTER, GAUGE, OLD, Server, old
from tests.unit.commands.setup_db.test_plan import configured

ENERGIES = "bat2influx_dc_energies"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A gauge and a counter."""
    return configured(tmp_path, ALONE + GAUGE + COUNTER)


@pytest.fixture
def power(tmp_path: Path) -> Settings:
    """A power beside the gauge."""
    return configured(tmp_path, ALONE + GAUGE + "P = grid/30/Ac/Power\n")


def test_task_computes_each_column(tmp_path: Path, settings: Settings) -> None:
    """Over whole intervals: mean, least and largest of a gauge, and of a counter the last value."""
    server = Server(tmp_path, **old())
    server.run(settings)
    lines = {each["name"]: each["flux"].splitlines() for each in server["tasks"].values()}
    mean, least, largest, last = (
        f'    |> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start")'
        for function in ("mean", "min", "max", "last")
    )
    to = f'    |> to(bucketID: "{server.id_of("battery/hours")}")'
    assert lines["bat2influx_dc_hours"] == [
        'import "date"',
        "",
        'option task = {name: "bat2influx_dc_hours", every: 1h}',
        "",
        f'values = (set) => from(bucketID: "{OLD}")',
        "    |> range(start: date.truncate(t: -1d, unit: 1h),"
        " stop: date.truncate(t: now(), unit: 1h))",
        '    |> filter(fn: (r) => r._measurement == "dc")',
        "    |> filter(fn: (r) => contains(value: r._field, set: set))",
        *("", 'values(set: ["V"])', mean, to),
        *("", 'values(set: ["V"])', least),
        *('    |> map(fn: (r) => ({r with _field: r._field + "_min"}))', to),
        *("", 'values(set: ["V"])', largest),
        *('    |> map(fn: (r) => ({r with _field: r._field + "_max"}))', to),
        *("", 'values(set: ["E"])', last, to),
    ]
    assert any("t: -2h, unit: 1m)," in line for line in lines["bat2influx_dc_minutes"])


def energies(server: Server) -> list[tuple[int, int]]:
    """Return the first and the last second of each query that fills energies in."""
    texts = [given["text"][0] for command, given in server["log"] if command == "query"]
    spans = [
        re.search(r"range\(start: (\d+), stop: (\d+)\)", text) for text in texts if ENERGIES in text
    ]
    return [(int(span[1]), int(span[2])) for span in spans if span]


def test_task_computes_energies_by_their_signs(tmp_path: Path, power: Settings) -> None:
    """Of the powers alone, from minutes, ten minutes after the task of those."""
    server = Server(tmp_path, **old())
    server.run(power)
    lines = {each["name"]: each["flux"].splitlines() for each in server["tasks"].values()}
    assert [*lines] == ["bat2influx_dc_minutes", "bat2influx_dc_hours", ENERGIES]
    window = '    |> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")'
    to = f'    |> to(bucketID: "{server.id_of("battery/hours")}")'
    split = "    |> map(fn: (r) => ({r with _value: if r._value"
    name = "    |> map(fn: (r) => ({r with _field: r._field +"
    assert lines[ENERGIES] == [
        'import "date"',
        "",
        f'option task = {{name: "{ENERGIES}", every: 1h, offset: 10m}}',
        "",
        f'values = (set) => from(bucketID: "{server.id_of("battery/minutes")}")',
        "    |> range(start: date.truncate(t: -1d, unit: 1h),"
        " stop: date.truncate(t: now(), unit: 1h))",
        '    |> filter(fn: (r) => r._measurement == "dc")',
        "    |> filter(fn: (r) => contains(value: r._field, set: set))",
        *("", 'values(set: ["P"])', f"{split} > 0.0 then r._value / 60000.0 else 0.0}}))"),
        *(window, f'{name} "_plus_kWh"}}))', to),
        *("", 'values(set: ["P"])', f"{split} < 0.0 then -r._value / 60000.0 else 0.0}}))"),
        *(window, f'{name} "_minus_kWh"}}))', to),
    ]


def test_earlier_setup_gets_energies_of_its_minutes(tmp_path: Path, power: Settings) -> None:
    """The task is created, and whole hours are computed after the minutes that they are made of."""
    first = (int(time.time()) // DAY - 3) * DAY + 5 * HOUR + 90
    server = Server(tmp_path, **old(first=first))
    server.run(power)
    spans = energies(server)
    assert spans[0][0] == first // HOUR * HOUR
    assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
    assert spans[-1][1] % HOUR == 0
    assert ENERGIES in server["log"][-1][1]["text"][0]
    assert "computing energies from " in server.run(power, fill=2 * DAY)
    assert energies(server)[-1][1] - energies(server)[-3][0] <= 2 * DAY + HOUR


def test_minutes_are_given_up_after_their_energies_exist(tmp_path: Path, power: Settings) -> None:
    """And before more of them are computed, which the bucket would else refuse."""
    server = Server(tmp_path, **old(first=int(time.time()) - 3 * DAY))
    server.run(power)
    begun = len(server["log"])
    server.run(power, change=True, minutes=60 * DAY)
    log = server["log"][begun:]
    minutes = server.id_of("battery/minutes")
    kinds = [
        "energies"
        if ENERGIES in str(given.get("text")) and "stop: 1" in str(given)
        else "given up"
        if command == "bucket update" and given["--id"] == [minutes]
        else "filled"
        if command == "query" and "bat2influx_dc_minutes" in str(given)
        else ""
        for command, given in log
    ]
    order = [kind for kind, _ in itertools.groupby(filter(None, kinds))]
    assert order == ["energies", "given up", "filled", "energies"]
    assert server.kept()["battery/minutes"] == "60d"


def test_text_is_a_literal() -> None:
    """What would be an expression within one is text."""
    assert string('a "b" ${c} \\ ü') == '"a \\"b\\" \\${c} \\\\ ü"'
