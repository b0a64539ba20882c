"""What `setup-db` prints for databases without continuous queries: what to do, with commands.

Pure. Nothing is read from those servers and nothing changed. For InfluxDB 2 and 3 the lines are a
script for a POSIX shell, with explanations as comments.

Sources: "influxdb3 create database", "influxdb3 update database", "influxdb3 create trigger" and
the downsampler plugin's source (influxdata/influxdb3_plugins) of InfluxDB 3; VictoriaMetrics,
"Stream aggregation" and "Retention". InfluxDB 2 is in influxdb2.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from shlex import quote
from textwrap import wrap

from bat2influx.commands.setup_db import energies, flux, influxdb2
from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    LOOKS_BACK,
    Retention,
    means_and_lasts,
    named_by_instance,
)
from bat2influx.config.settings import Settings
from bat2influx.influx.dialects import Dialect, database_of_3
from bat2influx.influx.influxql import DAY, FOREVER, duration

_PLUGIN = "gh:influxdata/downsampler/downsampler.py"
_PLUGIN_TAKES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # its pattern for a field's name


def elsewhere(
    dialect: Dialect, settings: Settings, wanted: Retention, *, change: bool = False
) -> list[str]:
    """Return the lines on how to set up a database of `dialect`, which is not InfluxDB 1.

    With `change` the commands alter existing things that differ; otherwise they keep them.
    """
    if dialect is Dialect.VICTORIAMETRICS:
        return [*_names(settings), *_victoriametrics(settings, wanted)]
    script = influxdb2.script if dialect is Dialect.INFLUXDB2 else _influxdb3
    about = [f"# {line}" if line else "" for line in _names(settings)]
    return [*about, *script(settings, wanted, change=change)]


def _names(settings: Settings) -> Iterator[str]:
    """Yield a note about names that only the device knows in full."""
    apart = [field.name for battery in settings.batteries for field in named_by_instance(battery)]
    if apart:
        yield "With instances = name the names of fields end in an instance, left out here. Write"
        yield f"every name as it is stored, as in {apart[0]}_275."
        yield ""


def _influxdb3(settings: Settings, wanted: Retention, *, change: bool) -> Iterator[str]:
    influx = settings.influx
    raw = database_of_3(influx.db, influx.retention_policy)
    databases = {
        raw: wanted.raw,
        f"{influx.db}_minutes": wanted.minutes,
        f"{influx.db}_hours": wanted.hours,
    }
    yield from _comment(
        "InfluxDB 3 has a database for each: raw values, minutes and hours. Core has room for five"
        " databases in all; minutes and hours take two of them. These lines are for a POSIX shell;"
        " influxdb3 reads its login from INFLUXDB3_AUTH_TOKEN and INFLUXDB3_HOST_URL. Nothing has"
        " been changed yet."
    )
    yield ""
    yield from _comment(
        "A database that does not exist yet. For one that exists the command fails (409), and the"
        " database stays as it is:"
    )
    for database, seconds in databases.items():
        period = "" if seconds == FOREVER else f" --retention-period {duration(seconds)}"
        yield f"influxdb3 create database{period} {quote(database)}"
    yield ""
    asked = "" if change else " Remove the # where that is meant, or use setup-db --change."
    yield from _comment(
        "A database that exists: the first write creates one, too, which keeps values forever. This"
        " sets how long, on Core too (tried with 3.6.0), and values that are older are removed."
        f"{asked}"
    )
    for database, seconds in databases.items():
        period = "none" if seconds == FOREVER else duration(seconds)
        message = f"update database --database {quote(database)} --retention-period {period}"
        yield f"{'' if change else '# '}influxdb3 {message}"
    yield ""
    yield from _downsampling(settings, raw)


def _comment(text: str) -> Iterator[str]:
    for line in wrap(text, 95, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"


def _downsampling(settings: Settings, raw: str) -> Iterator[str]:
    """Yield how InfluxData's plugin downsamples, and how it names the fields."""
    influx = settings.influx
    if "," in influx.measurement + influx.db:
        yield from _comment(
            "Downsampling: commas separate the arguments of a trigger, so that measurement and db"
            " must have none in their names. Choose others under [Influx]."
        )
        return
    gauges, counters = means_and_lasts(settings.batteries)
    left_out = [name for name in (*gauges, *counters) if not _PLUGIN_TAKES.fullmatch(name)]
    gauges, counters = ([f for f in each if f not in left_out] for each in (gauges, counters))
    if left_out:
        yield from _comment(
            "Left out of minutes and hours, because the plugin separates names by dots, and takes"
            f" ASCII letters, digits, _ and - in them: {', '.join(left_out)}. Under [Fields] they"
            " may have other names."
        )
        yield ""
    if not (gauges or counters):
        yield "# There is no field to downsample."
        return
    yield from _comment(
        "Downsampling is done by InfluxData's downsampler plugin. The server fetches and runs it,"
        " if it was started with --plugin-dir. Each hour it computes the intervals that have ended."
        " For a trigger that exists the command fails; for other fields, first delete it (influxdb3"
        " delete trigger --database DB NAME)."
    )
    functions = [f"{name}:{function}" for name in gauges for function in ("avg", "min", "max")]
    functions += [f"{name}:last_value" for name in counters]
    for grain in GRAINS:
        arguments = {
            "source_measurement": influx.measurement,
            "target_measurement": influx.measurement,
            "target_database": f"{influx.db}_{grain.policy}",
            "interval": {"minutes": "1min", "hours": "1h"}[grain.policy],
            "window": LOOKS_BACK[grain.policy],
            "calculations": ".".join(functions),
            "specific_fields": ".".join((*gauges, *counters)),
        }
        given = ",".join(f"{key}={value}" for key, value in arguments.items())
        # On the hour, otherwise the first and the last interval of the window would be parts.
        yield f"influxdb3 create trigger --database {quote(raw)} --path {_PLUGIN} \\"
        yield f"    --trigger-spec {quote('cron:0 0 * * * *')} \\"
        yield f"    --trigger-arguments {quote(given)} \\"
        yield f"    {quote(f'bat2influx_{influx.measurement}_{grain.policy}')}"
    yield ""
    yield from _plugin_names(influx.db, influx.measurement, gauges, counters)
    powers = [name for name in flux.powers(settings) if name in gauges]
    if powers:
        yield ""
        yield from _energies_of_3(influx.db, influx.measurement, powers[0])


