"""The conversion of queries and answers between a page and a database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.render import influxql, promql
from tests.tools.render.frames import QueryError

ROW = [1_000, 2.5]
Json = dict[str, Any]


def answered(*series: Json) -> Json:
    return {"results": [{"series": [*series]}]}


def of_prometheus(*result: Json) -> Json:
    return {"status": "success", "data": {"result": [*result]}}


def names(frames: list[Json]) -> list[str]:
    return [frame["fields"][-1]["config"].get("displayNameFromDS", "") for frame in frames]


def test_a_statement_has_the_time_range_in_it() -> None:
    """In InfluxQL's form, in ms, both ends included."""
    assert influxql.statement("WHERE $timeFilter", 1, 2) == "WHERE time >= 1ms and time <= 2ms"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("", "dc.power {site: home}"),
        ("$col", "power"),
        ("$m $tag_site", "dc home"),
        ("[[col]] of [[tag_site]]", "power of home"),
        ("$tag_portal", "$tag_portal"),
    ],
)
def test_a_series_is_named_by_its_alias(alias: str, name: str) -> None:
    """Unknown names stay unchanged, as in Grafana."""
    series = {"name": "dc", "tags": {"site": "home"}, "columns": ["time", "power"], "values": [ROW]}
    target = {"refId": "A", "alias": alias}
    assert names(influxql.frames(target, answered(series))) == [name]


def test_each_column_of_each_series_is_a_frame() -> None:
    """With the times of its rows and the series' tags as labels."""
    rows = [[1, 2.0, None], [3, None, "on"]]
    series = {"name": "dc", "tags": {"site": "a"}, "columns": ["time", "x", "y"], "values": rows}
    first, second = influxql.frames({"refId": "A"}, answered(series))
    assert [each["values"] for each in first["fields"]] == [[1, 3], [2.0, None]]
    assert [each["type"] for each in second["fields"]] == ["time", "string"]
    assert second["fields"][1]["labels"] == {"site": "a"}


def test_a_table_has_all_series_with_their_tags_as_columns() -> None:
    """One below the other."""
    series = [
        {"name": "dc", "tags": {"site": site}, "columns": ["time", "x"], "values": [[at, at]]}
        for at, site in enumerate(("a", "b"))
    ]
    target = {"refId": "A", "resultFormat": "table"}
    (frame,) = influxql.frames(target, answered(*series))
    columns = {each["name"]: each["values"] for each in frame["fields"]}
    assert columns == {"Time": [0, 1], "site": ["a", "b"], "x": [0, 1]}
    assert influxql.frames(target, {"results": [{}]}) == []


@pytest.mark.parametrize("answer", [{"error": "no"}, {"results": [{"error": "no"}]}])
def test_an_error_of_influxdb_is_an_error_with_its_text(answer: Json) -> None:
    """Of the login or of the statement."""
    with pytest.raises(QueryError, match=r"^no$"):
        influxql.frames({"refId": "A"}, answer)


def test_a_range_has_steps_aligned_to_the_clock() -> None:
    """So that a refresh does not move every point."""
    ((path, asked),) = promql.asked({"expr": "x"}, 61_000, 185_000, 60_000)
    assert path == "/api/v1/query_range"
    assert asked == {"query": "x", "start": "60.0", "end": "180.0", "step": "60.0"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("x[$__interval]", "x[60000ms]"),
        ("x[${__interval}] * $__interval_ms", "x[60000ms] * 60000"),
        ("x[$__rate_interval]", "x[75000ms]"),
        ("x[$__range]", "x[120s]"),
        ("$__range_s $__range_ms", "120 120000"),
    ],
)
def test_grafanas_variables_are_filled_in_for_prometheus(text: str, filled: str) -> None:
    """By Grafana's rules: a rate looks back at least four times the interval of values."""
    ((_, asked),) = promql.asked({"expr": text}, 0, 120_000, 60_000)
    assert asked["query"] == filled


def test_an_instant_query_is_for_the_end() -> None:
    """And a target can have both kinds."""
    target = {"expr": "x", "instant": True}
    assert [*promql.asked(target, 0, 9_000, 1_000)] == [
        ("/api/v1/query", {"query": "x", "time": "9.0"})
    ]
    both = [path for path, _ in promql.asked({**target, "range": True}, 0, 9_000, 1_000)]
    assert both == ["/api/v1/query", "/api/v1/query_range"]


def test_the_number_of_points_is_within_prometheus_limit() -> None:
    """A year at steps of a second would be rejected."""
    ((_, asked),) = promql.asked({"expr": "x"}, 0, promql.MOST_POINTS * 5_000, 1_000)
    assert asked["step"] == "5.0"


@pytest.mark.parametrize(
    ("legend", "name"),
    [
        ("", 'dc_P{site="home"}'),
        ("__auto", 'dc_P{site="home"}'),
        ("{{site}}: {{ db }}", "home: "),
    ],
)
def test_a_series_of_prometheus_is_named_by_its_legend(legend: str, name: str) -> None:
    """A missing label is empty."""
    target = {"refId": "A", "legendFormat": legend, "expr": ""}
    question = ("/api/v1/query_range", {"step": "60.0"})
    answer = of_prometheus(
        {"metric": {"__name__": "dc_P", "site": "home"}, "values": [[1, "2"], [3, "NaN"]]}
    )
    frames = promql.frames(target, answer, several=False, question=question)
    assert names(frames) == [name]
    times, values = frames[0]["fields"]
    assert times["config"] == {"interval": 60_000}
    assert values["values"][0] == 2.0
    assert values["labels"] == {"site": "home"}


@pytest.mark.parametrize(("several", "value"), [(False, "Value"), (True, "Value #A")])
def test_a_table_of_prometheus_has_labels_as_columns(several: bool, value: str) -> None:
    """With several queries, the column of values has the query's name."""
    target = {"refId": "A", "format": "table", "expr": ""}
    answer = of_prometheus(
        {"metric": {"site": "a"}, "value": [1, "2"]}, {"metric": {"db": "b"}, "value": [1, "+Inf"]}
    )
    question = ("/api/v1/query", {})
    (frame,) = promql.frames(target, answer, several=several, question=question)
    columns = {each["name"]: each["values"] for each in frame["fields"]}
    assert columns == {"Time": [1000, 1000], "db": ["", "b"], "site": ["a", ""], value: [2.0, None]}


def test_an_error_of_prometheus_is_an_error_with_its_text() -> None:
    """Copied from its answer."""
    with pytest.raises(QueryError, match=r"^no$"):
        promql.offered({"status": "error", "error": "no"}, "")


@pytest.mark.parametrize(
    ("query", "path", "matching", "pattern"),
    [
        ("label_values(site)", "/api/v1/label/site/values", None, ""),
        ('label_values(dc_P{db="b"}, site)', "/api/v1/label/site/values", 'dc_P{db="b"}', ""),
        ("metrics(^dc_)", "/api/v1/label/__name__/values", None, "^dc_"),
    ],
)
def test_a_variable_queries_labels_or_names(
    query: str, path: str, matching: str | None, pattern: str
) -> None:
    """In the time range of the dashboard."""
    asked, wanted = promql.options(query, 1_000, 2_000)
    assert asked[0] == path
    assert asked[1].get("match[]") == matching
    assert (asked[1]["start"], asked[1]["end"], wanted) == ("1.0", "2.0", pattern)
    with pytest.raises(QueryError):
        promql.options("query_result(x)", 1_000, 2_000)
