"""The log entry that reports which device is read."""

from __future__ import annotations

import logging

import pytest

from bat2influx.device.introduction import Introduction
from bat2influx.device.plan import Plan
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.unit.device.test_source import BATTERY, P

FOUND = {"vebus": (275, 276), "grid": (30,)}
PLAN = Plan(P, DEFAULT_FIELDS, {"vebus": (275,)})


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bat2influx")


def test_it_names_address_portal_id_and_services(caplog: pytest.LogCaptureFixture) -> None:
    """And whether it is polled."""
    Introduction().give(BATTERY, P, FOUND, PLAN)
    Introduction().give(BATTERY._replace(mode="notify"), P, {}, PLAN)
    where = f"10.0.0.2, portal id {P}"
    assert caplog.messages == [
        f"reading {where}, grid 30, vebus 275 and 276 every 1 s",
        f"receiving changes from {where}",
    ]
    assert {record.PORTAL_ID for record in caplog.records} == {P}  # type: ignore[attr-defined]


def test_it_is_given_again_where_something_else_is_read(caplog: pytest.LogCaptureFixture) -> None:
    """Not at each new connection."""
    introduction = Introduction()
    for found in (FOUND, FOUND, {"vebus": (276,)}, FOUND):
        introduction.give(BATTERY, P, found, PLAN)
    assert len(caplog.messages) == 3


def test_of_a_thousand_instances_some_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """And how many others there are."""
    Introduction().give(BATTERY, P, {"vebus": range(1000)}, PLAN)
    (text,) = caplog.messages
    assert "vebus 0 and 1 and 2" in text
    assert "19 and 980 others every 1 s" in text


@pytest.mark.parametrize("plan", [None, Plan(P, [], {})])
def test_a_device_of_which_nothing_is_read_is_not_introduced(
    caplog: pytest.LogCaptureFixture, plan: Plan | None
) -> None:
    """Otherwise it would be reported as read."""
    Introduction().give(BATTERY, P, FOUND, plan)
    assert caplog.messages == []
