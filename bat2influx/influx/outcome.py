"""What the database has made of a batch: the one thing that the sender hands back.

Lines leave their queue by this alone. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bat2influx.failure import Trouble


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that the database will not take, its reason in the database's words, and a remedy.

    `advice` is what people can do about it, where something is known.
    """

    line: bytes
    reason: str
    advice: str = ""


@dataclass(slots=True)
class Outcome:
    """What the database has made of a batch.

    `undecided` has the lines to send again, after `retry_after` s if that is given; `trouble`
    says why. With `in_doubt` some of them may be stored already, for an answer was lost. With
    `passing` the trouble may be over with the next batch, and is not to be told yet.
    """

    accepted: int = 0
    rejected: list[RejectedLine] = field(default_factory=list)
    undecided: list[bytes] = field(default_factory=list)
    trouble: Trouble | None = None
    retry_after: float | None = None
    in_doubt: bool = False
    passing: bool = False
