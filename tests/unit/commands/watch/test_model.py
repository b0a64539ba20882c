"""The model of `bat2influx watch`: values, ages, graphs, and facts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.watch.model import (
    COLUMNS,
    MAX_GRAPHS,
    History,
    Values,
    column_of,
    field_of,
)
from bat2influx.config.settings import Battery
from bat2influx.device.plan import Plan
from bat2influx.reading import Origin, Reading
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS

P = "c0619ab1c2d3"
BATTERY = Battery(
    name="",
    address="venus.local",
    port=1883,
    user="bat2influx",
    password="",
    serial=P,
    instance=275,
    interval=1.0,
    soc_interval=10.0,
    fields=DEFAULT_FIELDS,
    tls=None,
)
NOTIFY = BATTERY._replace(mode="notify")


def reading(field: str, value: float, instance: int = 275) -> Reading:
    """Return a reading of vebus."""
    return Reading(0, "", field, value, Origin(P, "vebus", instance))


# Histories


def test_a_column_is_the_mean_of_its_values() -> None:
    """Newest at the right; a value is repeated while it is valid, and then there is none."""
    history = History(3.0)
    for second, value in ((0, 1.0), (1, 2.0), (2, 6.0), (3, 4.0)):
        history.add(second, value)
    assert history.columns(20.0, 8, lasts=6.0) == [None, 3.0, 4.0, 4.0, 4.0, None, None, None]
    assert history.columns(5.0, 2, lasts=6.0) == [3.0, 4.0]
    assert history.range(20.0, 8) == (1.0, 6.0)
    assert history.range(20.0, 5) is None


@given(
    moments=st.lists(st.tuples(st.floats(0, 50), st.floats(-1e6, 1e6)), max_size=60),
    count=st.integers(1, 200),
    lasts=st.floats(0, 1000) | st.just(math.inf),
)
def test_columns_are_within_the_range_of_the_values(
    moments: list[tuple[float, float]], count: int, lasts: float
) -> None:
    """As many as requested, and none outside of the range."""
    history, now = History(3.0), 100.0
    for pause, value in moments:
        now += pause
        history.add(now, value)
    columns = history.columns(now, count, lasts)
    there = [value for value in columns if value is not None]
    assert len(columns) == count
    assert (columns[-1] is not None) is bool(moments)
    values = [value for _, value in moments] or [0.0]
    assert all(min(values) - 1e-6 <= value <= max(values) + 1e-6 for value in there)


def test_a_history_has_a_bound() -> None:
    """A terminal that is wider than that has an empty rest."""
    history = History(1.0)
    for second in range(3 * COLUMNS):
        history.add(second, float(second))
    columns = history.columns(3 * COLUMNS - 1, 2 * COLUMNS, lasts=math.inf)
    assert columns[:COLUMNS] == [None] * COLUMNS
    assert None not in columns[COLUMNS:]


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([52.6, 52.61], 2),
        ([426.0, 8.0], 0),
        ([230.43, 231.0], 1),
        ([3.3214], 3),
        ([9.0], 0),
        ([-12.3999999], 1),
    ],
)
def test_decimals_fit_the_size_and_stay(values: list[float], decimals: int) -> None:
    """As many as one of the values needs, and fewer for large ones."""
    history = History()
    for second, value in enumerate(values):
        history.add(second, value)
    assert history.decimals == decimals


# Values


def shown(
    values: Values, labels: Sequence[str], now: float, *, answers: bool = True
) -> dict[str, tuple[float | None, str, bool]]:
    """Return value, unit and whether it is stale, by name."""
    rows = values.rows(labels, {}, now, answers=answers)
    return {row.name: (row.value, row.unit, row.stale) for row in rows}


def test_a_value_is_stale_after_three_intervals() -> None:
    """And not before 5 s; the state of charge has its own interval."""
    values = Values(BATTERY)
    values.take([reading("Voltage", 52.6), reading("Soc", 88.9)], ["Voltage", "Soc"], 0.0)
    labels = ["Voltage", "Soc", "Power"]
    assert shown(values, labels, 5.0) == {
        "Voltage": (52.6, "V", False),
        "Soc": (88.9, "%", False),
        "Power": (None, "W", False),
    }
    assert shown(values, labels, 5.1)["Voltage"] == (52.6, "V", True)
    assert not shown(values, labels, 30.0)["Soc"][2]
    assert shown(values, labels, 30.1)["Soc"][2]
    slow = Values(BATTERY._replace(interval=30.0))
    slow.take([reading("Voltage", 52.6)], labels, 0.0)
    assert not shown(slow, labels, 90.0)["Voltage"][2]


def test_values_of_notifications_do_not_get_stale() -> None:
    """Unchanged values are not published; but they do while the device does not respond."""
    values = Values(NOTIFY)
    values.take([reading("Voltage", 52.6)], ["Voltage"], 0.0)
    assert not shown(values, ["Voltage"], 3600.0)["Voltage"][2]
    assert shown(values, ["Voltage"], 3600.0, answers=False)["Voltage"][2]


def test_values_of_a_device_that_does_not_respond_are_stale() -> None:
    """Also those that are read seldom."""
    values = Values(BATTERY)
    values.take([reading("Soc", 88.9)], ["Soc"], 0.0)
    assert shown(values, ["Soc"], 6.0, answers=False)["Soc"][2]


@pytest.mark.parametrize("instances", ["tag", "name"])
def test_each_of_several_instances_has_its_row(instances: str) -> None:
    """With its unit, under the name that the daemon shows it by."""
    battery = BATTERY._replace(instance=None, instances=instances)
    plan = Plan(P, battery.fields, {"vebus": (275, 276)}, instances_of=battery.instances_of)
    values, labels = Values(battery), list(plan.series)
    values.take(
        [
            Reading(0, "", series.field, float(series.origin.instance or 0), series.origin)
            for series in plan.series.values()
        ],
        labels,
        0.0,
    )
    mark = "/" if instances == "tag" else "_"
    found = shown(values, labels, 0.0)
    assert found[f"Voltage{mark}275"] == (275.0, "V", False)
    assert found[f"F{mark}276"] == (276.0, "Hz", False)
    assert len(found) == 2 * len(DEFAULT_FIELDS)


def test_a_label_is_that_of_the_field_with_its_name() -> None:
    """Even where another field's name begins like it."""
    fields = (Field("V", "vebus", None, "Ac/V"), Field("V_1", "grid", None, "Ac/Power"))
    assert field_of("V_1", fields) == fields[1]
    assert field_of("V_2", fields) == fields[0]
    assert field_of("V/275 (vebus/275/Ac/V)", fields) == fields[0]
    assert field_of("W", fields) is None


