"""How a device is asked what it has: a test for each cell of the table; when a survey is due."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from bat2influx.device import question
from bat2influx.device.firmware import Firmware
from bat2influx.device.keepalive import Republish
from bat2influx.device.question import TABLE, Event, Question, State, Survey, SurveyState
from bat2influx.device.transitions import follows
from tests.unit.device.test_discovery import KEEPALIVE, OLD, A, Line

APART = 60.0  # s from one full republish to the next, W/2
PATIENCE = 5.0  # s
PRODUCTS, GRID, END = f"N/{A}/pv/+/ProductId", f"N/{A}/grid/+/P", f"N/{A}/full_publish_completed"
LIST = ("subscribe", (PRODUCTS, f"N/{A}/grid/+/ProductId", GRID, END))

KNOWN = {None: Firmware.UNKNOWN, True: Firmware.OLD_TRIED, False: Firmware.NEW}


class Asked:
    """A question for `pv` and an optional path of `grid`; the connection confirms if told."""

    def __init__(self, *, old: bool | None = None) -> None:
        self.line: Any = Line(confirms=False)
        self.republish = Republish(2 * APART)
        self.question = Question(self.republish, PATIENCE, KNOWN[old])
        self.now = 1000.0

    def ask(self) -> None:
        """Start a question."""
        self.question.ask(self.line, A, ["pv"], [("grid", "P")], self.now)

    def confirm(self) -> bool:
        """Confirm all requests, and step."""
        self.line.confirm()
        return self.step()

    def step(self, seconds: float = 0.0, *, accept_none: bool = False) -> bool:
        """Let time pass; return whether there are answers."""
        self.now += seconds
        answers = self.question.step(self.line, self.now, accept_none=accept_none)
        assert (answers is not None) is (self.question.state is State.ANSWERED)
        return answers is not None

    def come(self, *leaves: str) -> list[bool]:
        """Deliver values; return whether they are answers."""
        return [self.question.process(f"N/{A}/{leaf}", b'{"value":1}') for leaf in leaves]

    def end(self, echo: str | None = "ours") -> None:
        """End a republish, with the echo of the latest question, another one or none."""
        if echo == "ours":
            sent = json.loads(self.line.published[-1][1])
            echo = sent["keepalive-options"][0]["full-publish-completed-echo"]
        end = {"value": 1} | ({"full-publish-completed-echo": echo} if echo else {})
        assert self.question.process(END, json.dumps(end).encode())

    @property
    def found(self) -> dict[str, set[int]]:
        """The instances in the answers, by service."""
        answers = self.question.step(self.line, self.now, accept_none=False)
        assert answers is not None
        return answers.found

    @property
    def questions(self) -> list[str]:
        """The requests to the device, below R/<portal id>/."""
        return [topic.removeprefix(f"R/{A}/") for topic, _ in self.line.published]


def reached(state: State, *, old: bool | None = None) -> Asked:
    """Return a question in `state`, without an answer, or with the end alone.

    The device was asked a moment ago, if at all; in WAITING it may not be asked yet.
    """
    asked = Asked(old=old)
    if state is State.IDLE:
        return asked
    if state is State.WAITING:
        asked.republish.requested(asked.now)
    asked.ask()
    if state is not State.SUBSCRIBING:
        assert not asked.confirm()
    if state is State.LATE:
        asked.question.process(f"N/{A}/pv/x/ProductId", b"{}")  # else the other keepalive is tried
        assert not asked.step(PATIENCE)
    if state is State.ANSWERED:
        asked.end()
        assert asked.step()
    assert asked.question.state is state
    return asked


# One test for each cell


def test_what_the_table_does_not_have_cannot_happen() -> None:
    """An error names it; each state accepts DROPPED, whatever else."""
    missing = [each for each in product(State, Event) if each not in TABLE]
    assert not [event for _, event in missing if event is Event.DROPPED]
    for state, event in missing:
        with pytest.raises(AssertionError, match="cannot receive"):
            follows(question.TABLE, state, event, "a question")


@pytest.mark.parametrize("state", State)
def test_a_question_that_is_dropped_hears_nothing_more(state: State) -> None:
    """Nothing is sent for it: either the connection has ended, or the next question follows."""
    asked = reached(state)
    before = [*asked.line.asked, *asked.line.published]
    asked.question.drop()
    assert asked.question.idle
    assert asked.come("pv/288/ProductId") == [False]
    assert not asked.step(APART)
    assert [*asked.line.asked, *asked.line.published] == before


@pytest.mark.parametrize("state", [each for each in State if each is not State.ANSWERED])
def test_nothing_follows_from_no_event(state: State) -> None:
    """As long as the device has sent nothing, and no time has elapsed."""
    asked = reached(state)
    before = [*asked.line.asked, *asked.line.published]
    for _ in range(3):
        assert not asked.step(PATIENCE / 10)
    assert asked.question.state is state
    assert [*asked.line.asked, *asked.line.published] == before


def test_the_answers_are_subscribed_to_before_the_question() -> None:
    """The device is asked once they are confirmed: else answers might not be delivered."""
    asked = reached(State.IDLE)
    asked.ask()
    assert asked.question.state is State.SUBSCRIBING
    assert asked.line.asked == [LIST]
    assert not asked.step(APART)
    assert not asked.questions
    assert not asked.confirm()
    assert asked.question.state is State.ASKED
    assert asked.questions == [KEEPALIVE]
    assert asked.line.asked == [LIST]


@pytest.mark.parametrize("state", [State.SUBSCRIBING, State.WAITING, State.ASKED, State.LATE])
def test_answers_before_the_question_count(state: State) -> None:
    """Whatever has caused it."""
    asked = reached(state)
    assert asked.come("pv/288/ProductId", "grid/30/P", "pv/288/P") == [True, True, False]
    assert not asked.question.idle


def test_a_device_that_was_asked_by_another_client_is_not_asked_yet() -> None:
    """It is asked when permitted, and then others must wait."""
    asked = reached(State.WAITING)
    assert not asked.step(APART - 1.0)
    assert not asked.questions
    assert not asked.step(1.0)
    assert asked.question.state is State.ASKED
    assert asked.questions == [KEEPALIVE]
    assert not asked.republish.allowed(asked.now + APART - 1.0)


@pytest.mark.parametrize("state", [State.WAITING, State.ASKED, State.LATE])
def test_the_end_of_a_republish_is_an_answer_with_whatever_it_has_brought(state: State) -> None:
    """Also one without an echo, of firmware before 3.50; not that of another client's question."""
    asked = reached(state)
    asked.end("another's")
    assert not asked.step()
    assert (asked.question.old, asked.question.echoed) == (None, False)
    asked.end(None)
    assert asked.step()
    assert (asked.question.old, asked.question.echoed) == (False, True)
    assert asked.found == {"pv": set(), "grid": set()}


