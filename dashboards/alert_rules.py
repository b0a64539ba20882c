"""The alert rules: queries, thresholds, and advice.

Rules: each rule has a query in InfluxQL and one in MetricsQL, which fire for the same data. A query
returns a series for each site (or device of a fleet), which is reduced to one value and compared
with a threshold. Each rule sets its state without data and with an error of the database: if the
database is unavailable, one rule fires and not all. Grafana interprets $ in a title or a label as
an environment variable, so these have none; in annotations and queries it does not.

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
    `known`, a second query over `known_seconds`, only the series in its result count. `fires` is
    the kind of a threshold (lt, gt, outside_range) with its `params`, `metric_fires` that of
    MetricsQL if it differs; `lasting` is how long the condition has to last. `no_data` and `error`
    are Grafana's states, OK or Alerting, and `why` is the reason for these.
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
        why='Without values the state of charge is unknown; the rule "No values" fires then.',
        summary=f'The battery{WHO} is at {{{{ printf "%.0f" $values.B.Value }}}} %.',
        description="Switch off loads that are not needed now, or charge the battery from the mains"
        " or a"
        " generator. If this is unexpected, the dashboard Battery shows what has discharged it.",
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
        why="No data means that no value was stored for a day, and an error that the database does"
        " not answer:"
        " this rule fires for both. One of several sites counts for a day.",
        summary=f"No value{WHO} has been stored for five minutes.",
        description="On the computer of bat2influx, `systemctl status bat2influx` shows the fault:"
        " of the device, the"
        " network or the database. `bat2influx check` tests each step. While the database is"
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
        why="Without self_measurement there is no data. While the database is down the daemon's"
        " reports"
        ' are queued with the values, and "No values" fires.',
        summary="Values queued for the database use {{ humanizePercentage $values.B.Value }} of"
        " the spool.",
        description="The database stores values more slowly than they come, or has been"
        " unavailable for weeks."
        " At 100 % the oldest values are dropped. `bat2influx health` shows the cause; increase"
        " max_size in [Spool] if the disk has space.",
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
        why="Without self_measurement there is no data. The alert starts at once and ends after"
        " an hour.",
        summary='{{ printf "%.0f" $values.B.Value }} values were dropped within the last hour.',
        description="They are lost: the spool was full or its file damaged. `journalctl -u"
        " bat2influx` shows which."
        " Increase max_size in [Spool], or look in the journal for why the database was unavailable"
        " for so long.",
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
        " and none of F counts as 0 Hz. Without values of the battery the state of the mains is"
        " unknown.",
        summary=f"The mains{WHO} are lost, or their frequency is wrong:"
        ' {{ printf "%.1f" $values.B.Value }} Hz.',
        description="The house runs on its battery, if at all. Check whether neighbours have power,"
        " and whether the"
        " main switch is on; watch the state of charge. If the system often has no mains, as on a"
        " boat, delete this rule. The range of 47 to 63 Hz is for both 50 and 60 Hz.",
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
        description="Charge the battery to 100 % and keep it there for some hours, so that its"
        " BMS can balance the"
        " cells. If they differ again within days, a cell is weak or a connection is loose:"
        " have"
        " it checked. Near 0 and 100 % cells of LiFePO4 differ by up to 0.1 V without a fault.",
    ),
)