def test_a_column_has_a_value_of_each_device() -> None:
    """However seldom one is read."""
    assert column_of([BATTERY]) == 3.0
    assert column_of([BATTERY, BATTERY._replace(interval=30.0)]) == 30.0


def test_so_many_values_have_a_graph_and_the_others_their_latest_one() -> None:
    """A device may have a thousand services, each with a row."""
    values, labels = Values(BATTERY), [f"Soc/{number}" for number in range(MAX_GRAPHS + 1)]
    for now in (0.0, 3.0):
        values.take([reading("Soc", now, n) for n in range(len(labels))], labels, now)
    rows = values.rows(labels, {}, 3.0, answers=True)
    assert {row.value for row in rows} == {3.0}
    first, *_, last = rows
    assert first.history.columns(3.0, 2, math.inf) == [0.0, 3.0]
    assert last.history.columns(3.0, 2, math.inf) == [None, 3.0]


def test_fields_that_a_device_no_longer_has_are_forgotten() -> None:
    """If there are many: alternating instances would be kept for ever, each with a row."""
    values = Values(BATTERY)
    for turn in range(5 * MAX_GRAPHS):
        label = f"Soc/{turn}"
        values.take([reading("Soc", float(turn), turn)], [label], float(turn))
        values.rows([label], {}, float(turn), answers=True)
        assert len(values._histories) <= MAX_GRAPHS + 1
        assert len(values._fields) <= MAX_GRAPHS + 1
    assert shown(values, [label], float(turn))[label][0] == float(turn)
