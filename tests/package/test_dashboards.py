"""The files of etc/grafana: what Grafana's schema says of them, and the names that they use."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from bat2influx.commands.setup_db.downsampling import GRAINS, columns
from bat2influx.config.settings import load as load_ini
from bat2influx.daemon import metrics
from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.support.grafana import (
    DASHBOARDS,
    DATA_SOURCE,
    PROVIDER,
    TOP,
    Json,
    chosen,
    fields,
    load,
    targets,
    variables,
)
from tests.support.grafana_schema import judge

OF_QUERY = {"refId", "rawQuery", "resultFormat", "alias", "query"}
SAID = {field.name for field in DEFAULT_FIELDS}
STORED = {column.name for column in columns(DEFAULT_FIELDS)}
OWN = {each.field for each in (*metrics.OF_DEVICE, *metrics.OF_DAEMON) if each.field}
UNITS = {"V": "volt", "A": "amp", "W": "watt", "VA": "voltamp", "Hz": "hertz", "%": "percent"}
# Units as the presets have them, by the path's last part: vebus alone writes V, I, P, S and F.
OF_PATH = {
    each.path.rpartition("/")[2]: each.unit
    for name in ("battery", "phases")
    for each in PRESETS[name]
}
Change = Callable[[Json], Any]


def panel(dashboard: Json, number: int) -> Json:
    """Return a panel by its id."""
    return next(each for each in dashboard["panels"] if each["id"] == number)


def graph(dashboard: Json) -> Json:
    """Return the graph that has all there is: custom settings, and overrides."""
    return next(
        each
        for each in dashboard["panels"]
        if each["type"] == "timeseries" and each["fieldConfig"]["overrides"]
    )


def override(dashboard: Json) -> Json:
    """Return the first override of that graph."""
    first: Json = graph(dashboard)["fieldConfig"]["overrides"][0]
    return first


def defaults(dashboard: Json) -> Json:
    """Return what that graph says of all its fields."""
    said: Json = graph(dashboard)["fieldConfig"]["defaults"]
    return said


# What is changed in a dashboard that is right, and what is said of it then.
WRONG: dict[str, tuple[Change, str]] = {
    "a key of the dashboard": (lambda d: d.update(refesh="10s"), ".refesh: unknown key"),
    "a key of its time": (lambda d: d["time"].update(until="now"), ".time.until: unknown key"),
    "a number as text": (lambda d: d.update(schemaVersion="38"), ".schema_version"),
    "a key of a panel": (lambda d: graph(d).update(titel="x"), ".titel: unknown key"),
    "a type of panel": (lambda d: graph(d).update(type="timeserie"), "unknown type"),
    "a size as text": (lambda d: graph(d)["gridPos"].update(w="12"), ".grid_pos.w"),
    "a key of its place": (lambda d: graph(d)["gridPos"].update(width=12), "width: unknown key"),
    "a key of options": (lambda d: graph(d)["options"].update(tool={}), ".tool: unknown key"),
    "a key deep in options": (
        lambda d: graph(d)["options"]["tooltip"].update(modus="multi"),
        ".tooltip.modus: unknown key",
    ),
    "a value in options": (lambda d: graph(d)["options"]["tooltip"].update(mode="all"), ".mode"),
    "an option of another type": (
        lambda d: panel(d, 1)["options"].update(graphMode="none"),
        ".graphMode: unknown key",
    ),
    "a key of defaults": (lambda d: defaults(d).update(units="watt"), ".units: unknown key"),
    "a unit": (lambda d: defaults(d).update(unit="Watt"), "unknown unit 'Watt'"),
    "a key of custom": (lambda d: defaults(d)["custom"].update(fill=1), ".fill: unknown key"),
    "a value of custom": (lambda d: defaults(d)["custom"].update(drawStyle="dots"), ".draw_style"),
    "custom where there is none": (
        lambda d: panel(d, 1)["fieldConfig"]["defaults"].update(custom={"lineWidth": 1}),
        ".custom: unknown key",
    ),
    "a colour's mode": (lambda d: defaults(d).update(color={"mode": "fix"}), ".mode"),
    "a matcher": (lambda d: override(d)["matcher"].update(id="byRegex"), "unknown matcher"),
    "what is overridden": (
        lambda d: override(d)["properties"].append({"id": "custom.width", "value": 1}),
        ".width: unknown key",
    ),
    "what it is overridden by": (
        lambda d: override(d)["properties"].append({"id": "custom.lineWidth", "value": "1"}),
        ".line_width",
    ),
    "an override's unit": (
        lambda d: override(d)["properties"].append({"id": "unit", "value": "VA"}),
        "unknown unit 'VA'",
    ),
    "a type of variable": (
        lambda d: variables(d)["measurement"].update(type="text"),
        ".type_val",
    ),
    "a key of a variable": (
        lambda d: variables(d)["policy"].update(allvalue=".*"),
        ".allvalue: unknown key",
    ),
    "when it is asked for": (lambda d: variables(d)["policy"].update(refresh="1"), ".refresh"),
    "what is chosen": (lambda d: variables(d)["policy"].update(current={"text": 1}), ".text"),
    "a key of a link": (lambda d: d["links"][0].update(uid="x"), ".uid: unknown key"),
}


@pytest.fixture(scope="module")
def judged() -> dict[str, list[str]]:
    """What the schema says of each dashboard, and of each of the wrong ones."""
    made = {name: load(name) for name in DASHBOARDS}
    for name, (change, _) in WRONG.items():
        made[name] = copy.deepcopy(made["battery"])
        change(made[name])
    return dict(zip(made, judge(made.values()), strict=True))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_as_published(judged: dict[str, list[str]], name: str) -> None:
    """It keeps to the schema of Grafana, with its panels, their options and their units."""
    assert judged[name] == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_misspelt_or_of_another_type_is_found(
    judged: dict[str, list[str]], name: str
) -> None:
    """The check above can fail."""
    assert WRONG[name][1] in "\n".join(judged[name]), judged[name]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_the_schema_knows_nothing_of_is_right(name: str) -> None:
    """Queries, variables that are used, places that do not overlap, ids that are there once."""
    dashboard = load(name)
    assert re.fullmatch(r"[a-z0-9-]{8,40}", dashboard["uid"])
    assert dashboard["timezone"] == "browser"
    known = {*variables(dashboard)}
    used = set()
    for its, target in targets(dashboard):
        assert target.keys() == OF_QUERY, target
        assert target["rawQuery"] is True
        assert its["datasource"] == {"type": "influxdb", "uid": "${datasource}"}
        assert not re.search(r"\$\{__", target["query"]), "the server replaces $__interval alone"
        text = f"{target['query']} {its.get('timeFrom', '')} {its['datasource']['uid']}"
        used |= {found[1] for found in re.finditer(r"\$\{?(?!__|timeFilter)(\w+)", text)}
    assert used == known
    ids = [each["id"] for each in dashboard["panels"]]
    assert ids == sorted({*ids})
    taken = [
        (x, y)
        for place in (each["gridPos"] for each in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len({*taken})
    assert max(x for x, _ in taken) == 23


def test_the_dashboards_are_two() -> None:
    """Each with an id of its own."""
    assert {load(name)["uid"] for name in DASHBOARDS} == {"bat2influx-battery", "bat2influx-daemon"}


def test_every_default_field_is_in_a_panel_and_no_other() -> None:
    """By its name, or as what is made of it among the downsampled values."""
    read = set().union(*(fields(target) for _, target in targets(load("battery"))))
    assert read >= SAID
    assert read <= STORED


def test_all_that_the_daemon_tells_about_itself_is_in_a_panel() -> None:
    """By its name, and nothing that it does not tell."""
    assert set().union(*(fields(target) for _, target in targets(load("daemon")))) == OWN


def test_every_field_is_shown_in_its_unit() -> None:
    """That of the panel, or that of an override for the name of the series."""
    shown = set()
    for its, target in targets(load("battery")):
        config = its["fieldConfig"]
        for column, field in re.findall(r'(?:mean|last)\("(\w+)"\) AS "([^"]+)"', target["query"]):
            unit = config["defaults"]["unit"]
            for each in config["overrides"]:
                if re.search(each["matcher"]["options"].strip("/"), f"{field} "):
                    unit = next((p["value"] for p in each["properties"] if p["id"] == "unit"), unit)
            path = next(each.path for each in DEFAULT_FIELDS if each.name == column)
            assert unit == UNITS[OF_PATH[path.rpartition("/")[2]]], column
            shown.add(column)
    assert shown == SAID


def test_a_dashboard_opens_with_what_the_file_has_by_default() -> None:
    """The data source that is provisioned, its database, and the measurement."""
    (source,) = yaml.safe_load(DATA_SOURCE.read_text())["datasources"]
    influx = load_ini(TOP / "etc/bat2influx.ini").influx
    assert source["jsonData"]["dbName"] == influx.db
    assert source["url"] == f"http://{influx.address}:{influx.port}"
    assert chosen(load("battery"))["measurement"] == influx.measurement
    for name in DASHBOARDS:
        assert chosen(load(name))["datasource"] == source["name"] == source["uid"]
    left_out = re.compile(variables(load("daemon"))["policy"]["regex"].strip("/"))
    assert not any(left_out.match(grain.policy) for grain in GRAINS)
    assert left_out.match("raw")
    assert left_out.match("autogen")


def test_what_is_provisioned_has_the_keys_that_grafana_reads() -> None:
    """And no secret; what is missing in the environment is empty."""
    sources = yaml.safe_load(DATA_SOURCE.read_text())
    assert sources.keys() == {"apiVersion", "datasources"}
    (source,) = sources["datasources"]
    assert source.keys() == {
        *("name", "uid", "type", "access", "url", "user", "jsonData", "secureJsonData")
    }
    assert source["jsonData"].keys() == {"dbName", "version", "httpMode", "timeInterval"}
    assert (source["type"], source["access"]) == ("influxdb", "proxy")
    assert re.fullmatch(r"\$[A-Z0-9_]+", source["user"])
    assert re.fullmatch(r"\$[A-Z0-9_]+", source["secureJsonData"].pop("password"))
    assert not source["secureJsonData"]
    providers = yaml.safe_load(PROVIDER.read_text())
    (provider,) = providers["providers"]
    assert provider.keys() == {"name", "folder", "type", "allowUiUpdates", "options"}
    assert provider["options"] == {"path": "/usr/share/bat2influx/grafana/dashboards"}
