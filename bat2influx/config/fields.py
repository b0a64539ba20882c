"""[Fields] of the ini file: presets, instances, and the resulting fields with their names.

A check yields (line, problem). A value that could not be read is still the text of the file; such a
value is ignored here, because its own check reports it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bat2influx.config.checks import is_key
from bat2influx.config.inifile import Entry, Index, Value, nearest
from bat2influx.venus.presets import chosen, fields_of, preset_of, services_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import DEFAULT_FIELDS, PATHS


def fields_section(index: Index, device: str) -> str:
    """Return the section with the fields of a device: [Fields NAME] if it exists, else [Fields]."""
    own = f"Fields {device.partition(' ')[2]}"
    return own if own in index.sections else "Fields"


def fields_in(section: Any) -> tuple[Field, ...]:
    """Return the fields of a section: the nine, those of presets, and its own.

    A field of a preset that names its instance ends in that number with `instances = name`, as the
    same field does where the instance is discovered.
    """
    own = ((key, section[key]) for key in section if isinstance(section[key], Field))
    return (
        *(DEFAULT_FIELDS if section["defaults"] else ()),
        *(_as_numbered(field, section) for field in fields_of(_presets(section))),
        *(field._replace(name=key) for key, field in own),
    )


def _as_numbered(field: Field, section: Any) -> Field:
    if field.instance is None or how_of(section, field.service) != "name":
        return field
    return field._replace(name=f"{field.name}_{field.instance}")


def instances_in(section: Any) -> dict[str, str]:
    """Return how several instances are distinguished, by service; '' is every other one."""
    given = section["instances"]
    return dict(given) if isinstance(given, tuple) else {"": "one"}


def how_of(section: Any, service: str) -> str:
    """Return how several instances of a service are distinguished: one, tag or name."""
    given = instances_in(section)
    return given.get(service, given[""])


def _presets(section: Any) -> tuple[str, ...]:
    presets = section["presets"]
    return presets if isinstance(presets, tuple) else ()


def own_fields(index: Index, section: str) -> dict[str, Entry]:
    """Return the keys of a section that are fields, valid or not."""
    keys = index.keys(section) or ()
    return {
        key: entry
        for (place, key), entry in index.entries.items()
        if place == section and key not in keys
    }


def names_problems(
    index: Index, section: str, values: Any, tags: Collection[str]
) -> Iterator[tuple[int, str]]:
    """Yield problems of the names of a section's own fields; `tags` are reserved names."""
    own = own_fields(index, section)
    for name, (line, value) in own.items():
        if fault := _fault(name, value, values, tags):
            yield line, f"{index.label(section, name)}: {fault}"
    if values["defaults"] is False and not own and not values["presets"]:
        what = "leaves no field; write a field, such as NAME = vebus/Soc, or presets"
        yield index.entries[section, "defaults"].line, f"[{section}] defaults = no: {what}"


def presets_problems(index: Index, section: str, values: Any) -> Iterator[tuple[int, str]]:
    """Yield instances of a preset that would have the same names, and unknown services."""
    by_preset: dict[str, list[str]] = {}
    for text in _presets(values):
        by_preset.setdefault(chosen(text).preset, []).append(text)
    for preset, texts in by_preset.items():
        alike = [each for each in services_of(preset) if how_of(values, each) == "one"]
        if len(texts) > 1 and alike:
            how = ", ".join(f"{service}/tag" for service in alike)
            what = (
                f"would have the same names; write instances = {how}, too, or name instead of tag"
            )
            line = index.entries[section, "presets"].line
            yield line, f"[{section}] presets: {' and '.join(texts)} {what}"
    given = {str(each.value).partition("/")[0] for each in own_fields(index, section).values()}
    for kind in instances_in(values):
        if kind and kind not in PATHS and kind not in given:
            near = nearest(kind, (*PATHS, *given))
            hint = f"; did you mean {near}?" if near else ""
            line = index.entries[section, "instances"].line
            yield line, f"[{section}] instances: no field is of the service {kind}{hint}"


def _fault(name: str, value: Value, values: Any, tags: Collection[str]) -> str | None:
    """Return the problem of a field's name, or that its value is missing."""
    preset = preset_of(name)
    presets = {chosen(text).preset for text in _presets(values)}
    if not value:
        return "is empty; write service[/instance]/path, or remove the line"
    if values["defaults"] and name in {field.name for field in DEFAULT_FIELDS}:
        return "is one of the nine default fields; rename it, or write defaults = no"
    if preset in presets:
        return f"is a field of the preset {preset}; rename it, or leave the preset out"
    if name in tags:
        return "is a tag of each value; rename it"
    if not is_key(name):
        return "must be printable, without \\ or _ in front, and not time"
    stem, _, number = name.rpartition("_")
    if stem in _numbered(values) and number.isdecimal():
        return f"is the name of {stem} of instance {number}; rename it"
    return None


def _numbered(values: Any) -> set[str]:
    """Return the names that get the instance's number as a suffix, with `instances = name`."""
    of_presets = {chosen(text).preset for text in _presets(values)}
    own = (field for field in fields_in(values) if not field.optional)
    return {
        field.name
        for field in (*own, *fields_of(of_presets))
        if field.instance is None
        and field.service != "system"
        and how_of(values, field.service) == "name"
    }
