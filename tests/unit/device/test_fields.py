"""The meaning of a message on a field's topic, cell by cell, with a manual clock (W = 120 s)."""

from __future__ import annotations

import math

import pytest

from bat2influx.device.fields import (
    ANSWER_WITHIN,
    BURST,
    HOLD,
    LATE_AFTER,
    FieldState,
    FieldStates,
    Meaning,
)
from bat2influx.device.plan import Request
from bat2influx.mqtt.connection import Message

W = 120.0
VOLTAGE, POWER, SOC = (f"N/p/vebus/275/{leaf}" for leaf in ("Dc/0/Voltage", "Dc/0/Power", "Soc"))
DC_READ = Request("R/p/vebus/275/Dc/0", (VOLTAGE, POWER), False)
SOC_READ = Request("R/p/vebus/275/Soc", (SOC,), True)
IDLE, ASKED, OVERDUE = FieldState.IDLE, FieldState.ASKED, FieldState.OVERDUE
STALLED, UNANSWERED, LEFT = FieldState.STALLED, FieldState.UNANSWERED, FieldState.LEFT
VALUE, HELD, BESIDES = Meaning.VALUE, Meaning.HELD, Meaning.EXTRA


def sent(payload: bytes = b'{"value":1}', topic: str = SOC) -> Message:
    """Return a message."""
    return Message(topic, payload, False, 0)


def brought_to(state: FieldState, *, notified: bool = False) -> FieldStates:
    """Return field states in which SOC has this state at 100.0 s, requested at 100.0."""
    states = FieldStates(W, notified=notified)
    if state is OVERDUE:
        states.expect([SOC_READ], 99.0)
    if state is UNANSWERED:
        states.expect([SOC_READ], 80.0)
        assert states.unanswered(100.0) == [SOC]
    if state is LEFT:
        states.left([SOC])
    if state is STALLED:
        states.expect([SOC_READ], 100.0)
        states.stalled(0.0)
    elif state is not IDLE:
        states.expect([SOC_READ], 100.0)
    assert states.state(SOC) is state
    return states


# ASK


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (IDLE, ASKED),
        (ASKED, OVERDUE),
        (OVERDUE, OVERDUE),
        (STALLED, STALLED),
        (UNANSWERED, UNANSWERED),
        (LEFT, LEFT),
    ],
)
def test_asking(before: FieldState, after: FieldState) -> None:
    """An answer is certain only if the request before was answered."""
    states = brought_to(before)
    states.expect([SOC_READ], 101.0)
    assert states.state(SOC) is after


# MESSAGE


@pytest.mark.parametrize(
    ("state", "later", "polled", "notified"),
    [
        (IDLE, 0.002, BESIDES, VALUE),
        (ASKED, 0.002, VALUE, VALUE),
        (ASKED, ANSWER_WITHIN, VALUE, VALUE),
        (ASKED, ANSWER_WITHIN + 0.01, HELD, VALUE),
        (OVERDUE, 0.002, HELD, VALUE),
        (STALLED, 0.002, HELD, HELD),
        (UNANSWERED, 0.002, HELD, HELD),
        (LEFT, 0.002, BESIDES, VALUE),
    ],
)
def test_a_message(state: FieldState, later: float, polled: Meaning, notified: Meaning) -> None:
    """Polled, the first after a request may be a value; by notifications each, if not in doubt."""
    for states, meaning in (
        (brought_to(state), polled),
        (brought_to(state, notified=True), notified),
    ):
        assert states.message(sent(), 100.0 + later) is meaning
        held = meaning is HELD
        assert states.state(SOC) is (state if held else IDLE)
        assert states.due() <= 100.0 + later + HOLD if held else states.due() == math.inf
    assert brought_to(state, notified=True).message(sent(), 100.0, suspect=True) is (
        VALUE if state is LEFT else HELD
    )


def test_a_second_message_in_a_tick_is_no_value() -> None:
    """Whatever its payload."""
    states = brought_to(ASKED)
    assert states.message(sent(), 100.0) is VALUE
    assert states.message(sent(b'{"value":2}'), 100.0) is BESIDES


