"""The plan of `setup-db`, for each thing that exists, differs, or is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bat2influx.commands.setup_db import energies
from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    ClashError,
    RawMeasurement,
    Retention,
    columns,
    continuous_query,
)
from bat2influx.commands.setup_db.plan import DatabaseState, Policy, Task, plan, raw_policy
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Settings, load
from bat2influx.influx.influxql import DAY, FOREVER, HOUR

NOW = 1_795_000_000
RAW = {"raw": Policy(90 * DAY, DAY, default=True)}
ALL = {
    **RAW,
    "minutes": Policy(1825 * DAY, 28 * DAY, default=False),
    "hours": Policy(FOREVER, 364 * DAY, default=False),
}
THERE = DatabaseState(database=True, policies=ALL)
QUERY = "CREATE CONTINUOUS QUERY"


def configured(directory: Path, text: str) -> Settings:
    """Return the settings of a file with this text."""
    path = directory / "bat2influx.ini"
    path.write_text(text)
    return load(path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields and a counter, and a user."""
    fields = "[Fields]\nPv = solarcharger/288/Yield/User\n"
    return configured(tmp_path, f"[Influx]\nuser = writer\npassword = s3cret\n{fields}")


def planned(
    settings: Settings, found: DatabaseState, *, change: bool = False, **wanted: int
) -> list[Task]:
    """Return the tasks."""
    return plan(settings, Retention(**wanted), found, NOW, change=change)


def statements(tasks: list[Task]) -> list[str]:
    """Return the statements as they are shown."""
    return [statement.shown for task in tasks for statement in task.statements]


def of(label: str, tasks: list[Task]) -> list[Task]:
    """Return the tasks with a label."""
    return [task for task in tasks if task.step.label == label]


def said(task: Task) -> tuple[Step, list[str]]:
    """Return the line of a task and its statements as they are shown."""
    return task.step, statements([task])


def queries(settings: Settings, source: RawMeasurement) -> dict[str, str]:
    """Return the continuous queries that are wanted, by name."""
    made = columns(settings.batteries[0].fields)
    found = [continuous_query(grain, run, source, made) for grain in GRAINS for run in grain.runs]
    powers = energies.energies(settings.batteries[0].fields)
    found += [energies.continuous_query(run, source, powers) for run in energies.RUNS]
    return {name: statement.text for name, statement in found}


SOURCE = RawMeasurement("battery", "raw", "dc")


# The whole


def test_an_empty_server_gets_everything(settings: Settings) -> None:
    """In an order in which each step finds what it needs; there is nothing to fill."""
    tasks = planned(settings, DatabaseState())
    assert [task.step.label for task in tasks] == [
        *("database", "minutes", "hours"),
        *(
            "into minutes",
            "into minutes",
            "into hours",
            "into hours",
            "into energies",
            "into energies",
        ),
        *("user", "right"),
    ]
    assert all(task.step.state == OK for task in tasks)
    first, minutes, hours, *made, user, right = statements(tasks)
    assert first == 'CREATE DATABASE "battery" WITH DURATION 90d REPLICATION 1 NAME "raw"'
    assert minutes.startswith('CREATE RETENTION POLICY "minutes" ON "battery" DURATION 1825d ')
    assert hours.startswith('CREATE RETENTION POLICY "hours" ON "battery" DURATION INF ')
    assert all(each.startswith(QUERY) for each in made)
    assert [user, right] == [
        "CREATE USER \"writer\" WITH PASSWORD '…'",
        'GRANT WRITE ON "battery" TO "writer"',
    ]


def test_if_everything_exists_only_filling_is_done(settings: Settings) -> None:
    """A second run repeats it; each thing has its line."""
    found = dataclasses.replace(
        THERE, queries=queries(settings, SOURCE), admin=False, right="WRITE", first=NOW - DAY
    )
    tasks = planned(settings, found)
    assert [task.step.label for task in tasks] == [
        *("database", "raw", "minutes", "hours"),
        *(
            "into minutes",
            "into minutes",
            "into hours",
            "into hours",
            "into energies",
            "into energies",
        ),
        *("fill minutes", "fill hours", "fill energies", "user", "right"),
    ]
    assert all(task.step.state == OK for task in tasks)
    assert said(tasks[0]) == (Step(OK, "database", "'battery' exists"), [])
    assert all(each.startswith("SELECT ") for each in statements(tasks))


