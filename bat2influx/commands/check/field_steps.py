"""What `check` prints about fields: the value of each, and those that the device does not have.

Rules: no socket; answers are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from bat2influx.commands.check.labels import wrong
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.device import errors as device_errors
from bat2influx.device.plan import Plan
from bat2influx.venus import protocol
from bat2influx.venus.protocol import Field, NoValue
from bat2influx.venus.units import unit_of

Value = float | NoValue


class FirstValues:
    """The first value on each of the `wanted` topics, in `values`.

    All topics of the device are subscribed at that time, and a payload may have 1 MiB: only the
    values of wanted messages are kept.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self.values: dict[str, Value] = {}
        self._wanted = frozenset(wanted)

    def process(self, topic: str, payload: bytes) -> None:
        """Take a message into account, whatever its topic."""
        if topic in self._wanted and topic not in self.values:
            self.values[topic] = protocol.decode(payload)

    @property
    def complete(self) -> bool:
        """Whether each of them has one."""
        return len(self.values) == len(self._wanted)


def field_step(address: str, name: str, path: str, value: Value | None, *, optional: bool) -> Step:
    """Return the step of one field: its value with the unit, or why there is none.

    `path` is service/instance/path, `value` the first answer, None without one. A field that is
    `optional` may have no value.
    """
    field = f"{name} ({path})"
    if value is None:
        return wrong(device_errors.fields_missing(address, [], [field]), name)
    if not isinstance(value, NoValue):
        service, _, leaf = path.partition("/")
        shown = f"{value:g} {unit_of(service, leaf.partition('/')[2])}".rstrip()
        return Step(OK, name, f"{shown} ({path})")
    if value in (NoValue.NULL, NoValue.EMPTY_LIST):
        if optional:
            return Step(NOTE, name, f"has no value (null) at present ({path})")
        return Step(NOTE, name, device_errors.fields_null(address, [field]).what)
    return wrong(device_errors.fields_not_numeric(address, [field], value.value), name)


def left_out(plan: Plan, fields: Iterable[Field]) -> Iterator[Step]:
    """Yield a note for each service whose fields of presets this device does not have."""
    there = {series.field for series in plan.series.values()}
    there |= {series.field.rpartition("_")[0] for series in plan.series.values()}
    absent: dict[str, list[str]] = {}
    for field in fields:
        given = field.instance is not None
        known = f"N/{plan.portal}/{field}" in plan.fields if given else field.name in there
        if field.optional and not known:
            where = f"{field.service} {field.instance}" if given else field.service
            absent.setdefault(where, []).append(field.name)
    for where, names in absent.items():
        yield Step(NOTE, "preset", f"not on this device: {', '.join(names)} ({where})")
