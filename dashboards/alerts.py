"""The files of alert rules in etc/grafana/alerting, which `python3 -m dashboards` writes.

Rules: a rule of alert_rules.py becomes a query A, its reduction to a value B, and a threshold C.
There is a file for each kind of database, with the uid of its data source.

Source: Grafana, pkg/services/provisioning/alerting/rules_types.go (what a file has) and pkg/expr
(reduce, math, threshold).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dashboards.alert_rules import MINUTE, RULES, Rule

FOLDER = "etc/grafana/alerting"
INFLUXDB, PROMETHEUS = "bat2influx", "bat2influx-victoriametrics"  # the uid of the data source
NAMES = {INFLUXDB: "bat2influx", PROMETHEUS: "bat2influx-victoriametrics"}  # of the files
DATABASES = {INFLUXDB: "InfluxDB", PROMETHEUS: "VictoriaMetrics"}

Json = dict[str, Any]

HEAD = """\
# Alert rules for Grafana 10 or later, for the values in {database}: battery low, no values,
# spool half full, values dropped, mains lost, cells too far apart. They are off until Grafana reads
# this file. As root, on Grafana's computer:
#
#   ln -s /usr/share/bat2influx/grafana/alerting/{name}.yaml /etc/grafana/provisioning/alerting/
#   systemctl restart grafana-server
#
# A link follows new versions of the package. To change a threshold, copy the file instead, and edit
# `params` there; rules from a file cannot be edited in the browser. Your contact points and
# notification policies in Grafana decide where alerts are sent; this file has none.
#
# The data source has the uid {uid}. The rules about the daemon need
# self_measurement = itself in [Influx], that about cells the preset battery, the others Soc,
# Voltage and F of the nine. If your fields have other names, such as MultiSoc, change them in a
# copy. Delete rules that you do not need.
#
# Made by dashboards/alerts.py.
"""


def group(source: str) -> Json:
    """Return the group of all rules for a data source, in Grafana's form."""
    return {
        "orgId": 1,
        "name": NAMES[source],
        "folder": "bat2influx",
        "interval": "1m",
        "rules": [rule_of(rule, source) for rule in RULES],
    }


def rule_of(rule: Rule, source: str) -> Json:
    """Return a rule: A is the query, B its last value or their sum, C whether that fires."""
    ours = rule.fires, rule.params
    if source == INFLUXDB:
        data = [_influxql("A", rule.influxql, rule.seconds)]
    else:
        data = [_metricsql("A", rule.metricsql)]
        ours = rule.metric_fires or ours
    if rule.known and source == INFLUXDB:
        data += [
            _influxql("K", rule.known, rule.known_seconds),
            _reduce("A1", "A", "last"),
            _reduce("K1", "K", "last"),
            _expression("B", type="math", expression="$A1 * ($K1 > 0)"),
        ]
    else:
        data.append(_reduce("B", "A", rule.reducer))
    kind, params = ours
    evaluator = {"type": kind, "params": [*params]}
    data.append(
        _expression("C", type="threshold", expression="B", conditions=[{"evaluator": evaluator}])
    )
    return {
        "uid": rule.uid if source == INFLUXDB else f"{rule.uid}-vm",
        "title": rule.title,
        "condition": "C",
        "for": rule.lasting,
        "noDataState": rule.no_data,
        "execErrState": rule.error,
        "labels": {"severity": rule.severity, "program": "bat2influx"},
        "annotations": {"summary": rule.summary, "description": rule.description},
        "data": data,
    }


def _query(ref: str, uid: str, seconds: int, model: Json) -> Json:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": seconds, "to": 0},
        "datasourceUid": uid,
        "model": {"refId": ref, **model},
    }


def _influxql(ref: str, query: str, seconds: int) -> Json:
    model = {"query": query, "rawQuery": True, "resultFormat": "time_series"}
    return _query(ref, INFLUXDB, seconds, model)


def _metricsql(ref: str, query: str) -> Json:
    model = {"expr": query, "instant": True, "range": False}
    return _query(ref, PROMETHEUS, 10 * MINUTE, model)


def _reduce(ref: str, of: str, reducer: str) -> Json:
    settings = {"mode": "dropNN"}
    return _expression(ref, type="reduce", expression=of, reducer=reducer, settings=settings)


def _expression(ref: str, **model: Any) -> Json:
    return _query(ref, "__expr__", 0, model)


def files() -> dict[str, str]:
    """Return the text of each file, by its path in the project."""
    return {
        f"{FOLDER}/{name}.yaml": HEAD.format(database=DATABASES[uid], name=name, uid=uid)
        + "\n".join(_document(uid))
        + "\n"
        for uid, name in NAMES.items()
    }


def _document(source: str) -> Iterator[str]:
    own = group(source)
    yield "apiVersion: 1"
    yield "groups:"
    yield from _yaml([{key: value for key, value in own.items() if key != "rules"}], 2)
    yield "    rules:"
    for rule, made in zip(RULES, own["rules"], strict=True):
        yield ""
        yield from (f"      # {line}" for line in _wrapped(rule.why, 88))
        yield from _yaml([made], 6)


def _yaml(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a list or a mapping; what is in one is not empty."""
    space = " " * indent
    if isinstance(value, list):
        for each in value:
            first, *rest = _yaml(each, indent + 2)
            yield f"{space}- {first.lstrip()}"
            yield from rest
        return
    for key, each in value.items():
        if isinstance(each, Mapping) or (isinstance(each, list) and isinstance(each[0], Mapping)):
            yield f"{space}{key}:"
            yield from _yaml(each, indent + 2)
        else:
            yield f"{space}{key}: {json.dumps(each, ensure_ascii=False)}"


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield line
