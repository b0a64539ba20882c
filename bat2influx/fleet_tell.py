"""What is wrong with a fleet: told once when it begins, each hour, and at its end.

Hand in what is seen each few seconds. Times are monotonic seconds.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bat2influx import fleet_trouble
from bat2influx.config import Battery
from bat2influx.journal import Episode
from bat2influx.source import Census
from bat2influx.trouble import Trouble

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """How it is on a connection; `late` is whether an answer should be there by now."""

    census: Census
    late_devices: bool  # one should have been found
    late_keepalives: bool  # what was sent should have come back
    overheard: bool  # a keepalive has
    deaf: bool  # it is known that none will
    refused: Trouble | None  # why the broker does not take those that are sent
    turned_away: bool  # there was more than there is room for


class Troubles:
    """The episodes of one fleet."""

    def __init__(self, battery: Battery, config: str, most_devices: int, most_topics: int) -> None:
        """`config` is the file to name in messages."""
        self._battery = battery
        self._config = config
        self._most = most_devices, most_topics
        fields = {"PEER": battery.address}
        self._finding = Episode(log, fields)
        self._hearing = Episode(log, fields)
        self._unheard = Episode(log, fields)
        self._refused = Episode(log, fields)
        self._crowd = Episode(log, fields)

    @property
    def worst(self) -> Trouble | None:
        """What counts most; devices that are silent are in the census."""
        return self._finding.trouble or self._refused.trouble or self._crowd.trouble

    def tell(self, seen: Seen, now: float) -> None:
        """Tell of what has begun and ended."""
        host, user = self._battery.address, self._battery.user
        if seen.census.silent:
            self._hearing.failed(fleet_trouble.devices_silent(host, seen.census), now)
        else:
            self._hearing.recovered(f"every device at {host} speaks", now)
        if seen.census.devices:
            self._finding.recovered(f"there are devices at {host}", now)
        elif seen.late_devices:
            prefix = self._battery.topic_prefix
            self._finding.failed(fleet_trouble.no_devices(host, prefix, self._config), now)
        if seen.turned_away:
            self._crowd.failed(fleet_trouble.too_many(host, *self._most), now)
        else:
            self._crowd.recovered(f"there is room for all devices at {host}", now)
        if seen.refused:
            self._refused.failed(seen.refused, now)
        elif seen.late_keepalives:
            self._refused.recovered(f"{host} takes keepalives", now)
        if seen.overheard:
            self._unheard.recovered(f"{host} lets keepalives be heard", now)
        elif seen.late_keepalives or seen.deaf:
            self._unheard.failed(fleet_trouble.keepalives_unheard(host, user, self._config), now)
