"""What `setup-db` does about continuous queries, about filling, and about instances."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.plan import DatabaseState, Policy, Task, plan
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, FOREVER
from tests.unit.commands.setup_db.test_plan import (
    NOW,
    RAW,
    SOURCE,
    THERE,
    configured,
    of,
    planned,
    queries,
    said,
    statements,
)

NAMES = {
    "": "bat2influx_dc_minutes",
    "late": "bat2influx_dc_minutes_late",
    "hours": "bat2influx_dc_hours",
    "hours late": "bat2influx_dc_hours_late",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields and a counter, without a user."""
    return configured(tmp_path, "[Fields]\nPv = solarcharger/288/Yield/User\n")


def into(tasks: list[Task]) -> list[Task]:
    """Return the tasks about queries."""
    return [task for task in tasks if task.step.label.startswith("into ")]


# Queries


def test_a_missing_query_is_created(settings: Settings) -> None:
    """Two for each policy and for energies; the line has interval and range of each."""
    tasks = into(planned(settings, THERE))
    assert [task.step for task in tasks] == [
        Step(OK, label, f"query {name!r} created, {runs}")
        for label, name, runs in (
            ("into minutes", "bat2influx_dc_minutes", "every 30m, of the last 1h"),
            ("into minutes", "bat2influx_dc_minutes_late", "every 1d, of the last 3d"),
            ("into hours", "bat2influx_dc_hours", "every 1h, of the last 2h"),
            ("into hours", "bat2influx_dc_hours_late", "every 1d, of the last 3d"),
            ("into energies", "bat2influx_dc_energies", "every 1h, of the last 3h"),
            ("into energies", "bat2influx_dc_energies_late", "every 1d, of the last 4d"),
        )
    ]
    assert statements(tasks) == [*queries(settings, SOURCE).values()]


@pytest.mark.parametrize("change", [False, True])
def test_an_existing_query_is_unchanged(settings: Settings, change: bool) -> None:
    """However the server writes it."""
    there = {
        name: text.replace("RESAMPLE EVERY 1d", "RESAMPLE EVERY 24h").replace("60s", "1m")
        for name, text in queries(settings, SOURCE).items()
    }
    found = dataclasses.replace(THERE, queries=there)
    tasks = into(planned(settings, found, change=change))
    assert tasks[0].step.text == ("query 'bat2influx_dc_minutes' exists, every 30m, of the last 1h")
    assert not statements(tasks)


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ('last("Pv") AS "Pv"', 'last("Pv") AS "Sun"', "lacks Pv and has Sun too"),
        (', last("Pv") AS "Pv"', "", "lacks Pv"),
        ("RESAMPLE EVERY 30m", "RESAMPLE EVERY 15m", "is a different one"),
    ],
)
def test_a_query_that_differs_is_altered_with_change_only(
    settings: Settings, old: str, new: str, differs: str
) -> None:
    """Otherwise it is shown, and its policy is not filled with other columns."""
    wanted = queries(settings, SOURCE)
    name = NAMES[""]
    there = {**wanted, name: wanted[name].replace(old, new)}
    assert there != wanted
    found = dataclasses.replace(THERE, queries=there, first=NOW - DAY)
    kept = planned(settings, found)
    text = f"query {name!r} unchanged; it {differs}; --change alters it. It is\n{there[name]}"
    assert said(into(kept)[0]) == (Step(NOTE, "into minutes", text), [])
    (filled,) = of("fill minutes", kept)
    assert said(filled) == (
        Step(
            NOTE,
            "fill minutes",
            "not filled, because the query above computes something else",
        ),
        [],
    )
    assert of("fill hours", kept)[0].statements
    altered = planned(settings, found, change=True)
    assert said(into(altered)[0]) == (
        Step(OK, "into minutes", f"query {name!r} recreated, because it {differs}"),
        [f'DROP CONTINUOUS QUERY "{name}" ON "battery"', wanted[name]],
    )
    assert of("fill minutes", altered)[0].statements


# Filling in


def spans(tasks: list[Task], label: str) -> tuple[str, str, int]:
    """Return the first and the last moment that is filled in, and by how many statements."""
    (task,) = of(label, tasks)
    times = [re.findall(r"'([0-9TZ:-]+)'", each) for each in statements([task])]
    return times[0][0], times[-1][1], len(times)


def test_without_raw_values_nothing_is_filled_in(settings: Settings) -> None:
    """There is no line about it either."""
    tasks = planned(settings, THERE)
    assert not of("fill minutes", tasks)
    assert not of("fill hours", tasks)


def test_all_that_is_there_is_filled_in_to_the_interval_under_way(settings: Settings) -> None:
    """From the interval of the first value; the line says how many days that is."""
    tasks = planned(settings, dataclasses.replace(THERE, first=NOW - 2 * DAY - 100))
    assert spans(tasks, "fill minutes") == ("2026-11-16T11:05:00Z", "2026-11-18T11:06:00Z", 3)
    assert spans(tasks, "fill hours") == ("2026-11-16T11:00:00Z", "2026-11-18T11:00:00Z", 3)
    texts = {task.step.text for task in tasks if task.step.label.startswith("fill ")}
    assert texts == {f"computed from 2.0 days of {what}" for what in ("raw values", "minutes")}


