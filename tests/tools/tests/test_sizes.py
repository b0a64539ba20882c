"""The measurement of sizes, with 15 minutes of values: its figures are correct."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import GRAINS
from bat2influx.influx.influxql import DAY
from bat2influx.reading import NS
from tests.standins.databases.influxdb import InfluxDB, Row
from tests.standins.databases.on_disk import influxdb_size, used
from tests.support.house import AC, DC, Round, rounds
from tests.support.stampings import PRODUCT, Span, Stored, measure
from tests.tools import sizes

SECONDS = 900
FIELDS = {*DC, *AC, "Soc"}
STEPS = {"Voltage": 0.01, "Current": 0.1, "Power": 1, "Soc": 0.5} | {
    "I": 0.01,
    "V": 0.01,
    "P": 1,
    "S": 1,
    "F": 0.025,
}


@dataclass(frozen=True)
class Measured:
    """A small run, its written values, and the stored ones by database and policy."""

    span: Span
    written: list[Round]
    stored: dict[str, Stored]
    rows: dict[tuple[str, str], list[Row]]
    directory: Path


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """One run for all tests; its stored values are read after it."""
    directory = tmp_path_factory.mktemp("sizes")
    span = Span(int(time.time()) // DAY * DAY, SECONDS, 1.0)
    stored = measure(directory, span, runs=1)
    with InfluxDB(directory / "influxdb") as server:
        rows = {
            (db, policy): server.query(f"SELECT * FROM {policy}.dc", db)
            for db in stored
            for policy in stored[db].sizes
        }
    written = list(rounds(span.first, SECONDS, interval=1.0))
    return Measured(span, written, stored, rows, directory)


def _values(rows: list[Row]) -> list[tuple[int, str, float]]:
    return sorted(
        (row["time"], field, value)
        for row in rows
        for field, value in row.items()
        if field != "time" and value is not None
    )


def test_the_written_values_are_measured(measured: Measured) -> None:
    """Each value once, by arrival in a separate row, by tick in the row of its round."""
    arrived = sorted(tuple(each) for one in measured.written for each in one.answers)
    shared = sorted((one.start_ns, *each[1:]) for one in measured.written for each in one.answers)
    for policy in ("raw", "weekly"):
        assert _values(measured.rows["arrival", policy]) == arrived
        assert _values(measured.rows["tick", policy]) == shared
    arrival, tick = measured.stored["arrival"], measured.stored["tick"]
    assert arrival.values == tick.values == len(arrived)
    assert arrival.rows == len(measured.rows["arrival", "raw"]) == len(arrived)
    assert tick.rows == len(measured.rows["tick", "raw"]) == len(measured.written)


def test_fields_are_multiplied_if_they_share_a_row(measured: Measured) -> None:
    """By arrival each has a separate row, and there is no product."""
    assert measured.stored["tick"].answers[PRODUCT].filled == len(measured.written)
    by_arrival = measured.stored["arrival"].answers[PRODUCT]
    assert (by_arrival.rows, by_arrival.filled) == (2 * len(measured.written), 0)


def test_downsampled_values_do_not_depend_on_the_timestamps(measured: Measured) -> None:
    """An answer comes within the second of its tick."""
    for grain in GRAINS:
        one, two = (_values(measured.rows[db, grain.policy]) for db in ("arrival", "tick"))
        assert [each[:2] for each in one] == [each[:2] for each in two]
        assert all(math.isclose(a[2], b[2]) for a, b in zip(one, two, strict=True))
        assert len(one) == math.ceil(SECONDS / grain.seconds) * len(FIELDS) * 3


def test_sizes_are_those_of_the_files(measured: Measured) -> None:
    """All files of a database are counted once; shared timestamps take less space."""
    server = InfluxDB(measured.directory / "influxdb")  # need not run
    for db, stored in measured.stored.items():
        total = sum(size.growing for size in stored.sizes.values()) + stored.sizes["raw"].series
        assert total == used(server.directory / "data" / db, server.directory / "wal" / db)
        assert stored.sizes["raw"] == influxdb_size(server, db, "raw")
        assert all(size.values and not size.wal for size in stored.sizes.values())
        kept = used(measured.directory / f"victoria-{db}" / "data" / "data")
        assert stored.victoria.values == kept > 0
    arrival, tick = (measured.stored[each].sizes["raw"].values for each in ("arrival", "tick"))
    assert arrival > 1.5 * tick


def test_the_tables_have_the_sizes_of_a_day_and_a_year(measured: Measured) -> None:
    """Both stampings, their ratio, and each policy."""
    lines = list(sizes.tables(measured.span, measured.stored))
    text = "\n".join(lines)
    raw = [measured.stored[each].sizes["raw"].growing for each in ("arrival", "tick")]
    day = [f"{each * DAY / SECONDS / 1e6:.3f}" for each in raw]
    year = [f"{each * DAY / SECONDS * 365 / 1e6:,.1f}" for each in raw]
    ratio = f"{raw[0] / raw[1]:.2f}"
    found = [line.split()[1:] for line in lines if line.startswith("raw  ")]
    assert found == [[*day, ratio], [*year, ratio]], text
    values = f"{measured.stored['tick'].values:,}"
    assert lines[1].split() == ["values", values, values, "1.00"], text
    assert sum(line.startswith(("minutes", "hours")) for line in lines) == 4, text


def test_the_house_has_values_like_a_device() -> None:
    """Always the same days, with a Multi's steps, each answer in the second of its round."""
    first = 1_700_000_000
    days = list(rounds(first, 1500, interval=1.0))
    assert days == list(rounds(first, 1500, interval=1.0))
    assert days != list(rounds(first, 1500, interval=1.0, seed=2))
    assert 1490 < len(days) <= 1500
    assert len({one.start_ns for one in days}) == len(days)
    for start_ns, answers in days:
        assert {answer.field for answer in answers} >= FIELDS - {"Soc"}
        assert all(start_ns < answer.arrival_ns < start_ns + NS for answer in answers)
        for answer in answers:
            steps = answer.value / STEPS[answer.field]
            assert math.isclose(steps, round(steps), abs_tol=1e-6), answer
    with_soc = sum(any(answer.field == "Soc" for answer in one.answers) for one in days)
    assert 145 <= with_soc <= 151