def _plugin_names(
    db: str, measurement: str, gauges: list[str], counters: list[str]
) -> Iterator[str]:
    called = [f"{gauges[0]}_avg, {gauges[0]}_min and {gauges[0]}_max"] if gauges else []
    called += [f"{counters[0]}_last_value"] if counters else []
    name = (gauges or counters)[0]
    yield from _comment(
        f"The plugin names fields by what it computes: {', '.join(called)}. Minutes and hours have"
        f" no {name}, unlike those of InfluxDB 1 and 2, and each row also has record_count,"
        " time_from and time_to. The dashboards that come with bat2influx do not work with InfluxDB"
        " 3: they choose by retention policy, which it does not have. A query names the database,"
        " in Grafana with a separate data source:"
    )
    stored = f"{name}_avg" if gauges else f"{name}_last_value"
    table = '"' + measurement.replace('"', '""') + '"'
    sql = (
        f'SELECT time, "{stored}" AS "{name}" FROM {table} WHERE time > now() - INTERVAL \'1 day\''
    )
    yield f"# influxdb3 query --database {quote(f'{db}_minutes')} {quote(f'{sql} ORDER BY time')}"


def _energies_of_3(db: str, measurement: str, power: str) -> Iterator[str]:
    yield from _comment(
        "Energies are not computed beforehand, because the plugin cannot split a power by its sign."
        f" A query adds them up from minutes, here each hour's of {power} where it is positive, in"
        " kWh; < 0 and a minus sign give the other direction:"
    )
    table = '"' + measurement.replace('"', '""') + '"'
    sql = (
        f"SELECT date_bin(INTERVAL '1 hour', time) AS hour, sum(CASE WHEN \"{power}_avg\" > 0"
        f' THEN "{power}_avg" ELSE 0 END) / {energies.W_MINUTES} AS "{power}{energies.PLUS}"'
        f" FROM {table} WHERE time >= date_bin(INTERVAL '1 hour', now()) - INTERVAL '1 day'"
        " GROUP BY 1 ORDER BY 1"
    )
    yield f"# influxdb3 query --database {quote(f'{db}_minutes')} {quote(sql)}"


def _victoriametrics(settings: Settings, wanted: Retention) -> Iterator[str]:
    influx = settings.influx
    gauges, counters = means_and_lasts(settings.batteries)
    kept = (wanted.raw, wanted.minutes, wanted.hours)
    longest = "100y" if FOREVER in kept else f"{-(-max(kept) // DAY)}d"
    example = f"avg_over_time({influx.measurement}_{(gauges or counters)[0]}[1m])"
    yield "VictoriaMetrics creates its database itself, and keeps all series equally long, a month"
    yield "unless it is started with (on Debian in ARGS of /etc/default/victoria-metrics):"
    yield ""
    yield f"-retentionPeriod={longest}"
    yield ""
    yield "It compresses raw values so well that you can keep them all; minutes and hours"
    yield f"are computed when they are read, as in {example}."
    if powers := flux.powers(settings):
        minute = f"avg_over_time({influx.measurement}_{powers[0]}[1m])"
        yield f"So are energies in kWh, of {powers[0]} where it is positive (clamp_max and a minus"
        yield "sign for the other direction), here of days:"
        yield ""
        yield f"sum_over_time((clamp_min({minute}, 0) / {energies.W_MINUTES})[1d:1m])"
        yield ""
    yield "To have minutes and hours beforehand, start it (1.112, not the 1.79 of Debian 12) with"
    yield "-streamAggr.config=FILE -streamAggr.keepInput, and this as FILE. Values that come late,"
    yield "after an outage of the database, are in the raw series only, because aggregation goes by"
    yield "the time of arrival."
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
