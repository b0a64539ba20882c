"""The values of a device: which messages count, and with which stamp."""

from __future__ import annotations

from typing import Literal

import pytest

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.intake import Intake
from bat2influx.device.plan import Plan
from bat2influx.device.presence import Presence
from bat2influx.device.problems import Problems
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS, Origin, Reading
from bat2influx.venus.protocol import NoValue, parse_field

P, START, BOOT = "c0619ab1c2d3", 1_767_225_610 * NS, 5_000 * NS
FIELDS = tuple(
    parse_field(name, path)
    for name, path in (("Soc", "vebus/Soc"), ("Charge", "vebus/Soc"), ("Power", "vebus/Dc/0/Power"))
)
SOC, POWER = f"N/{P}/vebus/275/Soc", f"N/{P}/vebus/275/Dc/0/Power"
ONE, TWO, NULL = b'{"value":1}', b'{"value":2}', b'{"value":null}'


class Desk:
    """An intake, and messages for it, a millisecond apart."""

    def __init__(
        self, *, by_tick: bool = False, mode: Literal["poll", "notify"] = "poll", tick: bool = True
    ) -> None:
        battery = Battery(
            "attic", "10.0.0.2", 1883, "u", "", P, 275, 1.0, 10.0, FIELDS, None, mode=mode
        )
        presence = Presence(120.0, notified=mode == "notify")
        self.problems = Problems("10.0.0.2", "/etc/x.ini", 120.0, presence)
        self.intake = Intake(battery, self.problems, by_tick=by_tick)
        self.plan = Plan(P, FIELDS, {"vebus": (275,)})
        self.problems.begin(self.plan)
        self.now = 0  # ns since START
        if tick:
            self.tick()

    def tick(self) -> None:
        """Begin the tick of the next second."""
        self.now += NS - self.now % NS if self.now else 0
        self.intake.begin_tick(START + self.now, self.plan)

    def say(self, *payloads: bytes, topic: str = POWER) -> None:
        """Deliver messages, and process them 20 ms later."""
        for payload in payloads:
            self.now += NS // 1000
            message = Message(topic, payload, False, BOOT + self.now)
            later = self.now + NS // 50
            now = Now(START + later, 100.0 + later / NS, BOOT + later)
            self.intake.process(self.plan, message, now)

    def stored(self, field: str = "Power") -> list[tuple[int, float]]:
        """Return (ms since START, value) of the values to be stored."""
        return [
            ((each.time_ns - START) * 1000 // NS, each.value)
            for each in self.intake.readings
            if each.field == field
        ]


def test_a_value_is_stamped_with_its_arrival() -> None:
    """By the wall clock, not at the later time of processing; rounded, with origin."""
    desk = Desk()
    desk.say(b'{"value":53.123456}')
    time_ns, origin = START + NS // 1000, Origin(P, "vebus", 275)
    assert desk.intake.readings == [Reading(time_ns, "attic", "Power", 53.1235, origin)]
    assert desk.intake.last_value_ns == time_ns
    assert desk.intake.latest == {"Power": 53.1235}


def test_a_topic_of_two_fields_is_a_reading_of_each() -> None:
    """Both have the value, and both are shown."""
    desk = Desk()
    desk.say(ONE, topic=SOC)
    assert desk.stored("Soc") == desk.stored("Charge") == [(1, 1.0)]
    assert desk.intake.latest == {"Soc": 1.0, "Charge": 1.0}


def test_readings_are_taken_away_once() -> None:
    """The next call returns the values since then."""
    desk = Desk()
    desk.say(ONE)
    assert [value for _, value, _ in desk.intake.pop_rows()] == [1.0]
    assert desk.intake.pop_rows() == []


@pytest.mark.parametrize(
    ("payload", "kind", "shown"),
    [
        (NULL, NoValue.NULL, "null"),
        (b'{"value":[]}', NoValue.EMPTY_LIST, "null"),
        (b'{"value":"on"}', NoValue.TEXT, "text"),
        (b'{"value":true}', NoValue.BOOLEAN, "boolean"),
        (b'{"value":[1]}', NoValue.OTHER_TYPE, "list or object"),
        (b'{"value":1e999}', NoValue.NOT_FINITE, None),
        (b"{}", NoValue.NO_VALUE_KEY, None),
        (b"1", NoValue.NOT_AN_OBJECT, None),
        (b"{", NoValue.NOT_JSON, None),
        (b"", NoValue.ZERO_BYTES, None),
    ],
)
def test_what_is_no_number_is_counted_by_its_kind(
    payload: bytes, kind: NoValue, shown: str | None
) -> None:
    """Nothing is stored, and the latest value is no longer shown; null and text are recorded."""
    desk = Desk()
    desk.say(ONE, payload)
    assert desk.stored() == [(1, 1.0)]
    assert desk.intake.no_values == {kind: 1}
    assert desk.intake.latest == {}
    assert desk.problems.without_value() == ({"Power": shown} if shown else {})


def test_a_number_ends_what_had_no_value() -> None:
    """The field is no longer without a value."""
    desk = Desk()
    desk.say(NULL, ONE)
    assert desk.problems.without_value() == {}
    assert desk.intake.latest == {"Power": 1.0}


# By arrival


@pytest.mark.parametrize(
    ("payloads", "stored", "again"),
    [
        ([ONE, ONE, ONE], [1], 2),
        ([ONE, TWO], [1, 2], 0),
        ([ONE, TWO, ONE], [1, 2, 1], 0),
        ([ONE, NULL, ONE], [1, 1], 0),
        ([b'{"value":1.00001}', ONE], [1], 1),
    ],
)
def test_notified_the_same_value_again_within_a_tick_is_not_stored(
    payloads: list[bytes], stored: list[float], again: int
) -> None:
    """It is counted; any other message in between makes it new."""
    desk = Desk(mode="notify")
    desk.say(*payloads)
    assert [value for _, value in desk.stored()] == stored
    assert desk.intake.no_values[NoValue.REPEATED] == again


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_the_same_value_counts_in_the_next_tick_and_of_another_field(
    mode: Literal["poll", "notify"],
) -> None:
    """Each tick may have its value, and fields are independent of each other."""
    desk = Desk(mode=mode)
    desk.say(ONE)
    desk.say(ONE, topic=SOC)
    desk.tick()
    desk.say(ONE)
    assert desk.stored() == [(1, 1.0), (1001, 1.0)]
    assert desk.stored("Soc") == [(2, 1.0)]
    assert not desk.intake.no_values


def test_polled_each_value_that_is_handed_in_is_stored() -> None:
    """The message of a tick is chosen before."""
    desk = Desk()
    desk.say(ONE, ONE)
    assert desk.stored() == [(1, 1.0), (2, 1.0)]


def test_what_is_forgotten_is_shown_no_more() -> None:
    """The service of the field has left; the value is in no row of a later tick."""
    desk = Desk(by_tick=True, mode="notify")
    desk.say(ONE)
    desk.intake.forget(["Power"])
    desk.tick()
    assert desk.intake.latest == {}
    assert desk.stored() == []


def test_by_arrival_a_value_needs_no_tick() -> None:
    """A value before the first tick is stored."""
    desk = Desk(tick=False)
    desk.say(ONE)
    assert desk.stored() == [(1, 1.0)]


# By tick, polled


def test_polled_by_tick_the_first_value_of_a_tick_counts() -> None:
    """With the tick's stamp; a later one is counted, and neither stored nor shown."""
    desk = Desk(by_tick=True)
    desk.say(ONE, TWO)
    desk.say(ONE, topic=SOC)
    assert desk.stored() == desk.stored("Soc") == [(0, 1.0)]
    assert desk.intake.latest["Power"] == 1.0
    assert desk.intake.no_values == {NoValue.NO_TICK: 1}
    desk.tick()
    desk.say(b'{"value":3}')
    assert desk.stored() == [(0, 1.0), (1000, 3.0)]


def test_polled_by_tick_a_value_before_the_first_tick_is_none() -> None:
    """It belongs to no row."""
    desk = Desk(by_tick=True, tick=False)
    desk.say(ONE)
    assert desk.stored() == []
    assert desk.intake.no_values == {NoValue.NO_TICK: 1}


def test_an_answer_to_a_tick_goes_with_a_clock_that_is_set() -> None:
    """Its row is where the tick would be by the new clock."""
    desk = Desk(by_tick=True)
    desk.intake.clock_set(3600 * NS)
    desk.say(ONE)
    assert desk.stored() == [(3_600_000, 1.0)]


# By tick, with notifications


def test_notified_by_tick_the_last_value_counts_at_the_next_tick() -> None:
    """It is shown at once and stored once, in the row of the tick that follows."""
    desk = Desk(by_tick=True, mode="notify")
    desk.say(ONE, TWO, TWO)
    assert desk.intake.latest == {"Power": 2.0}
    assert desk.stored() == []
    desk.tick()
    assert desk.stored() == [(1000, 2.0)]
    desk.tick()
    assert desk.stored() == [(1000, 2.0)]
    assert not desk.intake.no_values


def test_notified_by_tick_a_value_may_come_before_the_first_tick() -> None:
    """It is queued for that tick."""
    desk = Desk(by_tick=True, mode="notify", tick=False)
    desk.say(ONE)
    desk.tick()
    assert [value for _, value in desk.stored()] == [1.0]


def test_notified_by_tick_what_has_no_value_any_more_is_in_no_row() -> None:
    """Null removes the value that is queued for the tick."""
    desk = Desk(by_tick=True, mode="notify")
    desk.say(ONE, NULL)
    desk.tick()
    assert desk.stored() == []
    assert desk.intake.latest == {}


def test_notified_by_tick_a_value_of_an_earlier_plan_is_none() -> None:
    """The label is no longer read: its value is counted, and the others are stored."""
    desk = Desk(by_tick=True, mode="notify")
    desk.say(ONE)
    desk.say(TWO, topic=SOC)
    desk.plan = Plan(P, FIELDS[:1], {"vebus": (275,)})
    desk.tick()
    assert desk.stored("Soc") == [(1000, 2.0)]
    assert desk.stored() == desk.stored("Charge") == []
    assert desk.intake.no_values == {NoValue.NO_TICK: 2}
