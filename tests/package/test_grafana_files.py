"""The files for provisioning, and the texts of numeric states."""

from __future__ import annotations

import re

import pytest
import yaml

from bat2influx.config.settings import load as load_ini
from dashboards import mappings
from tests.support.grafana import (
    DASHBOARDS,
    FOLDERS,
    GRAFANA,
    INFLUXDB,
    PROMETHEUS,
    TOP,
    Json,
    chosen,
    load,
)


def test_a_dashboard_opens_with_the_defaults_of_the_files() -> None:
    """The provisioned data source, its database, and the measurement."""
    (source,) = _provisioned("provisioning/datasources")["datasources"]
    influx = load_ini(TOP / "etc/bat2influx.ini").influx
    assert source["jsonData"]["dbName"] == influx.db
    assert source["url"] == f"http://{influx.address}:{influx.port}"
    for name in DASHBOARDS:
        assert chosen(load(name))["measurement"] == influx.measurement
        assert chosen(load(name))["datasource"] == source["name"] == source["uid"]
    (other,) = _provisioned("provisioning-victoriametrics/datasources")["datasources"]
    for name in DASHBOARDS:
        assert chosen(load(name, PROMETHEUS))["datasource"] == other["name"] == other["uid"]
        assert chosen(load(name, PROMETHEUS))["measurement"] == influx.measurement


def _provisioned(folder: str) -> Json:
    read: Json = yaml.safe_load((GRAFANA / folder / "bat2influx.yaml").read_text())
    return read


@pytest.mark.parametrize(
    ("folder", "kind", "keys"),
    [
        ("provisioning", INFLUXDB, {"dbName", "version", "httpMode", "timeInterval"}),
        (
            "provisioning-victoriametrics",
            PROMETHEUS,
            {"httpMethod", "prometheusType", "timeInterval", "customQueryParameters"},
        ),
    ],
)
def test_provisioning_files_have_the_keys_that_grafana_reads(
    folder: str, kind: str, keys: set[str]
) -> None:
    """And no secret; variables missing in the environment are empty."""
    sources = _provisioned(f"{folder}/datasources")
    assert sources.keys() == {"apiVersion", "datasources"}
    (source,) = sources["datasources"]
    names = {"name", "uid", "type", "access", "url", "jsonData", "secureJsonData"}
    login = ("user", "password") if kind == INFLUXDB else ("basicAuthUser", "basicAuthPassword")
    assert source.keys() - names == {login[0], "basicAuth"} - (
        {"basicAuth"} if kind == INFLUXDB else set()
    )
    assert source["jsonData"].keys() == keys
    assert (source["type"], source["access"]) == (kind, "proxy")
    assert re.fullmatch(r"\$[A-Z0-9_]+", source[login[0]])
    assert re.fullmatch(r"\$[A-Z0-9_]+", source["secureJsonData"].pop(login[1]))
    assert not source["secureJsonData"]
    (provider,) = _provisioned(f"{folder}/dashboards")["providers"]
    assert provider.keys() == {"name", "folder", "type", "allowUiUpdates", "options"}
    assert provider["options"] == {"path": f"/usr/share/bat2influx/grafana/{FOLDERS[kind].name}"}


def _codes() -> list[dict[int, str]]:
    """Return the manual's tables of numeric states."""
    text = (TOP / "debian/man/bat2influx.ini.5").read_text().partition(".Sh CODES")[2]
    lists = re.findall(r"\.Bl -column.*?\.El", text.partition(".Sh ")[0], re.DOTALL)
    return [
        {int(code): word.split(",")[0] for code, word in re.findall(r"\.It (\d+) Ta (.+)", each)}
        for each in lists
    ]


@pytest.mark.parametrize(("name", "at"), [("STATE", 0), ("MODE", 1), ("EV_CHARGER", 2)])
def test_a_state_has_the_text_of_the_manual(name: str, at: int) -> None:
    """Every one of them, and no other."""
    words = {code: word for code, (word, _) in getattr(mappings, name).items()}
    assert words == _codes()[at]
