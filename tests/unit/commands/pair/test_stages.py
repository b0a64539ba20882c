"""The stages of a pairing, cell by cell."""

from __future__ import annotations

import pytest

from bat2influx.commands.pair.stages import ENDS, TABLE, Action, Event, ImpossibleError, Stage, step

FAILED = Stage.FAILED, (Action.REPORT,)
CELLS = [
    (Stage.START, Event.BEGIN, Stage.READING, (Action.READ_CERTIFICATE,)),
    (
        Stage.READING,
        Event.CERTIFICATE,
        Stage.CHOOSING,
        (Action.SHOW_CERTIFICATE, Action.CHOOSE),
    ),
    (Stage.READING, Event.NO_CERTIFICATE, *FAILED),
    (Stage.READING, Event.OTHER_CERTIFICATE, *FAILED),
    (
        Stage.CHOOSING,
        Event.PAIRING_MODE,
        Stage.ASKING,
        (Action.SHOW_INSTRUCTIONS, Action.ASK),
    ),
    (Stage.CHOOSING, Event.PASSWORD, Stage.ASKING_ONCE, (Action.ASK,)),
    (Stage.CHOOSING, Event.NO_PASSWORD, *FAILED),
    (Stage.ASKING, Event.TOKEN, Stage.LOGGING_IN, (Action.LOG_IN,)),
    (Stage.ASKING, Event.CLOSED, Stage.RESTING, (Action.REST,)),
    (Stage.ASKING, Event.NOT_READY, Stage.RESTING, (Action.REST,)),
    (Stage.ASKING, Event.REFUSED, *FAILED),
    (Stage.ASKING, Event.OTHER_CERTIFICATE, *FAILED),
    (Stage.RESTING, Event.REST_OVER, Stage.ASKING, (Action.ASK,)),
    (Stage.RESTING, Event.TIME_UP, *FAILED),
    (Stage.ASKING_ONCE, Event.TOKEN, Stage.LOGGING_IN, (Action.LOG_IN,)),
    (Stage.ASKING_ONCE, Event.CLOSED, *FAILED),
    (Stage.ASKING_ONCE, Event.NOT_READY, *FAILED),
    (Stage.ASKING_ONCE, Event.REFUSED, *FAILED),
    (Stage.ASKING_ONCE, Event.OTHER_CERTIFICATE, *FAILED),
    (Stage.LOGGING_IN, Event.LOGIN, Stage.PAIRED, ()),
    (Stage.LOGGING_IN, Event.NO_LOGIN, Stage.LOGIN_RESTING, (Action.REST_BEFORE_LOGIN,)),
    (Stage.LOGGING_IN, Event.OTHER_CERTIFICATE, *FAILED),
    (Stage.LOGIN_RESTING, Event.REST_OVER, Stage.LOGGING_IN, (Action.LOG_IN,)),
    (Stage.LOGIN_RESTING, Event.TIME_UP, *FAILED),
]


@pytest.mark.parametrize(
    ("stage", "event", "then", "actions"),
    CELLS,
    ids=[f"{stage.name}-{event.name}" for stage, event, *_ in CELLS],
)
def test_a_cell(stage: Stage, event: Event, then: Stage, actions: tuple[Action, ...]) -> None:
    """An event in a stage leads to the next stage, with its actions."""
    assert step(stage, event) == (then, actions)


def test_there_is_no_other_cell() -> None:
    """Each is tested above; an event without a cell raises an error that names it."""
    assert {(stage, event) for stage, event, *_ in CELLS} == TABLE.keys()
    for stage in Stage:
        for event in {*Event} - {each for other, each in TABLE if other is stage}:
            with pytest.raises(ImpossibleError, match=f"{event.name} cannot happen in .*"):
                step(stage, event)


def test_a_password_is_sent_once() -> None:
    """No way leads from the request with it to another request."""
    after = {then for (stage, _), (then, _) in TABLE.items() if stage is Stage.ASKING_ONCE}
    assert after == {Stage.LOGGING_IN, Stage.FAILED}


def test_nothing_is_asked_before_the_certificate_is_shown() -> None:
    """Every way to a request or a login comes through the stage behind it."""
    seen, left = {Stage.START}, [Stage.START]
    while left:
        here = left.pop()
        for (stage, event), (then, actions) in TABLE.items():
            if stage is here and event is not Event.CERTIFICATE and then not in seen:
                assert not {Action.ASK, Action.LOG_IN} & {*actions}
                seen.add(then)
                left.append(then)
    assert seen == {Stage.START, Stage.READING, Stage.FAILED}


def test_every_stage_has_an_end() -> None:
    """Every way on comes to one of the two, and from there nothing leads on."""
    assert not [stage for stage, _ in TABLE if stage in ENDS]
    reaches = {*ENDS}
    while more := {stage for (stage, _), (then, _) in TABLE.items() if then in reaches} - reaches:
        reaches |= more
    assert reaches == {*Stage}
