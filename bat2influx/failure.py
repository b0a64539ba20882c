"""Failures of a peer, and how long to wait before the next attempt.

A `Trouble` is made where a failure occurs (the errors.py of the folders) and reported where it is
handled, so that a cause has the same name in the journal, STATUS= and the commands. Pure.

Delays double from the shortest to the longest, and are spread over their upper half, so that many
clients of one server do not reconnect at the same time.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Backoff(Enum):
    """A kind of failure, with the shortest and the longest delay in seconds."""

    BROKER = (0.5, 15.0)  # unreachable or lost: values arrive within 30 s of its return
    STARTING = (5.0, 5.0)  # rejected, after a login that has worked: the device may be booting
    LOGIN = (35.0, 60.0)  # rejected: people must act, and a device locks frequent attempts out
    CERTIFICATE = (5.0, 30.0)  # not trusted: people must act, and attempts lock nothing out
    PROTOCOL_ERROR = (5.0, 45.0)  # of MQTT, by the broker or another client: people must act
    DATABASE = (0.25, 15.0)
    DATABASE_LOGIN = (5.0, 60.0)
    ROWS = (1.0, 5.0)  # the database works, and rejects some points only


def delay(backoff: Backoff, attempt: int, random: float) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (from 1).

    `random` is in [0, 1), as from random.random().
    """
    shortest, longest = backoff.value
    full = min(longest, shortest * 2.0 ** min(attempt - 1, 30))
    return max(shortest, full * (0.5 + random / 2))


class Trouble(NamedTuple):
    """A failure of a peer: `cause` is its short name; `what` says what is wrong and what to do.

    `effect` is what the daemon does until then, if that is not obvious.
    """

    cause: str
    what: str
    backoff: Backoff = Backoff.BROKER
    effect: str = ""

    @property
    def text(self) -> str:
        """The message of the daemon."""
        return f"{self.what}; {self.effect}" if self.effect else self.what
