"""How it is with the delivery at one moment. Pure.

The keeper makes a Figures at the end of each of its turns, and replaces the one before as a whole.
The main thread adds what has come since, so that it sees each line in one place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bat2influx.failure import Trouble


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of lines, a line being one value; counts are since the start.

    `accepted`, those the database has stored; `waiting`, those it does not have yet, of which
    `on_disk` outlive the process; `rejected`, those it will not take, kept aside, of which
    `rejected_on_disk` outlive the process; `dropped`, waiting lines that were lost, at a bound or
    with a damaged file; `rejected_dropped`, those lost of the rejected.

    `fullness` is the part of the room for what waits that is taken, 0 to 1. `database_up` says
    whether the database took the latest batch, None before the first was tried. `troubles` has what
    is wrong, `failed_thread` the name of a thread that has failed. `taken_in` is how many lines the
    queues have ever been given.
    """

    accepted: int = 0
    waiting: int = 0
    on_disk: int = 0
    rejected: int = 0
    rejected_on_disk: int = 0
    dropped: int = 0
    rejected_dropped: int = 0
    fullness: float = 0.0
    database_up: bool | None = None
    troubles: tuple[Trouble, ...] = ()
    failed_thread: str = ""
    taken_in: int = 0

    def with_inbox(self, came: int, lost: int, trouble: Trouble | None) -> Figures:
        """Return this with the lines that the keeper has not put into the queues yet.

        So many `came` ever, of which so many were `lost` before the keeper took them.
        """
        return replace(
            self,
            waiting=self.waiting + came - lost - self.taken_in,
            dropped=self.dropped + lost,
            troubles=(*self.troubles, *([trouble] if trouble else [])),
            taken_in=came - lost,
        )
