"""InfluxQL as Grafana's server handles it: from a query to a statement, from an answer to frames.

Source: Grafana, pkg/tsdb/influxdb (query.go, influxql/response_parser.go).
"""

from __future__ import annotations

import re

from tests.support.grafana import options as offered
from tests.tools.render.frames import Frame, Json, QueryError, field, frame, series, time_field

_IN_ALIAS = re.compile(r"\[\[([@\w\s.-]+)\]\]|\$([@\w]+)")


def statement(text: str, start: int, end: int) -> str:
    """Return the statement for a time range in ms; intervals are filled in already."""
    return text.replace("$timeFilter", f"time >= {start}ms and time <= {end}ms")


def checked(answer: Json) -> list[Json]:
    """Return the series of an answer. Raises QueryError for a rejected query."""
    results = [answer, *answer.get("results", [])]
    for result in results:
        if "error" in result:
            raise QueryError(result["error"])
    return [each for result in results for each in result.get("series", [])]


def frames(target: Json, answer: Json) -> list[Frame]:
    """Return the frames of an answer, according to resultFormat and alias."""
    ref_id, found = target["refId"], checked(answer)
    if target.get("resultFormat") == "table":
        return _table(ref_id, found)
    made = []
    for each in found:
        labels = each.get("tags", {})
        for at, column in enumerate(each["columns"]):
            if column == "time":
                continue
            rows = each["values"]
            name = _name(target.get("alias", ""), each, column)
            values = field("Value", [row[at] for row in rows], labels)
            made.append(series(ref_id, name, time_field(row[0] for row in rows), values))
    return made


def options(query: str, answer: Json) -> list[str]:
    """Return the choices of a variable with this query."""
    checked(answer)
    return [str(each) for each in offered({"query": query}, answer)]


def _name(alias: str, each: Json, column: str) -> str:
    measurement, tags = each.get("name", ""), each.get("tags", {})
    if not alias:
        told = ", ".join(f"{key}: {value}" for key, value in sorted(tags.items()))
        return f"{measurement}.{column}" + (f" {{{told}}}" if told else "")
    words = {"m": measurement, "measurement": measurement, "col": column}
    words |= {f"tag_{key}": value for key, value in tags.items()}
    words |= {str(at): part for at, part in enumerate(measurement.split("."))}
    return _IN_ALIAS.sub(lambda found: words.get(found[1] or found[2], found[0]), alias)


def _table(ref_id: str, found: list[Json]) -> list[Frame]:
    """Return one table of all series: time, tags, and columns."""
    if not found:
        return []
    tags = [*found[0].get("tags", {})]
    columns = found[0]["columns"]
    rows = [
        (*(each.get("tags", {}).get(tag, "") for tag in tags), *row)
        for each in found
        for row in each["values"]
    ]
    names = [*tags, *columns]
    fields = [field(name, [row[at] for row in rows]) for at, name in enumerate(names)]
    if "time" in columns:
        at = names.index("time")
        fields.insert(0, time_field(row[at] for row in rows))
        del fields[at + 1]
    return [frame(ref_id, fields)]
