"""The alert rules: what each asks, when it fires, and what to do then.

Rules: each rule is there for InfluxQL and for MetricsQL and fires for the same data. Its query
gives a series for each site (or device of a fleet), which is reduced to one value and held against
a threshold. Each says on purpose what becomes of it without data and with an error of the database:
where the database is unavailable, one rule fires and not all. Grafana reads $ in a title or a label
as a variable of its environment, so that there is none; in annotations and queries it does not.

Source: Grafana, pkg/services/provisioning/alerting/rules_types.go.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86_400
TAGS = '"site", "portal", "instance"'
IN_TAGS = "db, site, portal, instance"
WHO = "{{ with $labels.site }} of {{ . }}{{ end }}{{ with $labels.portal }} of {{ . }}{{ end }}"


@dataclass(frozen=True)
class Rule:
    """An alert rule.

    `influxql` and `metricsql` are its query; `seconds` is how far back InfluxQL looks. With
    `known`, a second query over `known_seconds`, only the series that it finds count. `fires` is
    the kind of a threshold (lt, gt, outside_range) with its `params`, `metric_fires` that of
    MetricsQL where it differs; `lasting` is how long it has to hold. `no_data` and `error` are
    Grafana's states, OK or Alerting, and `why` says why these.
    """

    uid: str
    title: str
    severity: str
    influxql: str
    seconds: int
    metricsql: str
    fires: str
    params: tuple[float, ...]
    lasting: str
    no_data: str
    error: str
    why: str
    summary: str
    description: str
    known: str = ""
    known_seconds: int = 0
    metric_fires: tuple[str, tuple[float, ...]] | None = None
    reducer: str = "last"


def _last(field_: str, measurement: str = "dc", tags: str = TAGS) -> str:
    by = f" GROUP BY {tags}" if tags else ""
    return f'SELECT last("{field_}") FROM "{measurement}" WHERE $timeFilter{by}'


RULES = (
    Rule(
        uid="bat2influx-battery-low",
        title="Battery low",
        severity="warning",
        influxql=_last("Soc"),
        seconds=15 * MINUTE,
        metricsql="last_over_time(dc_Soc[15m])",
        fires="lt",
        params=(20,),
        lasting="5m",
        no_data="OK",
        error="OK",
        why='Without a value nothing is known of the battery; "No values" is the rule for that.',
        summary=f'The battery{WHO} is at {{{{ printf "%.0f" $values.B.Value }}}} %.',
        description="Switch off what can wait, or charge the battery: from the mains, with a"
        " generator. If it"
        " should not be this low, look at the dashboard Battery for what has discharged it.",
    ),
    Rule(
        uid="bat2influx-no-values",
        title="No values for 5 minutes",
        severity="critical",
        influxql='SELECT moving_average(count("Voltage"), 6) FROM "dc" WHERE $timeFilter'
        f" GROUP BY time(1m), {TAGS} fill(0)",
        seconds=DAY,
        metricsql="lag(dc_Voltage[1d])",
        fires="lt",
        params=(0.01,),
        lasting="1m",
        no_data="Alerting",
        error="Alerting",
        why="No data at all means that nothing has come for a day, and a database that does not"
        " answer"
        " stores nothing: both are what this rule is for. A site of several counts for a day.",
        summary=f"No value{WHO} has been stored for five minutes.",
        description="On the computer of bat2influx, `systemctl status bat2influx` says what is"
        " wrong: the device, the"
        " network or the database. `bat2influx check` tries each step. While the database is"
        " unavailable, values are queued and stored later.",
        metric_fires=("gt", (5 * MINUTE,)),  # s since the last value
    ),
    Rule(
        uid="bat2influx-spool",
        title="Spool half full",
        severity="warning",
        influxql=_last("spool_used", "itself", ""),
        seconds=15 * MINUTE,
        metricsql="last_over_time(itself_spool_used[15m])",
        fires="gt",
        params=(0.5,),
        lasting="5m",
        no_data="OK",
        error="OK",
        why="Without self_measurement there is no data. While the database is away the daemon's"
        " reports"
        ' are queued with the values, and "No values" fires.',
        summary="Values queued for the database take {{ humanizePercentage $values.B.Value }} of"
        " the spool.",
        description="The database takes values more slowly than they come, or has been"
        " unavailable for weeks."
        " At 100 % the oldest values are dropped. `bat2influx health` names the cause; set max_size"
        " in [Spool] higher if the disk has room.",
    ),
    Rule(
        uid="bat2influx-dropped",
        title="Values dropped",
        severity="critical",
        influxql='SELECT non_negative_difference("lost") FROM (SELECT "dropped" +'
        ' "rejected_dropped" AS'
        ' "lost" FROM "itself" WHERE $timeFilter) WHERE $timeFilter',
        seconds=HOUR,
        metricsql="increase(itself_dropped[1h]) + increase(itself_rejected_dropped[1h])",
        fires="gt",
        params=(0,),
        lasting="0s",
        no_data="OK",
        error="OK",
        why="Without self_measurement there is no data. It fires at once and ends by itself after"
        " an hour.",
        summary='{{ printf "%.0f" $values.B.Value }} values were dropped within the last hour.',
        description="They are lost: the spool was full or its file damaged. `journalctl -u"
        " bat2influx` says which."
        " Set max_size in [Spool] higher, or see why the database was unavailable for so long.",
        reducer="sum",
    ),
    Rule(
        uid="bat2influx-mains-lost",
        title="Mains lost",
        severity="critical",
        influxql='SELECT "f" FROM (SELECT mean("F") AS "f", count("Voltage") AS "n" FROM "dc" WHERE'
        f' $timeFilter GROUP BY time(1m), {TAGS} fill(0)) WHERE "n" > 0 AND $timeFilter'
        f" GROUP BY {TAGS}",
        seconds=10 * MINUTE,
        metricsql=f"(last_over_time(dc_F[2m]) or on ({IN_TAGS}) 0 * last_over_time(dc_Voltage[2m]))"
        f" and on ({IN_TAGS}) last_over_time(dc_F[7d])",
        fires="outside_range",
        params=(47, 63),
        lasting="1m",
        no_data="OK",
        error="OK",
        why="Without mains the device has no frequency, or one of 0 Hz: a minute with values of"
        " the battery"
        " and none of F counts as 0 Hz. Without values of the battery nothing is known of the"
        " mains.",
        summary=f"The mains{WHO} are lost, or their frequency is wrong:"
        ' {{ printf "%.1f" $values.B.Value }} Hz.',
        description="The house runs on its battery, if at all. See whether neighbours have power,"
        " and whether the"
        " main switch is on; mind the state of charge. Where being without mains is usual, as on a"
        " boat, take this rule out. 47 to 63 Hz suit 50 and 60 Hz alike.",
        known=_last("F"),
        known_seconds=7 * DAY,
    ),
    Rule(
        uid="bat2influx-cells",
        title="Cells too far apart",
        severity="warning",
        influxql='SELECT mean("BatteryMaxCellVoltage") - mean("BatteryMinCellVoltage") FROM "dc"'
        " WHERE"
        f" $timeFilter GROUP BY {TAGS}",
        seconds=10 * MINUTE,
        metricsql="avg_over_time(dc_BatteryMaxCellVoltage[10m]) -"
        f" on ({IN_TAGS}) avg_over_time(dc_BatteryMinCellVoltage[10m])",
        fires="gt",
        params=(0.15,),
        lasting="15m",
        no_data="OK",
        error="OK",
        why="Without the preset battery, or a BMS, there is no data.",
        summary=f'The cells of the battery{WHO} differ by {{{{ printf "%.3f" $values.B.Value }}}}'
        f" V.",
        description="Let the battery charge to 100 % and stay there for some hours, so that its"
        " BMS can balance the"
        " cells. If they are apart again within days, one cell is weak or a connection is loose:"
        " have"
        " it looked at. Near 0 and 100 % cells of LiFePO4 differ by up to 0.1 V without a fault.",
    ),
)