@pytest.mark.parametrize("leaves", [[], ["pv/288/ProductId"]])
def test_answers_before_the_device_was_asked_are_not_enough(leaves: list[str]) -> None:
    """It may be the first of several that appear by themselves, however long that takes."""
    asked = reached(State.WAITING)
    asked.come(*leaves)
    assert not asked.step(APART - 1.0, accept_none=True)
    assert asked.question.state is State.WAITING


@pytest.mark.parametrize(
    ("leaves", "accept_none"), [(["pv/288/ProductId"], False), ([], True)], ids=["some", "none"]
)
def test_after_some_seconds_the_answers_so_far_are_enough(
    leaves: list[str], *, accept_none: bool
) -> None:
    """So is no answer at all, if that counts as an answer; it does not show the firmware."""
    asked = reached(State.ASKED)
    asked.come(*leaves)
    assert not asked.step(PATIENCE - 0.1, accept_none=accept_none)
    assert asked.question.state is State.ASKED
    assert asked.step(0.1, accept_none=accept_none)
    assert asked.found["pv"] == ({288} if leaves else set())
    assert (asked.question.old, asked.question.echoed) == (None, False)
    assert asked.questions == [KEEPALIVE]


def test_late_answers_are_enough_at_once() -> None:
    """The seconds have already elapsed."""
    asked = reached(State.LATE)
    asked.come("pv/288/ProductId")
    assert asked.step()


def test_a_device_that_has_not_answered_is_asked_again_when_it_may_be() -> None:
    """With the same subscription, and some seconds to answer again."""
    asked = reached(State.LATE)
    assert not asked.step(APART - PATIENCE - 0.1)
    assert asked.questions == [KEEPALIVE]
    assert not asked.step(0.1)
    assert asked.question.state is State.ASKED
    assert asked.questions == [KEEPALIVE] * 2
    assert asked.line.asked == [LIST]
    assert not asked.step(PATIENCE - 0.1, accept_none=True)
    assert asked.step(0.1, accept_none=True)


def test_a_device_that_has_sent_nothing_gets_the_other_keepalive_at_once() -> None:
    """It may have old firmware; this is done once, and then it has time to answer, too."""
    asked = reached(State.ASKED)
    assert not asked.step(PATIENCE)
    assert asked.question.state is State.ASKED
    assert asked.questions == [KEEPALIVE, OLD]
    assert asked.question.old is True
    assert not asked.step(PATIENCE)
    assert asked.question.state is State.LATE
    assert not asked.step(APART - PATIENCE - 0.1)
    assert asked.questions == [KEEPALIVE, OLD]
    asked.step(0.1)
    assert asked.questions == [KEEPALIVE, OLD, KEEPALIVE]


