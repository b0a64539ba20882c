"""The stages of a pairing: a table of (stage, event) to (stage, actions), and nothing else.

Pure. Events are facts; conversation.py carries out the actions in order; the last one of a step
returns the next event. An event without a cell is a bug.

    START -> READING -> CHOOSING -> ASKING <-> RESTING            (the device's pairing mode)
                                 -> ASKING_ONCE                   (its password)
                        both     -> LOGGING_IN <-> LOGIN_RESTING -> PAIRED

Rules: no request is sent before the certificate is known, and each later connection must show the
same one. A password is asked for once and sent once: it may be wrong, and a device counts failures.
"""

from __future__ import annotations

from enum import Enum, auto


class Stage(Enum):
    """Where a pairing is."""

    START = auto()
    READING = auto()  # the certificate
    CHOOSING = auto()  # between pairing mode and password
    ASKING = auto()  # for a token, which needs pairing mode
    RESTING = auto()  # until the next request
    ASKING_ONCE = auto()  # with the password
    LOGGING_IN = auto()  # to the broker, with the token
    LOGIN_RESTING = auto()  # until the next login
    PAIRED = auto()
    FAILED = auto()


class Event(Enum):
    """What has happened."""

    BEGIN = auto()
    CERTIFICATE = auto()
    NO_CERTIFICATE = auto()
    OTHER_CERTIFICATE = auto()  # than in the file or at the beginning
    PAIRING_MODE = auto()  # was chosen
    PASSWORD = auto()  # was given
    NO_PASSWORD = auto()
    TOKEN = auto()
    CLOSED = auto()  # pairing mode is off, or the password is wrong
    NOT_READY = auto()  # no answer, or that of a web server that is starting
    REFUSED = auto()
    REST_OVER = auto()
    TIME_UP = auto()
    LOGIN = auto()  # was accepted
    NO_LOGIN = auto()


class Action(Enum):
    """What conversation.py does."""

    READ_CERTIFICATE = auto()
    SHOW_CERTIFICATE = auto()
    CHOOSE = auto()
    SHOW_INSTRUCTIONS = auto()
    ASK = auto()
    REST = auto()  # until the next request, or the time limit
    LOG_IN = auto()
    REST_BEFORE_LOGIN = auto()
    REPORT = auto()  # the problem


Step = tuple[Stage, tuple[Action, ...]]
_FAILED: Step = (Stage.FAILED, (Action.REPORT,))
_LOG_IN: Step = (Stage.LOGGING_IN, (Action.LOG_IN,))
_REST: Step = (Stage.RESTING, (Action.REST,))

TABLE: dict[tuple[Stage, Event], Step] = {
    (Stage.START, Event.BEGIN): (Stage.READING, (Action.READ_CERTIFICATE,)),
    (Stage.READING, Event.CERTIFICATE): (
        Stage.CHOOSING,
        (Action.SHOW_CERTIFICATE, Action.CHOOSE),
    ),
    (Stage.READING, Event.NO_CERTIFICATE): _FAILED,
    (Stage.READING, Event.OTHER_CERTIFICATE): _FAILED,
    (Stage.CHOOSING, Event.PAIRING_MODE): (
        Stage.ASKING,
        (Action.SHOW_INSTRUCTIONS, Action.ASK),
    ),
    (Stage.CHOOSING, Event.PASSWORD): (Stage.ASKING_ONCE, (Action.ASK,)),
    (Stage.CHOOSING, Event.NO_PASSWORD): _FAILED,
    (Stage.ASKING, Event.TOKEN): _LOG_IN,
    (Stage.ASKING, Event.CLOSED): _REST,
    (Stage.ASKING, Event.NOT_READY): _REST,
    (Stage.ASKING, Event.REFUSED): _FAILED,
    (Stage.ASKING, Event.OTHER_CERTIFICATE): _FAILED,
    (Stage.RESTING, Event.REST_OVER): (Stage.ASKING, (Action.ASK,)),
    (Stage.RESTING, Event.TIME_UP): _FAILED,
    (Stage.ASKING_ONCE, Event.TOKEN): _LOG_IN,
    (Stage.ASKING_ONCE, Event.CLOSED): _FAILED,
    (Stage.ASKING_ONCE, Event.NOT_READY): _FAILED,
    (Stage.ASKING_ONCE, Event.REFUSED): _FAILED,
    (Stage.ASKING_ONCE, Event.OTHER_CERTIFICATE): _FAILED,
    (Stage.LOGGING_IN, Event.LOGIN): (Stage.PAIRED, ()),
    (Stage.LOGGING_IN, Event.NO_LOGIN): (Stage.LOGIN_RESTING, (Action.REST_BEFORE_LOGIN,)),
    (Stage.LOGGING_IN, Event.OTHER_CERTIFICATE): _FAILED,
    (Stage.LOGIN_RESTING, Event.REST_OVER): _LOG_IN,
    (Stage.LOGIN_RESTING, Event.TIME_UP): _FAILED,
}
ENDS = (Stage.PAIRED, Stage.FAILED)


class ImpossibleError(AssertionError):
    """An event in a stage that has no cell for it: a bug."""

    def __init__(self, stage: Stage, event: Event) -> None:
        super().__init__(f"{event.name} cannot happen in stage {stage.name}")


def step(stage: Stage, event: Event) -> Step:
    """Return the next stage, and its actions. Raises ImpossibleError."""
    try:
        return TABLE[stage, event]
    except KeyError:
        raise ImpossibleError(stage, event) from None