@pytest.mark.parametrize(("age", "minutes"), [(40, []), (41, ["11:05:00"])])
def test_an_interval_that_is_not_over_is_left_to_the_query(
    settings: Settings, age: int, minutes: list[str]
) -> None:
    """Without other values there is no line."""
    tasks = planned(settings, dataclasses.replace(THERE, first=NOW - age))
    texts = statements(of("fill minutes", tasks))
    assert [re.findall(r"T([0-9:]+)Z", text)[0] for text in texts] == minutes
    assert not of("fill hours", tasks)


@pytest.mark.parametrize(
    ("there", "wanted", "change", "days"),
    [
        (None, 30, False, 30),
        (10, 30, False, 10),
        (10, 30, True, 30),
        (FOREVER, 30, False, 80),
        (FOREVER, 30, True, 30),
    ],
)
def test_it_is_filled_in_as_far_back_as_the_policy_keeps(
    settings: Settings, there: int | None, wanted: int, change: bool, days: int
) -> None:
    """The existing policy counts unless it is altered."""
    policies = dict(RAW)
    if there is not None:
        policies["minutes"] = Policy(there * DAY, DAY, default=False)
    found = DatabaseState(database=True, policies=policies, first=NOW - 80 * DAY)
    tasks = planned(settings, found, change=change, minutes=wanted * DAY)
    (task,) = of("fill minutes", tasks)
    assert task.step.text == f"computed from {days - (days < 80):.1f} days of raw values"


@pytest.mark.parametrize(
    ("kept", "change", "days"), [(90, False, 2), (90, True, 2), (30, False, 2), (30, True, 80)]
)
def test_all_values_are_filled_in_before_they_are_removed(
    settings: Settings, kept: int, change: bool, days: int
) -> None:
    """Whatever --fill says, because it is not possible later."""
    found = dataclasses.replace(THERE, first=NOW - 80 * DAY)
    tasks = planned(settings, found, change=change, raw=kept * DAY, fill=2 * DAY)
    (task,) = of("fill hours", tasks)
    assert task.step.text == f"computed from {days}.0 days of raw values"


def test_raw_values_are_removed_after_all_are_filled_in(settings: Settings) -> None:
    """The line has the removed days."""
    found = DatabaseState(
        database=True,
        policies={"autogen": Policy(FOREVER, 7 * DAY, default=True)},
        first=NOW - 100 * DAY,
    )
    tasks = planned(settings, found, change=True, fill=DAY)
    given_up = next(task for task in tasks if task.step.label == "raw")
    assert "the server removes 10.0 days of raw values" in given_up.step.text
    order = statements(tasks)
    altered = order.index('ALTER RETENTION POLICY "autogen" ON "battery" DURATION 90d')
    fills = [at for at, statement in enumerate(order) if statement.startswith("SELECT")]
    assert max(fills) < altered
    assert len(fills) >= 200, "of all that goes, whatever is to be filled in otherwise"


def test_what_is_too_old_for_the_policy_is_not_filled_in(settings: Settings) -> None:
    """The server would reject it; values before --fill are left out, too."""
    policies = RAW | {"minutes": Policy(30 * DAY, DAY, default=False)}
    found = DatabaseState(database=True, policies=policies, first=NOW - 80 * DAY)

    def count(label: str, **wanted: int) -> int:
        tasks = planned(settings, found, **wanted)
        return next(len(task.statements) for task in tasks if task.step.label == label)

    assert count("fill minutes") == 30
    assert count("fill hours") == 81
    assert count("fill minutes", fill=2 * DAY) == 3
    assert count("fill hours", fill=2 * DAY) == 3


# Instances


@pytest.mark.parametrize(
    ("instances", "stored", "state", "text"),
    [
        ("one", {"Soc_275"}, "", ""),
        ("tag", {"Soc_275"}, "", ""),
        (
            *("name", {"Other_275", "Soc"}, NOTE),
            "none is stored yet, so none is downsampled; once some are, run this again with"
            " --change",
        ),
        (
            *("name", {"Soc_289", "Soc_275", "Grid_30", "Old_31"}, OK),
            "the known ones are downsampled, vebus 275 and 289, grid 30; when there is"
            " another one, run this again with --change",
        ),
    ],
)
def test_instances_that_only_the_device_knows_are_reported(
    tmp_path: Path, instances: str, stored: set[str], state: str, text: str
) -> None:
    """Those of the stored names, if names distinguish instances."""
    own = configured(
        tmp_path,
        f"[Fields]\ndefaults = no\ninstances = {instances}\n"
        "Soc = vebus/Soc\nGrid = grid/Ac/Power\nOld = grid/31/Ac/Power\n",
    )
    found = dataclasses.replace(THERE, fields=frozenset(stored))
    tasks = of("instances", planned(own, found))
    assert tasks == ([Task(Step(state, "instances", text))] if text else [])


def test_each_devices_own_fields_are_downsampled(tmp_path: Path) -> None:
    """[Fields NAME] is used for its device, with its own rule for instances."""
    own = configured(
        tmp_path,
        "[Battery a]\n[Battery b]\n[Fields a]\ndefaults = no\ninstances = name\nX = vebus/Soc\n"
        "[Fields b]\ndefaults = no\nX = vebus/Soc\nY = vebus/State\n",
    )
    found = DatabaseState(fields=frozenset({"X_275"}))
    tasks = plan(own, Retention(), found, NOW, change=False)
    texts = [s.text for task in tasks for s in task.statements if "CONTINUOUS" in s.text]
    assert len(texts) == 4
    for column in ('mean("X")', 'mean("X_275")', 'last("Y")'):
        assert all(column in text for text in texts)