def test_after_a_stall_what_was_not_asked_is_no_value() -> None:
    """Old notifications arrive before the next request is sent."""
    states = brought_to(IDLE)
    states.expect([SOC_READ], 100.0)
    states.message(sent(), 100.0)
    states.stalled(60.0)
    assert states.message(sent(), 160.0) is BESIDES


# Held


@pytest.mark.parametrize("state", [STALLED, UNANSWERED])
def test_what_is_held_is_a_value_after_a_moment(state: FieldState) -> None:
    """The latest of a burst, once; by notifications the latest of all."""
    states = brought_to(state)
    states.message(sent(), 100.1)
    latest = sent(b'{"value":2}')
    assert states.message(latest, 100.3) is Meaning.REPLACES_HELD
    assert states.message(sent(b'{"value":3}'), 100.1 + BURST + 0.01) is BESIDES
    assert states.release(100.1 + HOLD - 0.01) == []
    assert states.release(100.1 + HOLD) == [latest]
    assert states.state(SOC) is IDLE
    assert states.release(200.0) == []
    assert states.due() == math.inf


def test_two_late_answers_to_two_requests_are_two_values() -> None:
    """They may arrive together on a busy machine; a third message is no value."""
    states = brought_to(OVERDUE)  # requested at 99 and at 100 s
    first, second = sent(), sent(b'{"value":2}')
    assert states.message(first, 100.1) is HELD
    assert states.message(second, 100.11) is HELD
    assert states.message(sent(b'{"value":3}'), 100.1 + BURST + 0.01) is BESIDES
    assert states.release(100.1 + HOLD) == [first, second]
    assert states.republished() == 0


def test_a_request_that_was_sent_after_a_late_answer_is_still_open() -> None:
    """Its own answer is a value, too."""
    states = brought_to(OVERDUE)
    states.message(sent(), 100.9)
    states.expect([SOC_READ], 101.0)
    assert len(states.release(100.9 + HOLD)) == 1
    assert states.state(SOC) is ASKED
    assert states.message(sent(), 101.9) is HELD
    assert len(states.release(102.0, tick=True)) == 1
    assert states.state(SOC) is IDLE


@pytest.mark.parametrize("state", [STALLED, UNANSWERED, OVERDUE])
def test_the_answer_to_a_request_after_what_is_held_is_a_value_beside_it(state: FieldState) -> None:
    """It arrives shortly before the end of the interval of the first one, or within it."""
    states = brought_to(state)
    states.pace(0.2)
    first, second = sent(), sent(b'{"value":2}')
    states.message(first, 103.0)
    states.expect([SOC_READ], 103.19)
    assert states.release(103.19, tick=True) == []
    assert states.message(second, 103.195) is HELD
    assert states.message(sent(b'{"value":3}'), 103.196) is BESIDES
    assert states.release(103.2) == [first, second]
    assert states.state(SOC) is IDLE


@pytest.mark.parametrize(("interval", "hold"), [(0.2, 0.2), (0.5, HOLD), (30.0, HOLD)])
def test_what_is_held_makes_room_for_the_next_answer(interval: float, hold: float) -> None:
    """If requests are sent more often than a republish may take."""
    states = brought_to(STALLED)
    states.pace(interval)
    states.message(sent(), 100.1)
    assert states.due() == pytest.approx(100.1 + hold)


@pytest.mark.parametrize(
    ("state", "early"), [(OVERDUE, True), (STALLED, False), (UNANSWERED, False)]
)
def test_a_late_answer_is_a_value_of_its_own_tick(state: FieldState, early: bool) -> None:
    """Except if old values may come first, or only a cached one is there."""
    states = brought_to(state)
    states.message(sent(), 100.4)
    assert bool(states.release(100.5, tick=True)) is early


def test_what_may_have_been_queued_in_a_freeze_is_no_value_before_the_next_answer() -> None:
    """Its request is old: the next tick's answer is newer, and replaces it."""
    states = FieldStates(W, notified=False)
    states.expect([SOC_READ], 100.0)
    states.message(sent(), 105.0)
    assert states.release(105.1, tick=True) == []
    states.expect([SOC_READ], 105.1)
    answer = sent(b'{"value":2}')
    assert states.message(answer, 105.102) is Meaning.REPLACES_HELD
    assert states.release(105.0 + HOLD) == [answer]


