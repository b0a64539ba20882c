"""What `setup-db` does about energies, also in a database of a version that knew of none."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import ClashError
from bat2influx.commands.setup_db.plan import DatabaseState, Policy, Task
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, FOREVER, HOUR
from tests.unit.commands.setup_db.test_plan import (
    ALL,
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

NAME = "bat2influx_dc_energies"
FILL = "fill energies"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields, without a user."""
    return configured(tmp_path, "")


def days_back(tasks: list[Task]) -> float:
    """Return from how many days before now energies are filled in; the hour is a whole one."""
    (task,) = of(FILL, tasks)
    (first, *_) = re.findall(r"'([0-9TZ:-]+)'", statements([task])[0])
    begun = datetime.fromisoformat(first).timestamp()
    assert begun % HOUR == 0
    return (NOW - begun) / DAY


def test_an_earlier_setup_gets_energies_and_keeps_the_rest(settings: Settings) -> None:
    """Without --change, and back to the oldest minute, even if raw values were removed."""
    earlier = {k: text for k, text in queries(settings, SOURCE).items() if NAME not in k}
    found = dataclasses.replace(
        THERE, queries=earlier, first=NOW - 90 * DAY, first_minute=NOW - 1000 * DAY
    )
    tasks = planned(settings, found)
    assert [task.step.label for task in tasks if task.step.state == NOTE] == []
    made = [text for text in statements(tasks) if not text.startswith("SELECT")]
    assert made == [text for k, text in queries(settings, SOURCE).items() if NAME in k]
    (task,) = of(FILL, tasks)
    assert task.step == Step(OK, FILL, "computed from 1000.0 days of minutes")
    assert 1000 <= days_back(tasks) < 1000 + HOUR / DAY
    assert len(task.statements) == 143, "by weeks"


@pytest.mark.parametrize(
    ("first", "minute", "days"), [(50, None, 50), (50, 90, 90), (90, 50, 90), (None, 50, 50)]
)
def test_energies_begin_where_minutes_do(
    settings: Settings, first: int | None, minute: int | None, days: int
) -> None:
    """With those that are filled in just before, from raw values."""
    ages = {"first": first, "first_minute": minute}
    given = {key: NOW - age * DAY for key, age in ages.items() if age is not None}
    tasks = planned(settings, dataclasses.replace(THERE, **given))
    assert days <= days_back(tasks) < days + HOUR / DAY


def test_without_values_nothing_is_filled_in(settings: Settings) -> None:
    """The query is created nevertheless."""
    tasks = planned(settings, THERE)
    assert not of(FILL, tasks)
    assert len(of("into energies", tasks)) == 2


def test_no_energy_is_that_of_a_part_of_an_hour(settings: Settings) -> None:
    """Where --fill ends within an hour, minutes and energies begin with that hour."""
    found = dataclasses.replace(THERE, first=NOW - 80 * DAY, first_minute=NOW - 80 * DAY)
    tasks = planned(settings, found, fill=2 * DAY)
    assert 2 <= days_back(tasks) < 2 + HOUR / DAY
    (minutes,) = of("fill minutes", tasks)
    (energies,) = of(FILL, tasks)
    starts = [re.findall(r"'([^']+)'", statements([task])[0])[0] for task in (minutes, energies)]
    assert starts[0] == starts[1]


def test_energies_go_back_no_further_than_hours_are_kept(settings: Settings) -> None:
    """The server would reject them."""
    policies = ALL | {"hours": Policy(100 * DAY, DAY, default=False)}
    found = dataclasses.replace(THERE, policies=policies, first_minute=NOW - 900 * DAY)
    assert 99 <= days_back(planned(settings, found)) < 99 + HOUR / DAY


@pytest.mark.parametrize(
    ("there", "wanted", "change", "last"),
    [
        (FOREVER, 300, True, True),
        (1825, 300, True, True),
        (1825, 300, False, False),
        (1825, 1825, True, False),
        (300, 1825, True, False),
        (300, FOREVER, True, False),
        (None, 300, True, False),
    ],
)
def test_minutes_are_removed_after_their_energies_are_computed(
    settings: Settings, there: int | None, wanted: int, change: bool, last: bool
) -> None:
    """All of them, whatever --fill says, because it is not possible later."""
    policies = dict(RAW)
    if there is not None:
        policies["minutes"] = Policy(there * DAY, DAY, default=False)
    found = DatabaseState(database=True, policies=policies, first_minute=NOW - 900 * DAY)
    tasks = planned(settings, found, change=change, minutes=wanted * DAY, fill=DAY)
    labels = [task.step.label for task in tasks]
    assert labels.count("minutes") == 1
    assert (labels.index("minutes") > labels.index(FILL)) is last
    assert 0 <= days_back(tasks) - (900 if last else 1) < HOUR / DAY
    if last:
        altered = 'ALTER RETENTION POLICY "minutes" ON "battery" DURATION 300d'
        assert statements(of("minutes", tasks)) == [altered]


@pytest.mark.parametrize("name", [NAME, "bat2influx_dc_minutes"])
def test_energies_are_not_filled_in_beside_a_query_that_differs(
    settings: Settings, name: str
) -> None:
    """One of energies, or one of their minutes; --change recreates both."""
    there = queries(settings, SOURCE)
    there[name] = there[name].replace('"Power', '"Other')
    found = dataclasses.replace(THERE, queries=there, first=NOW - DAY)
    (task,) = of(FILL, planned(settings, found))
    text = "not filled, because a query above computes something else"
    assert said(task) == (Step(NOTE, FILL, text), [])
    changed = planned(settings, found, change=True)
    assert of(FILL, changed)[0].statements
    drop = f'DROP CONTINUOUS QUERY "{name}" ON "battery"'
    assert drop in statements(changed)


def test_without_powers_there_are_no_energies(tmp_path: Path) -> None:
    """The server would reject a query without a field."""
    own = configured(tmp_path, "[Fields]\ndefaults = no\nX = vebus/Soc\n")
    tasks = planned(own, dataclasses.replace(THERE, first=NOW - DAY))
    assert not [task for task in tasks if "energies" in task.step.label]


def test_the_energy_of_an_instance_has_its_name(tmp_path: Path) -> None:
    """With instances = name it is one field of several."""
    own = configured(tmp_path, "[Fields]\ndefaults = no\ninstances = name\npresets = solar\n")
    found = dataclasses.replace(THERE, fields=frozenset({"SolarPower_288", "SolarPower_289"}))
    text = statements(of("into energies", planned(own, found)))[0]
    assert 'AS "SolarPower_288_plus_kWh"' in text
    assert 'AS "SolarPower_289_minus_kWh"' in text


def test_a_clash_with_an_energy_is_detected_first(tmp_path: Path) -> None:
    """As for a minimum or maximum."""
    own = configured(tmp_path, "[Fields]\nPower_plus_kWh = vebus/Soc\n")
    with pytest.raises(ClashError, match="the name of the energy of Power"):
        planned(own, THERE)
