"""Data frames for Grafana's page, as JSON: columns with their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Frame = Json


class QueryError(Exception):
    """The error text of a database for a rejected query."""


def time_field(values: Iterable[int], *, interval: int | None = None) -> Json:
    """Return a column of times in ms since 1970; more than `interval` ms apart is a gap."""
    config = {} if interval is None else {"interval": interval}
    return {"name": "Time", "type": "time", "values": [*values], "config": config}


def field(name: str, values: list[Any], labels: Mapping[str, str] | None = None) -> Json:
    """Return a column of values of one type, that of the first one that is not null."""
    first = next((value for value in values if value is not None), 0.0)
    kind = "string"
    if isinstance(first, bool):
        kind = "boolean"
    elif isinstance(first, int | float):
        kind = "number"
    return {"name": name, "type": kind, "values": values, "labels": labels or {}, "config": {}}


def series(ref_id: str, name: str, times: Json, values: Json) -> Frame:
    """Return a frame of one series, shown with a name; None is the name of the column."""
    if name:
        values["config"]["displayNameFromDS"] = name
    return frame(ref_id, [times, values], name)


def frame(ref_id: str, fields: list[Json], name: str = "") -> Frame:
    """Return a frame of columns."""
    length = len(fields[0]["values"]) if fields else 0
    return {"refId": ref_id, "name": name, "fields": fields, "length": length}
