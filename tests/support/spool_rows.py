"""What is in the file of a queue on disk, by the queue's own connection and its own guard.

The daemon needs neither: another process reads the file by DiskReader. Here it is what has a
damaged file met with and replaced, as any other call of the queue would.
"""

from __future__ import annotations

from contextlib import closing

from bat2influx.delivery import disk_rows
from bat2influx.delivery.disk_queue import DiskQueue, StoredRejection, rejected_of
from bat2influx.delivery.disk_rows import REJECTED


def rejected_in(queue: DiskQueue, limit: int) -> list[StoredRejection]:
    """Return the newest rejected lines, at most `limit`, oldest first. Raises DiskError."""
    found: list[StoredRejection] = []
    file = queue._file
    with file.guarded():
        if (db := file.opened()) is not None:
            with closing(disk_rows.rows(db, REJECTED, "ORDER BY number DESC")) as rows:
                for row in rows:
                    found += reversed(rejected_of(row))
                    if len(found) >= limit:
                        break
    return found[:limit][::-1]


def oldest_in(queue: DiskQueue) -> int | None:
    """Return the stamp of the line that is the first to go, in ns."""
    return queue._file.figures.oldest
