"""The rejected values on disk by their reason, for `bat2influx spool`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bat2influx.delivery.disk_queue import StoredRejection


@dataclass
class Rejections:
    """How many values were rejected for a reason; when first and when last (ns since 1970)."""

    reason: str
    count: int
    first_ns: int
    latest_ns: int


def by_reason(rejected: Iterable[StoredRejection]) -> list[Rejections]:
    """Return the reasons, the most frequent first."""
    found: dict[str, Rejections] = {}
    for each in rejected:
        same = found.setdefault(each.reason, Rejections(each.reason, 0, each.time_ns, each.time_ns))
        same.count += 1
        same.first_ns = min(same.first_ns, each.time_ns)
        same.latest_ns = max(same.latest_ns, each.time_ns)
    return sorted(found.values(), key=lambda each: -each.count)