@pytest.mark.parametrize("state", [OVERDUE, STALLED, UNANSWERED])
def test_a_republish_takes_back_what_is_held(state: FieldState) -> None:
    """It was the device's cache: the request is still open, and its answer may arrive."""
    states = brought_to(state)
    states.message(sent(), 100.4)
    assert states.republished() == 1
    assert states.republished() == 0
    assert states.release(200.0) == []
    assert states.state(SOC) is state
    states.message(sent(), 110.0)
    assert len(states.release(110.0 + HOLD)) == 1


def test_by_notifications_what_a_republish_takes_back_is_read() -> None:
    """It may have been a change; it is read once."""
    states = brought_to(STALLED, notified=True)
    states.message(sent(), 100.4)
    states.republished()
    assert states.due_rereads([SOC_READ, DC_READ], 100.5) == []  # requested just now
    assert states.due_rereads([SOC_READ, DC_READ], 160.0) == [SOC_READ]
    states.message(sent(), 160.1)
    states.release(161.0)
    assert states.due_rereads([SOC_READ, DC_READ], 220.0) == []


# FAREWELL


@pytest.mark.parametrize("state", [IDLE, ASKED, OVERDUE, STALLED, UNANSWERED, LEFT])
def test_a_farewell_ends_every_expectation(state: FieldState) -> None:
    """Held messages came before it; the field is absent at once."""
    states = brought_to(state)
    states.message(sent(), 100.4)
    states.left([SOC])
    assert states.state(SOC) is LEFT
    assert states.unanswered(100.4) == [SOC]
    assert not states.expects_answer(0.0)
    assert states.release(200.0) == []


def test_a_value_after_a_farewell_has_all_asked_for() -> None:
    """Whenever the latest request was; the return is recorded once."""
    states = brought_to(LEFT)
    assert states.due_requests([SOC_READ], 101.0) == []
    states.message(sent(), 101.5)
    assert states.pop_returned()
    assert not states.pop_returned()
    assert states.due_requests([SOC_READ], 102.0) == [SOC_READ]


# W/8 later


@pytest.mark.parametrize("state", [ASKED, OVERDUE, STALLED])
def test_no_answer_for_w_8_is_silence(state: FieldState) -> None:
    """Since the first open request."""
    states = brought_to(state)
    first = 99.0 if state is OVERDUE else 100.0
    assert states.due() == first + W / 8
    assert states.unanswered(first + W / 8 - 0.1) == []
    assert states.unanswered(first + W / 8) == [SOC]
    assert states.state(SOC) is UNANSWERED


def test_an_answer_is_missed_before_it_counts_as_silence() -> None:
    """So that users see it."""
    states = brought_to(ASKED)
    assert states.late(100.0 + LATE_AFTER - 0.1) == []
    assert states.late(100.0 + LATE_AFTER) == [SOC]
    assert brought_to(LEFT).late(100.0) == [SOC]
    assert brought_to(IDLE).late(200.0) == []


def test_a_request_without_an_answer_is_sent_every_half_w() -> None:
    """Every tick for W/8, then every W/2; its path is named."""
    states = FieldStates(W, notified=False)
    asked = [now for now in range(200) if states.due_requests([SOC_READ], float(now))]
    assert asked == [*range(15), 74, 134, 194]
    assert states.unanswered(200.0) == [SOC]


def test_a_sub_tree_is_asked_for_while_one_of_its_paths_answers() -> None:
    """An unanswered path among answered ones is only named."""
    states = FieldStates(W, notified=False)
    for now in range(100):
        assert states.due_requests([DC_READ], float(now)) == [DC_READ]
        assert states.message(sent(topic=VOLTAGE), now + 0.01) is VALUE
    assert states.unanswered(100.0) == [POWER]


