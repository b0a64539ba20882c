"""What `bat2influx spool --json` prints: an object for the spool, or one for each value in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bat2influx.commands import json_lines
from bat2influx.commands.json_lines import Record, timestamp
from bat2influx.commands.rejections import by_reason
from bat2influx.delivery import disk_format, salvage
from bat2influx.delivery.disk_reader import DiskReader
from bat2influx.influx.lineprotocol import stamp_of


@dataclass(frozen=True)
class SpoolRecord(Record):
    """What is on disk: numbers of values and of files that were set aside, and bytes."""

    kind = "spool"

    directory: str
    queued: int
    oldest_time: str | None
    newest_time: str | None
    quarantined: int
    bytes: int
    max_bytes: int
    set_aside: int


@dataclass(frozen=True)
class SetAsideRecord(Record):
    """A file of another version, which its version can read."""

    kind = "set_aside"

    name: str
    bytes: int


@dataclass(frozen=True)
class RejectionRecord(Record):
    """The quarantined values that the database has rejected for the same reason."""

    kind = "rejection"

    reason: str
    count: int
    first_time: str | None
    latest_time: str | None


@dataclass(frozen=True)
class ValueRecord(Record):
    """A value in line protocol; one that is quarantined also has why, and since when."""

    kind = "value"

    line: str
    time: str | None
    reason: str | None = None
    rejected_time: str | None = None


@dataclass(frozen=True)
class RetryRecord(Record):
    """Whether the daemon was asked to send the quarantined values again, and how many."""

    kind = "retry"

    requested: bool
    quarantined: int


def show(reader: DiskReader, state: Path, max_size: int) -> None:
    """Print what is on disk in the directory `state`, of `max_size` bytes at most."""
    found = reader.summary()
    aside = salvage.quarantined_as_newer(state / disk_format.NAME)
    json_lines.show(
        SpoolRecord(
            directory=str(state),
            queued=found.queued,
            oldest_time=timestamp(found.oldest),
            newest_time=timestamp(reader.newest()),
            quarantined=found.rejected,
            bytes=found.size,
            max_bytes=max_size,
            set_aside=len(aside),
        )
    )
    for path in aside:
        json_lines.show(SetAsideRecord(path.name, disk_format.total_size(path)))
    for each in by_reason(reader.rejected()):
        first, latest = timestamp(each.first_ns), timestamp(each.latest_ns)
        json_lines.show(RejectionRecord(each.reason, each.count, first, latest))


def show_values(reader: DiskReader, *, rejected: bool) -> None:
    """Print each queued value, or with `rejected` each quarantined one."""
    if rejected:
        for each in reader.rejected():
            text, when = each.line.decode("utf-8", "replace"), timestamp(each.time_ns)
            json_lines.show(ValueRecord(text, timestamp(stamp_of(each.line)), each.reason, when))
        return
    for line in reader.lines():
        text = line.decode("utf-8", "replace")
        json_lines.show(ValueRecord(text, timestamp(stamp_of(line))))


def show_request(count: int) -> None:
    """Print that the daemon was asked to send so many values again; not where there is none."""
    json_lines.show(RetryRecord(requested=count > 0, quarantined=count))
