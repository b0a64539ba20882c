"""What the database did with a batch: the result of the sender.

Only an outcome removes lines from their queue. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bat2influx.failure import Trouble


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that the database rejects, with the database's own reason.

    `advice` is what a person can do about it, '' if unknown.
    """

    line: bytes
    reason: str
    advice: str = ""


@dataclass(slots=True)
class Outcome:
    """What the database did with a batch.

    `undecided` has the lines to send again, after `retry_after` s if that is given; `trouble`
    says why. With `uncertain` some of them may be stored already, because an answer was lost. With
    `passing` the trouble may end with the next batch, and is not logged yet.
    """

    accepted: int = 0
    rejected: list[RejectedLine] = field(default_factory=list)
    undecided: list[bytes] = field(default_factory=list)
    trouble: Trouble | None = None
    retry_after: float | None = None
    uncertain: bool = False
    passing: bool = False
