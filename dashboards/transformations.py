"""Transformations: what Grafana does with the series of a query before a panel shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards.panels import Json


def renamed(pattern: str, name: str) -> Json:
    """Return the transformation that gives series other names, by a regular expression."""
    return {"id": "renameByRegex", "options": {"regex": pattern, "renamePattern": name}}


def organized(names: Mapping[str, str], without: Sequence[str] = ()) -> Json:
    """Return the transformation that names the columns of a table, and leaves some out."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(without, True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": dict(names),
        },
    }


# Each series becomes its sum, and all of them are fields of one row.
ADDED_UP: Sequence[Json] = (
    {"id": "reduce", "options": {"mode": "reduceFields", "reducers": ["sum"]}},
    {"id": "concatenate", "options": {"frameNameMode": "drop"}},
)

# Columns without a value are left out: each column becomes a row, the rows without a value are
# removed, and each other row becomes a column again, without values in the rows of the others.
# Grafana's reduce converts null to NaN, which is greater than nothing.
_A_NUMBER: Json = {"id": "greaterOrEqual", "options": {"value": -1e12}}
_ROW, _LATEST = "Field", "Last *"  # the names that Grafana's reduce gives
APPLICABLE: Sequence[Json] = (
    {"id": "reduce", "options": {"reducers": ["lastNotNull"]}},
    {
        "id": "filterByValue",
        "options": {
            "type": "include",
            "match": "all",
            "filters": [
                {"fieldName": _LATEST, "config": {"id": "isNotNull", "options": {}}},
                {"fieldName": _LATEST, "config": _A_NUMBER},
            ],
        },
    },
    {
        "id": "groupingToMatrix",
        "options": {
            "columnField": _ROW,
            "rowField": _ROW,
            "valueField": _LATEST,
            "emptyValue": "null",
        },
    },
)


def calculated(name: str, left: str, operator: str, right: str) -> Json:
    """Return the transformation that adds a field, of two fields or numbers."""
    binary = {"left": left, "operator": operator, "right": right}
    options = {"alias": name, "mode": "binary", "binary": binary, "replaceFields": False}
    return {"id": "calculateField", "options": options}
