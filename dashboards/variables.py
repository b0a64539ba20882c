"""The variables above the dashboards: the same in all of them, so that links keep their values.

The hidden ones select the stored field for each value: the first one of several with the same
meaning. A system without VE.Bus has no `Power`, for example, but `BatteryPower`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from dashboards.queries import chosen

Json = dict[str, Any]
INFLUXDB, PROMETHEUS = "influxdb", "prometheus"
NAMES = {INFLUXDB: "bat2influx", PROMETHEUS: "bat2influx-victoriametrics"}
MEASUREMENT, OWN = "dc", "itself"
HIDDEN = 2
ASCENDING, DESCENDING = 1, 2  # by name
# The most trusted measuring device comes first, which is by chance the order of names.
ROLES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "soc": ("", DESCENDING, ("SystemBatterySoc", "Soc", "PhoenixSoc", "MultiSoc", "BatterySoc")),
    "power": (
        "",
        DESCENDING,
        ("SystemBatteryPower", "Power", "PhoenixBatteryPower", "MultiBatteryPower", "BatteryPower"),
    ),
    "voltage": (
        "",
        DESCENDING,
        (
            "Voltage",
            "SystemBatteryVoltage",
            "PhoenixBatteryVoltage",
            "MultiBatteryVoltage",
            "BatteryVoltage",
        ),
    ),
    "current": (
        "",
        DESCENDING,
        (
            "SystemBatteryCurrent",
            "PhoenixBatteryCurrent",
            "MultiBatteryCurrent",
            "Current",
            "BatteryCurrent",
        ),
    ),
    "sun": (
        "",
        DESCENDING,
        ("SystemSolarPower", "SolarPower", "PhoenixSolarPower", "MultiSolarPower"),
    ),
    "grid": (
        "Mains meter",
        ASCENDING,
        ("GridPower", "InputPower", "MultiInput1L1Power", "P"),
    ),
}


def of(language: str, shown: Container[str]) -> list[Json]:
    """Return the variables for a type of data source; those not in `shown` are hidden."""
    made = _all(language)
    for each in made:
        if each["name"] not in shown:
            each["hide"] = HIDDEN
    return made


def _all(language: str) -> list[Json]:
    made = [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": language,
            "current": _option(NAMES[language]),
        },
        _text("measurement", "Measurement", MEASUREMENT, "measurement of [Influx]."),
        _text("own", "Measurement", OWN, "self_measurement of [Influx]."),
        _tag(language, "site", "Site", "NAME of [Battery NAME], if there are several."),
        _tag(language, "portal", "Device", "Portal id of a device of a fleet.", ("site",)),
    ]
    made += [_role(language, name) for name in ROLES]
    made.append(_text("capacity", "Battery, kWh", "10", "The battery's capacity, 0 to 100 %."))
    if language == INFLUXDB:
        made += [
            _custom(
                "from",
                "Values",
                (("every second", '"-",'), ("minutes", '"minutes".')),
                "Values of every second as stored, or the 1-minute averages of setup-db. Not on an"
                " InfluxDB 3.",
            ),
            _custom(
                "long",
                "Energies from",
                (("hours", '"hours".'), ("this database", '"-",')),
                "Where the hourly energies of setup-db are stored: in the policy hours, or"
                " in the database itself. An InfluxDB 3 has none.",
            ),
            _custom(
                "fill",
                "Between values",
                (("a gap", "null"), ("the one before", "previous")),
                "With mode = notify a value is valid until the next one.",
            ),
        ]
    return made


def _option(text: str, value: str | None = None) -> Json:
    return {"text": text, "value": text if value is None else value}


def _source(language: str) -> Json:
    return {"type": language, "uid": "${datasource}"}


def _text(name: str, label: str, value: str, description: str) -> Json:
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "textbox",
        "query": value,
        "current": _option(value),
    }


def _custom(name: str, label: str, options: Sequence[tuple[str, str]], description: str) -> Json:
    written = ", ".join(f"{text} : {value}".replace(",", r"\,") for text, value in options)
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "custom",
        "query": written,
        "current": _option(*options[0]),
        "options": [{"selected": each is options[0], **_option(*each)} for each in options],
    }


def _tag(language: str, tag: str, label: str, description: str, within: Sequence[str] = ()) -> Json:
    """Return a variable of a tag: the first value, or none if the tag is not stored.

    There is no "All": sums over houses belong to no house, and Grafana would select it by default.
    """
    if language == INFLUXDB:
        query: Any = f'SHOW TAG VALUES FROM "${{measurement:raw}}" WITH KEY = "{tag}"'
        query += "".join(f" {chosen(each, 'WHERE')}" for each in within)
    else:
        given = "".join(f',{each}=~"${{{each}:regex}}"' for each in within)
        query = _labels(f'label_values({{__name__=~"${{measurement}}_.*"{given}}}, {tag})')
    return {
        "name": tag,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": _source(language),
        "query": query,
        "refresh": 1,
        "sort": ASCENDING,
    }


def _role(language: str, name: str) -> Json:
    label, sort, fields = ROLES[name]
    if language == INFLUXDB:
        query: Any = 'SHOW FIELD KEYS FROM "${measurement:raw}"'
        regex = f"/^(?:{'|'.join(fields)})$/"
    else:
        query = _labels(
            f'label_values({{__name__=~"${{measurement}}_({"|".join(fields)})"}}, __name__)'
        )
        regex = ""
    made = {
        "name": name,
        "label": label or name,
        "description": f"The first stored one of {', '.join(fields)}.",
        "type": "query",
        "datasource": _source(language),
        "query": query,
        "refresh": 1,
        "sort": sort,
    }
    return made | ({"regex": regex} if regex else {})


def _labels(query: str) -> Json:
    return {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 5}
