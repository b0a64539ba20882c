"""How Grafana evaluates an alert rule: query, reduce, calculate, compare with a threshold.

Rules: a rule is the content of its file. Labels identify a series; empty labels are left out.
Reducers drop what is no number (dropNN). A calculation pairs series with the same labels, and
leaves out a series without a partner.

Source: Grafana, pkg/expr (reduce.go, threshold.go, mathexp) and pkg/services/ngalert/eval.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics

Json = dict[str, Any]
Labels = frozenset[tuple[str, str]]
Series = dict[Labels, list[float]]
Numbers = dict[Labels, float]
Ask = Callable[[Json, Json], Series]  # the model of a query, and its relativeTimeRange

_REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "last": lambda values: values[-1],
    "sum": sum,
}
_NAME = re.compile(r"\$(\w+)")


def by_influxql(server: InfluxDB, db: str, now: int) -> Ask:
    """Return a function that queries an InfluxDB at `now`, in s since 1970."""

    def ask(model: Json, span: Json) -> Series:
        start, end = now - span["from"], now - span["to"]
        query = model["query"].replace("$timeFilter", f"time >= {start}s and time <= {end}s")
        asked = {"db": db, "q": query, "epoch": "ms"}
        result = json.loads(server.ask("/query", asked))["results"][0]
        assert "error" not in result, (query, result)
        found: Series = {}
        for each in result.get("series", []):
            assert len(each["columns"]) == 2, "two columns of one series have the same labels"
            values = [row[1] for row in each["values"] if row[1] is not None]
            found[_labels(each.get("tags", {}))] = values
        return found

    return ask


def by_metricsql(server: VictoriaMetrics, db: str, now: int) -> Ask:
    """Return a function that queries a VictoriaMetrics at `now`, in s since 1970, for a db."""

    def ask(model: Json, _: Json) -> Series:
        assert (model["instant"], model["range"]) == (True, False)
        asked = {"query": model["expr"], "time": str(now), "extra_label": f"db={db}"}
        answer = json.loads(server.ask("/api/v1/query", asked))
        results = answer["data"]["result"]
        found = {_labels(each["metric"]): [float(each["value"][1])] for each in results}
        assert len(found) == len(results), "two series have the same labels"
        return found

    return ask


def evaluate(rule: Json, ask: Ask) -> dict[Labels, bool]:
    """Return which series of a rule fire, by their labels; none where there is no data."""
    series: dict[str, Series] = {}
    numbers: dict[str, Numbers] = {}
    for node in rule["data"]:
        ref, model = node["refId"], node["model"]
        if node["datasourceUid"] != "__expr__":
            series[ref] = ask(model, node["relativeTimeRange"])
        elif model["type"] == "reduce":
            assert model["settings"] == {"mode": "dropNN"}
            reducer = _REDUCERS[model["reducer"]]
            of = series[model["expression"]]
            numbers[ref] = {labels: reducer(values) for labels, values in of.items() if values}
        elif model["type"] == "math":
            numbers[ref] = _calculated(model["expression"], numbers)
        else:
            assert (model["type"], ref) == ("threshold", rule["condition"])
            (condition,) = model["conditions"]
            of_ = numbers[model["expression"]]
            return {k: _fires(condition["evaluator"], value) for k, value in of_.items()}
    raise AssertionError(f"{rule['uid']} has no condition")


def _labels(found: Mapping[str, str]) -> Labels:
    own = {name: value for name, value in found.items() if value and name not in ("__name__", "db")}
    return frozenset(own.items())


def _calculated(expression: str, numbers: Mapping[str, Numbers]) -> Numbers:
    names = _NAME.findall(expression)
    shared = set.intersection(*({*numbers[name]} for name in names))
    python = _NAME.sub(r"\1", expression)
    return {
        labels: float(eval(python, {}, {name: numbers[name][labels] for name in names}))
        for labels in shared
    }


def _fires(evaluator: Json, value: float) -> bool:
    kind, params = evaluator["type"], evaluator["params"]
    if kind == "outside_range":
        return bool(value < params[0] or value > params[1])
    return bool({"lt": value < params[0], "gt": value > params[0]}[kind])