def test_answers_are_returned_until_they_are_evaluated() -> None:
    """Later messages are among them."""
    asked = reached(State.ANSWERED)
    asked.come("pv/288/ProductId")
    assert asked.step(APART)
    assert asked.found["pv"] == {288}
    assert asked.questions == [KEEPALIVE]


def test_an_end_may_follow_answers_that_were_enough() -> None:
    """While a user must choose; then the firmware is known."""
    asked = reached(State.LATE)
    asked.come("pv/288/ProductId")
    assert asked.step()
    assert not asked.question.echoed
    asked.end()
    assert asked.step()
    assert (asked.question.old, asked.question.echoed) == (False, True)


def test_at_the_end_the_answers_are_unsubscribed_from() -> None:
    """Not from topics that others need, too, and never from the end of a republish."""
    asked = reached(State.ANSWERED)
    asked.question.end(asked.line, [PRODUCTS], asked.now)
    assert asked.question.idle
    assert asked.line.asked == [LIST, ("unsubscribe", (f"N/{A}/grid/+/ProductId", GRID))]


# Which keepalive the device is sent


@pytest.mark.parametrize("when", [State.ASKED, State.SUBSCRIBING, State.WAITING, None])
def test_an_unanswered_question_counts_though_it_was_dropped(when: State | None) -> None:
    """The next one uses the other keepalive, unless something comes `when` it still helps."""

    def come() -> None:
        if asked.question.state is when:
            asked.come("pv/288/ProductId")

    asked = reached(State.ASKED)
    come()
    asked.question.drop()
    asked.ask()
    come()
    assert not asked.confirm()
    come()
    asked.step(APART)
    assert asked.questions == [KEEPALIVE, KEEPALIVE if when else OLD]


@pytest.mark.parametrize(
    ("old", "questions"),
    [(None, [KEEPALIVE, OLD, KEEPALIVE]), (True, [OLD, KEEPALIVE, OLD])],
)
def test_a_device_that_never_answers_gets_both_keepalives_in_turn(
    old: bool | None, questions: list[str]
) -> None:
    """Beginning with the keepalive that is known from earlier."""
    asked = reached(State.SUBSCRIBING, old=old)
    asked.line.confirm()
    for number in range(3):
        asked.step(APART)
        assert asked.questions == questions[: number + 1]


def test_firmware_that_has_ended_a_republish_does_not_get_the_other_keepalive_at_once() -> None:
    """Nor is firmware that is known to be old."""
    for old in (True, False):
        asked = reached(State.ASKED, old=old)
        assert not asked.step(PATIENCE)
        assert asked.question.state is State.LATE
        assert len(asked.questions) == 1


def test_of_another_device_it_is_not_known_how_it_is_asked() -> None:
    """And it has left no question unanswered."""
    asked = reached(State.ASKED, old=True)
    asked.question.drop()
    asked.question.forget()
    assert asked.question.old is None
    asked.ask()
    asked.confirm()
    asked.step(APART)
    assert asked.questions == [OLD, KEEPALIVE]


def test_each_question_has_an_echo_of_its_own() -> None:
    """The end of one that was dropped is not the end of the next."""
    asked = reached(State.ASKED)
    asked.question.drop()
    asked.ask()
    asked.confirm()
    asked.end()
    assert not asked.step()


# When a survey is due


def test_a_survey_follows_another_one_after_a_span() -> None:
    """The span begins when one is done; before that none is planned."""
    survey = Survey(900.0)
    assert not survey.due
    assert not survey.check_due(5000.0)
    survey.request()
    assert survey.due
    survey.done(100.0)
    assert not survey.due
    assert [survey.check_due(now) for now in (999.9, 1000.0, 1000.1)] == [False, True, False]
    assert survey.state is SurveyState.DUE


def test_a_survey_that_replaces_still_does_when_another_reason_comes() -> None:
    """The next one does not; the planned one is cancelled."""
    survey = Survey(900.0)
    survey.done(0.0)
    survey.replan(SurveyState.REPLACE)
    survey.request()
    assert survey.state is SurveyState.REPLACE
    assert not survey.check_due(900.0)
    survey.done(1000.0)
    assert survey.check_due(1900.0)
    assert survey.state is SurveyState.DUE
    survey.replan(SurveyState.NONE)
    assert not survey.due
    assert not survey.check_due(9000.0)
