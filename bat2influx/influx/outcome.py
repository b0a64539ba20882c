"""What the database did with a batch: the result of the sender.

Only an outcome removes lines from their queue. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bat2influx.failure import Trouble


class RejectedLine(NamedTuple):
    """A line that the database rejects, with the database's own reason.

    `advice` is what a person can do about it, '' if unknown.
    """

    line: bytes
    reason: str
    advice: str = ""


class Outcome(NamedTuple):
    """What the database did with a batch.

    `undecided` has the lines to send again, after `retry_after` s if that is given; `trouble`
    says why. With `uncertain` some of them may be stored already, because an answer was lost. With
    `passing` the trouble may end with the next batch, and is not logged yet.
    """

    accepted: int = 0
    rejected: Sequence[RejectedLine] = ()
    undecided: Sequence[bytes] = ()
    trouble: Trouble | None = None
    retry_after: float | None = None
    uncertain: bool = False
    passing: bool = False
