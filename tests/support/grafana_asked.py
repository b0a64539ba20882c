"""A dashboard's queries, asked of real databases as Grafana's server asks them.

Rules: nothing is written. Two series with one name are an error (tests/support/grafana.py), and so
is a missing or failed answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.grafana import (
    INFLUXDB,
    PROMETHEUS,
    Json,
    Shown,
    View,
    chosen,
    fill_in,
    load,
    offered,
    options,
    prometheus_series,
    series,
    variables,
)
from tests.support.household_filled import DB, Filled

_LABELS = re.compile(r"label_values\((.+), (\w+)\)")


@dataclass(frozen=True)
class Asked:
    """One of the two databases that are filled with the same values."""

    filled: Filled
    kind: str

    def view(self, name: str, seconds: int, *, zone: str = "UTC", **others: str) -> View:
        """Return a dashboard of the last so many seconds, with the variables that it queries."""
        dashboard = load(name, self.kind)
        values = dict(chosen(dashboard, **others))
        for each in variables(dashboard).values():
            if each["type"] == "query" and each["name"] not in values:
                found = self.offered(dashboard, each["name"], **values)
                values[each["name"]] = next(iter(found), "")
        end = self.filled.end * 1000
        return View(dashboard, end - seconds * 1000, end, values, zone)

    def offered(self, dashboard: Json, name: str, **others: str) -> list[str]:
        """Return the choices of a variable of type query, with these values of others."""
        variable = variables(dashboard)[name]
        values = {"site": "", **chosen(dashboard, **others)}
        if self.kind == INFLUXDB:
            return options(variable, self._influxql(fill_in(variable["query"], values, {}, "raw")))
        asked = _LABELS.fullmatch(fill_in(variable["query"]["query"], values, {}, "raw"))
        assert asked is not None
        span = {"start": str(self.filled.first), "end": str(self.filled.end)}
        answer = self._metrics(f"/api/v1/label/{asked[2]}/values", {"match[]": asked[1], **span})
        return offered(variable, answer["data"])

    def shown(self, view: View, panel: Json, target: Json) -> Shown:
        """Return what a panel shows of one of its queries; for a table, the rows by their tags."""
        query = view.query(panel, target)
        if self.kind == INFLUXDB:
            return series(target, self._influxql(query))
        if target["instant"]:
            at = {"query": query, "time": str(view.end / 1000)}
            return prometheus_series(target, self._metrics("/api/v1/query", at))
        step = view.interval(panel) // 1000
        # Whole days begin with those of the zone, which Grafana sees to.
        late = view.offset if step >= 86_400 else 0
        start = (view.start // 1000 + late) // step * step - late
        span = {"start": str(start), "end": str(view.end / 1000), "step": str(step)}
        asked = {"query": query, "nocache": "1", **span}
        return prometheus_series(target, self._metrics("/api/v1/query_range", asked))

    def marks(self, view: View, annotation: Json) -> list[float]:
        """Return the times that an annotation marks, in s since 1970."""
        target = annotation["target"]
        query = view.query({}, target)
        if self.kind == INFLUXDB:
            found = self._influxql(query)["results"][0].get("series", [])
            return [row[0] / 1000 for each in found for row in each["values"]]
        span = {"start": str(view.start / 1000), "end": str(view.end / 1000)}
        asked = {"query": query, "nocache": "1", "step": target["interval"], **span}
        found = self._metrics("/api/v1/query_range", asked)["data"]["result"]
        return [float(at) for each in found for at, _ in each["values"]]

    def _influxql(self, query: str) -> Json:
        asked = {"db": DB, "epoch": "ms", "q": query}
        answer: Json = json.loads(self.filled.influxdb.ask("/query", asked, timeout=60))
        assert "error" not in answer["results"][0], (query, answer)
        return answer

    def _metrics(self, path: str, asked: dict[str, str]) -> Any:
        assert self.filled.victoria is not None
        answer = json.loads(self.filled.victoria.ask(path, asked, timeout=60))
        assert answer["status"] == "success", (asked, answer)
        return answer


KINDS = (INFLUXDB, PROMETHEUS)