def test_without_fields_there_is_nothing_to_downsample(tmp_path: Path) -> None:
    """The policies are there for when there are some."""
    own = configured(tmp_path, "[Fields]\ndefaults = no\ninstances = name\nX = vebus/Soc\n")
    tasks = planned(own, dataclasses.replace(THERE, first=NOW - DAY))
    assert [task.step.label for task in tasks] == [
        *("database", "raw", "minutes", "hours", "instances", "user"),
    ]


# The policies


def test_a_missing_database_is_created(settings: Settings) -> None:
    """Its default policy is that of raw values, by the name in the file if there is one."""
    for policy in ("raw", "mine"):
        given = policy if policy == "mine" else ""
        influx = settings.influx._replace(retention_policy=given)
        own = settings._replace(influx=influx)
        text = f"'battery' created; raw values are in policy {policy!r}, kept for ever"
        assert said(planned(own, DatabaseState(), raw=FOREVER)[0]) == (
            Step(OK, "database", text),
            [f'CREATE DATABASE "battery" WITH DURATION INF REPLICATION 1 NAME "{policy}"'],
        )


@pytest.mark.parametrize(
    ("policies", "change", "step", "statement"),
    [
        (RAW, False, Step(OK, "raw", "policy 'raw' exists, kept for 90d"), ""),
        (RAW, True, Step(OK, "raw", "policy 'raw' exists, kept for 90d"), ""),
        (
            {"raw": Policy(FOREVER, 7 * DAY, default=True)},
            False,
            Step(
                NOTE,
                "raw",
                "policy 'raw' unchanged, kept for ever and not for 90d; --change alters it",
            ),
            "",
        ),
        (
            {"raw": Policy(FOREVER, 7 * DAY, default=True)},
            True,
            Step(OK, "raw", "policy 'raw' altered, kept for 90d instead of for ever"),
            'ALTER RETENTION POLICY "raw" ON "battery" DURATION 90d',
        ),
        (
            {},
            False,
            Step(OK, "raw", "policy 'raw' created, kept for 90d"),
            'CREATE RETENTION POLICY "raw" ON "battery" DURATION 90d REPLICATION 1 DEFAULT',
        ),
        (
            {"minutes": Policy(FOREVER, DAY, default=False)},
            True,
            Step(OK, "raw", "policy 'raw' created, kept for 90d"),
            'CREATE RETENTION POLICY "raw" ON "battery" DURATION 90d REPLICATION 1 DEFAULT',
        ),
    ],
)
def test_a_policy_of_raw_values_is_unchanged_without_change(
    settings: Settings, policies: dict[str, Policy], change: bool, step: Step, statement: str
) -> None:
    """And created if there is none."""
    found = DatabaseState(database=True, policies=policies)
    (task,) = of("raw", planned(settings, found, change=change))
    assert said(task) == (step, [statement] if statement else [])


def test_a_policy_that_the_file_names_is_created_beside_the_default(settings: Settings) -> None:
    """Other writers to the database are not affected."""
    influx = settings.influx._replace(retention_policy="mine")
    own = settings._replace(influx=influx)
    (task,) = of("raw", planned(own, THERE))
    assert said(task) == (
        Step(OK, "raw", "policy 'mine' created, kept for 90d"),
        ['CREATE RETENTION POLICY "mine" ON "battery" DURATION 90d REPLICATION 1'],
    )


@pytest.mark.parametrize(
    ("given", "policies", "name"),
    [
        ("", {}, "raw"),
        ("", {"autogen": Policy(0, DAY, default=True)}, "autogen"),
        ("", {"autogen": Policy(0, DAY, default=False)}, "raw"),
        ("mine", {"autogen": Policy(0, DAY, default=True)}, "mine"),
    ],
)
def test_raw_values_are_where_the_daemon_writes_them(
    settings: Settings, given: str, policies: dict[str, Policy], name: str
) -> None:
    """By the name in the file, or else in the default policy."""
    influx = settings.influx._replace(retention_policy=given)
    assert raw_policy(settings._replace(influx=influx), policies) == name


