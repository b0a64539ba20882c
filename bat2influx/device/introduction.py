"""The log entry that reports which device is read, and which of its services."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from bat2influx.config.settings import Battery
from bat2influx.device.plan import Plan
from bat2influx.printable import some
from bat2influx.service.journal import event

log = logging.getLogger(__name__)


class Introduction:
    """Logs a device when reading begins, and again only when other services are read."""

    def __init__(self) -> None:
        self._given = ""

    def give(
        self,
        battery: Battery,
        portal: str | None,
        found: Mapping[str, Iterable[int]],
        plan: Plan | None,
    ) -> None:
        """Log the device if `plan` has any field; `found` has the instances by service."""
        services = ", ".join(
            f"{service} {some([*numbers], ' and ')}" for service, numbers in sorted(found.items())
        )
        what = f"{battery.address}, portal id {portal}" + (f", {services}" if services else "")
        if what == self._given or plan is None or not plan.fields:
            return
        self._given = what
        extra = event("reading", PORTAL_ID=portal or "", PEER=battery.address)
        if battery.mode == "notify":
            log.info("receiving changes from %s", what, extra=extra)
        else:
            log.info("reading %s every %g s", what, battery.interval, extra=extra)
