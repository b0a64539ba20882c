"""The files of etc/grafana: checked against Grafana's schema, and for their names."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from dashboards import alerts, palette
from dashboards.files import BOARDS, made
from tests.support.grafana import (
    DASHBOARDS,
    FOLDERS,
    INFLUXDB,
    PROMETHEUS,
    TOP,
    Json,
    load,
    panels,
    targets,
    text_of,
    variables,
)
from tests.support.grafana_schema import judge

OF_QUERY = {
    INFLUXDB: {"refId", "rawQuery", "resultFormat", "alias", "query"},
    PROMETHEUS: {"refId", "expr", "legendFormat", "instant", "range", "format", "editorMode"},
}
ALL = [(name, kind) for kind in FOLDERS for name in DASHBOARDS]
SHOWS = {"timeseries", "stat", "gauge", "bargauge", "table"}
Change = Callable[[Json], Any]


def panel(dashboard: Json, number: int) -> Json:
    """Return a panel by its id."""
    return next(each for each in panels(dashboard) if each["id"] == number)


def graph(dashboard: Json) -> Json:
    """Return a graph with all features: custom settings, and overrides."""
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
    """Return that graph's defaults for all its fields."""
    said: Json = graph(dashboard)["fieldConfig"]["defaults"]
    return said


# A change of a valid dashboard, and the resulting error.
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
        lambda d: variables(d)["grid"].update(allvalue=".*"),
        ".allvalue: unknown key",
    ),
    "when it is asked for": (lambda d: variables(d)["grid"].update(refresh="1"), ".refresh"),
    "what is chosen": (lambda d: variables(d)["capacity"].update(current={"text": 1}), ".text"),
    "a key of a link": (lambda d: d["links"][0].update(uid="x"), ".uid: unknown key"),
}


@pytest.fixture(scope="module")
def judged() -> dict[Any, list[str]]:
    """The schema's errors of each dashboard, and of each of the wrong ones."""
    asked: dict[Any, Json] = {each: load(*each) for each in ALL}
    for name, (change, _) in WRONG.items():
        asked[name] = copy.deepcopy(asked["overview", INFLUXDB])
        change(asked[name])
    return dict(zip(asked, judge(asked.values()), strict=True))


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_a_dashboard_follows_the_schema(judged: dict[Any, list[str]], name: str, kind: str) -> None:
    """With its panels, their options and their units."""
    assert judged[name, kind] == []


@pytest.mark.parametrize("name", WRONG)
def test_misspelt_keys_and_wrong_types_are_found(judged: dict[Any, list[str]], name: str) -> None:
    """Proves that the check above can fail."""
    assert WRONG[name][1] in "\n".join(judged[name]), judged[name]


def test_shipped_files_equal_those_of_the_sources() -> None:
    """Byte for byte: `python3 -m dashboards` has been run, and there is no other file."""
    shipped = {
        str(path.relative_to(TOP)): path.read_text(encoding="utf-8")
        for folder in (*FOLDERS.values(), TOP / alerts.FOLDER)
        for path in folder.iterdir()
    }
    assert shipped.keys() == made().keys()
    assert [name for name, text in made().items() if shipped[name] != text] == []


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_parts_outside_the_schema_are_valid(name: str, kind: str) -> None:
    """Queries, used variables, positions without overlap, unique ids."""
    dashboard = load(name, kind)
    assert re.fullmatch(r"[a-z0-9-]{8,40}", dashboard["uid"])
    assert dashboard["timezone"] == "browser"
    known = variables(dashboard)
    used = {"datasource"}
    for its, target in targets(dashboard):
        assert target.keys() == OF_QUERY[kind], target
        assert its["datasource"] == {"type": kind, "uid": "${datasource}"}
        used |= {found[1] for found in re.finditer(r"\$\{?(\w+)", text_of(target))}
    used = {each for each in used if not each.startswith("__")} - {"timeFilter"}
    assert used <= known.keys()
    assert {each for each in known if not known[each].get("hide")} <= used
    ids = [each["id"] for top in dashboard["panels"] for each in (top, *top.get("panels", ()))]
    assert ids == sorted({*ids})
    taken = [place for each in dashboard["panels"] for place in _cells(each["gridPos"])]
    assert len(taken) == len({*taken})
    for row in dashboard["panels"]:
        inside = [place for each in row.get("panels", ()) for place in _cells(each["gridPos"])]
        assert len(inside) == len({*inside})


def _cells(place: Json) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_side_by_side_fill_the_width(board: Any) -> None:
    """In each row, so that there are no holes."""
    for each in board.rows:
        for row in getattr(each, "rows", [each]):
            assert sum(width for _, width in row.panels) == 24


def test_there_are_six_and_each_links_to_the_others() -> None:
    """By their tag, with the variables; each set links to its own alone."""
    assert [*DASHBOARDS] == sorted(("overview", "battery", "grid", "solar", "energy", "daemon"))
    for kind in FOLDERS:
        loaded = [load(name, kind) for name in DASHBOARDS]
        assert len({each["uid"] for each in loaded}) == len(loaded)
        tags = {tuple(each["tags"]) for each in loaded}
        assert len(tags) == 1
        for each in loaded:
            (link,) = each["links"]
            assert (tuple(link["tags"]),) == (*tags,)
            assert link["includeVars"] is True
        names = {tuple(variables(each)) for each in loaded}
        assert len(names) == 1
    assert load("overview")["tags"] != load("overview", PROMETHEUS)["tags"]


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_nothing_is_left_to_grafanas_defaults(name: str, kind: str) -> None:
    """A panel has a description, its unit and colours, and a text for missing values."""
    colors = {*palette.FLOWS.values(), *palette.STATES, *palette.PHASES, palette.SUN_AC}
    for its in panels(load(name, kind)):
        assert its["type"] in SHOWS
        assert re.fullmatch(r"[A-Z].*\.", its["description"]), its["title"]
        config = its["fieldConfig"]["defaults"]
        assert config["noValue"]
        assert config["unit"]
        steps = [step["color"] for step in config["thresholds"]["steps"]]
        for each in its["fieldConfig"]["overrides"]:
            for found in each["properties"]:
                if found["id"] == "thresholds":
                    steps += [step["color"] for step in found["value"]["steps"]]
                if found["id"] == "color" and found["value"]["mode"] == "fixed":
                    steps.append(found["value"]["fixedColor"])
        assert {*steps} <= colors, its["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_refresh_is_not_too_often(name: str) -> None:
    """At least half a minute, also of the selectable intervals."""
    for kind in FOLDERS:
        dashboard = load(name, kind)
        allowed = dashboard["timepicker"]["refresh_intervals"]
        assert dashboard["refresh"] in allowed
        assert allowed[0] == "30s"


def test_thresholds_are_in_order() -> None:
    """Steps ascend, and the first one has no value."""
    for name in DASHBOARDS:
        for its in panels(load(name)):
            steps = its["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert steps[0]["value"] is None
            assert all(a["value"] < b["value"] for a, b in pairwise(steps[1:]))
