"""The numbers of the delivery at one moment. Pure.

The keeper creates a Figures at the end of each of its turns, and replaces the previous one as a
whole. The main thread adds lines that came later, so that each line is counted in one place.
"""

from __future__ import annotations

from typing import NamedTuple

from bat2influx.failure import Trouble


class Figures(NamedTuple):
    """Numbers of lines, each with one value; counts are since the start.

    `accepted`: stored by the database. `queued`: not stored yet, of which `on_disk` outlive the
    process. `rejected`: quarantined, of which `rejected_on_disk` outlive the process. `dropped`:
    queued lines lost at a bound or with a damaged file. `rejected_dropped`: quarantined lines lost
    in the same ways.

    `fullness` is the used part of the queue's space, 0 to 1. `database_up` is whether the database
    accepted the latest batch, None before the first. `troubles` has the present failures,
    `failed_thread` the name of a thread that has failed. `appended` counts all lines that were ever
    put into the queues.
    """

    accepted: int = 0
    queued: int = 0
    on_disk: int = 0
    rejected: int = 0
    rejected_on_disk: int = 0
    dropped: int = 0
    rejected_dropped: int = 0
    fullness: float = 0.0
    database_up: bool | None = None
    troubles: tuple[Trouble, ...] = ()
    failed_thread: str = ""
    appended: int = 0

    def with_inbox(self, received: int, lost: int, trouble: Trouble | None) -> Figures:
        """Return this with the lines that the keeper has not put into the queues yet.

        `received` counts all lines since the start, `lost` those dropped before the keeper took
        them.
        """
        return self._replace(
            queued=self.queued + received - lost - self.appended,
            dropped=self.dropped + lost,
            troubles=(*self.troubles, *([trouble] if trouble else [])),
            appended=received - lost,
        )
