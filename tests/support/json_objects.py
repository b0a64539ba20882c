"""The kinds of objects that commands print with `--json`, and a check of what is printed."""

from __future__ import annotations

import json
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from bat2influx.commands import health, json_lines, spool_json
from bat2influx.commands.check import json_steps
from bat2influx.commands.discover import device_lines
from bat2influx.commands.json_lines import MAX_LINE, Record

MODULES = (json_lines, health, spool_json, json_steps, device_lines)


def kinds() -> dict[str, type[Record]]:
    """Return every kind of object that the program has."""
    found = {
        each.kind: each
        for module in MODULES
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Record) and each is not Record
    }
    assert {*found.values()} >= {
        each for each in Record.__subclasses__() if each.__module__.startswith("bat2influx.")
    }
    return found


def types_of(kind: type[Record]) -> dict[str, tuple[Any, ...]]:
    """Return the types that each key of a kind may have, in order."""
    return {
        name: get_args(hint) if isinstance(hint, UnionType) else (hint,)
        for name, hint in get_type_hints(kind).items()
        if name != "kind"
    }


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects in what a command has printed, each of them checked."""
    return [checked(line) for line in text.splitlines()]


def checked(line: str) -> dict[str, Any]:
    """Return the object in a line; AssertionError where its kind has other keys or types."""
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < MAX_LINE
    found: dict[str, Any] = json.loads(line)
    types = types_of(kinds()[found["kind"]])
    assert [*found] == ["kind", *types], found
    for key, allowed in types.items():
        assert any(_fits(found[key], each) for each in allowed), (key, found[key])
    return found


def _fits(value: Any, wanted: Any) -> bool:
    if wanted is NoneType:
        return value is None
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return value in {each.value for each in wanted}
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted in (str, bool):
        return isinstance(value, wanted)
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
