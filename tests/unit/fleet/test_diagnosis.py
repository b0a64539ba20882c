"""The reports about a fleet: each trouble, when it begins and what ends it (W = 120 s)."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from bat2influx.config.settings import Battery
from bat2influx.device.source import Census
from bat2influx.failure import Trouble
from bat2influx.fleet.diagnosis import ConnectionStatus, Diagnosis
from bat2influx.fleet.keepalive import MAX_DEVICES
from bat2influx.service.events import message_id
from bat2influx.venus.units import DEFAULT_FIELDS

W, BEGUN = 120.0, 1000.0
LATE, LATER = BEGUN + W / 8, BEGUN + W / 2
FILE, HOST = "/etc/x.ini", "10.0.0.2"
BATTERY = Battery("", HOST, 1883, "reader", "", "all", None, 1.0, 10.0, DEFAULT_FIELDS, None)
TEN = Census(10, ())
FINE = ConnectionStatus(
    begun=BEGUN,
    asked=BEGUN,
    value_received=True,
    responding=True,
    keepalive_delivered=True,
    keepalives_refused=False,
    refused=None,
    left_out=0,
    full=False,
)
REFUSED = Trouble("publish refused", "the broker takes no keepalive")


class Reports:
    """A diagnosis, and its reports."""

    def __init__(self, log: pytest.LogCaptureFixture, **battery: Any) -> None:
        log.set_level(logging.INFO, "bat2influx")
        self.diagnosis = Diagnosis(BATTERY._replace(**battery), W, FILE)
        self._log = log

    def see(self, now: float, census: Census = TEN, **status: Any) -> list[str]:
        """Give it a Look at some moment; return the new reports."""
        self._log.clear()
        self.diagnosis.report(census, FINE._replace(**status), now)
        return [f"{record.levelname}: {record.getMessage()}" for record in self._log.records]

    @property
    def cause(self) -> str:
        """The cause of what is wrong."""
        return self.diagnosis.trouble.cause if self.diagnosis.trouble else ""


@pytest.fixture
def reports(caplog: pytest.LogCaptureFixture) -> Reports:
    """A fleet that was just connected."""
    return Reports(caplog)


def test_of_a_healthy_fleet_nothing_is_reported(reports: Reports) -> None:
    """Neither at the beginning nor later."""
    assert [reports.see(now) for now in (BEGUN, LATE, LATER, LATER + 7200)] == [[]] * 4
    assert reports.diagnosis.trouble is None


def test_no_device_is_reported_after_a_while(reports: Reports) -> None:
    """From W/8 on, once, and its end; the text has the required topic."""
    nobody = Census(0, ())
    assert reports.see(LATE - 1, nobody) == []
    assert not reports.cause
    (warning,) = reports.see(LATE, nobody)
    assert warning.startswith(f"WARNING: no device has published its portal id at {HOST}")
    assert reports.see(LATE + 5, nobody) == []
    assert reports.cause == "portal"
    (end,) = reports.see(LATE + 10)
    assert end.startswith(f"INFO: devices detected at {HOST}, after 10 s")
    assert not reports.cause


def test_the_topic_that_a_bridge_carries_over_has_its_prefix(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So that it can be compared with the bridge's configuration."""
    (warning,) = Reports(caplog, topic_prefix="site/").see(LATE, Census(0, ()))
    assert "(no retained message site/N/+/system/0/Serial)" in warning
    assert f"topic_prefix in {FILE}" in warning


@pytest.mark.parametrize(
    ("silent", "words"),
    [(("a",), "1 of 10 devices"), (("a", "b"), "2 of 10 devices")],
)
def test_devices_that_do_not_respond_are_reported_but_no_trouble(
    reports: Reports, silent: tuple[str, ...], words: str
) -> None:
    """They are logged by name and counted in the census; further ones are not logged again."""
    (warning,) = reports.see(BEGUN, Census(10, silent))
    verb = "does" if len(silent) == 1 else "do"
    assert warning == f"WARNING: {words} at {HOST} {verb} not respond ({', '.join(silent)})"
    assert reports.see(BEGUN + 5, Census(10, ("c", "d", "e"))) == []
    assert reports.diagnosis.trouble is None
    assert reports.see(BEGUN + 9) == [f"INFO: every device at {HOST} responds again, after 9 s"]


def test_a_device_beyond_the_limit_is_reported_until_there_is_room(reports: Reports) -> None:
    """A Look without a message of such a device is no end while there is no room."""
    full = Census(MAX_DEVICES, ())
    (warning,) = reports.see(BEGUN, full, left_out=1, full=True)
    assert f"{HOST} has more than 100,000 devices; the others are ignored" in warning
    assert reports.see(BEGUN + 5, full, full=True) == []
    assert reports.cause == "fleet: too many"
    assert reports.see(BEGUN + 10, Census(MAX_DEVICES - 1, ())) == [
        f"INFO: there is room for every device at {HOST}, after 10 s"
    ]
    assert not reports.cause


