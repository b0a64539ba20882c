"""What is told of a fleet: each trouble, when it begins and what ends it (W = 120 s)."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any

import pytest

from bat2influx.config.settings import Battery
from bat2influx.device.source import Census
from bat2influx.failure import Trouble
from bat2influx.fleet.diagnosis import Diagnosis, Look
from bat2influx.fleet.keepalive import MOST_DEVICES
from bat2influx.service.events import message_id
from bat2influx.venus.units import DEFAULT_FIELDS

W, BEGUN = 120.0, 1000.0
LATE, LATER = BEGUN + W / 8, BEGUN + W / 2
FILE, HOST = "/etc/x.ini", "10.0.0.2"
BATTERY = Battery("", HOST, 1883, "reader", "", "all", None, 1.0, 10.0, DEFAULT_FIELDS, None)
TEN = Census(10, ())
FINE = Look(
    begun=BEGUN,
    asked=BEGUN,
    valued=True,
    speaking=True,
    overheard=True,
    deaf=False,
    refused=None,
    left_out=0,
    full=False,
)
REFUSED = Trouble("publish refused", "the broker takes no keepalive")


class Told:
    """A diagnosis, and what it has told."""

    def __init__(self, log: pytest.LogCaptureFixture, **battery: Any) -> None:
        log.set_level(logging.INFO, "bat2influx")
        self.diagnosis = Diagnosis(replace(BATTERY, **battery), W, FILE)
        self._log = log

    def see(self, now: float, census: Census = TEN, **look: Any) -> list[str]:
        """Show it a look at some moment; return what it tells."""
        self._log.clear()
        self.diagnosis.tell(census, FINE._replace(**look), now)
        return [f"{record.levelname}: {record.getMessage()}" for record in self._log.records]

    @property
    def cause(self) -> str:
        """The cause of what is wrong."""
        return self.diagnosis.trouble.cause if self.diagnosis.trouble else ""


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """A fleet that was just connected to."""
    return Told(caplog)


def test_of_a_fleet_that_is_fine_nothing_is_told(told: Told) -> None:
    """Neither at the beginning nor later."""
    assert [told.see(now) for now in (BEGUN, LATE, LATER, LATER + 7200)] == [[]] * 4
    assert told.diagnosis.trouble is None


def test_no_device_is_told_after_a_while(told: Told) -> None:
    """From W/8 on, once, and its end; the text has the topic that has to be there."""
    nobody = Census(0, ())
    assert told.see(LATE - 1, nobody) == []
    assert not told.cause
    (warning,) = told.see(LATE, nobody)
    assert warning.startswith(f"WARNING: no device has published its portal id at {HOST}")
    assert told.see(LATE + 5, nobody) == []
    assert told.cause == "portal"
    (end,) = told.see(LATE + 10)
    assert end.startswith(f"INFO: devices detected at {HOST}, after 10 s")
    assert not told.cause


def test_the_topic_that_a_bridge_carries_over_has_its_prefix(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So that it can be compared with the bridge's configuration."""
    (warning,) = Told(caplog, topic_prefix="site/").see(LATE, Census(0, ()))
    assert "(no retained message site/N/+/system/0/Serial)" in warning
    assert f"topic_prefix in {FILE}" in warning


@pytest.mark.parametrize(
    ("silent", "words"),
    [(("a",), "1 of 10 devices"), (("a", "b"), "2 of 10 devices")],
)
def test_silent_devices_are_told_and_no_trouble(
    told: Told, silent: tuple[str, ...], words: str
) -> None:
    """They are in the log, with their names, and in the census; other ones are not told anew."""
    (warning,) = told.see(BEGUN, Census(10, silent))
    verb = "does" if len(silent) == 1 else "do"
    assert warning == f"WARNING: {words} at {HOST} {verb} not respond ({', '.join(silent)})"
    assert told.see(BEGUN + 5, Census(10, ("c", "d", "e"))) == []
    assert told.diagnosis.trouble is None
    assert told.see(BEGUN + 9) == [f"INFO: every device at {HOST} responds again, after 9 s"]


def test_one_device_too_many_is_told_until_there_is_room(told: Told) -> None:
    """A look without a message of such a device is no end while all places are taken."""
    full = Census(MOST_DEVICES, ())
    (warning,) = told.see(BEGUN, full, left_out=1, full=True)
    assert f"{HOST} has more than 100,000 devices; the others are ignored" in warning
    assert told.see(BEGUN + 5, full, full=True) == []
    assert told.cause == "fleet: too many"
    assert told.see(BEGUN + 10, Census(MOST_DEVICES - 1, ())) == [
        f"INFO: there is room for every device at {HOST}, after 10 s"
    ]
    assert not told.cause


