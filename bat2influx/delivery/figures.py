"""The numbers of the delivery at one moment. Pure.

The keeper creates a Figures at the end of each of its turns, and replaces the previous one as a
whole. The main thread adds lines that came later, so that each line is counted in one place.
"""

from __future__ import annotations

from typing import NamedTuple

from bat2influx.failure import Trouble


class Figures(NamedTuple):
    """Numbers of lines, each with one value; counts are since the start.

    `accepted`: stored by the database. `waiting`: queued, of which `on_disk` outlive the process.
    `rejected`: quarantined, of which `rejected_on_disk` outlive the process. `dropped`: queued
    lines lost at a bound or with a damaged file. `rejected_dropped`: quarantined lines lost in the
    same ways.

    `fullness` is the used part of the queue's space, 0 to 1. `database_up` is whether the database
    accepted the latest batch, None before the first. `troubles` has the present failures,
    `failed_thread` the name of a thread that has failed. `taken_in` counts all lines that were ever
    put into the queues.
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

        `came` counts all lines since the start, `lost` those dropped before the keeper took them.
        """
        return self._replace(
            waiting=self.waiting + came - lost - self.taken_in,
            dropped=self.dropped + lost,
            troubles=(*self.troubles, *([trouble] if trouble else [])),
            taken_in=came - lost,
        )
