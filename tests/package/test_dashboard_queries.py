"""The queries of the dashboards: every InfluxDB accepts them; fields exist, with their units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bat2influx.daemon import metrics
from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS, unit_of
from dashboards.derived import PerDevice
from dashboards.files import BOARDS
from dashboards.panels import KWH
from dashboards.queries import Course, EnergyPerDay, Graph, Now
from dashboards.variables import ROLES
from tests.support.grafana import (
    DASHBOARDS,
    FOLDERS,
    fields,
    fill_in,
    load,
    targets,
    text_of,
    variables,
)

NINE = {field.name for field in DEFAULT_FIELDS}
OF_PRESETS = {each.name for preset in PRESETS.values() for each in preset}
OWN = {each.field for each in (*metrics.OF_DEVICE, *metrics.OF_DAEMON) if each.field}
UNITS = {
    "V": {"volt"},
    "A": {"amp"},
    "W": {"watt", "locale"},
    "VA": {"locale"},
    "Hz": {"hertz"},
    "%": {"percent"},
    "°C": {"celsius"},
    "s": {"clocks"},
    "kWh": {KWH},
    "": {"none"},
}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_all_kinds_of_influxdb_accept_the_queries(name: str) -> None:
    """By the known limits of 2 and 3: no missing function, nothing that ends the connection."""
    dashboard = load(name)
    asked = [text_of(target) for _, target in targets(dashboard)]
    asked += [each["query"] for each in variables(dashboard).values() if each["type"] == "query"]
    asked += [each["target"]["query"] for each in dashboard["annotations"]["list"]]
    for text in asked:
        assert not re.search(r'"\s*[=!]~', text), "an absent tag matches nothing on InfluxDB 3"
        assert "integral(" not in text, "with tags it returns the last day twice"
        assert "count(distinct" not in text.lower()
        if show := re.match(r"SHOW (\w+ \w+)", text):
            assert show[1] in ("TAG VALUES", "FIELD KEYS"), text
            assert " ON " not in text


def test_a_comparison_of_a_tag_is_left_out_if_the_tag_is_not_stored() -> None:
    """A variable without a value turns the comparison into a comment."""
    compared = 0
    for name in DASHBOARDS:
        for text in (text_of(target) for _, target in targets(load(name))):
            for site in ("", "home"):
                values = {"site": site, "portal": ""}
                filled = fill_in(text, values, {}, "raw")
                bare = re.sub(r"--.*|/\*.*?\*/", "", re.sub(r"/\*.*?\*/", "", filled))
                wanted = text.count('AND "site" =') if site else 0
                assert bare.count("\"site\" = 'home'") == wanted
                assert '"portal" =' not in bare
                assert "/*" not in bare
                assert "''" not in bare
                compared += wanted
        for tag in ("site", "portal"):
            variable = variables(load(name))[tag]
            assert not {"includeAll", "allValue", "current"} & variable.keys()
    assert compared > 50


def test_queries_read_only_stored_fields() -> None:
    """Of the nine, of presets, or of the daemon's reports; the first and last kind completely."""
    known = NINE | OF_PRESETS | {f"${role}" for role in ROLES}
    for kind in FOLDERS:
        read: set[str] = set()
        for name in DASHBOARDS:
            own = set().union(*(fields(target) for _, target in targets(load(name, kind))))
            read |= own
            if name == "daemon":
                assert own == OWN
            else:
                assert own - known <= OWN
        assert read | {each for role in ROLES.values() for each in role[2]} >= NINE


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_shown_fields(preset: str) -> None:
    """Users who store a preset see some of its values."""
    read = set().union(
        *(fields(target) for name in DASHBOARDS for _, target in targets(load(name)))
    )
    read |= {each for role in ROLES.values() for each in role[2]}
    assert read & {each.name for each in PRESETS[preset]}


def test_roles_have_stored_fields() -> None:
    """Sorted by name, because Grafana uses the first."""
    for _, sort, names in ROLES.values():
        assert {*names} <= NINE | OF_PRESETS
        assert [*names] == sorted(names, reverse=sort == 2)


def test_every_field_is_shown_in_its_unit() -> None:
    """That of the panel, or that of its override."""
    units = {each.name: each.unit for preset in PRESETS.values() for each in preset}
    units |= {each.name: unit_of(each.service, each.path) for each in DEFAULT_FIELDS}
    shown = set()
    for board in BOARDS:
        for each in board.panels():
            for asked in each.asked:
                for name, column, energy in _columns(asked):
                    unit = next(
                        (
                            look.unit
                            for look in reversed(each.looks)
                            if look.unit and re.match(rf"{look.name}( |$)", column)
                        ),
                        each.unit,
                    )
                    of = ROLES[name[1:]][2][0] if name.startswith("$") else name
                    wanted = {KWH} if energy else UNITS[units[of]]
                    assert unit in wanted, (board.name, each.title, column, unit)
                    shown.add(name)
    assert len(shown) > 60


def _columns(asked: Any) -> Iterator[tuple[str, str, bool]]:
    """Yield the fields of a query with the names of their columns."""
    if isinstance(asked, PerDevice):
        yield asked.field, asked.name, False
    elif isinstance(asked, Course | Graph | Now | EnergyPerDay):
        for name in asked.value.fields:
            for column in asked.columns:
                yield name, column.name, isinstance(asked, EnergyPerDay)
            for column in asked.energies if isinstance(asked, Graph) else ():
                yield name, column.name, True
