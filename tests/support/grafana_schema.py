"""Checks dashboards against the schema that Grafana publishes in its Foundation SDK.

`judge` starts a Python that has the SDK, which runs this as a module: it reads a list of dashboards
and prints a list of the errors in each, as JSON.

The SDK itself rejects almost nothing: it ignores unknown keys, and accepts any value for any key.
But its classes are generated from the schema, and annotate the type of each attribute. So a key
that from_json followed by to_json loses is unknown, and each attribute is compared with its
annotation. The SDK does not read an override's properties; they are the same as those of
`defaults`, and are checked as such. It knows no InfluxDB query, so queries are not checked here.
"""

from __future__ import annotations

import enum
import json
import subprocess
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from tests import TOP

SDK = "grafana-foundation-sdk==1769699998!10.1.0"
# Queries of panels and of annotations, and what from_json leaves as it is, which is read by itself.
UNREAD = ("targets", "target", "transformations")
OWN_UNIT = "suffix:"  # and the text of a unit that Grafana does not have
MATCHERS = ("byName", "byRegexp", "byType", "byFrameRefID")


def judge(dashboards: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return the errors in each dashboard, one line per error."""
    made = subprocess.run(
        [TOP / "tests/tools/venv", SDK], check=True, capture_output=True, text=True
    ).stdout.strip()
    done = subprocess.run(
        [f"{made}/bin/python", "-m", "tests.support.grafana_schema"],
        cwd=TOP,
        input=json.dumps([*dashboards]),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    judged: list[list[str]] = json.loads(done.stdout)
    return judged


def problems(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield the errors in a dashboard."""
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    yield from _of(Dashboard, dashboard, "")
    for panel in dashboard.get("panels", []):
        if panel.get("type") != "row":
            yield from _of_panel(panel, f"panel {panel.get('id')}")
        for inside in panel.get("panels", ()):
            yield from _of_panel(inside, f"panel {inside.get('id')}")


def _of(model: Any, data: dict[str, Any], where: str) -> Iterator[str]:
    read = model.from_json(data)
    yield from _lost(data, _plain(read), where)
    yield from _wrong(read, where)


def _plain(value: Any) -> Any:
    """Return a value of the SDK as JSON."""
    if hasattr(value, "to_json"):
        value = value.to_json()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _lost(data: Any, kept: Any, where: str) -> Iterator[str]:
    if isinstance(data, dict) and isinstance(kept, dict):
        for key, value in data.items():
            if key not in kept:
                yield f"{where}.{key}: unknown key"
            elif key not in UNREAD:
                yield from _lost(value, kept[key], f"{where}.{key}")
    elif isinstance(data, list) and isinstance(kept, list):
        for number, (value, its) in enumerate(zip(data, kept, strict=True)):
            yield from _lost(value, its, f"{where}[{number}]")


def _wrong(read: Any, where: str) -> Iterator[str]:
    """Yield the attributes of an object of the SDK whose type is not the annotated one."""
    for name, hint in typing.get_type_hints(type(read)).items():
        value = getattr(read, name)
        if name not in UNREAD and not _is(value, hint):
            yield f"{where}.{name}: {value!r} is not {hint}"
        yield from _inside(value, f"{where}.{name}")


def _inside(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _inside(each, f"{where}[{number}]")
    elif hasattr(value, "to_json"):
        yield from _wrong(value, where)


def _is(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, each) for each in arguments)
    if origin is typing.Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is list:
        return isinstance(value, list) and all(_is(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict)
    if hint in (Any, object):
        return True
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in {each.value for each in hint} and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _of_panel(panel: dict[str, Any], where: str) -> Iterator[str]:
    from grafana_foundation_sdk.cog import runtime
    from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, Panel

    for number, each in enumerate(panel.get("transformations", [])):
        yield from _of(DataTransformerConfig, each, f"{where}.transformations[{number}]")
    kind = panel.get("type", "")
    known = runtime.panelcfg_config(kind)
    if known is None or known.options_from_json_hook is None:
        yield f"{where}.type: unknown type {kind!r}"
        return
    config = panel.get("fieldConfig", {})
    defaults = config.get("defaults", {})
    if known.field_config_from_json_hook is None and defaults.get("custom"):
        yield f"{where}.custom: unknown key of {kind}"
    yield from _unit(defaults, where)
    for number, override in enumerate(config.get("overrides", [])):
        place = f"{where}.overrides[{number}]"
        if override.get("matcher", {}).get("id") not in MATCHERS:
            yield f"{place}: unknown matcher {override.get('matcher')}"
        for each in override.get("properties", []):
            held = dict([_nested(each.get("id", ""), each.get("value"))])
            yield from _unit(held, place)
            yield from _of(Panel, {"type": kind, "fieldConfig": {"defaults": held}}, place)


def _nested(path: str, value: Any) -> tuple[str, Any]:
    """Return what `custom.lineWidth` is among defaults: custom, and lineWidth in it."""
    first, _, rest = path.partition(".")
    return (first, dict([_nested(rest, value)])) if rest else (first, value)


def _unit(defaults: dict[str, Any], where: str) -> Iterator[str]:
    from grafana_foundation_sdk.models import units

    unit = defaults.get("unit", "none")
    if unit not in vars(units).values() and not unit.startswith(OWN_UNIT):
        yield f"{where}.unit: unknown unit {defaults['unit']!r}"


if __name__ == "__main__":
    print(json.dumps([[*problems(each)] for each in json.load(sys.stdin)]))