def test_an_answer_after_silence_has_everything_asked_for_again() -> None:
    """All fields of a returned device are requested at the next tick, once."""
    states = FieldStates(W, notified=False)
    for now in range(30):
        states.due_requests([DC_READ, SOC_READ], float(now))
    assert states.due_requests([DC_READ, SOC_READ], 30.0) == []
    states.message(sent(), 30.1)
    states.release(30.1 + HOLD)
    assert states.due_requests([DC_READ, SOC_READ], 31.0) == [DC_READ, SOC_READ]
    assert states.unanswered(31.0) == [VOLTAGE, POWER]
    assert states.due_requests([DC_READ, SOC_READ], 32.0) == [SOC_READ]


# Beginnings


def test_a_new_beginning_forgets_what_went_unanswered_but_not_who_was_absent() -> None:
    """An outage is no silence; a path that was absent before is requested, and still named."""
    states = FieldStates(W, notified=False)
    for now in range(20):
        states.due_requests([SOC_READ], float(now))
    states.left([POWER])
    states.due_requests([DC_READ], 19.0)
    states.begin()
    assert states.due_requests([DC_READ, SOC_READ], 600.0) == [DC_READ, SOC_READ]
    assert {*states.unanswered(601.0)} == {SOC, POWER}
    assert states.state(VOLTAGE) is ASKED
    for topic in (SOC, POWER):
        states.message(sent(topic=topic), 601.0)
    states.release(602.0)
    assert states.unanswered(602.0) == []


def test_after_a_standstill_of_this_machine_no_path_is_silent() -> None:
    """An answer that is late by the time of the standstill is not late."""
    states = brought_to(ASKED)
    states.stalled(100.0)
    assert not states.unanswered(200.0 + W / 8 - 1)
    assert states.unanswered(200.0 + W / 8)


def test_what_is_absent_stays_so_in_a_stall() -> None:
    """And nothing becomes absent."""
    for state in (UNANSWERED, LEFT):
        states = brought_to(state)
        states.stalled(5.0)
        assert states.state(SOC) is state


def test_delayed_requests_are_sent_when_a_user_wants_it() -> None:
    """At the next tick."""
    states = brought_to(UNANSWERED)
    assert states.due_requests([SOC_READ], 101.0) == []
    states.request_all()
    assert states.due_requests([SOC_READ], 102.0) == [SOC_READ]


def test_what_is_not_read_any_more_has_no_state() -> None:
    """And it is not requested again."""
    states = brought_to(UNANSWERED)
    states.forget_all_but([VOLTAGE])
    assert states.unanswered(200.0) == []
    assert states.due() == math.inf


def test_a_service_that_does_not_respond_is_silent_as_a_whole() -> None:
    """Except fields that have left."""
    states = brought_to(LEFT)
    states.mark_unanswered([SOC, VOLTAGE])
    assert (states.state(SOC), states.state(VOLTAGE)) == (LEFT, UNANSWERED)


# The short way


@pytest.mark.parametrize("notified", [False, True])
@pytest.mark.parametrize("state", FieldState)
@pytest.mark.parametrize("after", [0.0, ANSWER_WITHIN, ANSWER_WITHIN + 0.01, 5.0])
@pytest.mark.parametrize("held", [False, True])
def test_what_is_taken_by_the_short_way_is_a_value(
    notified: bool, state: FieldState, after: float, held: bool
) -> None:
    """Ordinary states end up the same as on the long way; in all others nothing is changed."""
    quick, reference, untouched = (brought_to(state, notified=notified) for _ in range(3))
    for states in (quick, reference, untouched):
        if held:
            states.message(sent(), 100.0, suspect=True)
    taken = quick.accept_value(SOC, 100.0 + after)
    if taken:
        quick.values_received({SOC: 100.0 + after})
        assert reference.message(sent(), 100.0 + after) is VALUE
    expected = reference if taken else untouched
    assert [*map(vars, quick._topics.values())] == [*map(vars, expected._topics.values())]
    assert [*quick._topics] == [*expected._topics]
    topic = untouched._topics.get(SOC)
    if topic and notified:
        assert taken == (topic.state is IDLE and not topic.held)
    else:
        assert taken == bool(topic and topic.state is ASKED and after <= ANSWER_WITHIN)
