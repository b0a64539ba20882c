"""PromQL and MetricsQL as Grafana's server handles them: requests, and frames of the answers.

Source: Grafana, pkg/promlib (models/query.go, querydata) and the Prometheus data source's page
(result_transformer.ts, metric_find_query.ts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.tools.render.frames import Frame, Json, QueryError, field, frame, series, time_field

SCRAPE = 15_000  # ms, the default "Scrape interval" of a data source
MOST_POINTS = 11_000  # of a series; Prometheus rejects more

Asked = tuple[str, dict[str, str]]  # path and parameters

_IN_LEGEND = re.compile(r"\{\{\s*(\S+?)\s*\}\}")
_NAME = "__name__"


def asked(target: Json, start: int, end: int, interval: int) -> Iterator[Asked]:
    """Yield the requests for a time range in ms, with the page's `$__interval` in ms."""
    step = max(interval, -(-(end - start) // MOST_POINTS), 1)
    expr = _filled_in(target["expr"], start, end, step)
    if target.get("instant"):
        yield "/api/v1/query", {"query": expr, "time": f"{end / 1000}"}
    if target.get("range") or not target.get("instant"):
        first, last = (at // step * step / 1000 for at in (start, end))
        span = {"start": f"{first}", "end": f"{last}", "step": f"{step / 1000}"}
        yield "/api/v1/query_range", {"query": expr, **span}


def _filled_in(text: str, start: int, end: int, step: int) -> str:
    span = end - start
    rate = max(step + SCRAPE, 4 * SCRAPE)
    words = {
        "__rate_interval_ms": str(rate),
        "__rate_interval": f"{rate}ms",
        "__interval_ms": str(step),
        "__interval": f"{step}ms",
        "__range_ms": str(span),
        "__range_s": str(round(span / 1000)),
        "__range": f"{round(span / 1000)}s",
    }
    for name, value in words.items():  # the longer names first
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return text


def frames(target: Json, answer: Json, *, several: bool, question: Asked) -> list[Frame]:
    """Return the frames of an answer; `several` means more than one table."""
    ref_id, found = target["refId"], _checked(answer)["result"]
    if target.get("format") == "table":
        return _table(ref_id, found, f"Value #{ref_id}" if several else "Value")
    step = question[1].get("step")
    interval = None if step is None else round(float(step) * 1000)
    made = []
    for each in found:
        rows = _rows(each)
        times = time_field((at for at, _ in rows), interval=interval)
        labels = {name: value for name, value in each["metric"].items() if name != _NAME}
        values = field("Value", [value for _, value in rows], labels)
        made.append(series(ref_id, _name(target, each["metric"]), times, values))
    return made


def options(query: str, start: int, end: int) -> tuple[Asked, str]:
    """Return the request for the choices of a variable, and the label of the answer."""
    span = {"start": f"{start / 1000}", "end": f"{end / 1000}"}
    if match := re.fullmatch(r"\s*label_values\((?:(.+),)?\s*(\w+)\s*\)\s*", query):
        matching = {"match[]": match[1].strip()} if match[1] else {}
        return (f"/api/v1/label/{match[2]}/values", {**span, **matching}), ""
    if match := re.fullmatch(r"\s*metrics\((.+)\)\s*", query):
        return (f"/api/v1/label/{_NAME}/values", span), match[1]
    raise QueryError(f"neither label_values() nor metrics(): {query}")


def offered(answer: Json, pattern: str) -> list[str]:
    """Return the choices of a variable from an answer."""
    return [each for each in _checked(answer) if re.search(pattern, each)]


def _checked(answer: Json) -> Any:
    if answer.get("status") != "success":
        raise QueryError(answer.get("error", "no reason given"))
    return answer["data"]


def _rows(each: Json) -> list[tuple[int, float | None]]:
    rows = each.get("values") or [each["value"]]
    return [(round(at * 1000), _number(value)) for at, value in rows]


def _number(text: str) -> float | None:
    number = float(text)
    return number if abs(number) < float("inf") else None  # JSON and graphs have no other numbers


def _name(target: Json, metric: dict[str, str]) -> str:
    legend = target.get("legendFormat", "")
    if legend and legend != "__auto":
        return _IN_LEGEND.sub(lambda found: metric.get(found[1], ""), legend)
    told = ", ".join(f'{key}="{value}"' for key, value in sorted(metric.items()) if key != _NAME)
    return metric.get(_NAME, "") + (f"{{{told}}}" if told else "") or "Value"


def _table(ref_id: str, found: list[Json], value: str) -> list[Frame]:
    """Return one table of all series: time, labels, and the value."""
    if not found:
        return []
    labels = sorted({name for each in found for name in each["metric"]})
    rows = [(each["metric"], *row) for each in found for row in _rows(each)]
    fields = [
        time_field(at for _, at, _ in rows),
        *(field(label, [metric.get(label, "") for metric, _, _ in rows]) for label in labels),
        field(value, [number for _, _, number in rows]),
    ]
    return [frame(ref_id, fields)]
