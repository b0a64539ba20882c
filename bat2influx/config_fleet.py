"""A fleet: what `serial = *` wants of the settings beside it, and what it leaves no room for.

Each problem is (line, problem). The values are those of config.spec where they could be read, and
what stands in the file where they could not; that is then told for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bat2influx import vrm
from bat2influx.inifile import Index, visible

ALL = "*"


def is_fleet(values: Any) -> bool:
    """Tell whether a [Battery] is all devices behind its broker."""
    return bool(values["serial"] == ALL)


def groups(index: Index, config: Any, devices: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with fleets, and with groups that share the work of one."""
    for section in devices:
        values = config[section]
        if is_fleet(values):
            yield from _fleet(index, section, config)
        elif values["share_group"]:
            line = index.entries[section, "share_group"].line
            what = f"counts with serial = {ALL} only; write that, or leave it empty"
            yield line, f"[{section}] share_group = {visible(values['share_group'])}: {what}"


def _fleet(index: Index, section: str, config: Any) -> Iterator[tuple[int, str]]:
    values = config[section]
    label = f"[{section}] serial = {ALL}"
    line = index.entries[section, "serial"].line
    address = values["address"]
    if isinstance(address, str) and address.casefold() == vrm.ADDRESS:
        yield line, f"{label}: the cloud gives out single devices only; write a portal id"
    elif values["mode"] == "poll":
        yield line, f"{label}: so many devices are not asked each second; write mode = notify, too"
    if values["instance"] is not None and (section, "instance") in index.entries:
        where = index.entries[section, "instance"].line
        what = f"is one device's; with serial = {ALL} leave it empty"
        yield where, f"[{section}] instance = {values['instance']}: {what}"
    own = f"Fields {section.partition(' ')[2]}"
    fields = own if own in index.sections else "Fields"
    how = index.entries.get((fields, "instances"))
    if how and how.value in ("one", "name"):
        what = f"with serial = {ALL} each value has its instance as a tag; leave it empty"
        yield how.line, f"[{fields}] instances = {how.value}: {what}"
    if values["share_group"] and config["Influx"]["timestamps"] == "tick":
        where = index.entries["Influx", "timestamps"].line
        what = "a row would hold what one daemon of several has heard last; with share_group"
        yield where, f"[Influx] timestamps = tick: {what} leave it empty"
