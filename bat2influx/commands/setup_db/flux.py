"""Flux: what the tasks of InfluxDB 2 compute, as the bodies of the script's shell functions.

Pure. A body prints Flux for the span from $1 to $2, both for the task and for filling; $raw,
$minutes and $hours are the IDs of the buckets. Text from the file is in here-documents in which the
shell expands nothing.

Sources: Flux, "aggregateWindow()", "map()" and "to()"; InfluxDB 2, "Define task options".
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from bat2influx.commands.setup_db import energies
from bat2influx.commands.setup_db.downsampling import HOURS, MINUTES, Grain, means_and_lasts
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import duration


def string(text: str) -> str:
    """Return a string literal of Flux."""
    return json.dumps(text, ensure_ascii=False).replace("${", "\\${")


def task_name(what: str, settings: Settings) -> str:
    """Return the name of the task that computes minutes, hours or energies."""
    return f"bat2influx_{settings.influx.measurement}_{what}"


def powers(settings: Settings) -> list[str]:
    """Return the names of the fields that have an energy."""
    return energies.powers(field for battery in settings.batteries for field in battery.fields)


def of_grain(grain: Grain, settings: Settings) -> Iterator[str]:
    """Yield the lines of a body that computes minutes or hours from raw values."""
    yield from _begin(grain.policy, "raw", settings)
    gauges, counters = means_and_lasts(settings.batteries)
    wanted = [(gauges, "mean", ""), (gauges, "min", "_min"), (gauges, "max", "_max")]
    for fields, function, suffix in [*wanted, (counters, "last", "")]:
        if fields:
            yield from _written([_values(fields)], function, suffix, grain)


def of_energies(settings: Settings) -> Iterator[str]:
    """Yield the lines of a body that computes the energies of hours from minutes.

    The task waits 10 minutes for that of the minutes, which starts at the same time.
    """
    yield from _begin(energies.NAME, MINUTES.policy, settings, ", offset: 10m")
    values = _values(powers(settings))
    for suffix, sign, amount in ((energies.PLUS, ">", ""), (energies.MINUS, "<", "-")):
        kwh = f"{amount}r._value / {energies.W_MINUTES}.0"
        split = f"if r._value {sign} 0.0 then {kwh} else 0.0"
        lines = [values, f"    |> map(fn: (r) => ({{r with _value: {split}}}))"]
        yield from _written(lines, "sum", suffix, HOURS)


def _begin(what: str, bucket: str, settings: Settings, options: str = "") -> Iterator[str]:
    name = string(task_name(what, settings))
    yield "    cat <<'END'"
    yield 'import "date"'
    yield ""
    yield f"option task = {{name: {name}, every: 1h{options}}}"
    yield ""
    yield "END"
    yield "    cat <<END"
    yield f'values = (set) => from(bucketID: "${bucket}")'
    yield "    |> range(start: $1, stop: $2)"
    yield "END"
    yield "    cat <<'END'"
    yield f"    |> filter(fn: (r) => r._measurement == {string(settings.influx.measurement)})"
    yield "    |> filter(fn: (r) => contains(value: r._field, set: set))"
    yield "END"


def _values(fields: list[str]) -> str:
    return f"values(set: [{', '.join(map(string, fields))}])"


def _written(lines: list[str], function: str, suffix: str, grain: Grain) -> Iterator[str]:
    """Yield the lines that compute one value per interval, and write it under the field's name."""
    yield "    cat <<'END'"
    yield ""
    yield from lines
    yield (
        f"    |> aggregateWindow(every: {duration(grain.seconds)}, fn: {function},"
        ' createEmpty: false, timeSrc: "_start")'
    )
    if suffix:
        yield f'    |> map(fn: (r) => ({{r with _field: r._field + "{suffix}"}}))'
    yield "END"
    yield f'    echo "    |> to(bucketID: \\"${grain.policy}\\")"'
