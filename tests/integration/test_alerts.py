"""Each alert rule at both sides of its threshold, with InfluxDB 1 and VictoriaMetrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from dashboards import alerts
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.support.grafana_alerts import Ask, by_influxql, by_metricsql, evaluate

NOW = 1_780_000_037  # s since 1970
NS = 10**9
MINUTE, HOUR, DAY = 60, 3600, 86_400
HERE = frozenset[tuple[str, str]]()
Points = list[tuple[str, str, float, int]]  # measurement with tags, field, value, s before NOW


def _each(
    where: str, field: str, value: float, back: int, until: int = 0, step: int = 10
) -> Points:
    """Return a value every `step` s from `back` to `until` s before now."""
    return [(where, field, value, at) for at in range(back, until, -step)]


@dataclass(frozen=True)
class Case:
    """The stored values, and the series that fire; None stands for no data."""

    rule: str
    name: str
    points: Points
    fires: dict[str, bool] | None  # by site, '' for none


def _sites(**by_site: Points) -> Points:
    return [
        (f"{where},site={site}", *rest)  # type: ignore[misc]
        for site, points in by_site.items()
        for where, *rest in points
    ]


MAINS = _each("dc", "F", 50.0, HOUR)
VOLTS = _each("dc", "Voltage", 52.1, HOUR)
LOST = [("itself", "rejected_dropped", 0.0, at) for at in range(2 * HOUR, 0, -10)]
CASES = [
    Case("battery-low", "above", _each("dc", "Soc", 20.0, HOUR), {"": False}),
    Case("battery-low", "below", _each("dc", "Soc", 19.5, HOUR), {"": True}),
    Case(
        "battery-low",
        "recovered",
        [*_each("dc", "Soc", 9.0, HOUR, 100), ("dc", "Soc", 21.0, 5)],
        {"": False},
    ),
    Case(
        "battery-low",
        "two",
        _sites(home=_each("dc", "Soc", 50.0, 60), boat=_each("dc", "Soc", 5.0, 60)),
        {"home": False, "boat": True},
    ),
    Case("battery-low", "nothing", _each("dc", "Soc", 5.0, HOUR, 20 * MINUTE), None),
    Case("no-values", "just", _each("dc", "Voltage", 52.0, HOUR, 290), {"": False}),
    Case("no-values", "late", _each("dc", "Voltage", 52.0, HOUR, 361), {"": True}),
    Case(
        "no-values",
        "two",
        _sites(home=VOLTS, boat=_each("dc", "Voltage", 52.0, 10 * HOUR, 8 * HOUR)),
        {"home": False, "boat": True},
    ),
    Case("no-values", "nothing", _each("dc", "Voltage", 52.0, 26 * HOUR, 25 * HOUR), None),
    Case("spool", "half", _each("itself", "spool_used", 0.5, HOUR), {"": False}),
    Case("spool", "over", _each("itself", "spool_used", 0.51, HOUR), {"": True}),
    Case("spool", "nothing", [], None),
    Case("dropped", "none", [*_each("itself", "dropped", 7.0, 2 * HOUR), *LOST], {"": False}),
    Case(
        "dropped",
        "some",
        [
            *_each("itself", "dropped", 7.0, 2 * HOUR, 1_000),
            *_each("itself", "dropped", 9.0, 1_000),
            *LOST,
        ],
        {"": True},
    ),
    Case(
        "dropped",
        "earlier",
        [
            *_each("itself", "dropped", 7.0, 3 * HOUR, 5_000),
            *_each("itself", "dropped", 9.0, 5_000),
            *LOST,
        ],
        {"": False},
    ),
    Case(
        "dropped",
        "restarted",
        [
            *_each("itself", "dropped", 7.0, 2 * HOUR, 1_000),
            *_each("itself", "dropped", 0.0, 1_000),
            *LOST,
        ],
        {"": False},
    ),
    Case(
        "dropped",
        "rejected ones",
        [
            *_each("itself", "dropped", 0.0, 2 * HOUR),
            *LOST[:-30],
            *_each("itself", "rejected_dropped", 1.0, 300),
        ],
        {"": True},
    ),
    Case("dropped", "nothing", [], None),
    Case("mains-lost", "there", [*MAINS, *VOLTS], {"": False}),
    Case("mains-lost", "null", [*_each("dc", "F", 50.0, HOUR, 300), *VOLTS], {"": True}),
    Case(
        "mains-lost",
        "zero",
        [*_each("dc", "F", 50.0, HOUR, 300), *_each("dc", "F", 0.0, 300), *VOLTS],
        {"": True},
    ),
    Case("mains-lost", "for hours", [*_each("dc", "F", 50.0, DAY, DAY - 600), *VOLTS], {"": True}),
    Case("mains-lost", "slow", [*_each("dc", "F", 46.9, HOUR), *VOLTS], {"": True}),
    Case("mains-lost", "60 Hz", [*_each("dc", "F", 60.1, HOUR), *VOLTS], {"": False}),
    Case("mains-lost", "two", _sites(home=[*MAINS, *VOLTS], boat=VOLTS), {"home": False}),
    Case("mains-lost", "never any", VOLTS, None),
    Case("mains-lost", "nothing", _each("dc", "F", 50.0, 2 * HOUR, HOUR), None),
    Case(
        "cells",
        "near",
        [
            *_each("dc", "BatteryMaxCellVoltage", 3.45, HOUR),
            *_each("dc", "BatteryMinCellVoltage", 3.31, HOUR),
        ],
        {"": False},
    ),
    Case(
        "cells",
        "apart",
        [
            *_each("dc", "BatteryMaxCellVoltage", 3.45, HOUR),
            *_each("dc", "BatteryMinCellVoltage", 3.29, HOUR),
        ],
        {"": True},
    ),
    Case("cells", "nothing", VOLTS, None),
]


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Ask]]]:
    """A function that queries each kind of database, by the names of cases."""
    directory = tmp_path_factory.mktemp("alerts")
    with ExitStack() as stack:
        influxdb = stack.enter_context(InfluxDB(directory / "influxdb"))
        victoria = stack.enter_context(VictoriaMetrics(directory / "victoria"))
        made: dict[str, dict[str, Ask]] = {alerts.INFLUXDB: {}, alerts.PROMETHEUS: {}}
        for case in CASES:
            db = f"{case.rule} {case.name}"
            influxdb.query(f'CREATE DATABASE "{db}"')
            lines = "\n".join(
                f"{where} {field}={value!r} {(NOW - back) * NS}"
                for where, field, value, back in case.points
            )
            if lines:
                influxdb.write(lines, db)
                victoria.write(lines, db)
            made[alerts.INFLUXDB][db] = by_influxql(influxdb, db, NOW)
            made[alerts.PROMETHEUS][db] = by_metricsql(victoria, db, NOW)
        victoria.flush()
        yield made


@pytest.mark.parametrize("uid", alerts.NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}, {case.name}")
def test_a_rule_fires_on_one_side_of_its_threshold(
    asks: dict[str, dict[str, Ask]], uid: str, case: Case
) -> None:
    """For that site alone; without data, the rule's state for no data applies."""
    rules = alerts.group(uid)["rules"]
    rule = next(each for each in rules if each["uid"].startswith(f"bat2influx-{case.rule}"))
    found = evaluate(rule, asks[uid][f"{case.rule} {case.name}"])
    sites = {dict(labels).get("site", ""): fires for labels, fires in found.items()}
    assert sites == (case.fires or {})


def test_every_rule_has_its_cases() -> None:
    """One that fires, one that does not, and one without data."""
    for rule in alerts.group(alerts.INFLUXDB)["rules"]:
        own = [each for each in CASES if rule["uid"] == f"bat2influx-{each.rule}"]
        seen = [fires for each in own for fires in (each.fires or {}).values()]
        assert {True, False} == {*seen}
        assert any(each.fires is None for each in own)
