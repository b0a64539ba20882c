"""What `setup-db` says where there are no continuous queries: what to do there, with commands.

Pure. Nothing is asked of those servers and nothing changed. The commands are for a POSIX shell.

Sources: InfluxData, "influx bucket create", "influx v1 dbrp create", "influx auth create" and
"aggregateWindow()" of InfluxDB 2; "influxdb3 create database", "influxdb3 create trigger" and the
downsampler plugin of InfluxDB 3; VictoriaMetrics, "Stream aggregation" and "Retention".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from shlex import quote

from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    Grain,
    Retention,
    last_alone,
    told_apart,
)
from bat2influx.commands.setup_db.plan import RAW
from bat2influx.config.settings import Settings
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.influxql import DAY, FOREVER, duration

_BACK = {"minutes": "2h", "hours": "1d"}  # how far each run looks, for values that come late
_PLUGIN = "gh:influxdata/downsampler/downsampler.py"


def elsewhere(dialect: Dialect, settings: Settings, wanted: Retention) -> list[str]:
    """Return the lines that tell how to set up a database of `dialect`, which is not InfluxDB 1."""
    tell = {
        Dialect.INFLUXDB2: _influxdb2,
        Dialect.INFLUXDB3: _influxdb3,
        Dialect.VICTORIAMETRICS: _victoriametrics,
    }
    return [*_names(settings), *tell[dialect](settings, wanted)]


def _names(settings: Settings) -> Iterator[str]:
    """Tell of names that the device alone knows in full."""
    apart = [field.name for battery in settings.batteries for field in told_apart(battery)]
    if apart:
        yield "With instances = name an instance is behind names of fields, left out here. Write"
        yield f"them as they are stored, as in {apart[0]}_275, each that there is."
        yield ""


def _influxdb2(settings: Settings, wanted: Retention) -> Iterator[str]:
    db, raw = settings.influx.db, settings.influx.retention_policy or RAW
    yield "InfluxDB 2 has buckets and tasks for this. Make a bucket for each, and map it:"
    kept = {raw: wanted.raw, "minutes": wanted.minutes, "hours": wanted.hours}
    for policy, seconds in kept.items():
        long = "0" if seconds == FOREVER else duration(seconds)
        yield ""
        yield f"influx bucket create --name {quote(f'{db}/{policy}')} --retention {long}"
        default = " --default" if policy == raw else ""
        yield (
            f"influx v1 dbrp create --db {quote(db)} --rp {quote(policy)}{default}"
            f" --bucket-id {_bucket(db, policy)}"
        )
    yield ""
    yield "A token that may write raw values and nothing else, for [Influx] token:"
    yield ""
    yield f"influx auth create --write-bucket {_bucket(db, raw)}"
    for grain in GRAINS:
        yield ""
        file = f"{grain.policy}.flux"
        yield f"Save this as {file}, then run: influx task create --file {file}"
        yield ""
        yield from _flux(grain, settings, raw)


def _bucket(db: str, policy: str) -> str:
    return f'"$(influx bucket list --name {quote(f"{db}/{policy}")} --hide-headers | cut -f1)"'


def _flux(grain: Grain, settings: Settings, raw: str) -> Iterator[str]:
    influx, gauges, counters = settings.influx, *_fields(settings)
    every = duration(grain.seconds)
    task = f"bat2influx_{influx.measurement}_{grain.policy}"
    yield 'import "date"'
    yield ""
    yield f"option task = {{name: {_flux_string(task)}, every: 1h}}"
    yield ""
    # A range that begins within an interval would write it anew from a part of its values.
    yield f"values = (set) => from(bucket: {_flux_string(f'{influx.db}/{raw}')})"
    yield (
        f"    |> range(start: date.truncate(t: -{_BACK[grain.policy]}, unit: {every}),"
        f" stop: date.truncate(t: now(), unit: {every}))"
    )
    yield f"    |> filter(fn: (r) => r._measurement == {_flux_string(influx.measurement)})"
    yield "    |> filter(fn: (r) => contains(value: r._field, set: set))"
    wanted = [(gauges, "mean", ""), (gauges, "min", "_min"), (gauges, "max", "_max")]
    for fields, function, suffix in [*wanted, (counters, "last", "")]:
        if not fields:
            continue
        yield ""
        yield f"values(set: [{', '.join(map(_flux_string, fields))}])"
        yield (
            f"    |> aggregateWindow(every: {every}, fn: {function}, createEmpty: false,"
            ' timeSrc: "_start")'
        )
        if suffix:
            yield f'    |> map(fn: (r) => ({{r with _field: r._field + "{suffix}"}}))'
        yield f"    |> to(bucket: {_flux_string(f'{influx.db}/{grain.policy}')})"


def _flux_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("${", "\\${")


def _influxdb3(settings: Settings, wanted: Retention) -> Iterator[str]:
    influx, gauges, counters = settings.influx, *_fields(settings)
    raw = "/".join(filter(None, (influx.db, influx.retention_policy)))
    yield "InfluxDB 3 keeps a database as long as it is told when the database is made; Core cannot"
    yield "change that later. Make it before the first value is written, and one for each grain:"
    yield ""
    databases = {
        raw: wanted.raw,
        f"{influx.db}_minutes": wanted.minutes,
        f"{influx.db}_hours": wanted.hours,
    }
    for database, seconds in databases.items():
        period = "" if seconds == FOREVER else f" --retention-period {duration(seconds)}"
        yield f"influxdb3 create database{period} {quote(database)}"
    yield ""
    yield "Downsampling is done by InfluxData's downsampler plugin. The server fetches and runs it,"
    yield "if it was started with --plugin-dir. Minima and maxima are in measurements of their own:"
    wanted_of = [(gauges, "avg", ""), (gauges, "min", "_min"), (gauges, "max", "_max")]
    for grain in GRAINS:
        for fields, function, suffix in [*wanted_of, (counters, "last_value", "")]:
            if not fields:
                continue
            arguments = {
                "source_measurement": influx.measurement,
                "target_measurement": influx.measurement + suffix,
                "target_database": f"{influx.db}_{grain.policy}",
                "interval": {"minutes": "1min", "hours": "1h"}[grain.policy],
                "window": _BACK[grain.policy],
                "calculations": function,
                "specific_fields": ".".join(fields),
            }
            given = ",".join(f"{key}={value}" for key, value in arguments.items())
            # On the hour, or the first and the last interval of the window would be parts.
            trigger = f"bat2influx_{influx.measurement}_{grain.policy}_{function}"
            yield ""
            yield (
                f"influxdb3 create trigger --database {quote(raw)} --path {_PLUGIN}"
                f" --trigger-spec {quote('cron:0 0 * * * *')} --trigger-arguments {quote(given)}"
                f" {quote(trigger)}"
            )


def _victoriametrics(settings: Settings, wanted: Retention) -> Iterator[str]:
    influx, gauges, counters = settings.influx, *_fields(settings)
    kept = (wanted.raw, wanted.minutes, wanted.hours)
    longest = "100y" if FOREVER in kept else f"{-(-max(kept) // DAY)}d"
    example = f"avg_over_time({influx.measurement}_{(gauges or counters)[0]}[1m])"
    yield "VictoriaMetrics makes its database by itself, and keeps all series equally long, a month"
    yield "unless it is started with (on Debian in ARGS of /etc/default/victoria-metrics):"
    yield ""
    yield f"-retentionPeriod={longest}"
    yield ""
    yield "It packs raw values so tightly that keeping them all is what to do; minutes and hours"
    yield f"are computed when they are read, as in {example}."
    yield "To have them computed beforehand, start it (1.112, not the 1.79 of Debian 12) with"
    yield "-streamAggr.config=FILE -streamAggr.keepInput, and this as FILE. Values that come late,"
    yield "after the database was away, are in the raw series alone, for aggregation goes by when a"
    yield "value arrives."
    yield ""
    for grain in GRAINS:
        for fields, outputs in ((gauges, "avg, min, max"), (counters, "last")):
            if not fields:
                continue
            names = "|".join(re.escape(f"{influx.measurement}_{field}") for field in fields)
            db, wanted_names = (json.dumps(text, ensure_ascii=False) for text in (influx.db, names))
            match = f"{{db={db}, __name__=~{wanted_names}}}"
            yield "- match: '{}'".format(match.replace("'", "''"))
            yield f"  interval: {duration(grain.seconds)}"
            yield "  ignore_old_samples: true"
            yield f"  outputs: [{outputs}]"


def _fields(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the names of the fields that have a mean, and of those that have their last value."""
    fields = {field.name: field for battery in settings.batteries for field in battery.fields}
    last = [name for name, field in fields.items() if last_alone(field)]
    return [name for name in fields if name not in last], last
