"""The cost of a refresh: times of ranges, queries, and the measured processor time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import household_filled
from tests.support.household_stored import Density
from tests.tools import refresh_cost
from tests.tools.refresh_cost import Cost, measure, moment, queries, table

NOW = datetime(2026, 11, 18, 13, 30, tzinfo=UTC).timestamp()  # a Wednesday
POLICY = {"name": "policy", "type": "query", "query": "SHOW RETENTION POLICIES"}


def _at(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("now-24h", NOW - 86_400),
        ("now-7d", NOW - 7 * 86_400),
        ("now-1w", NOW - 7 * 86_400),
        ("now-90s", NOW - 90),
        ("now/d", _at(2026, 11, 18)),
        ("now-1d/d", _at(2026, 11, 17)),
        ("now/w", _at(2026, 11, 16)),
        ("now/M", _at(2026, 11, 1)),
        ("now/y", _at(2026, 1, 1)),
        ("now-1y/y", _at(2025, 1, 1)),
    ],
)
def test_a_time_is_interpreted_as_by_grafana(text: str, expected: float) -> None:
    """For all times in dashboards."""
    assert moment(text, NOW) == expected


def test_another_time_is_an_error() -> None:
    """It is not interpreted as now."""
    with pytest.raises(ValueError, match="2026-01-01"):
        moment("2026-01-01", NOW)


def _dashboard(*targets: dict[str, Any]) -> dict[str, Any]:
    panels = [{"title": "Rows", "type": "row"}, {"title": "Power", "targets": [*targets]}]
    return {
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [POLICY]},
        "panels": panels,
    }


class _Server(SimpleNamespace):
    """Answers with the policies, and records queries."""

    def ask(self, _path: str, asked: dict[str, str], **_: object) -> bytes:
        """Answer a query."""
        self.asked.append(asked["q"])
        columns = ["name", "default"]
        policies = {"columns": columns, "values": [["raw", True], ["hours", False]]}
        return json.dumps({"results": [{"series": [policies]}]}).encode()


def test_the_queries_are_those_of_a_refresh() -> None:
    """With a variable's first choice, over the dashboard's time range, without hidden panels."""
    shown = {"query": 'SELECT 1 FROM "${policy:raw}"."dc" WHERE $timeFilter'}
    hidden = {"query": "SELECT 2", "hide": True}
    server = _Server(asked=[])
    asked = [*queries(_dashboard(shown, hidden, {"expr": "up"}), server, NOW)]  # type: ignore[arg-type]
    span = f"time >= {int(NOW - 3600)}000ms and time <= {int(NOW)}000ms"
    assert asked == [("Power", f'SELECT 1 FROM "raw"."dc" WHERE {span}')]
    assert server.asked == [POLICY["query"]]


def test_the_time_is_the_servers_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of the rounds, and the share of each panel."""
    server = _Server(asked=[], pid=4711)
    monkeypatch.setattr(refresh_cost, "processor", lambda pid: 0.25 * len(server.asked))
    cost = measure(_dashboard({"query": "A"}, {"query": "B"}), server, 3, NOW)  # type: ignore[arg-type]
    assert cost == Cost(0.5, 2, {"Power": 0.5})
    lines = [*table("etc", {"battery": cost, "daemon": Cost(0.1, 1, {})})]
    assert "(too much)" in lines[1]
    assert "(too much)" not in lines[2]


def test_a_dashboard_of_a_real_database_costs_something(tmp_path: Path) -> None:
    """With a real server, after it has become idle."""
    with household_filled.nine(
        tmp_path, days=0.1, density=Density(seconds=600, every=60, held=10), victoria=False
    ) as filled:
        refresh_cost.settle(filled.influxdb)
        board = _dashboard({"query": 'SELECT mean("Power") FROM "dc" WHERE $timeFilter'})
        board["templating"]["list"] = []
        cost = measure(board, filled.influxdb, 100, filled.end)
        assert cost.queries == 1
        assert 0.0 <= cost.refresh < 1.0
        assert 0.0 < cost.panels["Power"] < 1.0
