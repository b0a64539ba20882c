"""What is downsampled, over which spans, and what is done about what is there already."""

import dataclasses
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    HOURS,
    LEAST_DOWNSAMPLED,
    MINUTES,
    SPAN,
    ClashError,
    Grain,
    RawMeasurement,
    Retention,
    columns,
    continuous_query,
    counts_up,
    difference,
    fill,
)
from bat2influx.commands.setup_db.other_databases import elsewhere
from bat2influx.commands.setup_db.plan import DatabaseState, Policy, Task, plan
from bat2influx.config.settings import Settings, load
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.influxql import DAY, FOREVER, HOUR
from bat2influx.venus.protocol import Field, parse_field
from bat2influx.venus.units import DEFAULT_FIELDS

SOURCE = RawMeasurement("battery", "raw", "dc")
NOW = 1_795_000_000
RAW = {"raw": Policy(90 * DAY, DAY, default=True)}
VOLTAGE = columns([parse_field("Voltage", "vebus/Dc/0/Voltage")])


@pytest.mark.parametrize(
    ("path", "counter"),
    [
        ("grid/30/Ac/Energy/Forward", True),
        ("grid/30/Ac/L1/Energy/Reverse", True),
        ("vebus/275/Energy/AcIn1ToAcOut", True),
        ("solarcharger/288/Yield/User", True),
        ("battery/512/History/ChargeCycles", True),
        ("solarcharger/288/Yield/Power", False),
        ("vebus/Dc/0/Voltage", False),
        ("system/Dc/Battery/ConsumedAmphours", False),
    ],
)
def test_energy_yield_and_history_count_up(path: str, counter: bool) -> None:
    """The power of a charger stands beside its yield and is none."""
    assert counts_up(parse_field("X", path)) is counter


def test_a_field_has_mean_min_and_max_and_a_counter_its_last_value() -> None:
    """The mean, like the last value, under the field's own name."""
    made = columns([DEFAULT_FIELDS[0], parse_field("Pv", "solarcharger/288/Yield/User")])
    assert [str(column) for column in made] == [
        'mean("Voltage") AS "Voltage"',
        'min("Voltage") AS "Voltage_min"',
        'max("Voltage") AS "Voltage_max"',
        'last("Pv") AS "Pv"',
    ]


def test_a_name_that_is_taken_is_an_error() -> None:
    """By a field or by a tag; a counter takes no second name."""
    low = parse_field("Voltage_min", "battery/512/System/MinCellVoltage")
    with pytest.raises(ClashError, match=r"\[Fields\]: Voltage_min .* min of Voltage"):
        columns([*DEFAULT_FIELDS, low])
    with pytest.raises(ClashError, match=r"\[Influx\] tags: Voltage_max "):
        columns(DEFAULT_FIELDS, ["Voltage_max"])
    yields = [Field(name, "grid", 30, "Ac/Energy/Forward") for name in ("E", "E_min")]
    assert [column.name for column in columns(yields)] == ["E", "E_min"]


