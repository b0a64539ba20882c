"""The last line of the log: what has become of the values. Pure."""

from __future__ import annotations

import logging
from typing import NamedTuple

from bat2influx.delivery.figures import Figures


class LastLine(NamedTuple):
    """The line, its level, and how many values are lost with the process."""

    text: str
    level: int
    lost: int


def last_line(figures: Figures) -> LastLine:
    """Return the line for what there is when both threads have ended.

    It says that every value is stored only when that is so of all since the start, and of those
    from before. What waits or is refused and is not on disk by now is lost.
    """
    unkept = figures.rejected - figures.rejected_on_disk
    waiting = figures.waiting - figures.on_disk
    parts = []
    if waiting:
        parts.append(f"{waiting} values were neither stored nor written to disk and are lost")
    if figures.on_disk:
        parts.append(f"{figures.on_disk} values are queued on disk for the next start")
    if unkept:
        parts.append(f"{unkept} rejected values were not written to disk and are lost")
    if figures.rejected_on_disk:
        quarantined = f"{figures.rejected_on_disk} rejected values are quarantined"
        parts.append(f"{quarantined} (`bat2influx spool` lists them)")
    if figures.dropped:
        parts.append(f"{figures.dropped} queued values were dropped before")
    if figures.rejected_dropped:
        parts.append(f"{figures.rejected_dropped} rejected values were dropped before")
    if not parts:
        parts.append("every value is stored")
    else:
        parts.append(f"{figures.accepted} values are stored")
    begin = "stopped"
    level = logging.INFO
    if figures.failed_thread:
        begin = f"stopped because worker thread {figures.failed_thread!r} failed"
        level = logging.ERROR
    if waiting or unkept:
        level = logging.ERROR
    return LastLine("; ".join((begin, *parts)), level, waiting + unkept)
