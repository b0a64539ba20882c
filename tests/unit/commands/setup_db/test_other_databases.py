"""What `setup-db` says where another database than InfluxDB 1 answers: commands to be run there."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.other_databases import elsewhere
from bat2influx.config.settings import Settings
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.influxql import DAY, FOREVER, HOUR
from tests.unit.commands.setup_db.test_plan import configured

ELSEWHERE = [kind for kind in Dialect if kind is not Dialect.INFLUXDB1]
ALONE = "[Fields]\ndefaults = no\n"
GAUGE, COUNTER = "V = vebus/Dc/0/Voltage\n", "E = grid/30/Ac/Energy/Forward\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields and a counter, and a user."""
    fields = "[Fields]\nPv = solarcharger/288/Yield/User\n"
    return configured(tmp_path, f"[Influx]\nuser = writer\npassword = s3cret\n{fields}")


def lines(kind: Dialect, settings: Settings, beginning: str, **wanted: int) -> list[str]:
    """Return what is said that begins so, without that."""
    found = elsewhere(kind, settings, Retention(**wanted))
    return [line.removeprefix(beginning) for line in found if line.startswith(beginning)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            Dialect.INFLUXDB2,
            [
                'place autogen "$db" 90d',
                'place hours "$db/hours" 0',
                'option task = {name: "bat2influx_dc_minutes", every: 1h}',
                'values(set: ["Pv"])',
            ],
        ),
        (
            Dialect.INFLUXDB3,
            [
                "influxdb3 create database --retention-period 90d battery",
                "influxdb3 create database battery_hours",
                "# influxdb3 update database --database battery --retention-period 90d",
                ".F:max.Pv:last_value,specific_fields=Voltage.",
                'SELECT time, "Voltage_avg" AS "Voltage" FROM "dc"',
            ],
        ),
        (
            Dialect.VICTORIAMETRICS,
            [
                "-retentionPeriod=100y",
                "  outputs: [avg, min, max]",
                '__name__=~"dc_Pv"',
                "-streamAggr",
            ],
        ),
    ],
)
def test_elsewhere_one_is_told_what_to_do(
    settings: Settings, kind: Dialect, said: list[str]
) -> None:
    """With the names of this configuration, and without its secret."""
    text = "\n".join(elsewhere(kind, settings, Retention()))
    assert [each for each in said if each not in text] == []
    assert "s3cret" not in text
    assert max(len(line) for line in text.splitlines() if " " in line[:40]) < 600


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_elsewhere_a_name_of_another_language_stays_readable(tmp_path: Path, kind: Dialect) -> None:
    """No character of it is escaped."""
    own = configured(tmp_path, "[Influx]\ndb = Größe\n")
    text = "\n".join(elsewhere(kind, own, Retention()))
    assert "Größe" in text
    assert "\\u00" not in text


def test_elsewhere_names_are_quoted(settings: Settings) -> None:
    """For the shell, for Flux and for YAML."""
    influx = settings.influx._replace(db="it's ${x}", measurement='d"c')
    odd = settings._replace(influx=influx)
    flux = "\n".join(
        elsewhere(Dialect.INFLUXDB2, odd, Retention(minutes=30 * DAY, hours=30 * HOUR * 24))
    )
    assert "db='it'\"'\"'s ${x}'" in flux
    assert 'r._measurement == "d\\"c"' in flux
    yaml = "\n".join(elsewhere(Dialect.VICTORIAMETRICS, odd, Retention(hours=400 * DAY)))
    assert '- match: \'{db="it\'\'s ${x}", __name__=~"d\\"c_Voltage|' in yaml
    assert "-retentionPeriod=1825d" in yaml


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_elsewhere_a_state_is_no_mean(tmp_path: Path, kind: Dialect) -> None:
    """It is among what has its last value."""
    both = "\n".join(
        elsewhere(kind, configured(tmp_path, "[Fields]\nQ7 = vebus/State\n"), Retention())
    )
    no_state = "\n".join(elsewhere(kind, configured(tmp_path, ""), Retention()))
    assert both.count("last") > no_state.count("last")
    assert (
        both.count("Q7")
        == {Dialect.INFLUXDB2: 2, Dialect.INFLUXDB3: 5, Dialect.VICTORIAMETRICS: 2}[kind]
    )


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_elsewhere_one_is_told_of_instances_in_names(tmp_path: Path, kind: Dialect) -> None:
    """Nobody has looked which there are, so that the names below lack them."""
    plain, named = (
        "\n".join(
            elsewhere(kind, configured(tmp_path, f"[Fields]\ninstances = {one}\n"), Retention())
        )
        for one in ("one", "name")
    )
    assert "as in Voltage_275" in named
    assert "as in Voltage_275" not in plain