@pytest.mark.parametrize(
    ("kept", "shard", "suffix"),
    [
        (HOUR, 7 * DAY, " SHARD DURATION 1h"),
        (2 * DAY - 1, 7 * DAY, " SHARD DURATION 1h"),
        (2 * DAY, 7 * DAY, " SHARD DURATION 1d"),
        (180 * DAY, 200 * DAY, " SHARD DURATION 1d"),
        (181 * DAY, 200 * DAY, " SHARD DURATION 7d"),
        (7 * DAY, 7 * DAY, ""),
        (FOREVER, 7 * DAY, ""),
    ],
)
def test_an_altered_policy_has_shards_that_fit(
    settings: Settings, kept: int, shard: int, suffix: str
) -> None:
    """Those that the server itself would take, where the ones that are there are too large."""
    found = DatabaseState(database=True, policies={"raw": Policy(91 * DAY, shard, default=True)})
    (task,) = of("raw", planned(settings, found, change=True, raw=kept))
    (statement,) = statements([task])
    assert statement.partition(" DURATION ")[2].partition(" ")[2] == suffix.strip()


@pytest.mark.parametrize(
    ("first", "kept", "lost"),
    [
        (NOW - 100 * DAY, 30 * DAY, "; the server removes 70.0 days of raw values that are older"),
        (NOW - 36 * HOUR, DAY, "; the server removes 0.5 days of raw values that are older"),
        (NOW - 20 * DAY, 30 * DAY, ""),
        (NOW - 100 * DAY, FOREVER, ""),
        (None, 30 * DAY, ""),
    ],
)
def test_values_removed_by_an_altered_policy_are_reported(
    settings: Settings, first: int | None, kept: int, lost: str
) -> None:
    """In days, if there are any."""
    found = dataclasses.replace(THERE, first=first)
    (task,) = of("raw", planned(settings, found, change=True, raw=kept))
    assert task.step.text.partition(" for 90d")[2] == lost


def test_only_the_removal_of_raw_values_is_reported(settings: Settings) -> None:
    """`first` is that of raw values, and not of the others."""
    found = dataclasses.replace(THERE, first=NOW - 3000 * DAY)
    (task,) = of("minutes", planned(settings, found, change=True, minutes=10 * DAY))
    assert task.step.text == "policy 'minutes' altered, kept for 10d instead of for 1825d"


@pytest.mark.parametrize(
    ("kept", "shard"),
    [(FOREVER, " SHARD DURATION 28d"), (280 * DAY, " SHARD DURATION 28d"), (279 * DAY, "")],
)
def test_long_shards_are_for_ten_of_them(settings: Settings, kept: int, shard: str) -> None:
    """For less, the server's own size does."""
    (task,) = of("minutes", planned(settings, DatabaseState(), minutes=kept))
    assert statements([task])[0].partition(" REPLICATION 1")[2] == shard


def test_a_policy_of_a_month_has_shards_of_the_servers_own_size(settings: Settings) -> None:
    """Long shards are for what is kept for years."""
    made = statements(planned(settings, DatabaseState(), minutes=30 * DAY))
    assert 'CREATE RETENTION POLICY "minutes" ON "battery" DURATION 30d REPLICATION 1' in made
    assert (
        'CREATE RETENTION POLICY "hours" ON "battery" DURATION INF REPLICATION 1'
        " SHARD DURATION 364d" in made
    )


def test_a_policy_that_keeps_less_than_a_shard_gets_smaller_shards(settings: Settings) -> None:
    """A server refuses to alter it otherwise."""
    found = DatabaseState(
        database=True, policies={"autogen": Policy(FOREVER, 7 * DAY, default=True)}
    )
    altered = statements(planned(settings, found, change=True, raw=3 * DAY))
    assert 'ALTER RETENTION POLICY "autogen" ON "battery" DURATION 3d SHARD DURATION 1d' in altered


def test_raw_values_cannot_be_in_a_downsampled_policy(settings: Settings) -> None:
    """Neither because the file says so nor because it is the default."""
    influx = settings.influx._replace(retention_policy="minutes")
    with pytest.raises(ClashError, match=r"retention_policy: .* 'minutes'"):
        planned(settings._replace(influx=influx), DatabaseState())
    with pytest.raises(ClashError, match=r"retention_policy: .* 'hours'"):
        planned(
            settings, DatabaseState(database=True, policies={"hours": Policy(0, DAY, default=True)})
        )
