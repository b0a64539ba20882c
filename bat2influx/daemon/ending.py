"""The last line of the log: what happened to the values. Pure."""

from __future__ import annotations

import logging
from typing import NamedTuple

from bat2influx.delivery.figures import Figures


class LastLine(NamedTuple):
    """The line, its log level, and the number of values that are lost with the process."""

    text: str
    level: int
    lost: int


def last_line(figures: Figures) -> LastLine:
    """Return the line for the `figures` after both threads have ended.

    The line says "every value is stored" only if that holds for all values since the start, and for
    those queued before. Queued or rejected values that are not on disk by now are lost.
    """
    lost_rejected = figures.rejected - figures.rejected_on_disk
    queued = figures.queued - figures.on_disk
    parts = []
    if queued:
        parts.append(f"{queued} values were neither stored nor written to disk and are lost")
    if figures.on_disk:
        parts.append(f"{figures.on_disk} values are queued on disk for the next start")
    if lost_rejected:
        parts.append(f"{lost_rejected} rejected values were not written to disk and are lost")
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
    if queued or lost_rejected:
        level = logging.ERROR
    return LastLine("; ".join((begin, *parts)), level, queued + lost_rejected)
