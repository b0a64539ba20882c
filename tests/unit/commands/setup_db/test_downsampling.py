"""What is downsampled, over which spans, by which statements."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    HOURS,
    LEAST_DOWNSAMPLED,
    MINUTES,
    SPAN,
    ClashError,
    Grain,
    RawMeasurement,
    columns,
    continuous_query,
    counts_up,
    difference,
    fill,
)
from bat2influx.venus.protocol import Field, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

SOURCE = RawMeasurement("battery", "raw", "dc")
VOLTAGE = columns([parse_field("Voltage", "vebus/Dc/0/Voltage")])


@pytest.mark.parametrize(
    ("path", "counter"),
    [
        ("grid/30/Ac/Energy/Forward", True),
        ("grid/30/Ac/L1/Energy/Reverse", True),
        ("vebus/275/Energy/AcIn1ToAcOut", True),
        ("solarcharger/288/Yield/User", True),
        ("battery/512/History/ChargeCycles", True),
        ("solarcharger/288/Yield/Power", False),
        ("vebus/Dc/0/Voltage", False),
        ("system/Dc/Battery/ConsumedAmphours", False),
    ],
)
def test_energy_yield_and_history_count_up(path: str, counter: bool) -> None:
    """The power of a charger stands beside its yield and is none."""
    assert counts_up(parse_field("X", path)) is counter


def test_a_field_has_mean_min_and_max_and_a_counter_its_last_value() -> None:
    """The mean, like the last value, under the field's own name."""
    made = columns([DEFAULT_FIELDS[0], parse_field("Pv", "solarcharger/288/Yield/User")])
    assert [str(column) for column in made] == [
        'mean("Voltage") AS "Voltage"',
        'min("Voltage") AS "Voltage_min"',
        'max("Voltage") AS "Voltage_max"',
        'last("Pv") AS "Pv"',
    ]


def test_a_name_that_is_taken_is_an_error() -> None:
    """By a field or by a tag; a counter has no second name."""
    low = parse_field("Voltage_min", "battery/512/System/MinCellVoltage")
    with pytest.raises(ClashError, match=r"\[Fields\]: Voltage_min .* min of Voltage"):
        columns([*DEFAULT_FIELDS, low])
    with pytest.raises(ClashError, match=r"\[Influx\] tags: Voltage_max "):
        columns(DEFAULT_FIELDS, ["Voltage_max"])
    yields = [Field(name, "grid", 30, "Ac/Energy/Forward") for name in ("E", "E_min")]
    assert [column.name for column in columns(yields)] == ["E", "E_min"]


@given(st.sampled_from(GRAINS), st.integers(0, 2**31), st.integers(-SPAN, 9 * SPAN))
def test_the_spans_join_and_end_before_the_interval_under_way(
    grain: Grain, first: int, length: int
) -> None:
    """Each interval once, from that of the first value to the last whole one."""
    end = first + length
    spans = []
    for statement in fill(grain, SOURCE, VOLTAGE, first, end):
        times = re.findall(r"'([0-9TZ:-]+)'", statement.text)
        spans.append([int(datetime.fromisoformat(each).timestamp()) for each in times])
    edges = [first // grain.seconds * grain.seconds, *(until for _, until in spans)]
    assert [start for start, _ in spans] == edges[:-1]
    assert all(0 < until - start <= SPAN for start, until in spans)
    assert edges[-1] == max(end // grain.seconds * grain.seconds, edges[0])


def test_no_query_looks_back_further_than_its_policy_keeps() -> None:
    """Otherwise the server would reject the values."""
    assert all(run.back < LEAST_DOWNSAMPLED for grain in GRAINS for run in grain.runs)


def test_differences_are_named() -> None:
    """New fields and old ones; for other differences only that there is one."""
    _, one = continuous_query(MINUTES, MINUTES.runs[0], SOURCE, VOLTAGE)
    _, two = continuous_query(MINUTES, MINUTES.runs[0], SOURCE, VOLTAGE[:2])
    _, late = continuous_query(MINUTES, MINUTES.runs[1], SOURCE, VOLTAGE)
    assert difference(two.text, one.text) == "lacks Voltage_max"
    assert difference(one.text, two.text) == "has Voltage_max too"
    assert difference(late.text, one.text) == "is a different one"
    assert difference(one.text, one.text.replace("60s", "1m")) == ""


def test_an_hour_is_computed_from_raw_values() -> None:
    """A mean of means would give a minute with one value the weight of one with sixty."""
    assert (
        ' FROM "battery"."raw"."dc" '
        in continuous_query(HOURS, HOURS.runs[0], SOURCE, VOLTAGE)[1].text
    )
