"""The alert rules in etc/grafana/alerting: as generated, and as Grafana reads them."""

from __future__ import annotations

import re

import pytest
import yaml

from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS
from dashboards import alerts
from tests.support.household_filled import OWN_FIELDS

FILES = alerts.files()
RULES = [
    pytest.param(uid, rule, id=rule["uid"])
    for uid in alerts.NAMES
    for rule in alerts.group(uid)["rules"]
]
STORED = {each.name for each in DEFAULT_FIELDS} | {
    each.name for own in PRESETS.values() for each in own
}


@pytest.mark.parametrize("path", FILES)
def test_the_files_have_all_rules(path: str) -> None:
    """The YAML has the intended content; test_dashboards.py compares it with the sources."""
    text = FILES[path]
    read = yaml.safe_load(text)
    uid = next(uid for uid, name in alerts.NAMES.items() if path.endswith(f"/{name}.yaml"))
    assert read == {"apiVersion": 1, "groups": [alerts.group(uid)]}
    for line in text.splitlines():
        assert not line.startswith("# ") or len(line) <= 100 or " ln -s " in line, line


def test_a_rule_has_a_unique_id() -> None:
    """Grafana reads all files of a folder, and a uid may occur once."""
    uids = [each.values[1]["uid"] for each in RULES]
    assert len({*uids}) == len(uids)


@pytest.mark.parametrize(("uid", "rule"), RULES)
def test_a_rule_is_one_that_grafana_accepts(uid: str, rule: alerts.Json) -> None:
    """Its condition exists, its states are Grafana's, and its data source is the project's."""
    refs = [each["refId"] for each in rule["data"]]
    assert len({*refs}) == len(refs)
    assert rule["condition"] == refs[-1]
    assert {each["datasourceUid"] for each in rule["data"]} == {uid, "__expr__"}
    assert rule["noDataState"] in ("OK", "Alerting")
    assert rule["execErrState"] in ("OK", "Alerting")
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert len(rule["uid"]) <= 40  # the size of a column of Grafana's database
    for text in (rule["title"], *rule["labels"].values()):
        assert "$" not in text  # Grafana would replace it by an environment variable
    for text in rule["annotations"].values():
        assert text.endswith(".")
        assert text.count("{{") == text.count("}}")
        assert "${" not in text
        for name in re.findall(r"\$values\.(\w+)", text):
            assert name in refs


@pytest.mark.parametrize(("uid", "rule"), RULES)
def test_a_rule_queries_stored_fields(uid: str, rule: alerts.Json) -> None:
    """Of the nine, of a preset, or of what the daemon reports about itself."""
    if uid == alerts.INFLUXDB:
        text = " ".join(each["model"].get("query", "") for each in rule["data"])
        made = {*re.findall(r'AS "(\w+)"', text)}
        names = {*re.findall(r'"(\w+)"', text)} - made - {"dc", "itself"}
        names -= {"site", "portal", "instance"}
        own = {"dropped", "rejected_dropped", "spool_used"}
        assert names <= (OWN_FIELDS if names & own else STORED)
        assert names
    else:
        text = rule["data"][0]["model"]["expr"]
        assert {*re.findall(r"dc_(\w+)", text)} <= STORED
        assert {*re.findall(r"itself_(\w+)", text)} <= OWN_FIELDS
        assert re.search(r"(dc|itself)_", text)


def test_only_one_rule_fires_if_the_database_is_unavailable() -> None:
    """Or if nothing is stored: a fault is reported once."""
    for state in ("noDataState", "execErrState"):
        firing = [each.values[1]["uid"] for each in RULES if each.values[1][state] == "Alerting"]
        assert firing == ["bat2influx-no-values", "bat2influx-no-values-vm"]