def test_more_than_there_is_room_for_is_reported_with_the_setting(
    reports: Reports,
) -> None:
    """Whether devices or their topics: bytes are counted."""
    (warning,) = reports.see(BEGUN, Census(2_700, ()), left_out=1, full=True)
    assert warning == (
        f"WARNING: {HOST} has more devices or topics than max_memory in {FILE} has room for"
        " (24 MB: 2,700 devices with their topics); the others are ignored. Raise max_memory if"
        " these devices are yours"
    )


def test_no_value_is_reported_later_where_devices_respond(reports: Reports) -> None:
    """From W/2 on; if no device responds, the cause is another one."""
    assert reports.see(LATER - 1, value_received=False) == []
    assert reports.see(LATER, value_received=False, responding=False) == []
    assert not reports.cause
    (warning,) = reports.see(LATER, value_received=False)
    assert "none has sent a value of the fields in /etc/x.ini" in warning
    assert reports.see(LATER + 5, value_received=False, responding=False) == []
    assert reports.cause == "fleet: no values"
    assert reports.see(LATER + 10) == [f"INFO: values arrive from {HOST}, after 10 s"]
    assert not reports.cause


def test_no_value_in_a_group_has_causes_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Another daemon may receive all values, or the broker may not support the subscriptions."""
    (warning,) = Reports(caplog, share_group="store").see(LATER, value_received=False)
    assert "another daemon of the group store receives all values" in warning
    assert "leave share_group empty" in warning


def test_a_refused_keepalive_is_reported_in_the_words_of_the_broker(reports: Reports) -> None:
    """It ends when a keepalive was accepted for W/8; before that this is not known."""
    assert reports.see(BEGUN, refused=REFUSED) == [f"WARNING: {REFUSED.text}"]
    assert reports.cause == "publish refused"
    asked = BEGUN + 30
    assert reports.see(asked + W / 8 - 1, asked=asked) == []
    assert reports.see(asked + W / 8, asked=math.inf) == []
    assert reports.cause == "publish refused"
    (end,) = reports.see(asked + W / 8, asked=asked)
    assert end == f"INFO: {HOST} accepts keepalives, after 45 s"
    assert not reports.cause


@pytest.mark.parametrize(
    ("now", "status", "is_told"),
    [
        (BEGUN, {"keepalives_refused": True}, True),
        (LATE - 1, {}, False),
        (LATE, {}, True),
        (LATE, {"asked": math.inf}, False),
        (LATE, {"asked": BEGUN + 1}, False),
        (LATE, {"keepalive_delivered": True, "keepalives_refused": True}, False),
    ],
    ids=["refused", "early", "late", "none sent", "sent later", "heard"],
)
def test_keepalives_that_are_not_delivered_are_reported_but_no_trouble(
    reports: Reports, now: float, status: dict[str, Any], is_told: bool
) -> None:
    """At once if the subscription was refused, else W/8 after the first one was sent."""
    entries = reports.see(now, **{"keepalive_delivered": False, **status})
    assert len(entries) == is_told
    text = f"{HOST} does not allow 'reader' to read R/+/keepalive"
    assert all(text in entry for entry in entries)
    assert reports.diagnosis.trouble is None
    end = [f"INFO: {HOST} delivers keepalives to this daemon, after 5 s"]
    assert reports.see(now + 5) == (end if is_told else [])


def test_of_several_troubles_the_one_nearest_to_the_broker_is_shown(reports: Reports) -> None:
    """When one ends, the next is shown; each was logged."""
    entries = reports.see(
        LATER,
        Census(0, ()),
        refused=REFUSED,
        left_out=1,
        value_received=False,
        keepalive_delivered=False,
    )
    assert len(entries) == 5
    assert reports.cause == "portal"
    shown = []
    for status in ({"refused": REFUSED, "left_out": 1}, {"left_out": 1}, {}):
        reports.see(LATER + 1, value_received=False, **status)
        shown.append(reports.cause)
    assert shown == ["publish refused", "fleet: too many", "fleet: no values"]
    reports.see(LATER + 1)
    assert not reports.cause


@pytest.mark.parametrize(
    ("census", "status", "event"),
    [
        (Census(0, ()), {}, "portal"),
        (Census(10, ("a",)), {}, "silent"),
        (TEN, {"left_out": 1}, "fleet"),
        (TEN, {"value_received": False}, "fleet"),
        (TEN, {"keepalive_delivered": False}, "subscription refused"),
        (TEN, {"refused": REFUSED}, "publish refused"),
    ],
)
def test_each_is_an_event_with_the_broker_as_its_peer(
    caplog: pytest.LogCaptureFixture, census: Census, status: dict[str, Any], event: str
) -> None:
    """These two find it in the journal, whatever its text."""
    Reports(caplog).see(LATER, census, **status)
    (record,) = caplog.records
    assert vars(record)["MESSAGE_ID"] == message_id(event)
    assert vars(record)["PEER"] == HOST
