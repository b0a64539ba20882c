"""What `setup-db` says where another database than InfluxDB 1 answers: commands to be run there."""

from __future__ import annotations

import dataclasses
import json
import shlex
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
                "influx bucket create --name battery/raw --retention 90d",
                "influx bucket create --name battery/hours --retention 0",
                "influx v1 dbrp create --db battery --rp raw --default --bucket-id",
                'option task = {name: "bat2influx_dc_minutes", every: 1h}',
                'values(set: ["Pv"])',
            ],
        ),
        (
            Dialect.INFLUXDB3,
            [
                "influxdb3 create database --retention-period 90d battery",
                "influxdb3 create database battery_hours",
                "calculations=last_value,specific_fields=Pv",
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
    assert max(len(line) for line in text.splitlines() if " " in line[:40]) < 500


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_elsewhere_a_name_of_another_language_stays_readable(tmp_path: Path, kind: Dialect) -> None:
    """No character of it is escaped."""
    own = configured(tmp_path, "[Influx]\ndb = Größe\n")
    text = "\n".join(elsewhere(kind, own, Retention()))
    assert "Größe" in text
    assert "\\u00" not in text


def test_elsewhere_names_are_quoted(settings: Settings) -> None:
    """For the shell, for Flux and for YAML."""
    influx = dataclasses.replace(settings.influx, db="it's ${x}", measurement='d"c')
    odd = dataclasses.replace(settings, influx=influx)
    flux = "\n".join(
        elsewhere(Dialect.INFLUXDB2, odd, Retention(minutes=30 * DAY, hours=30 * HOUR * 24))
    )
    assert "--db 'it'\"'\"'s ${x}' " in flux
    assert 'from(bucket: "it\'s \\${x}/raw")' in flux
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
        == {Dialect.INFLUXDB2: 2, Dialect.INFLUXDB3: 2, Dialect.VICTORIAMETRICS: 2}[kind]
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


# InfluxDB 2


@pytest.mark.parametrize(("policy", "raw"), [("", "raw"), ("mine", "mine")])
def test_influxdb2_has_a_bucket_for_each_policy(tmp_path: Path, policy: str, raw: str) -> None:
    """Mapped, that of raw values as the default; the token may write to that one alone."""
    own = configured(tmp_path, f"[Influx]\nretention_policy = {policy}\n")
    wanted = Retention(raw=36 * HOUR, minutes=FOREVER, hours=30 * DAY)
    found = elsewhere(Dialect.INFLUXDB2, own, wanted)
    assert [line for line in found if line.startswith("influx bucket create")] == [
        f"influx bucket create --name battery/{raw} --retention 36h",
        "influx bucket create --name battery/minutes --retention 0",
        "influx bucket create --name battery/hours --retention 30d",
    ]
    buckets = [
        f'"$(influx bucket list --name battery/{name} --hide-headers | cut -f1)"'
        for name in (raw, "minutes", "hours")
    ]
    assert lines(Dialect.INFLUXDB2, own, "influx v1 dbrp create --db battery --rp ") == [
        f"{raw} --default --bucket-id {buckets[0]}",
        f"minutes --bucket-id {buckets[1]}",
        f"hours --bucket-id {buckets[2]}",
    ]
    assert lines(Dialect.INFLUXDB2, own, "influx auth create ") == [f"--write-bucket {buckets[0]}"]


def test_influxdb2_has_a_task_for_each_grain(tmp_path: Path) -> None:
    """Each looks back over whole intervals, and writes mean, least and largest of what is there."""
    found = elsewhere(Dialect.INFLUXDB2, configured(tmp_path, ALONE + GAUGE + COUNTER), Retention())
    start = found.index("Save this as hours.flux, then run: influx task create --file hours.flux")
    mean, least, largest, last = (
        f'    |> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start")'
        for function in ("mean", "min", "max", "last")
    )
    to = '    |> to(bucket: "battery/hours")'
    assert found[start + 2 :] == [
        'import "date"',
        "",
        'option task = {name: "bat2influx_dc_hours", every: 1h}',
        "",
        'values = (set) => from(bucket: "battery/raw")',
        "    |> range(start: date.truncate(t: -1d, unit: 1h),"
        " stop: date.truncate(t: now(), unit: 1h))",
        '    |> filter(fn: (r) => r._measurement == "dc")',
        "    |> filter(fn: (r) => contains(value: r._field, set: set))",
        *("", 'values(set: ["V"])', mean, to),
        *("", 'values(set: ["V"])', least),
        *('    |> map(fn: (r) => ({r with _field: r._field + "_min"}))', to),
        *("", 'values(set: ["V"])', largest),
        *('    |> map(fn: (r) => ({r with _field: r._field + "_max"}))', to),
        *("", 'values(set: ["E"])', last, to),
    ]
    assert "    |> range(start: date.truncate(t: -2h, unit: 1m)," in "\n".join(found[:start])


# InfluxDB 3


def test_influxdb3_has_a_database_for_each_grain(tmp_path: Path) -> None:
    """That of raw values has the retention policy in its name, as the daemon writes it."""
    own = configured(tmp_path, "[Influx]\nretention_policy = it's\n")
    wanted = {"raw": FOREVER, "minutes": 30 * DAY, "hours": FOREVER}
    assert lines(Dialect.INFLUXDB3, own, "influxdb3 create database ", **wanted) == [
        "'battery/it'\"'\"'s'",
        "--retention-period 30d battery_minutes",
        "battery_hours",
    ]


def test_influxdb3_has_a_trigger_for_each_function(tmp_path: Path) -> None:
    """On the hour; what is least and largest goes into measurements of its own."""
    own = configured(tmp_path, ALONE + GAUGE + COUNTER + "W = vebus/Soc\n")
    triggers = [
        shlex.split(line) for line in lines(Dialect.INFLUXDB3, own, "influxdb3 create trigger ")
    ]
    found = {}
    for trigger in triggers:
        options = dict(zip(trigger[::2], trigger[1::2], strict=False))
        assert options["--database"] == "battery"
        assert options["--trigger-spec"] == "cron:0 0 * * * *"
        assert options["--path"] == "gh:influxdata/downsampler/downsampler.py"
        given = dict(each.split("=") for each in options["--trigger-arguments"].split(","))
        found[trigger[-1]] = given
    assert [*found] == [
        f"bat2influx_dc_{grain}_{function}"
        for grain in ("minutes", "hours")
        for function in ("avg", "min", "max", "last_value")
    ]
    assert found["bat2influx_dc_minutes_min"] == {
        "source_measurement": "dc",
        "target_measurement": "dc_min",
        "target_database": "battery_minutes",
        "interval": "1min",
        "window": "2h",
        "calculations": "min",
        "specific_fields": "V.W",
    }
    assert found["bat2influx_dc_minutes_max"]["target_measurement"] == "dc_max"
    assert found["bat2influx_dc_hours_last_value"] == {
        "source_measurement": "dc",
        "target_measurement": "dc",
        "target_database": "battery_hours",
        "interval": "1h",
        "window": "1d",
        "calculations": "last_value",
        "specific_fields": "E",
    }


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