def test_more_than_there_is_room_for_is_told_with_what_to_raise(told: Told) -> None:
    """Whether that is devices or their topics: what is counted are bytes."""
    (warning,) = told.see(BEGUN, Census(2_700, ()), left_out=1, full=True)
    assert warning == (
        f"WARNING: {HOST} has more devices or topics than max_memory in {FILE} has room for"
        " (24 MB: 2,700 devices with their topics); the others are ignored. Raise max_memory if"
        " these devices are yours"
    )


def test_no_value_is_told_later_where_devices_speak(told: Told) -> None:
    """From W/2 on; where none speaks there is another cause."""
    assert told.see(LATER - 1, valued=False) == []
    assert told.see(LATER, valued=False, speaking=False) == []
    assert not told.cause
    (warning,) = told.see(LATER, valued=False)
    assert "none has sent a value of the fields in /etc/x.ini" in warning
    assert told.see(LATER + 5, valued=False, speaking=False) == []
    assert told.cause == "fleet: no values"
    assert told.see(LATER + 10) == [f"INFO: values arrive from {HOST}, after 10 s"]
    assert not told.cause


def test_no_value_in_a_group_has_causes_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Another daemon may get them all, or the broker does not know such subscriptions."""
    (warning,) = Told(caplog, share_group="store").see(LATER, valued=False)
    assert "another daemon of the group store receives all values" in warning
    assert "leave share_group empty" in warning


def test_a_refused_keepalive_is_told_in_the_words_of_the_broker(told: Told) -> None:
    """It ends when a keepalive was taken for W/8; before that nobody knows."""
    assert told.see(BEGUN, refused=REFUSED) == [f"WARNING: {REFUSED.text}"]
    assert told.cause == "publish refused"
    asked = BEGUN + 30
    assert told.see(asked + W / 8 - 1, asked=asked) == []
    assert told.see(asked + W / 8, asked=math.inf) == []
    assert told.cause == "publish refused"
    (end,) = told.see(asked + W / 8, asked=asked)
    assert end == f"INFO: {HOST} accepts keepalives, after 45 s"
    assert not told.cause


@pytest.mark.parametrize(
    ("now", "look", "is_told"),
    [
        (BEGUN, {"deaf": True}, True),
        (LATE - 1, {}, False),
        (LATE, {}, True),
        (LATE, {"asked": math.inf}, False),
        (LATE, {"asked": BEGUN + 1}, False),
        (LATE, {"overheard": True, "deaf": True}, False),
    ],
    ids=["refused", "early", "late", "none sent", "sent later", "heard"],
)
def test_keepalives_that_are_not_heard_are_told_and_no_trouble(
    told: Told, now: float, look: dict[str, Any], is_told: bool
) -> None:
    """At once where the subscription was refused, else W/8 after the first one was sent."""
    entries = told.see(now, **{"overheard": False, **look})
    assert len(entries) == is_told
    assert all(f"{HOST} does not let 'reader' read R/+/keepalive" in entry for entry in entries)
    assert told.diagnosis.trouble is None
    end = [f"INFO: {HOST} delivers keepalives to this daemon, after 5 s"]
    assert told.see(now + 5) == (end if is_told else [])


def test_of_several_troubles_the_one_nearest_to_the_broker_is_shown(told: Told) -> None:
    """As one ends, the next is shown; each has been logged."""
    entries = told.see(
        LATER, Census(0, ()), refused=REFUSED, left_out=1, valued=False, overheard=False
    )
    assert len(entries) == 5
    assert told.cause == "portal"
    shown = []
    for look in ({"refused": REFUSED, "left_out": 1}, {"left_out": 1}, {}):
        told.see(LATER + 1, valued=False, **look)
        shown.append(told.cause)
    assert shown == ["publish refused", "fleet: too many", "fleet: no values"]
    told.see(LATER + 1)
    assert not told.cause


@pytest.mark.parametrize(
    ("census", "look", "event"),
    [
        (Census(0, ()), {}, "portal"),
        (Census(10, ("a",)), {}, "silent"),
        (TEN, {"left_out": 1}, "fleet"),
        (TEN, {"valued": False}, "fleet"),
        (TEN, {"overheard": False}, "subscription refused"),
        (TEN, {"refused": REFUSED}, "publish refused"),
    ],
)
def test_each_is_an_event_with_the_broker_as_its_peer(
    caplog: pytest.LogCaptureFixture, census: Census, look: dict[str, Any], event: str
) -> None:
    """By these two it is found in the journal, whatever its text."""
    Told(caplog).see(LATER, census, **look)
    (record,) = caplog.records
    assert vars(record)["MESSAGE_ID"] == message_id(event)
    assert vars(record)["PEER"] == HOST