@given(st.sampled_from(GRAINS), st.integers(0, 2**31), st.integers(-SPAN, 9 * SPAN))
def test_the_spans_join_and_end_before_the_interval_under_way(
    grain: Grain, first: int, length: int
) -> None:
    """Each interval once, from that of the first value to the last whole one."""
    end = first + length
    spans = []
    for statement in fill(grain, SOURCE, VOLTAGE, first, end):
        times = re.findall(r"'([0-9TZ:-]+)'", statement.text)
        spans.append([int(datetime.fromisoformat(each).timestamp()) for each in times])
    edges = [first // grain.seconds * grain.seconds, *(until for _, until in spans)]
    assert [start for start, _ in spans] == edges[:-1]
    assert all(0 < until - start <= SPAN for start, until in spans)
    assert edges[-1] == max(end // grain.seconds * grain.seconds, edges[0])


def test_no_query_looks_back_further_than_its_policy_keeps() -> None:
    """Or the server would refuse what it writes."""
    assert all(run.back < LEAST_DOWNSAMPLED for grain in GRAINS for run in grain.runs)


def test_what_differs_is_named() -> None:
    """New fields and old ones; of anything else, that it does."""
    _, one = continuous_query(MINUTES, MINUTES.runs[0], SOURCE, VOLTAGE)
    _, two = continuous_query(MINUTES, MINUTES.runs[0], SOURCE, VOLTAGE[:2])
    _, late = continuous_query(MINUTES, MINUTES.runs[1], SOURCE, VOLTAGE)
    assert difference(two.text, one.text) == "lacks Voltage_max"
    assert difference(one.text, two.text) == "has Voltage_max too"
    assert difference(late.text, one.text) == "is another one"
    assert difference(one.text, one.text.replace("60s", "1m")) == ""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields and a counter, and a user."""
    path = tmp_path / "bat2influx.ini"
    path.write_text(
        "[Influx]\nuser = writer\npassword = s3cret\n[Fields]\nPv = solarcharger/288/Yield/User\n"
    )
    return load(path)


def _plan(
    settings: Settings, found: DatabaseState, *, change: bool = False, **wanted: int
) -> list[Task]:
    return plan(settings, Retention(**wanted), found, NOW, change=change)


def _statements(tasks: list[Task]) -> list[str]:
    return [statement.shown for task in tasks for statement in task.statements]


def test_raw_values_are_given_up_after_all_are_filled_in(settings: Settings) -> None:
    """And what goes with them is said in days."""
    found = DatabaseState(
        database=True,
        policies={"autogen": Policy(FOREVER, 7 * DAY, default=True)},
        first=NOW - 100 * DAY,
    )
    tasks = _plan(settings, found, change=True, fill=DAY)
    given_up = next(task for task in tasks if task.step.label == "raw")
    assert "the server removes 10.0 days of raw values" in given_up.step.text
    order = _statements(tasks)
    altered = order.index('ALTER RETENTION POLICY "autogen" ON "battery" DURATION 90d')
    fills = [at for at, statement in enumerate(order) if statement.startswith("SELECT")]
    assert max(fills) < altered
    assert len(fills) >= 200, "of all that goes, whatever is to be filled in otherwise"


def test_a_policy_that_keeps_less_than_a_shard_gets_smaller_shards(settings: Settings) -> None:
    """A server refuses to alter it otherwise."""
    found = DatabaseState(
        database=True, policies={"autogen": Policy(FOREVER, 7 * DAY, default=True)}
    )
    altered = _statements(_plan(settings, found, change=True, raw=3 * DAY))
    assert 'ALTER RETENTION POLICY "autogen" ON "battery" DURATION 3d SHARD DURATION 1d' in altered


def test_what_is_too_old_for_the_policy_is_not_filled_in(settings: Settings) -> None:
    """The server would refuse it; nor what is older than one wants."""
    policies = RAW | {"minutes": Policy(30 * DAY, DAY, default=False)}
    found = DatabaseState(database=True, policies=policies, first=NOW - 80 * DAY)

    def spans(label: str, **wanted: int) -> int:
        tasks = _plan(settings, found, **wanted)
        return next(len(task.statements) for task in tasks if task.step.label == label)

    assert spans("fill minutes") == 30
    assert spans("fill hours") == 81
    assert spans("fill minutes", fill=2 * DAY) == 3
    assert spans("fill hours", fill=2 * DAY) == 3


def test_a_policy_of_a_month_has_shards_of_the_servers_own_size(settings: Settings) -> None:
    """Long shards are for what is kept for years."""
    made = _statements(_plan(settings, DatabaseState(), minutes=30 * DAY))
    assert 'CREATE RETENTION POLICY "minutes" ON "battery" DURATION 30d REPLICATION 1' in made
    assert (
        'CREATE RETENTION POLICY "hours" ON "battery" DURATION INF REPLICATION 1'
        " SHARD DURATION 364d" in made
    )


def test_raw_values_cannot_be_in_a_downsampled_policy(settings: Settings) -> None:
    """Neither because the file says so nor because it is the default."""
    influx = dataclasses.replace(settings.influx, retention_policy="minutes")
    with pytest.raises(ClashError, match=r"retention_policy: .* 'minutes'"):
        _plan(dataclasses.replace(settings, influx=influx), DatabaseState())
    with pytest.raises(ClashError, match=r"retention_policy: .* 'hours'"):
        _plan(
            settings, DatabaseState(database=True, policies={"hours": Policy(0, DAY, default=True)})
        )


def test_a_user_without_a_password_is_not_made(settings: Settings) -> None:
    """Nor one without a name; what there is, is said."""
    for user, password, said in (("writer", "", "no password"), ("", "", "none is made")):
        influx = dataclasses.replace(settings.influx, user=user, password=password)
        tasks = _plan(dataclasses.replace(settings, influx=influx), DatabaseState())
        assert said in tasks[-1].step.text
        assert not any("USER" in statement for statement in _statements(tasks))


def test_a_right_takes_nothing_away(settings: Settings) -> None:
    """A server replaces a right by the one that is granted."""

    def granted(**found: object) -> list[str]:
        tasks = _plan(settings, dataclasses.replace(DatabaseState(), **found))  # type: ignore[arg-type]
        return [each for each in _statements(tasks) if each.startswith("GRANT")]

    assert granted() == ['GRANT WRITE ON "battery" TO "writer"']
    assert granted(admin=False) == ['GRANT WRITE ON "battery" TO "writer"']
    assert granted(admin=False, right="READ") == ['GRANT ALL ON "battery" TO "writer"']
    assert granted(admin=False, right="WRITE") == []
    assert granted(admin=False, right="ALL PRIVILEGES") == []
    assert granted(admin=True) == []


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


def test_an_hour_is_of_raw_values() -> None:
    """A mean of means would weigh a minute of one value like one of sixty."""
    assert (
        ' FROM "battery"."raw"."dc" '
        in continuous_query(HOURS, HOURS.runs[0], SOURCE, VOLTAGE)[1].text
    )
