"""Every query of the dashboards, asked as Grafana asks it, of a database as the daemon fills it.

Rules: what there is to read is made once, by tests/support/grafana_filled.py; the tests only read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bat2influx.influx.influxql import HOUR
from tests.support.grafana import (
    DASHBOARDS,
    Json,
    View,
    chosen,
    columns,
    load,
    of_downsampled_alone,
    options,
    targets,
    variables,
)
from tests.support.grafana_filled import EVERY, GAP, POWER, SITES, Filled, filled_in

POLICIES = {"battery": ["raw", "minutes", "hours"], "daemon": ["raw"]}
TARGETS = [
    pytest.param(name, panel, target, id=f"{name}-{panel['id']}{target['refId']}")
    for name in DASHBOARDS
    for panel, target in targets(load(name))
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """One database for all tests."""
    with filled_in(tmp_path_factory.mktemp("grafana")) as made:
        yield made


def _opened(filled: Filled, name: str, policy: str) -> View:
    """Return a dashboard as it is when it is opened, with a policy."""
    dashboard = load(name)
    hours = dashboard["time"]["from"].removeprefix("now-").removesuffix("h")
    start = filled.end - int(hours) * HOUR
    return View(dashboard, start * 1000, filled.end * 1000, chosen(dashboard, policy=policy))


def _all(filled: Filled, policy: str, **others: str) -> View:
    """Return the dashboard of the battery, over all that there is."""
    dashboard = load("battery")
    values = chosen(dashboard, policy=policy, **others)
    return View(dashboard, filled.first * 1000, filled.end * 1000, values)


def _graph(view: View, title: str) -> tuple[Json, Json]:
    """Return a graph and its first query."""
    return next(
        (panel, target)
        for panel, target in targets(view.dashboard)
        if panel["type"] == "timeseries" and panel["title"] == title
    )


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_variable_offers_what_is_there(filled: Filled, name: str) -> None:
    """The policies with that of the raw values first, and no site where there is none."""
    view = _opened(filled, name, "")
    found = {
        each["name"]: options(each, filled.ask(view.query({}, each)))
        for each in variables(view.dashboard).values()
        if each["type"] == "query"
    }
    assert found.pop("policy") == POLICIES[name]
    assert found in ({}, {"site": []})


@pytest.mark.parametrize(("name", "panel", "target"), TARGETS)
def test_a_query_finds_data(filled: Filled, name: str, panel: Json, target: Json) -> None:
    """In each series that it promises, by each policy that the dashboard offers."""
    for policy in POLICIES[name]:
        shown = filled.shown(_opened(filled, name, policy), panel, target)
        if policy == "raw" and of_downsampled_alone(target):
            assert shown == {}
            continue
        assert [*shown] == [f"{column} " for column in columns(target)], policy
        for column, values in shown.items():
            assert values, (policy, column)


def test_a_query_for_a_field_of_another_name_finds_none(filled: Filled) -> None:
    """So that the test above can fail."""
    for name, field in (("battery", "Power"), ("daemon", "stored")):
        for panel, target in targets(load(name)):
            if f'"{field}"' in target["query"]:
                query = target["query"].replace(f'"{field}"', f'"{field}s"')
                view = _opened(filled, name, POLICIES[name][-1])
                assert not any(filled.shown(view, panel, {**target, "query": query}).values())


def test_the_band_is_around_the_mean(filled: Filled) -> None:
    """And filled from the one series to the other, by the name that this has in the end."""
    view = _all(filled, "minutes")
    panel, mean = _graph(view, "Battery power")
    band = filled.shown(view, panel, panel["targets"][1])
    below = next(
        each["value"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "custom.fillBelowTo"
    )
    assert [*band] == ["power max ", below]
    most, least = (dict(values) for values in band.values())
    means = dict(filled.shown(view, panel, mean)["power "])
    assert means.keys() == most.keys() == least.keys()
    assert all(least[at] <= value <= most[at] for at, value in means.items())


def _energy(powers: list[tuple[float, float]], start: float, end: float, sign: int) -> float:
    """Return the integral of a power where it has this sign, in kWh.

    The query halves P + abs(P) for that. With WHERE P > 0 its integral would go in a straight line
    over the hours in which P has the other sign, and count them too.
    """
    total = 0.0
    for (t1, w1), (t2, w2) in pairwise(powers):
        if start <= t1 and t2 <= end:
            total += (max(sign * w1, 0.0) + max(sign * w2, 0.0)) / 2.0 * (t2 - t1)
    return total / 3_600_000.0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("policy", POLICIES["battery"])
def test_energies_are_the_integrals_of_a_day(filled: Filled, policy: str, zone: str) -> None:
    """Of yesterday in the time zone; with hours the difference of the two is right, at least."""
    view = _all(filled, policy, zone=zone)
    today = datetime.fromtimestamp(filled.end, ZoneInfo(zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    start, end = ((today - timedelta(days=n)).astimezone(UTC).timestamp() for n in (1, 0))
    for title, field in (
        ("Energy of the battery per day", "Power"),
        ("Energy from and to the mains per day", "P"),
    ):
        shown = filled.shown(view, *_graph(view, title))
        plus, minus = (dict(values)[int(start * 1000)] for values in shown.values())
        wanted = [_energy(filled.powers[field], start, end, sign) for sign in (1, -1)]
        assert min(wanted) > 0.1, wanted
        if policy == "hours":
            assert plus - minus == pytest.approx(wanted[0] - wanted[1], abs=0.1 * max(wanted))
        else:
            assert [plus, minus] == pytest.approx(wanted, rel=0.03, abs=0.05)


@pytest.mark.parametrize("policy", POLICIES["battery"])
def test_a_gap_is_seen(filled: Filled, policy: str) -> None:
    """Nothing is covered in it and nearly all around it, and its length is what it was."""
    view = _all(filled, policy)
    panel, target = _graph(view, "Share of the time with values")
    shares = dict(filled.shown(view, panel, target)["covered "])
    assert view.interval(panel) == HOUR * 1000
    hours = [(filled.first + number * HOUR) * 1000 for number in range(24)]
    without = [at for at in hours[1:] if shares[at] < 0.5]
    assert without == [(filled.first + at) * 1000 for at in range(*GAP, HOUR)]
    assert all(shares[at] > 0.9 for at in hours[1:] if at not in without)
    panel, target = _graph(view, "Longest time without a value")
    longest = max(value for _, value in filled.shown(view, panel, target)["without "])
    step = {"raw": EVERY, "minutes": 60, "hours": HOUR}[policy]
    assert GAP[1] - GAP[0] <= longest <= GAP[1] - GAP[0] + 3 * step


def test_a_value_holds_until_the_next_where_that_is_chosen(filled: Filled) -> None:
    """As it does with mode = notify; otherwise there is a gap between two hours."""
    view = _opened(filled, "battery", "hours")
    held = replace(view, values={**view.values, "fill": "previous"})
    gaps, none = (
        len(filled.shown(each, *_graph(each, "Battery power"))["power "]) for each in (view, held)
    )
    assert gaps <= 25
    assert none > 10 * gaps


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        (["$__all"], ["boat", "home"]),
        (["boat"], ["boat"]),
        (["boat", "home"], ["boat", "home"]),
        (["ome"], []),
    ],
    ids=["all", "one", "both", "a part of a name"],
)
def test_of_several_sites_each_is_a_series(
    filled: Filled, sites: list[str], expected: list[str]
) -> None:
    """All of them, or those that are chosen; and the variable offers them."""
    dashboard = load("battery")
    values = chosen(dashboard, policy="raw", measurement=SITES, site=sites)
    view = View(dashboard, filled.first * 1000, filled.end * 1000, values)
    site = variables(dashboard)["site"]
    assert options(site, filled.ask(view.query({}, site))) == ["boat", "home"]
    shown = filled.shown(view, *_graph(view, "Battery power"))
    assert {name: each[-1][1] for name, each in shown.items()} == {
        f"power {name}": POWER[name] for name in expected
    }
    energies = filled.shown(view, *_graph(view, "Energy of the battery per day"))
    assert {name.split()[-1] for name in energies} == {*expected}