# InfluxDB 3


@pytest.mark.parametrize("kind", [Dialect.INFLUXDB2, Dialect.INFLUXDB3])
@pytest.mark.parametrize("instances", ["one", "name"])
@pytest.mark.parametrize("change", [False, True])
def test_elsewhere_a_script_is_a_script(
    tmp_path: Path, kind: Dialect, instances: str, change: bool
) -> None:
    """What is for people is a comment, and `sh -n` has nothing to say."""
    own = configured(tmp_path, f"[Fields]\ninstances = {instances}\n")
    text = "\n".join(elsewhere(kind, own, Retention(), change=change))
    done = subprocess.run(
        ["/bin/sh", "-n"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert text.startswith("# ")


def test_influxdb3_has_a_database_for_each_grain(tmp_path: Path) -> None:
    """That of raw values has the retention policy in its name, as the daemon writes it."""
    own = configured(tmp_path, "[Influx]\nretention_policy = it's\n")
    wanted = {"raw": FOREVER, "minutes": 30 * DAY, "hours": FOREVER}
    assert lines(Dialect.INFLUXDB3, own, "influxdb3 create database ", **wanted) == [
        "'battery/it'\"'\"'s'",
        "--retention-period 30d battery_minutes",
        "battery_hours",
    ]


@pytest.mark.parametrize(("change", "begin"), [(False, "# "), (True, "")])
def test_influxdb3_limits_a_database_that_exists(
    settings: Settings, change: bool, begin: str
) -> None:
    """As a comment, unless what differs is to be altered; forever is none."""
    found = elsewhere(Dialect.INFLUXDB3, settings, Retention(), change=change)
    assert [line for line in found if "influxdb3 update" in line] == [
        f"{begin}influxdb3 update database --database {db} --retention-period {kept}"
        for db, kept in (
            ("battery", "90d"),
            ("battery_minutes", "1825d"),
            ("battery_hours", "none"),
        )
    ]


def test_influxdb3_has_a_trigger_for_each_grain(tmp_path: Path) -> None:
    """On the hour; mean, least and largest of a gauge, and the last value of a counter."""
    own = configured(tmp_path, ALONE + GAUGE + COUNTER + "W = vebus/Soc\n")
    text = "\n".join(elsewhere(Dialect.INFLUXDB3, own, Retention())).replace("\\\n", "")
    begin = "influxdb3 create trigger "
    triggers = [
        shlex.split(line.removeprefix(begin))
        for line in text.splitlines()
        if line.startswith(begin)
    ]
    found = {}
    for trigger in triggers:
        options = dict(zip(trigger[::2], trigger[1::2], strict=False))
        assert options["--database"] == "battery"
        assert options["--trigger-spec"] == "cron:0 0 * * * *"
        assert options["--path"] == "gh:influxdata/downsampler/downsampler.py"
        given = dict(each.split("=") for each in options["--trigger-arguments"].split(","))
        found[trigger[-1]] = given
    everything = {
        "source_measurement": "dc",
        "target_measurement": "dc",
        "calculations": "V:avg.V:min.V:max.W:avg.W:min.W:max.E:last_value",
        "specific_fields": "V.W.E",
    }
    assert found == {
        "bat2influx_dc_minutes": {
            **everything,
            "target_database": "battery_minutes",
            "interval": "1min",
            "window": "2h",
        },
        "bat2influx_dc_hours": {
            **everything,
            "target_database": "battery_hours",
            "interval": "1h",
            "window": "1d",
        },
    }


def test_influxdb3_says_what_the_fields_are_called(settings: Settings) -> None:
    """There is none of the name of the raw value, and the dashboards read none of them."""
    text = " ".join(elsewhere(Dialect.INFLUXDB3, settings, Retention())).replace(" # ", " ")
    assert "Voltage_avg, Voltage_min and Voltage_max, Pv_last_value" in text
    assert "Minutes and hours have no Voltage" in text
    assert "record_count, time_from and time_to" in text
    assert "The dashboards that come with bat2influx do not work with InfluxDB 3" in text
    assert "Core has room for five databases" in text


def test_influxdb3_leaves_out_names_that_the_plugin_cannot_take(tmp_path: Path) -> None:
    """A dot would make two names of one; what is left out is named."""
    own = configured(tmp_path, f'{ALONE}{GAUGE}"a.b" = vebus/Soc\nGröße = vebus/State\n')
    text = "\n".join(elsewhere(Dialect.INFLUXDB3, own, Retention()))
    assert "specific_fields=V \\" in text
    assert " in them: a.b, Größe." in text.replace("\n# ", " ")
    alone = configured(tmp_path, f'{ALONE}"a.b" = vebus/Soc\n')
    text = "\n".join(elsewhere(Dialect.INFLUXDB3, alone, Retention()))
    assert "There is no field to downsample" in text
    assert "create trigger" not in text


def test_influxdb3_cannot_downsample_a_measurement_with_a_comma(tmp_path: Path) -> None:
    """It would end the argument; so there is no trigger, and a reason."""
    own = configured(tmp_path, '[Influx]\nmeasurement = "a,b"\n')
    text = "\n".join(elsewhere(Dialect.INFLUXDB3, own, Retention()))
    assert "create trigger" not in text
    assert "commas separate the arguments of a trigger" in text


# VictoriaMetrics


@pytest.mark.parametrize(
    ("raw", "minutes", "hours", "longest"),
    [
        (90 * DAY, 1825 * DAY, 30 * DAY, "1825d"),
        (36 * HOUR, 25 * HOUR, HOUR, "2d"),
        (FOREVER, DAY, DAY, "100y"),
    ],
)
def test_victoriametrics_keeps_all_as_long_as_the_longest(
    settings: Settings, raw: int, minutes: int, hours: int, longest: str
) -> None:
    """In whole days, and for ever is a century."""
    wanted = {"raw": raw, "minutes": minutes, "hours": hours}
    assert lines(Dialect.VICTORIAMETRICS, settings, "-retentionPeriod=", **wanted) == [longest]


@pytest.mark.parametrize(
    ("fields", "example", "outputs"),
    [
        (ALONE + GAUGE, "avg_over_time(dc_V[1m])", ["[avg, min, max]"]),
        (ALONE + COUNTER, "avg_over_time(dc_E[1m])", ["[last]"]),
        (ALONE + GAUGE + COUNTER, "avg_over_time(dc_V[1m])", ["[avg, min, max]", "[last]"]),
    ],
)
def test_victoriametrics_aggregates_what_there_is(
    tmp_path: Path, fields: str, example: str, outputs: list[str]
) -> None:
    """For each grain, and with nothing for a kind of field that there is not."""
    own = configured(tmp_path, fields)
    assert f"computed when they are read, as in {example}." in "\n".join(
        elsewhere(Dialect.VICTORIAMETRICS, own, Retention())
    )
    assert lines(Dialect.VICTORIAMETRICS, own, "  outputs: ") == outputs * 2
    ignored = lines(Dialect.VICTORIAMETRICS, own, "  ignore_old_samples: ")
    assert ignored == ["true"] * 2 * len(outputs)
    grains = lines(Dialect.VICTORIAMETRICS, own, "  interval: ")
    assert grains == ["1m"] * len(outputs) + ["1h"] * len(outputs)


def test_victoriametrics_matches_names_as_they_are(tmp_path: Path) -> None:
    """What is special in a pattern is not in a name."""
    own = configured(tmp_path, '[Fields]\ndefaults = no\n"a.b" = vebus/Soc\n"c+" = vebus/State\n')
    matches = lines(Dialect.VICTORIAMETRICS, own, "- match: ")
    assert matches[:2] == [
        f"'{{db=\"battery\", __name__=~{json.dumps(name)}}}'" for name in ("dc_a\\.b", "dc_c\\+")
    ]


def test_energies_are_computed_when_they_are_read(tmp_path: Path) -> None:
    """By a query that is printed with the first power's name; a file without one has none."""
    own = configured(tmp_path, ALONE + GAUGE + "P = grid/30/Ac/Power\n")
    (sql,) = (
        shlex.split(line)[-1]
        for line in lines(Dialect.INFLUXDB3, own, "# influxdb3 query --database battery_minutes ")
        if "sum(" in line
    )
    assert sql == (
        "SELECT date_bin(INTERVAL '1 hour', time) AS hour,"
        ' sum(CASE WHEN "P_avg" > 0 THEN "P_avg" ELSE 0 END) / 60000 AS "P_plus_kWh" FROM "dc"'
        " WHERE time >= date_bin(INTERVAL '1 hour', now()) - INTERVAL '1 day' GROUP BY 1 ORDER BY 1"
    )
    assert lines(Dialect.VICTORIAMETRICS, own, "sum_over_time") == [
        "((clamp_min(avg_over_time(dc_P[1m]), 0) / 60000)[1d:1m])"
    ]
    without = configured(tmp_path, ALONE + GAUGE)
    for kind in (Dialect.INFLUXDB3, Dialect.VICTORIAMETRICS):
        assert "nergies" not in "\n".join(elsewhere(kind, without, Retention()))
